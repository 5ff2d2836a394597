"""The UDP sockets of BFD: Control packets in and out (RFC 5881 and 5883), and their ports.

One socket for each family and kind of path hears all sessions; each session sends from a socket of its own, whose port
nobody else has, with the TTL of 255 that proves to the neighbour that no router has forwarded the packet.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import struct
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from announce.bfd import SINGLE_HOP_TTL, Arrival, SessionConfig
from announce.bfd.config import IpAddress
from announce.net.devices import index_of

SINGLE_HOP_PORT, MULTIHOP_PORT = 3784, 4784
SOURCE_PORTS = range(49152, 65536)
"""RFC 5881 section 4."""

PORT_ATTEMPTS_MAX = 64
PACKETS_PER_WAKE = 64
"""After so many packets from one socket the others, and the timers, get their turn."""

_PACKET_OCTETS_MAX = 256
"""A Control packet with the longest authentication section has 24 + 255 octets; nothing we take is longer than 24."""
_ANCILLARY_OCTETS = 128
_RECEIVE_BUFFER_OCTETS = 1 << 20
_DSCP_CS6 = 0xC0
_INTERACTIVE = 6
"""`TC_PRIO_INTERACTIVE`: before bulk traffic of this host, such as 100,000 routes, in the queue of the card."""
_IP_PKTINFO, _IP_RECVTTL = 8, 12
_PKTINFO, _PKTINFO6 = struct.Struct("=I4s4s"), struct.Struct("=16sI")


class Receiver:
    """Hears the Control packets of all sessions of one family, kind and VRF. Needs a running event loop."""

    def __init__(
        self,
        family: socket.AddressFamily,
        *,
        is_multihop: bool,
        device: str | None,
        on_packet: Callable[[bytes, Arrival], None],
    ) -> None:
        """Raises OSError where the port is taken, mostly by another BFD daemon."""
        self._is_multihop = is_multihop
        self._device = device
        self._bound_to = index_of(device)
        self._on_packet = on_packet
        self._interfaces: dict[int, str] = {}
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._prepare(family)
        except BaseException:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    @property
    def is_deaf(self) -> bool:
        """The device that the socket is bound to is gone."""
        return index_of(self._device) != self._bound_to

    def _prepare(self, family: socket.AddressFamily) -> None:
        opened = self._socket
        if self._device is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._device.encode())
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_OCTETS)
        if family == socket.AF_INET:
            opened.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
            opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        opened.bind(("", MULTIHOP_PORT if self._is_multihop else SINGLE_HOP_PORT))

    def _receive(self) -> None:
        for _ in range(PACKETS_PER_WAKE):
            if self._socket.fileno() < 0:
                return  # What the last packet led to has closed it.
            try:
                payload, ancillary, _, sender = self._socket.recvmsg(_PACKET_OCTETS_MAX, _ANCILLARY_OCTETS)
            except BlockingIOError:
                return
            except OSError:
                continue  # An ICMP error about something that was sent; silence says it better.
            ttl, index, local = _read(ancillary)
            arrival = Arrival(
                peer_address=ip_address(sender[0]),
                local_address=local,
                interface=self._name_of(index),
                ttl=ttl,
                is_multihop=self._is_multihop,
                device=self._device,
            )
            self._on_packet(payload, arrival)

    def _name_of(self, index: int) -> str:
        """An interface that was renamed, or whose number went to another, is looked up anew in the next life."""
        if index not in self._interfaces:
            try:
                self._interfaces[index] = socket.if_indextoname(index)
            except OSError:
                return ""
        return self._interfaces[index]


class Sender:
    """Sends the Control packets of one session."""

    def __init__(self, config: SessionConfig, rng: random.Random) -> None:
        """Raises OSError, such as for a source address that is not on the host."""
        self._target = _target(config)
        self._device = config.interface or config.device
        self._bound_to = index_of(self._device)
        family = socket.AF_INET if config.peer_address.version == 4 else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            _prepare_sender(self._socket, family, self._device)
            _bind_to_a_free_port(self._socket, config, rng)
        except BaseException:
            self._socket.close()
            raise

    def send(self, payload: bytes) -> bool:
        """Whether the socket is good for more. What the kernel does not take (no route, no link, no room) is just not sent."""
        try:
            self._socket.sendto(payload, self._target)
        except OSError:
            return index_of(self._device) == self._bound_to
        return True

    def close(self) -> None:
        self._socket.close()


def local_address(config: SessionConfig) -> IpAddress | None:
    """What packets leave from, without a scope: as configured, or as the kernel chooses now. None: there is no way."""
    if (source := config.source_address) is not None:
        return type(source)(source.packed)
    family = socket.AF_INET if config.peer_address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            _prepare_sender(asking, family, config.interface or config.device)
            asking.connect(_target(config))  # This sends nothing.
            host: str = asking.getsockname()[0]
    except OSError:
        return None
    return ip_address(host)


def _prepare_sender(opened: socket.socket, family: socket.AddressFamily, device: str | None) -> None:
    if device is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if family == socket.AF_INET:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, SINGLE_HOP_TTL)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _DSCP_CS6)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, SINGLE_HOP_TTL)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _DSCP_CS6)
    # After IP_TOS, which sets a priority of its own.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _INTERACTIVE)


def _bind_to_a_free_port(opened: socket.socket, config: SessionConfig, rng: random.Random) -> None:
    source = "" if config.source_address is None else str(config.source_address)
    for _ in range(PORT_ATTEMPTS_MAX):
        try:
            opened.bind((source, rng.choice(SOURCE_PORTS)))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    raise OSError(errno.EADDRINUSE, f"no free port from {SOURCE_PORTS[0]} to {SOURCE_PORTS[-1]}")


def _target(config: SessionConfig) -> tuple[str, int] | tuple[str, int, int, int]:
    port = MULTIHOP_PORT if config.is_multihop else SINGLE_HOP_PORT
    address = config.peer_address
    if isinstance(address, IPv6Address) and address.is_link_local:
        scope = address.scope_id or config.interface
        return str(address).partition("%")[0], port, 0, 0 if scope is None else socket.if_nametoindex(scope)
    return str(address), port


def _read(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int, IpAddress | None]:
    """TTL, interface and our address. 0 is what the kernel does not tell, and such a packet is not believed."""
    ttl, index, local = 0, 0, None
    for level, kind, data in ancillary:
        match level, kind:
            case (socket.IPPROTO_IP, socket.IP_TTL) | (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT):
                ttl = int.from_bytes(data, sys.byteorder)
            case socket.IPPROTO_IP, 8:  # IP_PKTINFO, which Python does not name
                index, _, destination = _PKTINFO.unpack(data)
                local = IPv4Address(destination)
            case socket.IPPROTO_IPV6, socket.IPV6_PKTINFO:
                destination, index = _PKTINFO6.unpack(data)
                local = IPv6Address(destination)
            case _:
                pass
    return ttl, index, local
