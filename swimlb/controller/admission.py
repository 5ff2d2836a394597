"""May this object come into the cluster, beside those that are there? By the code that puts them in force.

Only what the object would newly break is held against it. References that may be given later are not looked at, so the
order in which files are applied does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from swimlb.config import Document, Options, resolve
from swimlb.config.document import mapping_of
from swimlb.model import Problem, Severity

Json = dict[str, Any]

KINDS = ("BGPPeer", "IPAddressPool", "BGPAdvertisement", "L2Advertisement", "Community", "BFDProfile")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Empty `refusal`: it may."""

    refusal: str = ""
    warnings: tuple[str, ...] = ()


def admit(candidate: Json, documents: Sequence[Document], options: Options) -> Verdict:
    """For an object that is created or changed; `documents` are those that are there, perhaps a former version of it."""
    others = [one for one in documents if _identity(one.content) != _identity(candidate)]
    before = _errors(documents, options)
    after = resolve([*others, Document(_without_references(candidate))], options=options).problems
    name = "/".join(_identity(candidate))
    errors = [one for one in after if _refuses(one) and _essence(one) not in before]
    warnings = [one for one in after if not _refuses(one) and one.object == name]
    return Verdict("; ".join(map(_told, errors)), tuple(map(_told, warnings)))


def admit_deletion(gone: Json, documents: Sequence[Document]) -> Verdict:
    """A BFDProfile that a peer uses stays; nothing else is kept."""
    kind, _, name = _identity(gone)
    if kind != "BFDProfile":
        return Verdict()
    for document in documents:
        content = document.content
        if _identity(content)[0] == "BGPPeer" and _spec(content).get("bfdProfile") == name:
            return Verdict(f"failed to delete BFDProfile {name}, used by BGPPeer {_identity(content)[2]}")
    return Verdict()


def _errors(documents: Sequence[Document], options: Options) -> set[tuple[str, str, str]]:
    problems = resolve(documents, options=options).problems
    return {_essence(one) for one in problems if _refuses(one)}


def _refuses(problem: Problem) -> bool:
    """What is in force but for a part is warned of: nothing else keeps it out, and Nodes come without asking."""
    return problem.severity is Severity.ERROR and not problem.is_partial


def _essence(problem: Problem) -> tuple[str, str, str]:
    return problem.object, problem.field, problem.message


def _told(problem: Problem) -> str:
    names = [name for name in (problem.object, problem.field) if name]
    return f"{' '.join(names)}: {problem.message} ({problem.hint})"


def _without_references(candidate: Json) -> Json:
    spec = dict(_spec(candidate))
    spec.pop("bfdProfile", None)
    spec.pop("passwordSecret", None)
    communities = spec.get("communities")
    if candidate.get("kind") == "BGPAdvertisement" and isinstance(communities, list):
        spec["communities"] = [one for one in cast("list[Any]", communities) if ":" in str(one)]
    return {**candidate, "spec": spec} if "spec" in candidate else candidate


def _identity(content: object) -> tuple[str, str, str]:
    fields = mapping_of(content)
    metadata = mapping_of(fields.get("metadata"))
    return str(fields.get("kind")), str(metadata.get("namespace", "")), str(metadata.get("name"))


def _spec(content: object) -> Mapping[object, object]:
    return mapping_of(mapping_of(content).get("spec"))
