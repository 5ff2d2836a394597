"""Memberships in multicast groups of IPv6, for the solicited-node groups of announced addresses.

The kernel joins for us: it programs the card's filter, and reports the membership to switches that forward only what
somebody has asked for (MLD snooping). Frames are then heard by the packet socket; nothing is ever read here.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv6Address

GROUPS_PER_SOCKET = 128
"""The kernel charges memberships to the socket's option memory (net.core.optmem_max, 20 KiB before Linux 6.9)."""


class Groups:
    """What is joined on one interface. Refusals of the kernel are OSErrors."""

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._index = 0
        self._joined: dict[IPv6Address, socket.socket] = {}
        self._load: dict[socket.socket, int] = {}
        """Every open socket, and how many groups it holds."""

    def join(self, group: IPv6Address) -> None:
        """A group that is joined already stays so."""
        if group in self._joined:
            return
        if not self._index:
            self._index = socket.if_nametoindex(self._interface)
        chosen = self._with_room()
        chosen.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, self._request(group))
        self._joined[group] = chosen
        self._load[chosen] += 1

    def leave(self, group: IPv6Address) -> None:
        """A group that is not joined, or whose interface is gone, is left already."""
        joined_by = self._joined.pop(group, None)
        if joined_by is None:
            return
        self._load[joined_by] -= 1
        try:
            joined_by.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, self._request(group))
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                raise

    def close(self) -> None:
        """Leave all."""
        for opened in self._load:
            opened.close()
        self._load.clear()
        self._joined.clear()

    def _with_room(self) -> socket.socket:
        for opened, load in self._load.items():
            if load < GROUPS_PER_SOCKET:
                return opened
        opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._load[opened] = 0
        return opened

    def _request(self, group: IPv6Address) -> bytes:
        """`struct ipv6_mreq`."""
        return struct.pack("=16si", group.packed, self._index)
