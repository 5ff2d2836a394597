"""From documents to objects, each judged by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from swimlb.config.document import Document, Ref, mapping_of
from swimlb.config.kinds import ALL_KINDS, Kind, Object, Options, Scope
from swimlb.config.kinds.common import Metadata, is_name
from swimlb.config.report import Report, Unreadable
from swimlb.config.schema import describe, read_mapping, read_record, shorten, warn_of_unknown
from swimlb.config.strangers import report_unknown

_KINDS = {(kind.api_version, kind.name): kind for kind in ALL_KINDS}
_SECTIONS = ("apiVersion", "kind", "metadata", "spec", "status")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object that is well-formed by itself."""

    record: object
    report: Report
    is_last_good: bool = False
    """A version from before: it comes into force only when the newest one cannot."""
    meaning: object = None
    """What the record meant together with the objects it refers to, when it was admitted."""


@dataclass(slots=True)
class Reading:
    """All objects of all documents."""

    versions: dict[Ref, Version] = field(default_factory=dict[Ref, Version])
    """Good ones, and bad ones of which enough is known to tell what else is wrong with them."""
    places: dict[Ref, Document] = field(default_factory=dict[Ref, Document])
    """Every object that there is, good or bad, and where it is, the first time."""
    reports: list[Report] = field(default_factory=list[Report])
    nameless: list[Report] = field(default_factory=list[Report])
    """Those of documents in error that may be meant for any object: what tells which is wrong."""

    @property
    def present(self) -> AbstractSet[Ref]:
        return self.places.keys()


def read_documents(documents: Sequence[Document], options: Options) -> Reading:
    """Never raises: whatever a document holds, it is read or reported."""
    reading = Reading()
    for document in sorted(documents, key=lambda document: (document.file or "", document.line or 0)):
        if document.content is None:
            continue
        report = Report(_source_name(document), document)
        reading.reports.append(report)
        found = _identify(report, options)
        if found is None:
            if report.has_errors:
                reading.nameless.append(report)
            continue
        kind, source = found
        first = reading.places.setdefault(source.ref, document)
        if first is not document:
            source.place.error(
                f"is defined twice; the first one is at {_where(first)}",
                "Remove one of the two, or rename it.",
            )
            continue
        is_in_place = kind.scope is not Scope.SYSTEM or _check_ours(source, options)
        if not is_in_place:
            reading.nameless.append(report)
        try:
            record = kind.decode(source)
        except Unreadable:
            continue
        if is_in_place:
            reading.versions[source.ref] = Version(record, source.place.report)
    return reading


def _check_ours(source: Object, options: Options) -> bool:
    """Rules for all kinds of ours: what stands beside `spec`, and is the object where it is looked for?"""
    warn_of_unknown(read_mapping(source.document.content, source.place), _SECTIONS, source.place)
    if source.ref.namespace != options.system_namespace:
        told = "" if source.metadata.namespace else ", where objects go that name no namespace"
        source.place.at("metadata", "namespace").error(
            f"resource must be created in {options.system_namespace} namespace, but is in "
            f"{source.ref.namespace}{told}",
            f"Set metadata.namespace to {options.system_namespace}.",
        )
        return False
    return True


def _where(document: Document) -> str:
    if document.file is None:
        return "another place"
    return document.file if document.line is None else f"{document.file}:{document.line}"


def _identify(report: Report, options: Options) -> tuple[Kind, Object] | None:
    """What kind of object it is and how it is called; None after it was reported that nobody can tell."""
    whole: object = report.document.content
    content = mapping_of(whole)
    if not isinstance(whole, Mapping):
        report.place.error(
            f"is no Kubernetes object, but {describe(whole)}",
            "Begin it like `apiVersion: v1` and `kind: Service`.",
        )
        return None
    api_version, name = content.get("apiVersion"), content.get("kind")
    if not isinstance(api_version, str) or not isinstance(name, str):
        report.place.error(
            f"is no Kubernetes object: apiVersion is {describe(api_version)}, kind is {describe(name)}",
            "Give both, for example `apiVersion: v1` and `kind: Service`.",
        )
        return None
    kind = _KINDS.get((api_version, name))
    if kind is None:
        # What its metadata must be is not ours to say: a Kustomization has none.
        report.object = _likely_name(shorten(name), content.get("metadata"))
        report_unknown(api_version, name, report)
        return None
    report.object = name
    try:
        metadata = read_record(Metadata, content.get("metadata", {}), report.place / "metadata")
    except Unreadable:
        return None
    namespace = "" if kind.scope is Scope.CLUSTER else metadata.namespace or "default"
    ref = Ref(name, namespace, metadata.name)
    report.rename(str(ref))
    report.namespace = namespace
    if not metadata.name or report.place.at("metadata", "namespace").is_broken:
        return None
    return kind, Object(ref, metadata, report.document, report.place, options)


def _likely_name(kind: str, metadata: object) -> str:
    fields = mapping_of(metadata)
    namespace, name = (
        one if isinstance(one := fields.get(key), str) and is_name(one) else ""
        for key in ("namespace", "name")
    )
    return str(Ref(kind, namespace, name))


def _source_name(document: Document) -> str:
    return document.file or "document"
