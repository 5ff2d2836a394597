"""What the network says of packets that could not be delivered: the error queue of a UDP socket (ip(7), IP_RECVERR).

Without it the system tells of an ICMP error by failing some later call, and does not say whom the error is about.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator

from membership.address import Endpoint

# Linux's numbers, which Python's socket module does not have.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_ERROR_OCTETS = 4
_PACKET_OCTETS = 64
"""Of the packet that failed only the destination is wanted."""
_ANCILLARY_OCTETS = 512
_REFUSALS_PER_WAKE = 64


def ask_for_refusals(udp: socket.socket) -> None:
    """Have ICMP errors kept in the socket's error queue."""
    if udp.family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def read_refusals(udp: socket.socket) -> Iterator[tuple[Endpoint, str]]:
    """Whom a packet could not be delivered to, and why: `ECONNREFUSED` and the like."""
    for _ in range(_REFUSALS_PER_WAKE):
        try:
            _, ancillary, _, target = udp.recvmsg(_PACKET_OCTETS, _ANCILLARY_OCTETS, socket.MSG_ERRQUEUE)
        except OSError:
            return  # The queue is empty.
        for level, kind, data in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                # struct sock_extended_err begins with the error's number.
                number = int.from_bytes(data[:_ERROR_OCTETS], sys.byteorder)
                yield Endpoint(target[0], target[1]), errno.errorcode.get(number, str(number))
