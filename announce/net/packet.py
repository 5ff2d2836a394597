"""AF_PACKET sockets: ARP in and out of the interfaces of the host, behind a filter in the kernel.

A socket is bound to no protocol until its filter is in place, so not one unwanted frame is ever queued.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import socket
import struct
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from announce.l2 import (
    CloseInterface,
    FrameReceived,
    OpenInterface,
    SendFailed,
    SendFrame,
    SetFilter,
    SocketFailed,
)
from announce.net import filter as packet_filter

FRAMES_PER_WAKE = 64
"""After so many frames from one interface the others, and the timers, get their turn."""

_ETH_P_ARP = 0x0806
_SO_ATTACH_FILTER = 26
# A frame of ARP is 42 octets, or 60 with its padding; of a longer one nobody needs the rest.
_FRAME_OCTETS_MAX = 128


class PacketSockets:
    """Performs the socket effects of a Responder, and tells it what arrives and what goes wrong.

    Needs CAP_NET_RAW. To be used within a running event loop.
    """

    def __init__(self, on_event: Callable[[FrameReceived | SendFailed | SocketFailed], None]) -> None:
        self._on_event = on_event
        self._sockets: dict[str, socket.socket] = {}

    def perform(self, effect: OpenInterface | CloseInterface | SetFilter | SendFrame) -> None:
        """Never raises for the operating system's refusals: they are events."""
        match effect:
            case SendFrame(interface, frame):
                self._send(interface, frame)
            case OpenInterface(interface):
                self._open(interface)
            case CloseInterface(interface):
                self._close(interface)
            case SetFilter(interface, addresses):
                self._filter(interface, addresses)

    def close(self) -> None:
        for interface in list(self._sockets):
            self._close(interface)

    def _open(self, interface: str) -> None:
        self._close(interface)
        try:
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        except OSError as error:
            self._on_event(SocketFailed(interface, f"cannot open a packet socket: {error.strerror}"))
            return
        try:
            attach_filter(opened, ())
            opened.bind((interface, _ETH_P_ARP))
        except OSError as error:
            opened.close()
            self._on_event(SocketFailed(interface, f"cannot receive ARP: {error.strerror}"))
            return
        self._sockets[interface] = opened
        asyncio.get_running_loop().add_reader(opened, self._receive, interface, opened)

    def _close(self, interface: str) -> None:
        opened = self._sockets.pop(interface, None)
        if opened is not None:
            asyncio.get_running_loop().remove_reader(opened)
            opened.close()

    def _filter(self, interface: str, addresses: frozenset[IPv4Address] | None) -> None:
        opened = self._sockets.get(interface)
        if opened is None:
            return
        try:
            attach_filter(opened, addresses)
        except OSError as error:
            self._fail(interface, f"cannot set the filter: {error.strerror}")

    def _send(self, interface: str, frame: bytes) -> None:
        opened = self._sockets.get(interface)
        if opened is None:
            return  # Its failure has been reported, and the core may not have read that yet.
        try:
            opened.send(frame)
        except OSError as error:
            self._on_event(SendFailed(interface, f"cannot send: {error.strerror}"))

    def _receive(self, interface: str, opened: socket.socket) -> None:
        for _ in range(FRAMES_PER_WAKE):
            try:
                frame = opened.recv(_FRAME_OCTETS_MAX)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    self._fail(interface, f"cannot receive: {error.strerror}")
                # ENETDOWN is how the socket learns that its interface went down; the links' monitor tells that too,
                # and the socket works again when the interface is up.
                return
            self._on_event(FrameReceived(interface, frame))
            if opened.fileno() < 0:
                return  # What this frame led to has closed the interface.

    def _fail(self, interface: str, reason: str) -> None:
        self._close(interface)
        self._on_event(SocketFailed(interface, reason))


def attach_filter(opened: socket.socket, addresses: Iterable[IPv4Address] | None) -> None:
    """Put a filter in place of the one before; no frame slips through in between. Raises OSError."""
    wanted = None if addresses is None else frozenset(addresses)
    ranges_max = packet_filter.RANGES_MAX
    while True:
        try:
            _attach(opened, packet_filter.build(wanted, ranges_max))
        except OSError as error:
            if error.errno != errno.ENOMEM or ranges_max == 1:
                raise
            # net.core.optmem_max was 20 KiB before Linux 6.9: a coarser filter fits.
            ranges_max = max(1, ranges_max // 4)
        else:
            return


def _attach(opened: socket.socket, program: packet_filter.Program) -> None:
    instructions = ctypes.create_string_buffer(packet_filter.pack(program))
    program_header = struct.pack("@HP", len(program), ctypes.addressof(instructions))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program_header)
