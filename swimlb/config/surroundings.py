"""What pools have to do with the hosts around them: addresses that hosts have already, and the subnets they are in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from swimlb.config.declared import DeclaredNode
from swimlb.config.objects import Admitted
from swimlb.config.report import Place
from swimlb.model import (
    AddressRange,
    BgpPeer,
    IpAddress,
    IpNetwork,
    L2Advertisement,
    LabelSelector,
    Pool,
    any_matches,
)

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


class _Subnets:
    """Finds whether a range reaches into one of many subnets."""

    def __init__(self, networks: Iterable[IpNetwork]) -> None:
        self.networks: dict[int, list[IpNetwork]] = {4: [], 6: []}
        for network in dict.fromkeys(networks):
            self.networks[network.version].append(network)
        self._apart = {version: _joined(networks) for version, networks in self.networks.items()}

    def touch(self, addresses: AddressRange) -> bool:
        firsts, lasts = self._apart[addresses.first.version]
        # Of subnets that do not overlap, the last one that begins in time is the one that ends last.
        index = bisect_right(firsts, int(addresses.last))
        return index > 0 and lasts[index - 1] >= int(addresses.first)


def _joined(networks: Iterable[IpNetwork]) -> tuple[list[int], list[int]]:
    """First and last addresses of what they cover together, ascending."""
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted((int(one.network_address), int(one.broadcast_address)) for one in networks):
        if lasts and first <= lasts[-1]:
            lasts[-1] = max(lasts[-1], last)
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts


@dataclass(slots=True)
class Lan:
    """Which pools are announced on the LAN, by which advertisements; warns of those that are in none of its subnets."""

    nodes: tuple[DeclaredNode, ...]
    _announced: dict[str, dict[int, L2Advertisement]] = field(
        default_factory=dict[str, dict[int, L2Advertisement]]
    )
    """By pool and number of the nodeSelectors, the first advertisement that has them."""
    _numbers: dict[tuple[LabelSelector, ...], int] = field(
        default_factory=dict[tuple[LabelSelector, ...], int]
    )
    _found: dict[frozenset[int], _Subnets] = field(default_factory=dict[frozenset[int], _Subnets])
    """By numbers of nodeSelectors. Most pools share theirs."""

    def note(self, advertisement: L2Advertisement, pools: Iterable[Pool]) -> None:
        number = self._numbers.setdefault(advertisement.node_selectors, len(self._numbers))
        for pool in pools:
            self._announced.setdefault(pool.name, {}).setdefault(number, advertisement)

    def warn_of_strangers(self, pools: Iterable[Admitted[Pool]]) -> None:
        selectors = list(self._numbers)
        for pool in pools:
            announced = self._announced.get(pool.value.name)
            if announced:
                numbers = frozenset(announced)
                if numbers not in self._found:
                    self._found[numbers] = self._subnets([selectors[number] for number in sorted(numbers)])
                first = next(iter(announced.values()))
                _check(pool.value, first, self._found[numbers], pool.place.at("spec", "addresses"))

    def _subnets(self, selectors: Sequence[tuple[LabelSelector, ...]]) -> _Subnets:
        """Of the nodes that may announce."""
        return _Subnets(
            subnet
            for declared in self.nodes
            for labels in [dict(declared.node.labels)]
            if any(any_matches(one, labels) for one in selectors)
            for subnet in declared.subnets
        )


def _check(pool: Pool, advertisement: L2Advertisement, subnets: _Subnets, place: Place) -> None:
    for index, addresses in enumerate(pool.ranges):
        known = subnets.networks[addresses.first.version]
        if known and not subnets.touch(addresses):
            told = ", ".join(map(str, known[:_NAMED_MAX])) + (" and more" if known[_NAMED_MAX:] else "")
            place.at(index).warning(
                f"{addresses} of pool {pool.name} is announced on the LAN by L2Advertisement "
                f"{advertisement.name}, but lies outside of every node's subnets ({told})",
                "Choose addresses of the nodes' LAN. If their subnets are others, tell them by the annotation "
                "swimlb.io/subnets of the Nodes.",
            )
