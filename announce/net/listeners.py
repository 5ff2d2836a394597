"""Listens for BGP peers that are to open the connection themselves: only as long as one is, and only to such.

There is one socket for each family and VRF. A peer with a password has its key on the socket, so that the kernel
drops what comes without it. A connection from anywhere else is closed before anything is read.

Which peer a connection is of is told by its addresses alone: the port it comes from says nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TypeAlias

from announce.net.devices import index_of
from announce.net.tcp_options import AoKeyIds, IpAddress, new_socket, set_key, words

BGP_PORT = 179
ACCEPTS_PER_WAKE = 16
"""After so many connections the rest of the process gets its turn."""
RETRY_TIME = 5.0
"""Between attempts to listen where something else holds the port, or the VRF is not there yet; and between looks whether a
VRF is still the one of before."""

_BACKLOG = 64

_Place: TypeAlias = tuple[int, str]
"""A listening socket: address family and VRF."""
_Slot: TypeAlias = tuple[_Place, IpAddress, AoKeyIds | None]
"""Where the kernel holds one key: of TCP MD5 for each address, of TCP-AO for each pair of ids, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """One peer that may connect."""

    peer: IpAddress
    local: IpAddress | None = None
    """Where it has to connect to; None: anywhere."""
    password: str | None = field(default=None, repr=False)
    ao: AoKeyIds | None = None
    vrf: str = ""

    @property
    def place(self) -> _Place:
        return self.peer.version, self.vrf

    @property
    def slot(self) -> _Slot:
        # Keys know no scope.
        return self.place, type(self.peer)(self.peer.packed), self.ao


class Listeners:
    """The listening sockets of a node. To be used within a running event loop."""

    def __init__(
        self,
        on_connection: Callable[[str, socket.socket], None],
        on_failure: Callable[[str], None],
        port: int = BGP_PORT,
    ) -> None:
        """`on_connection` gets the name that the peer was admitted by, and owns the socket then."""
        self._on_connection = on_connection
        self._on_failure = on_failure
        self._port = port
        self._admitted: dict[str, Admission] = {}
        self._sockets: dict[_Place, socket.socket] = {}
        self._bound_to: dict[_Place, int] = {}
        """The number of the VRF of each."""
        self._keys: dict[_Slot, str] = {}
        """What the kernel holds. Of several peers with one slot the key of the one that came last."""
        self._failures: dict[_Place, str] = {}
        self._retry: asyncio.TimerHandle | None = None
        self.strangers = 0
        """Connections that were closed because nobody admitted their source."""

    def admit(self, name: str, admission: Admission) -> None:
        """From now on, or by new terms."""
        previous = self._admitted.pop(name, None)
        self._admitted[name] = admission
        if previous is not None:
            self._keep_key(previous.slot)
        self._keep_key(admission.slot)
        self._keep()

    def dismiss(self, name: str) -> None:
        admission = self._admitted.pop(name, None)
        if admission is not None:
            self._keep_key(admission.slot)
            self._keep()

    def close(self) -> None:
        self._admitted.clear()
        self._keep()

    def _keep(self) -> None:
        """Hold just the sockets that are needed."""
        needed = {admission.place for admission in self._admitted.values()}
        for place in list(self._sockets):
            if place not in needed or index_of(place[1]) != self._bound_to[place]:
                self._close(place)
        for place in needed - self._sockets.keys():
            self._open(place)
        self._failures = {place: text for place, text in self._failures.items() if place in needed}
        self._keep_later()

    def _keep_later(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._failures or any(self._bound_to.values()):
            self._retry = asyncio.get_running_loop().call_later(RETRY_TIME, self._keep)

    def _open(self, place: tuple[int, str]) -> None:
        try:
            listening = self._listen(place)
        except OSError as error:
            self._fail(place, error)
            return
        self._failures.pop(place, None)
        self._sockets[place], self._bound_to[place] = listening, index_of(place[1])
        asyncio.get_running_loop().add_reader(listening, self._accept, place, listening)

    def _fail(self, place: _Place, error: OSError) -> None:
        """Told once, and tried again later."""
        where = f"port {self._port}" + (f" in VRF {place[1]}" if place[1] else "")
        text = f"cannot listen on {where}: {words(error)}"
        if self._failures.get(place) != text:
            self._failures[place] = text
            self._on_failure(text)

    def _listen(self, place: _Place) -> socket.socket:
        version, vrf = place
        listening = new_socket(version, vrf)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if version == 6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Wherever the peer knows us: what else comes is closed unread.
            listening.bind(("", self._port))
            for slot in {admission.slot for admission in self._admitted.values()}:
                if slot[0] == place:
                    self._set_key(slot, listening)
            listening.listen(_BACKLOG)
        except BaseException:
            self._forget_keys(place)
            listening.close()
            raise
        return listening

    def _keep_key(self, slot: _Slot) -> None:
        if (listening := self._sockets.get(slot[0])) is not None:
            self._set_key(slot, listening)

    def _set_key(self, slot: _Slot, listening: socket.socket) -> None:
        """Hold the key that is wanted. A peer whose key the kernel does not take stays out: it would get in unasked."""
        _, peer, ao = slot
        passwords = [one.password for one in self._admitted.values() if one.slot == slot and one.password]
        wanted, held = passwords[-1] if passwords else None, self._keys.pop(slot, None)
        try:
            if ao is not None and held not in (None, wanted):
                set_key(listening, peer, None, ao)  # It replaces none.
            if wanted != held:
                set_key(listening, peer, wanted, ao)
        except OSError as error:
            self._on_failure(f"{peer} is not let in, as there is no key for it: {words(error)}")
        else:
            if wanted is not None:
                self._keys[slot] = wanted

    def _forget_keys(self, place: _Place) -> None:
        self._keys = {slot: key for slot, key in self._keys.items() if slot[0] != place}

    def _close(self, place: _Place) -> None:
        listening = self._sockets.pop(place)
        del self._bound_to[place]
        self._forget_keys(place)
        asyncio.get_running_loop().remove_reader(listening)
        listening.close()

    def _accept(self, place: _Place, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_PER_WAKE):
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue  # The peer was gone before it was taken.
            except OSError as error:
                # Out of descriptors: the socket would be ready for ever, and this loop never idle.
                self._close(place)
                self._fail(place, error)
                self._keep_later()
                return
            connection.setblocking(False)
            name = self._find(place, connection)
            if name is None:
                self.strangers += 1
                connection.close()
            else:
                self._on_connection(name, connection)
            if listening.fileno() < 0:
                return  # What this connection led to has ended the listening.

    def _find(self, place: _Place, connection: socket.socket) -> str | None:
        try:
            remote, local = _scoped(*connection.getpeername()), ip_address(connection.getsockname()[0])
        except OSError:
            return None  # Gone already.
        fitting = {
            admission.local: name
            for name, admission in self._admitted.items()
            if admission.place == place
            and admission.peer == remote
            and admission.local in (None, local)
            and (admission.password is None or admission.slot in self._keys)
        }
        return fitting.get(local, fitting.get(None))


def _scoped(host: str, _port: int, _flow: int = 0, link: int = 0) -> IpAddress:
    """Python tells a link-local address without its scope, and the number of the interface beside it. Raises OSError."""
    return ip_address(f"{host}%{socket.if_indextoname(link)}" if link else host)
