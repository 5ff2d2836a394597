"""What goes to the routers: one route per address, advertisement and peer, from every node that may serve.

All such nodes advertise at once: ECMP is the router's business.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TypeAlias

from announce.bgp.routes import Route, RouteAttributes
from swimlb.model import Allocation, BgpAdvertisement, IpAddress, IpNetwork, any_matches
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.plan import Reason
from swimlb.speaker.rules import RuleOptions, endpoint_refusal, node_refusal, selects_pool

PeerRoutes: TypeAlias = tuple[tuple[str, Route], ...]
"""Names of peers, and what each is to hear."""


class BgpRules:
    """The rules as they apply to an inventory, which may change meanwhile: nothing is remembered."""

    def __init__(self, inventory: Inventory, options: RuleOptions) -> None:
        self._inventory = inventory
        self._options = options

    def peers(self) -> tuple[str, ...]:
        """The routers that this node holds sessions with."""
        labels = self._inventory.labels_of(self._inventory.this_node)
        return tuple(
            name
            for name, peer in self._inventory.bgp_peers.items()
            if any_matches(peer.node_selectors, labels)
        )

    def routes_of(self, allocation: Allocation, peers: tuple[str, ...]) -> PeerRoutes | Reason:
        """What these peers are to hear of one Service: nothing where no advertisement is about its pool.

        Or why they are not to hear of it.
        """
        of_pool = [
            entry
            for entry in self._inventory.bgp_advertisements.values()
            if selects_pool(self._inventory, allocation.pool, entry.pools, entry.pool_selectors)
        ]
        if not of_pool:
            return ()
        own_labels = self._inventory.labels_of(self._inventory.this_node)
        here = [entry for entry in of_pool if any_matches(entry.node_selectors, own_labels)]
        labels = dict(allocation.service.labels)
        matching = [entry for entry in here if any_matches(entry.service_selectors, labels)]
        wanted = tuple(
            (peer, _route_of(address, entry))
            for entry in matching
            for address in allocation.addresses
            for peer in peers
            if not entry.peers or peer in entry.peers
        )
        return self._refusal(allocation, here, matching, wanted) or wanted

    def _refusal(
        self,
        allocation: Allocation,
        here: list[BgpAdvertisement],
        matching: list[BgpAdvertisement],
        wanted: PeerRoutes,
    ) -> Reason | None:
        if not here:
            return Reason.NODE_NOT_SELECTED
        if not matching:
            return Reason.NO_MATCHING_ADVERTISEMENT
        if not wanted:
            return Reason.NO_PEER
        preferences: dict[tuple[str, IpNetwork], int] = {}
        for peer, route in wanted:
            # None gets on with 0, as when it was judged (`swimlb.config.advertising`): MetalLB takes one for the other.
            local_pref = route.attributes.local_pref or 0
            if preferences.setdefault((peer, route.prefix), local_pref) != local_pref:
                return Reason.CONFLICTING_ADVERTISEMENTS
        this_node = self._inventory.this_node
        return node_refusal(self._inventory, self._options, this_node) or endpoint_refusal(
            self._inventory, this_node, allocation
        )


def _route_of(address: IpAddress, advertisement: BgpAdvertisement) -> Route:
    parts = [community.parts for community in advertisement.communities]
    return Route(
        _prefix_of(address, advertisement),
        RouteAttributes(
            local_pref=advertisement.local_pref,
            communities=tuple((part[0], part[1]) for part in parts if len(part) == 2),
            large_communities=tuple((part[0], part[1], part[2]) for part in parts if len(part) == 3),
        ),
    )


def _prefix_of(address: IpAddress, advertisement: BgpAdvertisement) -> IpNetwork:
    """The address, or the aggregate that it is in. From numbers: text takes most of the time of a route."""
    if isinstance(address, IPv4Address):
        length = advertisement.aggregation_length
        return IPv4Network((_masked(int(address), 32 - length), length))
    length = advertisement.aggregation_length_v6
    return IPv6Network((_masked(int(address), 128 - length), length))


def _masked(number: int, host_bits: int) -> int:
    return number >> host_bits << host_bits
