"""AF_PACKET sockets: ARP and neighbor discovery in and out of the host's interfaces, behind a filter in the kernel.

Each interface has one socket for each of the two. A socket is bound to no protocol until its filter is in place, so
not one unwanted frame is ever queued.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias, assert_never

from announce.l2 import (
    Answer,
    Answers,
    CloseInterface,
    FramesReceived,
    GroupFailed,
    JoinGroup,
    LeaveGroup,
    OpenInterface,
    SendFailed,
    SendFrame,
    SendReplies,
    SetFilter,
    SocketFailed,
)
from announce.net import filter as packet_filter
from announce.net.groups import Groups
from announce.net.prompt_loop import PromptLoop

FRAMES_PER_WAKE = 64
"""After so many frames from one socket the others, and the timers, get their turn."""

LOOK_EVERY = 16
"""In so many wakes one looks for more than one frame."""

SocketEffect: TypeAlias = (
    OpenInterface | CloseInterface | SetFilter | JoinGroup | LeaveGroup | SendFrame | SendReplies
)
SocketEvent: TypeAlias = FramesReceived | SendFailed | SocketFailed | GroupFailed

_ETH_P_ARP, _ETH_P_IPV6 = 0x0806, 0x86DD
_ETHERTYPE_IPV6 = b"\x86\xdd"
_SO_ATTACH_FILTER = 26
# A frame of ARP is 42 octets, or 60 with its padding. A checksum covers all of a neighbor solicitation, whose options
# (a nonce, a signature) have no bound but that of the frame.
_ARP_OCTETS_MAX, _NDP_OCTETS_MAX = 128, 1514


@dataclass(frozen=True, slots=True)
class _Opened:
    """What belongs to one interface."""

    index: int
    arp: socket.socket
    ndp: socket.socket
    groups: Groups


class PacketSockets:
    """Performs the socket effects of a Responder, and tells it what arrives and what goes wrong.

    `answers` gives, for each interface that is opened, what knows the reply to a frame; that is asked before anything else,
    and the frames that it has no reply to are the events.

    Needs CAP_NET_RAW. To be used within a running `PromptLoop`.
    """

    def __init__(self, on_event: Callable[[SocketEvent], None], answers: Callable[[str], Answers]) -> None:
        self._on_event = on_event
        self._answers = answers
        self._opened: dict[str, _Opened] = {}

    def perform(self, effect: SocketEffect) -> None:
        """Never raises for the operating system's refusals: they are events."""
        match effect:
            case SendReplies(interface, frames):
                self._send(interface, frames)
            case SendFrame(interface, frame):
                self._send(interface, (frame,))
            case OpenInterface(interface):
                self._open(interface)
            case CloseInterface(interface):
                self._close(interface)
            case SetFilter(interface, addresses):
                self._filter(interface, addresses)
            case JoinGroup(interface, group):
                self._join(interface, group)
            case LeaveGroup(interface, group):
                self._leave(interface, group)
            case _:
                assert_never(effect)

    def close(self) -> None:
        for interface in list(self._opened):
            self._close(interface)

    def _open(self, interface: str) -> None:
        self._close(interface)
        with ExitStack() as on_failure:
            try:
                arp = on_failure.enter_context(_prepared_socket())
                ndp = on_failure.enter_context(_prepared_socket())
            except OSError as error:
                self._on_event(SocketFailed(interface, f"cannot open a packet socket: {error.strerror}"))
                return
            try:
                arp.bind((interface, _ETH_P_ARP))
                ndp.bind((interface, _ETH_P_IPV6))
                index = socket.if_nametoindex(interface)
            except OSError as error:
                self._on_event(SocketFailed(interface, f"cannot receive from it: {error.strerror}"))
                return
            on_failure.pop_all()
        self._opened[interface] = _Opened(index, arp, ndp, Groups(interface))
        answers = self._answers(interface)
        self._listen(interface, arp, _ARP_OCTETS_MAX, answers.arp)
        self._listen(interface, ndp, _NDP_OCTETS_MAX, answers.ndp)

    def _close(self, interface: str) -> None:
        opened = self._opened.pop(interface, None)
        if opened is not None:
            for one in (opened.arp, opened.ndp):
                _loop().answer_no_more(one.fileno())
                one.close()
            opened.groups.close()

    def _filter(self, interface: str, addresses: frozenset[IPv4Address | IPv6Address] | None) -> None:
        opened = self._opened.get(interface)
        if opened is None:
            return
        try:
            attach_filters(opened.arp, opened.ndp, opened.index, addresses)
        except OSError as error:
            self._fail(interface, f"cannot set the filter: {error.strerror}")

    def _join(self, interface: str, group: IPv6Address) -> None:
        opened = self._opened.get(interface)
        if opened is None:
            return
        try:
            opened.groups.join(group)
        except OSError as error:
            self._on_event(GroupFailed(interface, group, f"cannot join multicast groups: {error.strerror}"))

    def _leave(self, interface: str, group: IPv6Address) -> None:
        opened = self._opened.get(interface)
        if opened is None:
            return
        try:
            opened.groups.leave(group)
        except OSError as error:
            self._fail(interface, f"cannot leave multicast groups: {error.strerror}")

    def _send(self, interface: str, frames: tuple[bytes, ...]) -> None:
        opened = self._opened.get(interface)
        if opened is None:
            return  # Its failure has been reported, and the core may not have read that yet.
        for frame in frames:
            # By the socket of its protocol: the kernel labels the frame with it, for taps and for hardware.
            self._send_by(opened.ndp if frame[12:14] == _ETHERTYPE_IPV6 else opened.arp, interface, frame)

    def _listen(self, interface: str, opened: socket.socket, octets_max: int, answer: Answer) -> None:
        """Plain questions are answered at once; with anything else a turn of the loop begins."""
        loop, recv, send = _loop(), opened.recv, opened.send
        is_crowded, wakes = False, 0

        def answer_now() -> bool:
            nonlocal is_crowded, wakes
            wakes += 1
            # Mostly a frame comes alone. To learn that takes as long as to answer, and keeps who has asked waiting where it has
            # the same core; so it is looked for more only now and then, and while there is.
            takes_many = is_crowded or not wakes % LOOK_EVERY
            for number in range(FRAMES_PER_WAKE if takes_many else 1):
                try:
                    frame = recv(octets_max)
                except BlockingIOError:
                    is_crowded = number > 1
                    return True
                except OSError as error:
                    loop.call_soon(self._failed_to_receive, interface, opened, error)
                    return False
                reply = answer(frame)
                if reply is None:
                    loop.call_soon(self._receive, interface, opened, octets_max, answer, frame)
                    return False
                try:
                    send(reply)
                except OSError as error:
                    loop.call_soon(self._failed_to_send, interface, error)
                    return False
            is_crowded = takes_many
            return True

        loop.answer_at_once(opened.fileno(), answer_now)

    def _receive(
        self, interface: str, opened: socket.socket, octets_max: int, answer: Answer, first: bytes
    ) -> None:
        """What has come beside a frame without a reply: all without one are one event, the others are answered before it."""
        others = [first]
        failure: OSError | None = None
        try:
            for _ in range(FRAMES_PER_WAKE - 1):
                frame = opened.recv(octets_max)
                reply = answer(frame)
                if reply is None:
                    others.append(frame)
                else:
                    self._send_by(opened, interface, reply)
        except BlockingIOError:
            pass
        except OSError as error:
            failure = error
        self._on_event(FramesReceived(interface, tuple(others)))
        if failure is not None:
            self._failed_to_receive(interface, opened, failure)

    def _send_by(self, opened: socket.socket, interface: str, frame: bytes) -> None:
        try:
            opened.send(frame)
        except OSError as error:
            self._failed_to_send(interface, error)

    def _failed_to_send(self, interface: str, error: OSError) -> None:
        # ENXIO: the interface is gone, which the links' monitor is about to tell.
        if error.errno != errno.ENXIO:
            self._on_event(SendFailed(interface, f"cannot send: {error.strerror}"))

    def _failed_to_receive(self, interface: str, opened: socket.socket, error: OSError) -> None:
        # ENETDOWN is how the socket learns that its interface went down; the links' monitor tells that too, and the
        # socket works again when the interface is up. What frames led to may have closed it.
        if error.errno != errno.ENETDOWN and opened.fileno() >= 0:
            self._fail(interface, f"cannot receive: {error.strerror}")

    def _fail(self, interface: str, reason: str) -> None:
        self._close(interface)
        self._on_event(SocketFailed(interface, reason))


