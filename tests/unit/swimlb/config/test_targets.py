"""Which problems are those of a node."""

from __future__ import annotations

from typing import Any

from swimlb.config import Document, Options, resolve
from swimlb.config.targets import problems_of_node
from swimlb.model import Labels

OPTIONS = Options()
HERE: Labels = (("rack", "a"),)


def peer(name: str, **spec: Any) -> Document:
    content = {
        "apiVersion": "metallb.io/v1beta2",
        "kind": "BGPPeer",
        "metadata": {"name": name, "namespace": "metallb-system"},
        "spec": {"myASN": 64496, "peerASN": 64497, "peerAddress": "198.51.100.1", **spec},
    }
    return Document(content)


def on_rack(rack: str) -> list[dict[str, Any]]:
    return [{"matchLabels": {"rack": rack}}]


def objects_told(*documents: Document) -> set[str]:
    problems = resolve(documents, options=OPTIONS).problems
    assert problems
    return {problem.object for problem in problems_of_node(problems, documents, HERE, OPTIONS)}


def test_a_peer_of_other_nodes_is_their_problem() -> None:
    """What it refers to is missing, which matters where it is used."""
    here = peer("here", bfdProfile="none", nodeSelectors=on_rack("a"))
    there = peer("there", bfdProfile="none", nodeSelectors=on_rack("b"), peerAddress="198.51.100.2")
    everywhere = peer("everywhere", bfdProfile="none", peerAddress="198.51.100.3")

    assert objects_told(here, there, everywhere) == {
        "BGPPeer/metallb-system/here",
        "BGPPeer/metallb-system/everywhere",
    }


def test_a_peer_that_is_broken_in_itself_is_everybodys() -> None:
    """Its selectors may be what is broken."""
    broken = peer("broken", myASN=0, nodeSelectors=on_rack("b"))

    assert objects_told(broken) == {"BGPPeer/metallb-system/broken"}


def test_other_kinds_are_everybodys() -> None:
    """All speakers need the same candidates on the LAN."""
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "pool", "namespace": "metallb-system"},
        "spec": {"addresses": ["192.0.2.9-192.0.2.1"]},
    }

    assert objects_told(Document(pool)) == {"IPAddressPool/metallb-system/pool"}
