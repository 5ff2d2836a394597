"""Who announces an address on the LAN: the order of succession that every speaker computes for itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from swimlb.model import IpAddress


def rank(node: str, address: str) -> bytes:
    """Where a node stands for an address, in its canonical text: the lowest comes first among equals."""
    return sha256(f"{node}#{address}".encode()).digest()


def succession(
    address: IpAddress, candidates: Iterable[str], scores: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """Candidates in the order in which they own `address`: the first one does, the next one when it is gone.

    MetalLB's election to the letter, so that both can stand in one ring: preference score descending, then the
    SHA-256 digest of `node#address` ascending, the address in its canonical text. Removing a node moves only what
    it owned; adding one takes only what hashes to it first.
    """
    scores, text = scores or {}, str(address)
    return tuple(sorted(candidates, key=lambda node: (-scores.get(node, 0), rank(node, text))))
