"""Packets of connections that this host does not know go to the host that had their address before.

An address moves, a connection does not: what the kernel has translated for it (connection tracking, on which kube-proxy
rests) stays on the host where it began. Where it is not known, a packet that does not begin a connection is sent on to the
former host, one hop and no further: "daisy chaining", as in balancers without state (Olteanu et al., "Stateless Datacenter
Load-balancing with Beamer", NSDI 2018).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeAlias

from announce.net import nftables, rtnetlink
from announce.net.dump import dumped
from announce.net.marks import OUR_PROTOCOL
from announce.net.netlink import NLMSG_ERROR, Acknowledgement, errno_in, frames
from announce.net.nftables import (
    FORMER,
    INTERFACES,
    MEMBERS,
    Family,
    Operation,
    add_elements,
    remove_elements,
)
from announce.net.rtnetlink import NeighbourMessage

IpAddress: TypeAlias = IPv4Address | IPv6Address

_NETLINK_NETFILTER = 12
_TIMEOUT = 5.0
_DATAGRAM_OCTETS_MAX = 65536
_AT_ONCE = 200
"""Addresses in one batch: the elements of a map are one attribute, of 64 KiB at most."""
_TRACKED = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_PICKED_UP = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_loose")


@dataclass(frozen=True, slots=True)
class Hop:
    """The way to another host on a LAN of this one."""

    gateway: IpAddress
    interface: int
    """Its index."""
    mac: bytes | None = None
    """Where the gateway is an address of ours for the host (`gateway_for`), which nobody could resolve."""


def gateway_for(mac: bytes) -> IPv6Address:
    """A link-local address that stands for a host of which only the MAC is known: fe80::5b, and the MAC."""
    return IPv6Address(b"\xfe\x80".ljust(8, b"\0") + b"\0\x5b" + mac)


def are_connections_tracked() -> bool:
    """Whether this host's kernel tracks connections. Asking for their state would make it do so."""
    return _number_in(_TRACKED, otherwise=0) > 0


def are_connections_picked_up() -> bool:
    """Whether a packet of a connection that the kernel has not seen begin is a new one to it, and not an invalid one.

    Those are no use: packets of connections that it does know are invalid, too, when they come late.
    """
    return _number_in(_PICKED_UP, otherwise=1) != 0


def _number_in(setting: Path, *, otherwise: int) -> int:
    try:
        return int(setting.read_text())
    except (OSError, ValueError):
        return otherwise


