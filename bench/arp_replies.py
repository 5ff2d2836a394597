"""ARP over one cable: how fast a host answers, and how often, with one address and with ten thousand.

The kernel that answers for its own addresses is the measure; swimlb answers for as many that the kernel does not have, and so
does the barest process that can.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from announce.l2 import arp
from bench.contenders import ROOT
from bench.ring import pause
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock

FIRST = IPv4Address("198.18.0.1")
"""Of the network for benchmarks (RFC 2544)."""
CLIENT = IPv4Address("198.19.255.1")
COUNTS = (1, 10_000)
RESPONDERS = ("kernel", "bare", "swimlb")
"""*bare* waits in recv(2), looks an address up and sends a reply: what is left to win for any process in Python."""
_MODULES = {"bare": "bench.arp_bare", "swimlb": "bench.arp_responder"}
_PAUSE = 0.001
_TURNS = 10
_REPLY_TIMEOUT = struct.pack("@ll", 2, 0)
"""`struct timeval`."""
_BATCH = 64
_ETH_P_ARP = 0x0806
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Latency:
    """From a question to its answer, the client's own work included."""

    p50_us: float
    p99_us: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Latency:
        return cls(1e6 * median(times), 1e6 * quantiles(times, n=100)[98])


@dataclass(frozen=True, slots=True)
class Replies:
    """One responder with so many addresses."""

    responder: str
    addresses: int
    paced: Latency
    """One question in a millisecond: all fall asleep in between, as they do where somebody asks now and then."""
    incessant: Latency
    """The next question as soon as the last one is answered: nobody and no cache has the time to fall asleep."""
    replies_per_second: float
    """While requests come faster than it answers."""
    requests_per_second: float
    """How fast they came."""
    replies_per_cpu_second: float | None
    """By the time that the scheduler says the process ran; the kernel's replies are in nobody's."""


def measure(addresses: int, *, rounds: int, flood: float) -> list[Replies]:
    """All responders live side by side, and are asked in turn: what the machine does meanwhile, it does to all."""
    with ExitStack() as stack:
        cables = [stack.enter_context(_cable(responder, addresses)) for responder in RESPONDERS]
        times: list[tuple[list[float], list[float]]] = [([], []) for _ in cables]
        for _ in range(_TURNS):
            for cable, (paced, incessant) in zip(cables, times, strict=True):
                paced += _latency(cable.client, addresses, rounds // _TURNS, pause_between=_PAUSE)
                incessant += _latency(cable.client, addresses, rounds // _TURNS, pause_between=0.0)
        return [
            Replies(
                cable.responder,
                addresses,
                Latency.of(paced),
                Latency.of(incessant),
                *_flood(cable.client, cable.host, addresses, flood, cable.pid),
            )
            for cable, (paced, incessant) in zip(cables, times, strict=True)
        ]


class _Cable(NamedTuple):
    responder: str
    client: str
    host: str
    pid: int | None


@contextmanager
def _cable(responder: str, addresses: int) -> Generator[_Cable]:
    """A client and a host that answers, in a sandbox of their own."""
    with Sandbox.create(f"bench-arp-{responder}-{addresses}") as sandbox:
        sandbox.add_namespaces("client", "host")
        client, host = sandbox.namespace("client"), sandbox.namespace("host")
        namespaces.ip_batch([f"link add eth0 type veth peer name eth0 netns {host}"], client)
        namespaces.configure(client, addresses={"eth0": f"{CLIENT}/15"})
        namespaces.configure(host, addresses={"eth0": "198.19.255.2/15"})
        with _answering(responder, addresses, host) as pid:
            yield _Cable(responder, client, host, pid)


@contextmanager
def _answering(responder: str, addresses: int, host: str) -> Generator[int | None]:
    if responder == "kernel":
        lines = [f"address add {FIRST + number}/32 dev eth0" for number in range(addresses)]
        namespaces.ip_batch(lines, host)
        yield None
        return
    options = ("--first", str(FIRST), "--count", str(addresses))
    command = namespaces.execute(
        host, "setpriv", "--pdeathsig=KILL", sys.executable, "-m", _MODULES[responder], *options
    )
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(
            lambda: process.poll() is not None or _is_quiet(host), timeout=120, what="the announcements"
        )
        assert process.poll() is None, "the responder has ended"
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _is_quiet(host: str) -> bool:
    before = _sent_by(host)
    pause(2.0)
    return before == _sent_by(host) > 0


def _latency(client: str, addresses: int, rounds: int, *, pause_between: float) -> list[float]:
    """One question at a time, over all addresses in turn. The client waits asleep in recv(2), as clients do."""
    with namespaces.entered(client):
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP))
    times: list[float] = []
    with link:
        link.bind(("eth0", _ETH_P_ARP))
        # By the kernel: Python's own timeout would wait in poll(2) before each recv(2).
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _REPLY_TIMEOUT)
        mac = link.getsockname()[4]
        for number in range(rounds):
            wanted = FIRST + number % addresses
            question = _question(mac, wanted)
            if pause_between:
                pause(pause_between)
            asked = clock.monotonic()
            link.send(question)
            while True:
                frame = link.recv(128)
                if frame[:6] == mac and frame[20:22] == b"\x00\x02" and frame[28:32] == wanted.packed:
                    break
            times.append(clock.monotonic() - asked)
    return times


