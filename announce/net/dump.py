"""Asks the kernel for a list by rtnetlink and reads all of it, where that may take as long as a system call (rtnetlink(7)).

`links` does the same as datagrams come, between news.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from announce.net import rtnetlink
from announce.net.netlink import Acknowledgement
from announce.net.rtnetlink import DumpDone, Message

_DATAGRAM_OCTETS_MAX = 65536


def dumped(asked: socket.socket, request: bytes) -> Iterator[Message]:
    """What the kernel tells, up to the end of the list, or to its refusal, which is an `Acknowledgement`."""
    asked.send(request)
    while True:
        for message in rtnetlink.parse(asked.recv(_DATAGRAM_OCTETS_MAX)):
            yield message
            if isinstance(message, DumpDone | Acknowledgement):
                return
