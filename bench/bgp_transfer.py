"""BGP of swimlb beside GoBGP and ExaBGP: how long FRR waits for many prefixes, what that costs, and what one change costs.

Speaker and router have a network namespace each.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from bench.bgp_speaker import NODE_ASN, ROUTER_ASN, prefixes
from bench.contenders import ROOT
from swimlb.lab import namespaces
from swimlb.lab.exabgp import ExaBgp, exabgp_text
from swimlb.lab.frr import Frr
from swimlb.lab.frr_dialect import frr_text
from swimlb.lab.frr_vty import Vty
from swimlb.lab.gobgp import GoBgp, gobgp_text
from swimlb.lab.processes import ProcessId, identify
from swimlb.lab.router import Neighbour, RouterConfig
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from swimlb.runtime.priority import lend_precedence

NODE, ROUTER = "192.0.2.10", "192.0.2.1"
EXTRA = "198.51.100.1/32"
PATIENCE = 150.0
_UP = re.compile(rf"^(\S+ \S+) .*%ADJCHANGE: neighbor {re.escape(NODE)}.* Up$", re.MULTILINE)
_POLL_INTERVAL = 0.002
"""Questions take bgpd some time, too."""
MRT_PADDING = 4096
"""`gobgp mrt inject` ends before the daemon has taken its last records: these may be lost."""


@dataclass(frozen=True, slots=True)
class Transfer:
    contender: str
    count: int
    seconds: float | None
    """From Established, as FRR logs it, to the last prefix in its table; None: longer than the benchmark waits."""
    cpu_seconds: float
    rss_mib: float


@dataclass(frozen=True, slots=True)
class Change:
    """One prefix more, among `count`."""

    count: int
    updates: int
    octets: int
    seconds: float


@contextmanager
def network() -> Generator[Sandbox]:
    with tempfile.TemporaryDirectory() as scratch, Sandbox.create("bench-bgp", base=Path(scratch)) as sandbox:
        sandbox.add_namespaces("node", "router")
        node, router = sandbox.namespace("node"), sandbox.namespace("router")
        namespaces.ip_batch([f"link add eth0 type veth peer name eth0 netns {router}"], node)
        for namespace, address in ((node, NODE), (router, ROUTER)):
            namespaces.configure(namespace, addresses={"eth0": f"{address}/24"})
        yield sandbox


def frr(sandbox: Sandbox) -> Frr:
    neighbour = Neighbour(address=NODE, asn=NODE_ASN, families=("ipv4",))
    config = RouterConfig(
        asn=ROUTER_ASN, router_id=ROUTER, neighbours=(neighbour,), keepalive=30, hold_time=90
    )
    return Frr(sandbox, "router", bgpd_config=f"log timestamp precision 6\n{frr_text(config)}")


def _caller(announces: tuple[str, ...] = ()) -> RouterConfig:
    """The contender's own side: it calls the router."""
    neighbour = Neighbour(address=ROUTER, asn=ROUTER_ASN, families=("ipv4",), is_passive=False)
    return RouterConfig(
        asn=NODE_ASN,
        router_id=NODE,
        neighbours=(neighbour,),
        announces=announces,
        keepalive=30,
        hold_time=90,
    )


def transfer(name: str, count: int) -> tuple[Transfer, Change | None]:
    """The contender has its routes before the router starts; from there on the clock runs."""
    with network() as sandbox, CONTENDERS[name](sandbox, count) as (process, talk):
        router = frr(sandbox)
        before = cpu(process)
        router.start()
        with router.vty() as bgpd:
            has_all = _time_until(lambda: received(bgpd) == count, clock.wall(), PATIENCE)
            established = established_at((sandbox.home / "bgpd-router.log").read_text())
            seconds = None if has_all is None else has_all - established
            result = Transfer(name, count, seconds, cpu(process) - before, rss_mib(process))
            return result, None if talk is None or seconds is None else _one_more(bgpd, count, talk)


def established_at(log: str) -> float:
    """By the wall's clock. Asked, bgpd would tell it only after it has worked off what it has read."""
    found = _UP.search(log)
    assert found is not None, "the session was never Established"
    return datetime.strptime(found[1], "%Y/%m/%d %H:%M:%S.%f").astimezone().timestamp()


def received(bgpd: Vty) -> int | None:
    """Prefixes of the node in FRR's table; None: there is no session."""
    peers = json.loads(bgpd.ask("show bgp ipv4 unicast summary json")).get("peers", {})
    peer = peers.get(NODE, {})
    return peer.get("pfxRcd", 0) if peer.get("state") == "Established" else None


