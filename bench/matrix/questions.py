"""Asks the LAN by ARP who has addresses, as a router does that has forgotten them."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from swimlb.lab import namespaces
from swimlb.lab.referee import parse_claim
from swimlb.lab.topology import Host
from swimlb.runtime import clock

INTERVAL = 0.05
"""Of `Asking`: two owners that are so for a shorter time may not be seen."""

_ETHERTYPE_ARP = 0x0806
_BROADCAST = b"\xff" * 6
_HEADER = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
_ANSWER_WITHIN = 0.15
_BATCH, _BATCH_PAUSE = 25, 0.005
"""So many questions at once fit in the buffers of those who are asked."""
_FRAME_OCTETS_MAX = 128
_SO_RCVBUFFORCE = 33
_BUFFER_OCTETS = 4 << 20


class Questions:
    """From one host of a sandbox. Whoever makes it closes it."""

    def __init__(self, namespace: str, sender: Host) -> None:
        with namespaces.entered(namespace):
            self._link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE_ARP))
            self._link.bind(("eth0", _ETHERTYPE_ARP))
        # The answers to all questions, before the first one is read.
        self._link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_OCTETS)
        mac = self._link.getsockname()[4]
        self._frame = _BROADCAST + mac + _ETHERTYPE_ARP.to_bytes(2, "big") + _HEADER + mac
        self._frame += socket.inet_aton(sender.address) + bytes(6)

    def ask(self, addresses: Sequence[str]) -> None:
        for number, address in enumerate(addresses, start=1):
            self._link.send(self._frame + socket.inet_aton(address))
            if number % _BATCH == 0:
                time.sleep(_BATCH_PAUSE)

    def owners(self, addresses: Sequence[str]) -> dict[str, set[str]]:
        """The MACs that say they have an address, for each that has one."""
        self._forget()
        self.ask(addresses)
        found: dict[str, set[str]] = {}
        deadline = clock.monotonic() + _ANSWER_WITHIN
        while (remaining := deadline - clock.monotonic()) > 0:
            if not select.select([self._link], [], [], remaining)[0]:
                break
            claim = parse_claim(self._link.recv(_FRAME_OCTETS_MAX), clock.monotonic(), "")
            if claim is not None and claim.is_reply:
                found.setdefault(claim.address, set()).add(claim.mac)
        return {address: found[address] for address in addresses if address in found}

    def _forget(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self._link.recv(_FRAME_OCTETS_MAX, socket.MSG_DONTWAIT)

    def close(self) -> None:
        self._link.close()


class Asking:
    """Asks again and again for as long as it is open: whoever takes himself for an owner says so, for the referee to see.

    It closes its questions.
    """

    def __init__(self, questions: Questions, addresses: Sequence[str]) -> None:
        self._questions, self._addresses = questions, addresses
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asking", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._questions.close()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._questions.ask(self._addresses)