def _loop() -> PromptLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, PromptLoop), "no other loop answers at once"
    return loop


def attach_filters(
    arp: socket.socket,
    ndp: socket.socket,
    index: int,
    addresses: frozenset[IPv4Address | IPv6Address] | None,
) -> None:
    """Put filters in place of the ones before; no frame slips through in between. Raises OSError.

    `index` is the number of the interface that both sockets are bound to.
    """
    if addresses is None:
        attach(arp, packet_filter.build_arp(None, index=index))
        attach(ndp, packet_filter.build_ndp(None, index=index))
        return
    ipv4 = [address for address in addresses if isinstance(address, IPv4Address)]
    ipv6 = [address for address in addresses if isinstance(address, IPv6Address)]
    _attach_largest(arp, lambda ranges_max: packet_filter.build_arp(ipv4, ranges_max, index=index))
    _attach_largest(ndp, lambda ranges_max: packet_filter.build_ndp(ipv6, ranges_max, index=index))


def _prepared_socket() -> socket.socket:
    """A packet socket that lets nothing through yet."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        attach(opened, packet_filter.build_arp(()))
    except BaseException:
        opened.close()
        raise
    return opened


def _attach_largest(opened: socket.socket, build: Callable[[int], packet_filter.Program]) -> None:
    ranges_max = packet_filter.RANGES_MAX
    while True:
        try:
            attach(opened, build(ranges_max))
        except OSError as error:
            if error.errno != errno.ENOMEM or ranges_max == 1:
                raise
            # net.core.optmem_max was 20 KiB before Linux 6.9: a coarser filter fits.
            ranges_max = max(1, ranges_max // 4)
        else:
            return


def attach(opened: socket.socket, program: packet_filter.Program) -> None:
    """Put a filter in place of the one before. Raises OSError."""
    instructions = ctypes.create_string_buffer(packet_filter.pack(program))
    program_header = struct.pack("@HP", len(program), ctypes.addressof(instructions))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program_header)
