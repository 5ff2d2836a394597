"""A watch's stream of bytes, cut into its lines."""

from __future__ import annotations

from collections.abc import Iterator

LINE_OCTETS_MAX = 16 << 20
"""Of one event. etcd takes no object beyond 1.5 MiB, and its JSON is several times as long at most."""


class LineTooLong(ValueError):
    """The server sends what is no event. Nothing of the line is kept."""


class Lines:
    """Whatever the cuts between the pieces, the same lines come out. Raises LineTooLong."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._octets = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that end in this piece, without their ends; empty ones are left out."""
        *ended, rest = piece.split(b"\n")
        if ended:
            first = b"".join((*self._begun, ended[0]))
            self._begun, self._octets = [], 0
            if first:
                yield first
            yield from filter(None, ended[1:])
        if rest:
            self._begun.append(rest)
            self._octets += len(rest)
            if self._octets > LINE_OCTETS_MAX:
                self._begun, self._octets = [], 0
                raise LineTooLong(f"an event of more than {LINE_OCTETS_MAX} octets")