def _flood(
    client: str, host: str, addresses: int, duration: float, pid: int | None
) -> tuple[float, float, float | None]:
    """Questions as fast as one process can send them; replies are counted at the host's link."""
    with namespaces.entered(client):
        # No protocol: it gets nothing, so that all its time goes into questions.
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with link:
        link.bind(("eth0", 0))
        mac = link.getsockname()[4]
        batches = [
            _Batch([_question(mac, FIRST + (number * _BATCH + at) % addresses) for at in range(_BATCH)])
            for number in range(max(1, min(addresses, 10_000) // _BATCH))
        ]
        sent, ran, begun = 0, _ran(pid), clock.monotonic()
        before = _sent_by(host)
        while (now := clock.monotonic()) < begun + duration:
            for batch in batches:
                sent += batch.send(link.fileno())
                if clock.monotonic() >= begun + duration:
                    break
        took, replies = now - begun, _sent_by(host) - before
        took = clock.monotonic() - begun
        ran = _ran(pid) - ran
    return replies / took, sent / took, replies / ran if pid is not None and ran else None


class _Batch:
    """Frames that one sendmmsg(2) sends."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._buffers = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
        self._vectors = (_IoVec * len(frames))(
            *(_IoVec(ctypes.cast(buffer, ctypes.c_void_p), len(buffer)) for buffer in self._buffers)
        )
        self._messages = (_MMsgHdr * len(frames))()
        for message, vector in zip(self._messages, self._vectors, strict=True):
            message.header.vectors = ctypes.pointer(vector)
            message.header.vectors_count = 1

    def send(self, descriptor: int) -> int:
        """How many went out: the rest found the queue full."""
        return max(0, _libc.sendmmsg(descriptor, self._messages, len(self._messages), 0))


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_IoVec)),
        ("vectors_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("sent", ctypes.c_uint))


def _question(mac: bytes, address: IPv4Address) -> bytes:
    return arp.encode(
        arp.ArpFrame(
            destination=arp.BROADCAST,
            source=mac,
            operation=arp.Operation.REQUEST,
            sender_mac=mac,
            sender_address=CLIENT,
            target_mac=bytes(6),
            target_address=address,
        )
    )


def _sent_by(namespace: str) -> int:
    (link,) = namespaces.ip_json(namespace, "-s", "link", "show", "dev", "eth0")
    return int(link["stats64"]["tx"]["packets"])


def _ran(pid: int | None) -> float:
    """Seconds that the process has been running on a core."""
    return 0.0 if pid is None else int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
