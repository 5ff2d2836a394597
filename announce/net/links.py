"""Follows the host's interfaces through rtnetlink: a dump at the start, then every change as it happens.

    links dumped ──▶ addresses dumped ──▶ following ──overrun──▶ draining ──nothing left──▶ links dumped ...

While a dump runs nothing is told; at its end the difference to what was told before is. Messages about changes that come
between those of the dump are applied in the order of their arrival, which is the order of the kernel. Changes that
arrive together are told together, so a thousand new addresses on one interface are a few events.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from announce.l2 import Interface, InterfaceEvent, InterfaceRemoved
from announce.net import rtnetlink
from announce.net.link_table import LinkTable, difference
from announce.net.netlink import Acknowledgement
from announce.net.rtnetlink import (
    AddressMessage,
    DumpDone,
    DumpInterrupted,
    LinkMessage,
    NeighbourMessage,
)

DATAGRAMS_PER_WAKE = 64

DUMPS_MAX = 20
"""So many dumps in a row may come to nothing, interrupted by changes, before we say that it does not work."""

# The kernel fills up to 32 KiB for a reader that offers them (NLMSG_GOODSIZE and larger for dumps).
_DATAGRAM_OCTETS_MAX = 65536
_RECEIVE_BUFFER_OCTETS = 1 << 20


class LinkMonitor:
    """Tells `on_event` of every interface, and then of every change. To be used within a running event loop.

    `on_gone` is told of every single address that goes from an interface, those of Services too; of None, where some may have
    gone untold.
    """

    def __init__(
        self,
        on_event: Callable[[InterfaceEvent], None],
        on_gone: Callable[[AddressMessage | None], None] = lambda message: None,
    ) -> None:
        self._on_event = on_event
        self._on_gone = on_gone
        self._socket: socket.socket | None = None
        self._table = LinkTable()
        self._told: dict[int, Interface] = {}
        self._sequence = 0
        self._dump: int | None = None
        """Sequence number of the dump that is under way."""
        self._is_dumping_links = False
        self._is_known_stale = False
        """Messages were lost, or may be missing from the dump that is under way. What that yields is void, but a socket takes no
        second one before its end.

        Nor before it is empty: until then the kernel drops whatever else happens, and does not say so again.
        """
        self._dumps_begun = 0
        self._changed: set[int] = set()

    def start(self) -> None:
        """Begin to listen. The interfaces there are have been told when this returns. Raises OSError."""
        opened = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_OCTETS)
            opened.bind((0, rtnetlink.GROUPS_OF_INTEREST))
            self._socket = opened
            self._begin_dump()
            # The kernel answers a dump from within the system calls that ask for it: no waiting in this loop.
            while not self._is_settled and self._receive_one():
                pass
            self._tell_changed()
            asyncio.get_running_loop().add_reader(opened, self._receive)
        except BaseException:
            self._socket = None
            opened.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    @property
    def _is_settled(self) -> bool:
        """Everything is known, as far as has been read."""
        return self._dump is None and not self._is_known_stale

    def _receive(self) -> None:
        if self._socket is None:
            return
        for _ in range(DATAGRAMS_PER_WAKE):
            if not self._receive_one():
                break
        else:
            if not self._is_settled:
                # Perhaps that was the last one, after which nothing would wake this up.
                asyncio.get_running_loop().call_soon(self._receive)
        self._tell_changed()

    def _receive_one(self) -> bool:
        """Read one datagram, or do what has waited for the last one; False when there is none left."""
        assert self._socket is not None
        try:
            datagram, (sender, _) = self._socket.recvfrom(_DATAGRAM_OCTETS_MAX)
        except BlockingIOError:
            if self._dump is not None or not self._is_known_stale:
                return False
            self._begin_dump()
            return True
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            # More changes than the buffer held: what is known may be wrong, so everything is asked for again.
            self._is_known_stale = True
            return True
        # Port 0 is the kernel; another process could send here as well.
        if sender == 0:
            self._read(datagram)
        return True

    def _read(self, datagram: bytes) -> None:
        for message in rtnetlink.parse(datagram):
            match message:
                case LinkMessage(index=index) | AddressMessage(index=index):
                    self._table.apply(message)
                    self._changed.add(index)
                    if isinstance(message, AddressMessage) and message.is_removal:
                        self._on_gone(message)
                case DumpInterrupted(sequence=sequence) if sequence == self._dump:
                    self._is_known_stale = True
                case DumpDone(sequence=sequence) if sequence == self._dump:
                    self._finish(message)
                case Acknowledgement(sequence=sequence, errno=code) if sequence == self._dump:
                    raise OSError(code, "the kernel refuses to list its interfaces")
                case NeighbourMessage() | DumpInterrupted() | DumpDone() | Acknowledgement():
                    pass  # Not the answer to anything that was asked.

    def _begin_dump(self) -> None:
        self._dumps_begun += 1
        if self._dumps_begun > DUMPS_MAX:
            raise OSError(errno.EINTR, "the interfaces of the host change too fast to be listed")
        self._table = LinkTable()
        self._is_known_stale = False
        self._is_dumping_links = True
        self._request(rtnetlink.dump_links)

    def _finish(self, done: DumpDone) -> None:
        if self._is_known_stale or done.errno:
            self._dump, self._is_known_stale = None, True
        elif self._is_dumping_links:
            self._is_dumping_links = False
            self._request(rtnetlink.dump_addresses)
        else:
            self._dump = None
            self._dumps_begun = 0
            self._changed |= self._told.keys() | self._table.links.keys()
            self._on_gone(None)

    def _request(self, build: Callable[[int], bytes]) -> None:
        assert self._socket is not None
        self._sequence += 1
        self._dump = self._sequence
        self._socket.send(build(self._sequence))

    def _tell_changed(self) -> None:
        if not self._is_settled:
            return
        changed, self._changed = self._changed, set()
        events: list[InterfaceEvent] = []
        for index in sorted(changed):
            before, after = self._told.get(index), self._table.interface(index)
            if after is None:
                self._told.pop(index, None)
            else:
                self._told[index] = after
            events += difference(before, after)
        # A name may have gone from one interface to another in the meantime: it is let go before it is taken.
        events.sort(key=lambda event: not isinstance(event, InterfaceRemoved))
        for event in events:
            self._on_event(event)
