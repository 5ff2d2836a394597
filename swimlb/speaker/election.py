"""Who announces an address on the LAN: the order of succession that every speaker computes for itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from swimlb.model import IpAddress


def succession(
    address: IpAddress, candidates: Iterable[str], scores: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """Candidates in the order in which they own `address`: the first one does, the next one when it is gone.

    MetalLB's election to the letter, so that both can stand in one ring: preference score descending, then the
    SHA-256 digest of `node#address` ascending, the address in its canonical text. Removing a node moves only what
    it owned; adding one takes only what hashes to it first.
    """
    scores = scores or {}

    def rank(node: str) -> tuple[int, bytes]:
        return -scores.get(node, 0), sha256(f"{node}#{address}".encode()).digest()

    return tuple(sorted(candidates, key=rank))
