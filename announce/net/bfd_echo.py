"""Echo packets of BFD over IPv4 (RFC 5881 section 4): addressed to ourselves, sent by way of the peer.

The peer's kernel forwards them back like any packet. They leave by a raw socket, since the IP header names us while
the kernel is to send to the peer; and they are read by a packet socket, since a kernel drops what comes from outside
with a source address of its own.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address

from announce.bfd import EchoPacket, PacketError
from announce.bfd.packet import ECHO_OCTETS, decode_echo
from announce.net.filter import Instruction, Program
from announce.net.packet import attach

ECHO_PORT = 3785
PACKETS_PER_WAKE = 64
_ETH_P_IP = 0x0800
_IP_OCTETS, _UDP_OCTETS = 20, 8
_PAYLOAD = _IP_OCTETS + _UDP_OCTETS
_DATAGRAM_OCTETS_MAX = 128
_HEADERS = struct.Struct("!BBHHHBBH4s4sHHHH")
_VERSION_AND_LENGTH, _DSCP_CS6, _TTL = 0x45, 0xC0, 255
_LOAD_WORD, _LOAD_HALF, _LOAD_OCTET, _JUMP_EQUAL, _RETURN = 0x20, 0x28, 0x30, 0x15, 0x06
_PACKET_TYPE, _PACKET_HOST = 0xFFFFF000 + 4, 0
_OFFSET_VERSION, _OFFSET_PROTOCOL, _OFFSET_PORT = 0, 9, 22


class EchoSocket:
    """Sends and hears the Echo packets of all IPv4 sessions. Needs CAP_NET_RAW and a running event loop."""

    def __init__(self, on_echo: Callable[[EchoPacket], None]) -> None:
        """Raises OSError."""
        self._on_echo = on_echo
        self._sender = socket.socket(
            socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_RAW
        )
        try:
            # What slips in before the filter is there is no Echo packet of a session of ours.
            self._receiver = socket.socket(
                socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_IP)
            )
        except BaseException:
            self._sender.close()
            raise
        try:
            attach(self._receiver, _filter())
        except BaseException:
            self._sender.close()
            self._receiver.close()
            raise
        asyncio.get_running_loop().add_reader(self._receiver, self._receive)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._receiver)
        self._receiver.close()
        self._sender.close()

    def send(self, payload: bytes, peer: IPv4Address, local: IPv4Address) -> None:
        """From `local` to `local`, by way of the peer. A kernel that refuses is what the Echo function finds out."""
        try:
            self._sender.sendto(headers(local, len(payload)) + payload, (str(peer), 0))
        except OSError:
            return

    def _receive(self) -> None:
        for _ in range(PACKETS_PER_WAKE):
            if self._receiver.fileno() < 0:
                return  # What the last packet led to has closed it.
            try:
                datagram = self._receiver.recv(_DATAGRAM_OCTETS_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue  # An interface went down; nothing that Echo packets would not find out.
            # What is behind our octets is padding: Ethernet has no shorter frames.
            with suppress(PacketError):
                self._on_echo(decode_echo(datagram[_PAYLOAD:][:ECHO_OCTETS]))


def headers(local: IPv4Address, payload_octets: int) -> bytes:
    """IP and UDP from us to us. The kernel fills in the identification and the IP checksum; UDP goes without one."""
    udp_octets = _UDP_OCTETS + payload_octets
    return _HEADERS.pack(
        _VERSION_AND_LENGTH,
        _DSCP_CS6,
        _IP_OCTETS + udp_octets,
        0,
        0,
        _TTL,
        socket.IPPROTO_UDP,
        0,
        local.packed,
        local.packed,
        ECHO_PORT,
        ECHO_PORT,
        udp_octets,
        0,
    )


def _filter() -> Program:
    """Accept only UDP to the Echo port that comes in for this host; what we send ourselves passes here, too."""
    checks = (
        (_LOAD_WORD, _PACKET_TYPE, _PACKET_HOST),
        (_LOAD_OCTET, _OFFSET_VERSION, _VERSION_AND_LENGTH),
        (_LOAD_OCTET, _OFFSET_PROTOCOL, socket.IPPROTO_UDP),
        (_LOAD_HALF, _OFFSET_PORT, ECHO_PORT),
    )
    program: Program = []
    for load, offset, value in checks:
        program += [
            Instruction(load, 0, 0, offset),
            Instruction(_JUMP_EQUAL, 1, 0, value),
            Instruction(_RETURN, 0, 0, 0),
        ]
    return [*program, Instruction(_RETURN, 0, 0, _DATAGRAM_OCTETS_MAX)]
