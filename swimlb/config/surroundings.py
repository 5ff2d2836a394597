"""What pools have to do with the hosts around them: addresses that hosts have already, and the subnets they are in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from swimlb.config.declared import DeclaredNode
from swimlb.config.objects import Admitted
from swimlb.config.ranges import overlap
from swimlb.config.report import Place
from swimlb.model import AddressRange, BgpPeer, IpAddress, IpNetwork, L2Advertisement, Pool, any_matches

_NAMED_MAX = 3
"""Of many alike, so many are named in a message."""


class Hosts:
    """Finds the hosts that have an address within a range."""

    def __init__(self, hosts: Iterable[tuple[IpAddress, str]]) -> None:
        self._sorted: dict[int, list[tuple[int, IpAddress, str]]] = {4: [], 6: []}
        for address, name in hosts:
            self._sorted[address.version].append((int(address), address, name))
        for entries in self._sorted.values():
            entries.sort()
        self._numbers = {
            version: [entry[0] for entry in entries] for version, entries in self._sorted.items()
        }

    def within(self, addresses: AddressRange) -> list[tuple[IpAddress, str]]:
        """Address and name, in the order of addresses."""
        version = addresses.first.version
        first = bisect_left(self._numbers[version], int(addresses.first))
        end = bisect_right(self._numbers[version], int(addresses.last))
        return [(address, name) for _, address, name in self._sorted[version][first:end]]


def named(found: Sequence[tuple[IpAddress, str]]) -> str:
    """`192.0.2.1 of Node node-a`, and so on."""
    told = [f"{address} of {name}" for address, name in found[:_NAMED_MAX]]
    rest = len(found) - len(told)
    return ", ".join([*told, f"{rest} more"] if rest else told)


def without(addresses: AddressRange, taken: Iterable[IpAddress]) -> Iterator[AddressRange]:
    """What is left of a range; `taken` is ascending and within it."""
    first, kind = int(addresses.first), type(addresses.first)
    for address in taken:
        if first < int(address):
            yield AddressRange(kind(first), kind(int(address) - 1))
        first = max(first, int(address) + 1)
    if first <= int(addresses.last):
        yield AddressRange(kind(first), addresses.last)


def warn_of_routers_within(pools: Iterable[Admitted[Pool]], peers: Iterable[BgpPeer]) -> None:
    routers = Hosts(
        (peer.peer_address, f"BGPPeer {peer.name}") for peer in peers if peer.peer_address is not None
    )
    for pool in pools:
        for index, addresses in enumerate(pool.value.ranges):
            found = routers.within(addresses)
            if found:
                pool.place.at("spec", "addresses", index).warning(
                    f"{addresses} of pool {pool.value.name} holds the address {named(found)}",
                    "Leave the router's address out: a Service that gets it cuts the router off.",
                )


@dataclass(slots=True)
class Lan:
    """Which pools are announced on the LAN, by which advertisements; warns of those that are in none of its subnets."""

    nodes: tuple[DeclaredNode, ...]
    _announced: dict[str, list[L2Advertisement]] = field(default_factory=dict[str, list[L2Advertisement]])

    def note(self, advertisement: L2Advertisement, pools: Iterable[Pool]) -> None:
        for pool in pools:
            self._announced.setdefault(pool.name, []).append(advertisement)

    def warn_of_strangers(self, pools: Iterable[Admitted[Pool]]) -> None:
        for pool in pools:
            advertisements = self._announced.get(pool.value.name)
            if advertisements:
                self._check(pool.value, advertisements, pool.place.at("spec", "addresses"))

    def _check(self, pool: Pool, advertisements: list[L2Advertisement], place: Place) -> None:
        subnets = self._subnets(advertisements)
        for index, addresses in enumerate(pool.ranges):
            known = [one for one in subnets if one.version == addresses.first.version]
            if known and not any(overlap(addresses, AddressRange(one[0], one[-1])) for one in known):
                told = ", ".join(map(str, known[:_NAMED_MAX])) + (" and more" if known[_NAMED_MAX:] else "")
                place.at(index).warning(
                    f"{addresses} of pool {pool.name} is announced on the LAN by L2Advertisement "
                    f"{advertisements[0].name}, but lies outside of every node's subnets ({told})",
                    "Choose addresses of the nodes' LAN. If their subnets are others, tell them by the annotation "
                    "swimlb.io/subnets of the Nodes.",
                )

    def _subnets(self, advertisements: list[L2Advertisement]) -> list[IpNetwork]:
        """Of the nodes that may announce."""
        found: dict[IpNetwork, None] = {}
        for declared in self.nodes:
            labels = dict(declared.node.labels)
            if any(any_matches(one.node_selectors, labels) for one in advertisements):
                found.update(dict.fromkeys(declared.subnets))
        return list(found)
