"""Puts Service addresses on an interface of the host, so that the kernel takes their packets, and removes them.

Every address is marked as ours (see `marks`). A speaker that starts again finds what an earlier one left, and an administrator's address is never touched.
"""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import IPv4Address, IPv6Address
from types import TracebackType
from typing import TypeAlias

from announce.net import rtnetlink
from announce.net.dump import dumped
from announce.net.marks import OUR_PROTOCOL, is_ours, label_for
from announce.net.netlink import Acknowledgement
from announce.net.rtnetlink import AddressMessage, DumpInterrupted

IpAddress: TypeAlias = IPv4Address | IPv6Address

_TIMEOUT = 5.0
_DATAGRAM_OCTETS_MAX = 65536
_DUMPS_MAX = 10


class LocalAddresses:
    """The Service addresses on one interface, `lo` unless said otherwise. Needs CAP_NET_ADMIN.

    The kernel acts on a request before the call that sends it returns, so nothing here waits. Refusals are OSErrors.
    """

    def __init__(self, interface: str = "lo") -> None:
        self._label = label_for(interface)
        self._index = socket.if_nametoindex(interface)
        self._sequence = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        # The kernel answers at once; the limit only turns a mistake of ours into an error instead of a hang.
        self._socket.settimeout(_TIMEOUT)
        self._wanted: set[IpAddress] = set()
        """What was added and not removed, whoever put it there."""
        try:
            self._socket.bind((0, 0))
            self._owned = {address for address, is_own in self._present().items() if is_own}
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> LocalAddresses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """The addresses stay where they are."""
        self._socket.close()

    def owned_addresses(self) -> frozenset[IpAddress]:
        """What we have put on the interface, in this life or an earlier one."""
        return frozenset(self._owned)

    def add(self, address: IpAddress) -> None:
        """Have the kernel take packets for an address. One that is there already is fine, whoever put it there."""
        if address not in self._owned:
            self._put(address)
        self._wanted.add(address)

    def _put(self, address: IpAddress) -> None:
        self._sequence += 1
        request = rtnetlink.add_address(self._sequence, self._index, address, self._label, OUR_PROTOCOL)
        refusal = self._ask(request)
        if refusal == errno.EEXIST:
            return
        if refusal:
            raise OSError(refusal, f"cannot add {address}: {os.strerror(refusal)}")
        self._owned.add(address)
        if isinstance(address, IPv6Address):
            # The kernel's own route of an IPv6 address is made later, by a worker that on a busy host is slower than our
            # announcement; until then packets for the address are dropped. It comes even where the kernel refuses this one.
            self._sequence += 1
            self._ask(rtnetlink.add_local_route(self._sequence, self._index, address, OUR_PROTOCOL))

    def remove(self, address: IpAddress) -> None:
        """Undo `add`. An address that we have not put there, or that is gone already, is left alone."""
        self._wanted.discard(address)
        if address not in self._owned:
            return
        if isinstance(address, IPv6Address):
            self._sequence += 1
            self._ask(rtnetlink.remove_local_route(self._sequence, self._index, address, OUR_PROTOCOL))
        self._sequence += 1
        refusal = self._ask(rtnetlink.remove_address(self._sequence, self._index, address, self._label))
        if refusal not in (0, errno.EADDRNOTAVAIL):
            raise OSError(refusal, f"cannot remove {address}: {os.strerror(refusal)}")
        self._owned.discard(address)

    def is_loss(self, message: AddressMessage) -> bool:
        """The kernel tells that somebody else has taken away what was added here."""
        return message.is_removal and message.index == self._index and message.address.ip in self._wanted

    def forget_lost(self) -> list[IpAddress]:
        """What was added and is not there any more, to be added anew."""
        lost = self._wanted - self._present().keys() if self._wanted else set[IpAddress]()
        self._owned -= lost
        return sorted(lost, key=lambda address: (address.version, int(address)))

    def _ask(self, request: bytes) -> int:
        """The errno that the kernel answers a request with."""
        self._socket.send(request)
        while True:
            for message in rtnetlink.parse(self._socket.recv(_DATAGRAM_OCTETS_MAX)):
                if isinstance(message, Acknowledgement) and message.sequence == self._sequence:
                    return message.errno

    def _present(self) -> dict[IpAddress, bool]:
        """What is on the interface, each with whether it is marked as ours."""
        for _ in range(_DUMPS_MAX):
            present, is_complete = self._dump()
            if is_complete:
                return present
        raise OSError(errno.EINTR, "the addresses of the host change too fast to be listed")

    def _dump(self) -> tuple[dict[IpAddress, bool], bool]:
        self._sequence += 1
        present: dict[IpAddress, bool] = {}
        is_complete = True
        for message in dumped(self._socket, rtnetlink.dump_addresses(self._sequence)):
            match message:
                case AddressMessage(index=index) if index == self._index:
                    present[message.address.ip] = is_ours(message)
                case DumpInterrupted():
                    is_complete = False
                case Acknowledgement(errno=refusal):
                    raise OSError(refusal, f"cannot list the addresses: {os.strerror(refusal)}")
                case _:
                    pass
        return present, is_complete
