"""Objects of kinds that we do not read: passed over, unless they look like a slip of the finger."""

from __future__ import annotations

import difflib

from swimlb.config.document import mapping_of
from swimlb.config.kinds import ALL_KINDS, Scope
from swimlb.config.report import Report
from swimlb.config.schema import shorten
from swimlb.model import Severity

_OUR_GROUP = "metallb.io"
_OUR_NAMES = sorted({kind.name for kind in ALL_KINDS if kind.scope is Scope.SYSTEM})
_STATUS_KINDS = frozenset({"ServiceL2Status", "ServiceBGPStatus", "ConfigurationState"})
"""Kinds of our group that only tell the operator something; they are nothing to configure with."""
_READ_NAMES = sorted({kind.name for kind in ALL_KINDS})
_KUBERNETES_OWN = frozenset(kind.api_version for kind in ALL_KINDS if kind.scope is not Scope.SYSTEM)
"""Where nobody else can have kinds: what is nearly one of ours there is a slip."""
_NO_SLIPS = frozenset({("v1", "Endpoints")})
"""Kinds of Kubernetes' own that are like one of ours and yet another."""
_LIKENESS = 0.8
"""From here on a name is taken for a slip: "Sevice" and "Services" are one, "ServiceAccount" is none."""
_FORMER_KINDS = {
    "AddressPool": "MetalLB had it before 0.15: write an IPAddressPool, and an L2Advertisement or a BGPAdvertisement.",
}


def report_unknown(api_version: str, name: str, report: Report) -> None:
    group, slash, _ = api_version.partition("/")
    if slash and group == _OUR_GROUP:
        _report_ours(api_version, name, report)
    elif _likely(group, [_OUR_GROUP]) and (ours := _likely(name, _OUR_NAMES)):
        report.add(
            Severity.ERROR,
            ("apiVersion",),
            f"there is no {shorten(name)} of {shorten(api_version)}",
            f"Did you mean {ours} of {_versions(ours)[-1]}?",
        )
    elif versions := _versions(name):
        _report_known_elsewhere(api_version, name, versions, report)
    elif (api_version, name) == ("v1", "ConfigMap"):
        _report_former_configuration(report)
    elif (api_version, name) in _NO_SLIPS:
        return
    elif api_version in _KUBERNETES_OWN and (likely := _likely(name, _READ_NAMES)):
        versions = _versions(likely)
        more = "" if api_version in versions else f", of {versions[-1]}"
        report.add(
            Severity.ERROR,
            ("kind",),
            f"unknown kind {shorten(name)} in {api_version}",
            f"Did you mean {likely}{more}?",
        )


def _report_known_elsewhere(api_version: str, name: str, versions: list[str], report: Report) -> None:
    known = f"Known is {' and '.join(versions)}."
    if api_version in _KUBERNETES_OWN or "/" not in api_version:
        report.add(Severity.ERROR, ("apiVersion",), f"there is no {name} of {shorten(api_version)}", known)
    else:
        report.add(
            Severity.WARNING,
            ("apiVersion",),
            f"{name} of {shorten(api_version)} is not used",
            f"{known} Nothing need be done if it is not for swimlb.",
        )


def _versions(name: str) -> list[str]:
    return sorted({kind.api_version for kind in ALL_KINDS if kind.name == name})


def _likely(name: str, known: list[str]) -> str:
    """The one that was meant, whatever its case; empty: none of them was."""
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=_LIKENESS)
    return by_lower[found[0]] if found else ""


def _report_former_configuration(report: Report) -> None:
    """MetalLB was configured by a ConfigMap until 0.12."""
    former = mapping_of(mapping_of(report.document.content).get("data")).get("config")
    if isinstance(former, str) and ("address-pools:" in former or "peers:" in former):
        report.add(
            Severity.WARNING,
            ("data", "config"),
            "is what MetalLB was configured by until 0.12, and not read",
            "Let `swimlb convert metallb-configmap FILE` make objects of it.",
        )


def _report_ours(api_version: str, name: str, report: Report) -> None:
    if name in _STATUS_KINDS:
        return
    if name in _OUR_NAMES:
        report.add(
            Severity.ERROR,
            ("apiVersion",),
            f"{name} has no version {shorten(api_version)}",
            f"Use {_versions(name)[-1]}.",
        )
        return
    likely = difflib.get_close_matches(name, _OUR_NAMES, n=1)
    hint = f"Did you mean {likely[0]}?" if likely else f"Known kinds are {', '.join(_OUR_NAMES)}."
    hint = _FORMER_KINDS.get(name, hint)
    report.add(Severity.ERROR, ("kind",), f"unknown kind {shorten(name)} in {_OUR_GROUP}", hint)
