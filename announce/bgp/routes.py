"""What is to be advertised, in terms that hold for every peer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from announce.bgp.attributes import Community, LargeCommunity
from announce.bgp.nlri import IpNetwork

COMMUNITY_OCTETS_MAX = 2048
"""So that attributes always leave room for prefixes in a message of 4096 octets."""


@dataclass(frozen=True, slots=True)
class RouteAttributes:
    """What prefixes may share, and are then sent in one message. Communities are kept sorted."""

    next_hop: IPv4Address | IPv6Address | None = None
    """None: this node, that is the local address of the session."""
    local_pref: int | None = None
    """Only for internal peers."""
    med: int | None = None
    communities: tuple[Community, ...] = ()
    large_communities: tuple[LargeCommunity, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "communities", tuple(sorted(set(self.communities))))
        object.__setattr__(self, "large_communities", tuple(sorted(set(self.large_communities))))
        if 4 * len(self.communities) + 12 * len(self.large_communities) > COMMUNITY_OCTETS_MAX:
            raise ValueError(f"communities of a route may fill {COMMUNITY_OCTETS_MAX} octets at most")


NO_ATTRIBUTES = RouteAttributes()


@dataclass(frozen=True, slots=True)
class Route:
    prefix: IpNetwork
    attributes: RouteAttributes = field(default=NO_ATTRIBUTES)

    def __hash__(self) -> int:
        """Of the prefix alone: few routes differ in nothing else, sets of many are made often, and their order
        is then the same in every run."""
        return hash(self.prefix)


def merged(routes: Collection[Route]) -> Route:
    """The one route for a prefix that several advertisements generate.

    Their communities are united, as operators of MetalLB know it; of the other attributes the best for the
    router count: the highest LOCAL_PREF, the lowest MED. The result depends on the set alone, not on its order.
    """
    first = next(iter(routes))
    if len(routes) == 1:
        return first
    return Route(first.prefix, _united([route.attributes for route in routes]))


def _united(several: list[RouteAttributes]) -> RouteAttributes:
    next_hops = [attributes.next_hop for attributes in several if attributes.next_hop is not None]
    large = sorted({community for attributes in several for community in attributes.large_communities})
    small = sorted({community for attributes in several for community in attributes.communities})
    room = COMMUNITY_OCTETS_MAX - 12 * len(large[: COMMUNITY_OCTETS_MAX // 12])
    return RouteAttributes(
        min(next_hops, key=lambda address: (address.version, int(address)), default=None),
        max((value for attributes in several if (value := attributes.local_pref) is not None), default=None),
        min((value for attributes in several if (value := attributes.med) is not None), default=None),
        tuple(small[: room // 4]),
        tuple(large[: COMMUNITY_OCTETS_MAX // 12]),
    )
