"""The raw ICMPv6 socket behind a `RouterFinder`: one interface, router solicitations and advertisements only.

The interface may appear later, go, and come back: the socket is opened again as long as it is wanted.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import assert_never

from announce.discovery import (
    AdvertisementHeard,
    Effect,
    Event,
    MalformedMessage,
    MessageType,
    Opened,
    RouterFound,
    SendAdvertisement,
    SendSolicitation,
    SolicitationHeard,
    decode,
    encode_advertisement,
    encode_solicitation,
)
from announce.discovery.messages import ALL_NODES, ALL_ROUTERS, HOP_LIMIT
from announce.net.tcp_options import words

REOPEN_TIME = 2.0
"""Between looks for an interface that is not there, or has no link-local address yet."""
MESSAGES_PER_WAKE = 16

_ICMP6_FILTER = 1
_SIOCGIFHWADDR, _ARPHRD_ETHER = 0x8927, 1
_MESSAGE_OCTETS_MAX = 1500
_ANCILLARY_OCTETS = socket.CMSG_SPACE(4)


class DiscoverySocket:
    """Performs the sending effects of a finder, and tells it what it hears. Needs CAP_NET_RAW."""

    def __init__(
        self, interface: str, on_event: Callable[[Event], None], on_failure: Callable[[str], None]
    ) -> None:
        """`on_failure` hears why the interface cannot be used, once for each new reason."""
        self._interface = interface
        self._on_event = on_event
        self._on_failure = on_failure
        self._socket: socket.socket | None = None
        self._reopen: asyncio.TimerHandle | None = None
        self._failure = ""

    def start(self) -> None:
        self._reopen = None
        try:
            self._socket = self._open()
        except OSError as error:
            self._fail(error)
            return
        asyncio.get_running_loop().add_reader(self._socket, self._receive)
        self._on_event(Opened())

    def close(self) -> None:
        if self._reopen is not None:
            self._reopen.cancel()
            self._reopen = None
        self._close_socket()

    def perform(self, effect: Effect) -> None:
        if self._socket is None:
            return  # Its failure has been told; the finder begins anew when it is open again.
        match effect:
            case SendSolicitation():
                self._send(encode_solicitation(self._mac()), ALL_ROUTERS)
            case SendAdvertisement():
                self._send(encode_advertisement(self._mac()), ALL_NODES)
            case RouterFound():
                pass  # For whoever asked.
            case _:
                assert_never(effect)

    def _open(self) -> socket.socket:
        index = socket.if_nametoindex(self._interface)
        opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6)
        try:
            opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _only(*MessageType))
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode() + b"\0")
            for option in (socket.IPV6_MULTICAST_HOPS, socket.IPV6_UNICAST_HOPS):
                opened.setsockopt(socket.IPPROTO_IPV6, option, HOP_LIMIT)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            # Solicitations are sent to all routers; who does not forward has not joined that group.
            membership = ALL_ROUTERS.packed + struct.pack("@I", index)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        except BaseException:
            opened.close()
            raise
        return opened

    def _receive(self) -> None:
        for _ in range(MESSAGES_PER_WAKE):
            if self._socket is None:
                return
            try:
                message, ancillary, _, sender = self._socket.recvmsg(_MESSAGE_OCTETS_MAX, _ANCILLARY_OCTETS)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    self._fail(error)
                return
            self._hear(message, ancillary, sender[0])

    def _hear(self, message: bytes, ancillary: list[tuple[int, int, bytes]], sender: str) -> None:
        source = ip_address(sender.partition("%")[0])
        hop_limits = [
            struct.unpack("@i", data[:4])[0]
            for level, kind, data in ancillary
            if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)
        ]
        assert isinstance(source, IPv6Address)
        try:
            kind = decode(message, source, hop_limits[0] if hop_limits else 0)
        except MalformedMessage:
            return  # Anybody on the link can send anything; it changes nothing.
        if kind is MessageType.ADVERTISEMENT:
            self._on_event(AdvertisementHeard(IPv6Address(f"{source}%{self._interface}")))
        else:
            self._on_event(SolicitationHeard())

    def _send(self, message: bytes, group: IPv6Address) -> None:
        assert self._socket is not None
        try:
            self._socket.sendto(message, (str(group), 0))
        except OSError as error:
            self._fail(error)
        else:
            # Not before: an interface that is down, or has no address yet, can be opened.
            self._failure = ""

    def _fail(self, error: OSError) -> None:
        self._close_socket()
        text = f"interface {self._interface}: {words(error)}"
        if text != self._failure:
            self._failure = text
            self._on_failure(text)
        if self._reopen is None:
            self._reopen = asyncio.get_running_loop().call_later(REOPEN_TIME, self.start)

    def _close_socket(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _mac(self) -> bytes:
        """Empty where the interface has no address of Ethernet."""
        assert self._socket is not None
        request = struct.pack("=256s", self._interface.encode())
        try:
            answer = fcntl.ioctl(self._socket, _SIOCGIFHWADDR, request)
        except OSError:
            return b""
        (kind,) = struct.unpack_from("=H", answer, 16)
        return answer[18:24] if kind == _ARPHRD_ETHER else b""


def _only(*kinds: MessageType) -> bytes:
    """`struct icmp6_filter`: a set bit blocks the type."""
    words_of_filter = [0xFFFFFFFF] * 8
    for kind in kinds:
        words_of_filter[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("@8I", *words_of_filter)
