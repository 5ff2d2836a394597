"""Which nodes an object is about: a speaker answers for what is wrong with those that are about its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swimlb.config.declared import DeclaredBgpAdvertisement, DeclaredPeer
from swimlb.config.document import Document, Ref, mapping_of
from swimlb.config.kinds import Options
from swimlb.config.single import judge
from swimlb.model import Labels, LabelSelector, Problem, any_matches

_OF_SOME_NODES = ("BGPPeer/", "BGPAdvertisement/")
"""Kinds that matter to the selected nodes alone; advertisements on the LAN matter to all that might be elected."""


def problems_of_node(
    problems: Iterable[Problem], documents: Iterable[Document], labels: Labels, options: Options
) -> tuple[Problem, ...]:
    """Without those about objects that select other nodes only. An object that is broken in itself selects all."""
    found = tuple(problems)
    if not any(problem.object.startswith(_OF_SOME_NODES) for problem in found):
        return found
    wrong = {problem.object for problem in found}
    elsewhere = {
        name
        for name, document in _named(documents)
        if name in wrong and not any_matches(_selectors(document, options), dict(labels))
    }
    return tuple(problem for problem in found if problem.object not in elsewhere)


def _named(documents: Iterable[Document]) -> Iterable[tuple[str, Document]]:
    for document in documents:
        content = mapping_of(document.content)
        kind = str(content.get("kind", ""))
        if f"{kind}/" in _OF_SOME_NODES:
            metadata: Mapping[object, object] = mapping_of(content.get("metadata"))
            yield str(Ref(kind, str(metadata.get("namespace", "")), str(metadata.get("name", "")))), document


def _selectors(document: Document, options: Options) -> tuple[LabelSelector, ...]:
    match judge(document.content, options).record:
        case DeclaredPeer(peer):
            return peer.node_selectors
        case DeclaredBgpAdvertisement(advertisement):
            return advertisement.node_selectors
        case _:
            return ()
