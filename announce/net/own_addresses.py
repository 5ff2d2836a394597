"""The addresses beside a given one: those of the interface that has it.

A BGP session has addresses of one family; routes of the other one need a next hop of theirs, which is an address of
the same interface.
"""

from __future__ import annotations

import socket

from announce.net import rtnetlink
from announce.net.dump import dumped
from announce.net.marks import is_ours
from announce.net.rtnetlink import AddressMessage
from announce.net.tcp_options import IpAddress

_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12
_TIMEOUT = 1.0


def addresses_beside(local: IpAddress) -> tuple[IpAddress, ...]:
    """Itself and the others, Service addresses left out; only itself where the kernel does not tell.

    Interfaces are asked one by one, `lo` last: it may have thousands of Service addresses.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
            # The kernel answers at once; the limit only turns a mistake of ours into an error instead of a hang.
            asked.settimeout(_TIMEOUT)
            asked.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
            asked.bind((0, 0))
            for index, _ in sorted(socket.if_nameindex(), key=lambda pair: (pair[1] == "lo", pair[0])):
                found = _addresses_of(asked, index)
                if _without_scope(local) in found:
                    return tuple(sorted(found, key=lambda address: (address.version, int(address))))
    except OSError:
        pass  # Routes of the other family then wait, and the session says so.
    return (local,)


def _addresses_of(asked: socket.socket, index: int) -> set[IpAddress]:
    return {
        message.address.ip
        for message in dumped(asked, rtnetlink.dump_addresses(index, index))
        if isinstance(message, AddressMessage) and message.index == index and not is_ours(message)
    }


def _without_scope(address: IpAddress) -> IpAddress:
    return type(address)(address.packed)
