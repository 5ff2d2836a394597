"""What a speaker says of itself in its gossip meta, and how others read it.

    octets 0-3   "slb1"
    octet  4     flags: bit 0, this node is leaving (a planned stop: hand its addresses over now);
                 bit 1, it has no ready endpoint at all
    the rest     4 octets each: Services for which this node has no ready endpoint (standalone mode; in Kubernetes
                 the EndpointSlices tell everybody)

Meta of any other form is a member of another make (a MetalLB speaker, a serf agent): it is present, not leaving, and
ready for everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

META_OCTETS_MAX = 512
"""memberlist's limit."""

_MAGIC = b"slb1"
_LEAVING = 0x01
_UNREADY_FOR_ALL = 0x02
_ID_OCTETS = 4
UNREADY_MAX = (META_OCTETS_MAX - len(_MAGIC) - 1) // _ID_OCTETS
"""126 Services. A node where more than that are unready is taken as unready for all: it is hardly serving."""


def service_id(service: str) -> bytes:
    """The short name of a Service (`namespace/name`) in the meta.

    Two that share one are unready together, on every node alike, so that speakers still agree on the owner.
    """
    return sha256(service.encode()).digest()[:_ID_OCTETS]


@dataclass(frozen=True, slots=True)
class Presence:
    """One live member as the planner sees it."""

    is_leaving: bool = False
    unready: frozenset[bytes] = frozenset()
    """`service_id`s."""
    is_unready_for_all: bool = False

    @classmethod
    def of(cls, *, is_leaving: bool, unready_services: Iterable[str]) -> Presence:
        unready = frozenset(map(service_id, unready_services))
        if len(unready) > UNREADY_MAX:
            return cls(is_leaving, frozenset(), is_unready_for_all=True)
        return cls(is_leaving, unready)

    def is_ready_for(self, service: str) -> bool:
        return not self.is_unready_for_all and service_id(service) not in self.unready

    def encode(self) -> bytes:
        """Meta of at most META_OCTETS_MAX octets."""
        flags = (_LEAVING if self.is_leaving else 0) | (_UNREADY_FOR_ALL if self.is_unready_for_all else 0)
        return _MAGIC + bytes([flags]) + b"".join(sorted(self.unready))

    @classmethod
    def decode(cls, meta: bytes) -> Presence:
        """Never fails: what it cannot read is somebody else's meta."""
        if not meta.startswith(_MAGIC) or len(meta) <= len(_MAGIC):
            return cls()
        flags, ids = meta[len(_MAGIC)], meta[len(_MAGIC) + 1 :]
        unready = frozenset(
            ids[at : at + _ID_OCTETS] for at in range(0, len(ids) - _ID_OCTETS + 1, _ID_OCTETS)
        )
        return cls(bool(flags & _LEAVING), unready, bool(flags & _UNREADY_FOR_ALL))
