"""What a speaker says of itself in its gossip meta, and how others read it.

    octets 0-3   "slb1"
    octet  4     flags: bit 0, this node is leaving (a planned stop: hand its addresses over now);
                 bit 1, it has no ready endpoint at all;
                 bit 2, it is joining: it does not announce anything on the LAN yet;
                 bit 3, what follows are all of its links, otherwise there are more or it did not tell;
                 bit 4, it does not vouch for what it owns: strangers may have some of it (`swimlb.speaker.probing`);
                 bit 5, it asks others whether they hear, and heeds what is found (`swimlb.speaker.deafness`)
    octets 5-6   how many octets the links take, which stand here (`swimlb.speaker.links`)
    the rest     4 octets each: Services for which this node has no ready endpoint (standalone mode; in Kubernetes
                 the EndpointSlices tell everybody)
    the end      with bit 5: 4 octets each, members that do not answer this node on the LAN; and one octet, how many.
                 It stands where speakers that do not know of it take it for a few Services more

Meta of any other form is a member of another make (a MetalLB speaker, a serf agent): it is present, neither joining
nor leaving, ready for everything, and able to carry every address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from swimlb.model import IpAddress
from swimlb.speaker.links import Link, Reach, decode_links, encode_links, reach, tellable

META_OCTETS_MAX = 512
"""memberlist's limit."""

MAGIC = b"slb1"
"""The first octets of a speaker's meta: it keeps the pace of profiles with observers (`membership.Config`)."""

_LEAVING = 0x01
_UNREADY_FOR_ALL = 0x02
_JOINING = 0x04
_LINKS_COMPLETE = 0x08
_IN_DOUBT = 0x10
_HEARING_CHECKED = 0x20
_ID_OCTETS = 4
UNANSWERING_MAX = 3
"""Members told of: as many as a node asks."""
_END_OCTETS_MAX = UNANSWERING_MAX * _ID_OCTETS + 1
_HEAD_OCTETS = len(MAGIC) + 3
LINKS_OCTETS_MAX = 256
"""For six to ten interfaces. The others of a node with more are not known, and any address is trusted to them."""
UNREADY_MAX = (META_OCTETS_MAX - _HEAD_OCTETS - LINKS_OCTETS_MAX - _END_OCTETS_MAX) // _ID_OCTETS
"""59 Services. A node where more than that are unready is taken as unready for all: it is hardly serving."""


def service_id(service: str) -> bytes:
    """The short name of a Service (`namespace/name`) in the meta.

    Two that share one are unready together, on every node alike, so that speakers still agree on the owner.
    """
    return sha256(service.encode()).digest()[:_ID_OCTETS]


def node_id(name: str) -> bytes:
    """The short name of a member in the meta of another one."""
    return sha256(f"member/{name}".encode()).digest()[:_ID_OCTETS]


@dataclass(frozen=True, slots=True)
class Presence:
    """One live member as the planner sees it."""

    is_leaving: bool = False
    unready: frozenset[bytes] = frozenset()
    """`service_id`s."""
    is_unready_for_all: bool = False
    is_joining: bool = False
    """It owns nothing yet, and must not be waited for."""
    links: tuple[Link, ...] = ()
    """Its interfaces that are up with carrier, where it announces."""
    are_links_complete: bool = False
    """False: it may have others than these."""
    is_in_doubt: bool = False
    """Who takes an address over from it asks first whether a stranger has the address."""
    is_hearing_checked: bool = False
    """It takes part in asking who hears, and heeds what is found."""
    unanswering: frozenset[bytes] = frozenset()
    """`node_id`s of members that give it no answer on the LAN."""

    @classmethod
    def of(
        cls,
        *,
        is_leaving: bool = False,
        is_joining: bool = False,
        unready_services: Iterable[str] = (),
        links: tuple[Link, ...] | None = None,
        is_in_doubt: bool = False,
        unanswering: Iterable[str] | None = None,
    ) -> Presence:
        """`links` is None as long as this node does not know its own interfaces, `unanswering` if it does not ask."""
        services = tuple(unready_services)
        is_unready_for_all = len(services) > UNREADY_MAX
        unready = frozenset(map(service_id, services)) if not is_unready_for_all else frozenset[bytes]()
        told, are_complete = tellable(links or (), LINKS_OCTETS_MAX)
        return cls(
            is_leaving,
            unready,
            is_unready_for_all,
            is_joining,
            told,
            are_complete and links is not None,
            is_in_doubt,
            unanswering is not None,
            frozenset(map(node_id, list(unanswering or ())[:UNANSWERING_MAX])),
        )

    @property
    def is_cut_off(self) -> bool:
        """It has no interface on which anybody could hear it announce."""
        return self.are_links_complete and not self.links

    def reach(self, addresses: Iterable[IpAddress], interfaces: frozenset[str] | None) -> Reach:
        """How well it can carry all of the addresses; whoever does not tell is trusted."""
        return reach(self.links, addresses, interfaces) if self.are_links_complete else Reach.ON_SUBNET

    def is_ready_for(self, service: str) -> bool:
        return not self.is_unready_for_all and service_id(service) not in self.unready

    def encode(self) -> bytes:
        """Meta of at most META_OCTETS_MAX octets."""
        flags = (
            _LEAVING * self.is_leaving
            | _UNREADY_FOR_ALL * self.is_unready_for_all
            | _JOINING * self.is_joining
            | _LINKS_COMPLETE * self.are_links_complete
            | _IN_DOUBT * self.is_in_doubt
            | _HEARING_CHECKED * self.is_hearing_checked
        )
        links = encode_links(self.links)
        head = MAGIC + bytes([flags]) + len(links).to_bytes(2, "big")
        end = (*sorted(self.unanswering), bytes([len(self.unanswering)])) if self.is_hearing_checked else ()
        return b"".join((head, links, *sorted(self.unready), *end))

    @classmethod
    def decode(cls, meta: bytes) -> Presence:
        """Never fails: what it cannot read is somebody else's meta."""
        if not meta.startswith(MAGIC) or len(meta) < _HEAD_OCTETS:
            return cls()
        flags, links_octets = meta[len(MAGIC)], int.from_bytes(meta[_HEAD_OCTETS - 2 : _HEAD_OCTETS], "big")
        try:
            links = decode_links(meta[_HEAD_OCTETS : _HEAD_OCTETS + links_octets])
        except ValueError:
            return cls()
        rest = meta[_HEAD_OCTETS + links_octets :]
        unanswering = b""
        if flags & _HEARING_CHECKED:
            octets = rest[-1] * _ID_OCTETS if rest else 0
            if not rest or octets > len(rest) - 1:
                return cls()
            unanswering, rest = rest[len(rest) - 1 - octets : -1], rest[: len(rest) - 1 - octets]
        return cls(
            bool(flags & _LEAVING),
            _ids(rest),
            bool(flags & _UNREADY_FOR_ALL),
            bool(flags & _JOINING),
            links,
            bool(flags & _LINKS_COMPLETE),
            bool(flags & _IN_DOUBT),
            bool(flags & _HEARING_CHECKED),
            _ids(unanswering),
        )


def _ids(octets: bytes) -> frozenset[bytes]:
    return frozenset(
        octets[at : at + _ID_OCTETS] for at in range(0, len(octets) - _ID_OCTETS + 1, _ID_OCTETS)
    )
