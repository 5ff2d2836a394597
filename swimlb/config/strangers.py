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
_READ_GROUPS = frozenset(kind.api_version for kind in ALL_KINDS if kind.scope is not Scope.SYSTEM)
_LIKENESS = 0.8
"""From here on a name is taken for a slip: "Sevice" and "Services" are one, "ServiceAccount" is none."""
_FORMER_KINDS = {
    "AddressPool": "MetalLB had it before 0.15: write an IPAddressPool, and an L2Advertisement or a BGPAdvertisement.",
}


def report_unknown(api_version: str, name: str, report: Report) -> None:
    group = api_version.partition("/")[0] if "/" in api_version else ""
    if group == _OUR_GROUP:
        _report_ours(api_version, name, report)
        return
    versions = sorted({kind.api_version for kind in ALL_KINDS if kind.name == name})
    if versions:
        report.add(
            Severity.WARNING,
            ("apiVersion",),
            f"{name} of {shorten(api_version)} is not used",
            f"Known is {' and '.join(versions)}. Nothing need be done if it is not for swimlb.",
        )
        return
    likely = difflib.get_close_matches(name, _READ_NAMES, n=1, cutoff=_LIKENESS)
    if (api_version, name) == ("v1", "ConfigMap"):
        _report_former_configuration(report)
    elif api_version in _READ_GROUPS and likely:
        report.add(
            Severity.WARNING,
            ("kind",),
            f"kind {shorten(name)} of {shorten(api_version)} is not used",
            f"Did you mean {likely[0]}?",
        )


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
    known = sorted(
        {kind.api_version for kind in ALL_KINDS if kind.scope is Scope.SYSTEM and kind.name == name}
    )
    if known:
        report.add(
            Severity.ERROR,
            ("apiVersion",),
            f"{name} has no version {shorten(api_version)}",
            f"Use {known[-1]}.",
        )
        return
    likely = difflib.get_close_matches(name, _OUR_NAMES, n=1)
    hint = f"Did you mean {likely[0]}?" if likely else f"Known kinds are {', '.join(_OUR_NAMES)}."
    hint = _FORMER_KINDS.get(name, hint)
    report.add(Severity.ERROR, ("kind",), f"unknown kind {shorten(name)} in {_OUR_GROUP}", hint)