def _one_more(bgpd: Vty, count: int, talk: Callable[[str], dict[str, int] | None]) -> Change:
    before = talk("count")
    begun = clock.wall()
    talk(f"add {EXTRA}")
    has_it = _time_until(lambda: EXTRA in bgpd.ask(f"show bgp ipv4 unicast {EXTRA} json"), begun, 10.0)
    after = talk("count")
    assert before is not None
    assert after is not None
    assert has_it is not None, "FRR never had the route"
    return Change(
        count, after["updates"] - before["updates"], after["octets"] - before["octets"], has_it - begun
    )


def _time_until(condition: Callable[[], bool], begun: float, patience: float) -> float | None:
    """When it was so, by the wall's clock."""
    while not condition():
        if clock.wall() - begun > patience:
            return None
        time.sleep(_POLL_INTERVAL)
    return clock.wall()


Talk = Callable[[str], dict[str, int] | None]
Running = Generator[tuple[ProcessId, Talk | None]]


@contextmanager
def _swimlb(sandbox: Sandbox, count: int) -> Running:
    arguments = ("--router", ROUTER, "--source", NODE, "--count", str(count))
    command = (sys.executable, "-m", "bench.bgp_speaker", *arguments)
    child = subprocess.Popen(
        namespaces.execute(sandbox.namespace("node"), *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    lend_precedence(child.pid)
    stdin, stdout = child.stdin, child.stdout
    assert stdin is not None
    assert stdout is not None

    def talk(line: str) -> dict[str, int] | None:
        stdin.write(line + "\n")
        stdin.flush()
        return json.loads(stdout.readline()) if line == "count" else None

    try:
        assert stdout.readline() == "ready\n"
        identity = identify(child.pid)
        assert identity is not None
        yield identity, talk
    finally:
        child.kill()
        child.wait()


@contextmanager
def _gobgp(sandbox: Sandbox, count: int) -> Running:
    """Its routes come from an MRT file, the only way in that does not take a command for each."""
    daemon = GoBgp(sandbox, "node", configuration=gobgp_text(_caller()))
    daemon.start()
    dump = daemon.home / "routes.mrt"
    wanted = prefixes(count)
    dump.write_bytes(mrt([*wanted, *wanted[-1:] * MRT_PADDING]))

    def has_all() -> bool:
        daemon.gobgp("mrt", "inject", "global", str(dump), timeout=PATIENCE)
        return f"Path: {count}\n" in daemon.gobgp("global", "rib", "summary")

    wait_until(has_all, timeout=PATIENCE, what="GoBGP to have its routes", interval=1.0)
    yield _running(sandbox, daemon.label), None


@contextmanager
def _exabgp(sandbox: Sandbox, count: int) -> Running:
    text = exabgp_text(_caller(tuple(prefixes(count))), local_addresses=(NODE,))
    daemon = ExaBgp(sandbox, "node", configuration=text)
    daemon.start()
    yield _running(sandbox, daemon.label), None


CONTENDERS: dict[str, Any] = {"swimlb": _swimlb, "gobgp": _gobgp, "exabgp": _exabgp}


def _running(sandbox: Sandbox, label: str) -> ProcessId:
    process = sandbox.process(label)
    assert process is not None
    return process


def mrt(wanted: list[str]) -> bytes:
    """A table dump (RFC 6396 section 4.3): one peer, one path for each prefix."""

    def record(subtype: int, body: bytes) -> bytes:
        return struct.pack("!IHHI", 0, 13, subtype, len(body)) + body

    node = ip_address(NODE).packed
    peer = b"\x02" + node + node + struct.pack("!I", NODE_ASN)
    attributes = b"\x40\x01\x01\x00" + b"\x40\x02\x00" + b"\x40\x03\x04" + node
    entry = struct.pack("!HHIH", 1, 0, 0, len(attributes)) + attributes
    records = [record(1, node + struct.pack("!HH", 0, 1) + peer)]
    for number, prefix in enumerate(wanted):
        address = ip_address(prefix.partition("/")[0]).packed
        records.append(record(2, struct.pack("!IB", number, 32) + address + entry))
    return b"".join(records)


def cpu(process: ProcessId) -> float:
    """Seconds that its threads have run: the kernel counts them in nanoseconds, unlike user and system time."""
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def rss_mib(process: ProcessId) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024
