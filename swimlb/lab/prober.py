"""The client's side of a measurement: UDP echo requests at a steady pace, through the real kernel and its
neighbour cache.

    python -m swimlb.lab.prober --address 192.0.2.10 --port 8080 --output PATH

A process of its own, so that nothing else delays it; it records its own lateness nevertheless. One line of JSON
for each probe, `[sent, answered | null, by | null, lateness]`, written once it is answered or given up, in batches;
SIGTERM ends it with everything written.
"""

from __future__ import annotations

import argparse
import gc
import json
import select
import signal
import socket
import struct
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TextIO

from swimlb.runtime import clock

INTERVAL = 0.005
GIVE_UP_AFTER = 0.15
"""An answer that comes later is not waited for: more than the patience with which recordings are read."""
FLUSH_INTERVAL = 0.1
SETTLED_AFTER = 0.3
"""So long after a probe was sent, its line has been written, whatever became of it."""

_SEQUENCE = struct.Struct("!Q")
_ANSWER_OCTETS_MAX = 512


class Prober:
    """Sends to one address and port from one socket, so that the kernel treats all probes as one flow."""

    def __init__(self, link: socket.socket, output: TextIO, interval: float = INTERVAL) -> None:
        """`link` is a connected, non-blocking UDP socket."""
        self._link = link
        self._output = output
        self._interval = interval
        self._pending: dict[int, tuple[float, float]] = {}
        """By sequence number: when sent, and how late."""
        self._is_stopped = False

    def stop(self) -> None:
        """Let `run` end with the next probe, and the answers to the last ones."""
        self._is_stopped = True

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        begin = clock.monotonic()
        slot, flush_at = 0, begin
        while not self._is_stopped:
            due = begin + slot * self._interval
            while (now := clock.monotonic()) < due:
                if poll.poll((due - now) * 1000):
                    self._receive()
            self._send(slot, now, now - due)
            if now >= flush_at:
                self._give_up(now - GIVE_UP_AFTER)
                self._output.flush()
                flush_at = now + FLUSH_INTERVAL
            # A late prober leaves out the slots that it missed: a burst would measure nothing.
            slot = max(slot + 1, int((now - begin) / self._interval) + 1)
        self._await_answers(poll)
        self._give_up(clock.monotonic())
        self._output.flush()

    def _await_answers(self, poll: select.poll) -> None:
        """Probes that are on their way when the run ends are no more lost than those before."""
        until = clock.monotonic() + GIVE_UP_AFTER
        while self._pending and (left := until - clock.monotonic()) > 0:
            if poll.poll(left * 1000):
                self._receive()

    def _send(self, sequence: int, now: float, lateness: float) -> None:
        self._pending[sequence] = (now, lateness)
        # No route, no neighbour, a refusal that ICMP reported: the probe is lost, as the client would find it.
        with suppress(OSError):
            self._link.send(_SEQUENCE.pack(sequence))

    def _receive(self) -> None:
        while True:
            try:
                answer = self._link.recv(_ANSWER_OCTETS_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue  # An ICMP error of an earlier probe, reported once.
            now = clock.monotonic()
            if len(answer) <= _SEQUENCE.size:
                continue
            (sequence,) = _SEQUENCE.unpack_from(answer)
            if sequence in self._pending:
                self._write(sequence, now, answer[_SEQUENCE.size :].decode(errors="replace"))

    def _give_up(self, sent_before: float) -> None:
        # In order of sending, so the first that is younger ends it.
        for sequence in list(self._pending):
            if self._pending[sequence][0] > sent_before:
                break
            self._write(sequence, None, None)

    def _write(self, sequence: int, answered: float | None, by: str | None) -> None:
        sent, lateness = self._pending.pop(sequence)
        self._output.write(json.dumps([sent, answered, by, lateness]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m swimlb.lab.prober")
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--interval", default=INTERVAL, type=float)
    options = parser.parse_args()
    family = socket.AF_INET if ip_address(options.address).version == 4 else socket.AF_INET6
    with (
        socket.socket(family, socket.SOCK_DGRAM) as link,
        open(options.output, "w", buffering=1 << 16) as output,
    ):
        link.connect((options.address, options.port))
        link.setblocking(False)
        prober = Prober(link, output, options.interval)
        signal.signal(signal.SIGTERM, lambda _signum, _frame: prober.stop())
        gc.disable()
        prober.run()


if __name__ == "__main__":
    main()