class DaisyChain:
    """The table of nf_tables that does it, which is the kernel's to remove when this is closed. Needs CAP_NET_ADMIN.

    A call returns when the kernel has acted, which may wait for another program that changes its rules. Refusals are OSErrors.
    """

    def __init__(self) -> None:
        self._hops: dict[IpAddress, Hop] = {}
        self._members: frozenset[bytes] = frozenset()
        self._pinned: set[Hop] = set()
        self._sequence = 0
        self._rules = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        try:
            for opened in (self._rules, self._routes):
                # The kernel answers at once; the limit only turns a mistake of ours into an error instead of a hang.
                opened.settimeout(_TIMEOUT)
                opened.bind((0, 0))
            for family in Family:
                self._perform(nftables.build(family))
            self._remove_leftovers()
        except BaseException:
            self._rules.close()
            self._routes.close()
            raise

    def close(self) -> None:
        self._rules.close()
        self._unpin(self._pinned)
        self._routes.close()

    def __len__(self) -> int:
        """Addresses that lead somewhere."""
        return len(self._hops)

    def know_members(self, macs: Set[bytes]) -> None:
        """Whose packets are sent on no further."""
        for family in Family:
            operations: list[Operation] = []
            if gone := self._members - macs:
                operations.append(remove_elements(family, MEMBERS, sorted(gone)))
            if come := macs - self._members:
                operations.append(add_elements(family, MEMBERS, ((mac, b"") for mac in sorted(come))))
            if operations:
                self._perform(operations)
        self._members = frozenset(macs)

    def change(self, hops: Mapping[IpAddress, Hop | None]) -> None:
        """Where packets for these addresses go from now on, if nobody here knows their connection; None: nowhere."""
        different = {address: hop for address, hop in hops.items() if self._hops.get(address) != hop}
        self._pin(hop for hop in different.values() if hop is not None)
        for family in Family:
            version = 4 if family is Family.IPV4 else 6
            addresses = [address for address in different if address.version == version]
            for start in range(0, len(addresses), _AT_ONCE):
                self._write(family, {one: different[one] for one in addresses[start : start + _AT_ONCE]})
        self._unpin(self._pinned - set(self._hops.values()))

    def _write(self, family: Family, hops: Mapping[IpAddress, Hop | None]) -> None:
        before = [address.packed for address in hops if address in self._hops]
        after = [(address.packed, hop) for address, hop in hops.items() if hop is not None]
        gateways = [(key, hop.gateway.packed) for key, hop in after]
        devices = [(key, nftables.interface_index(hop.interface)) for key, hop in after]
        operations: list[Operation] = []
        for name, elements in ((FORMER, gateways), (INTERFACES, devices)):
            if before:
                operations.append(remove_elements(family, name, before))
            if elements:
                operations.append(add_elements(family, name, elements))
        self._perform(operations)
        for address, hop in hops.items():
            if hop is None:
                self._hops.pop(address, None)
            else:
                self._hops[address] = hop

    def _pin(self, hops: Iterable[Hop]) -> None:
        for hop in set(hops) - self._pinned:
            if hop.mac is None:
                continue
            assert isinstance(hop.gateway, IPv6Address), "the kernel finds IPv4 addresses by itself"
            request = rtnetlink.put_neighbour(
                self._number(), hop.interface, hop.gateway, hop.mac, OUR_PROTOCOL
            )
            if refusal := self._ask(request):
                raise OSError(refusal, f"cannot put the neighbour {hop.gateway}: {os.strerror(refusal)}")
            self._pinned.add(hop)

    def _unpin(self, hops: Iterable[Hop]) -> None:
        for hop in list(hops):
            assert isinstance(hop.gateway, IPv6Address)
            self._ask(rtnetlink.remove_neighbour(self._number(), hop.interface, hop.gateway))
            self._pinned.discard(hop)

    def _remove_leftovers(self) -> None:
        """Neighbours of an earlier life that was killed: unlike the table, the kernel keeps them. None are ours yet."""
        found: list[NeighbourMessage] = []
        for message in dumped(self._routes, rtnetlink.dump_neighbours(self._number())):
            match message:
                case NeighbourMessage(protocol=mark) if mark == OUR_PROTOCOL:
                    found.append(message)
                case Acknowledgement(errno=refusal):
                    raise OSError(refusal, f"cannot list the neighbours: {os.strerror(refusal)}")
                case _:
                    pass
        for neighbour in found:
            # Gone meanwhile, with its interface? So much the better.
            self._ask(rtnetlink.remove_neighbour(self._number(), neighbour.index, neighbour.address))

    def _ask(self, request: bytes) -> int:
        """The errno that the kernel answers the last number with."""
        self._routes.send(request)
        return next(self._answers(self._routes))

    def _number(self) -> int:
        """For the next request."""
        self._sequence += 1
        return self._sequence

    def _perform(self, operations: list[Operation]) -> None:
        self._rules.send(nftables.batch(operations, self._number()))
        # Each message that fails is answered, and the last one in any case.
        if refusal := next(self._answers(self._rules)):
            raise OSError(refusal, f"nf_tables: {os.strerror(refusal)}")

    def _answers(self, asked: socket.socket) -> Iterator[int]:
        """Errnos; what is left of answers to earlier requests is passed over."""
        while True:
            for kind, _, sequence, payload in frames(asked.recv(_DATAGRAM_OCTETS_MAX)):
                if kind == NLMSG_ERROR and sequence == self._sequence:
                    yield errno_in(payload)
