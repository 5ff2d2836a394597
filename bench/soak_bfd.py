"""False alarms of BFD at 50 ms x 3 on a host that is kept busy: `make soak-bfd MINUTES=30`, or

    python -m bench.soak_bfd [--minutes 30] [--only decoding|routes|busy|together]

BGP and BFD run as in *wire* against FRR's bgpd and bfdd, in namespaces. For so many minutes each, one process beside
them reads 10,000 Services again and again as *watch* does, or 100,000 routes are sent every 15 s by the same process, or
every core has a process that only computes; or all three at once (`together`), which is harder and a third as long. Told
are the sessions that were lost, each of them a false alarm, and the longest times between two packets of ours and of the
router; how long ours waited for a core; and how long this machine kept even a real-time process waiting that does nothing
(`bench.stalls`), which nobody can help. Needs root and frr. Fails if there was a false alarm.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.membership import ending_in_order, say
from bench.soak_bfd_wire import NODE_ASN, PROFILE, ROUTER_ASN
from bench.stalls import stalls
from swimlb.lab import namespaces
from swimlb.lab.frr import Frr
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from swimlb.runtime.urgency import PRIORITY

NODE, ROUTER = "192.0.2.10", "192.0.2.1"
SERVICES, PREFIXES = 10_000, 100_000
LOADS, TOGETHER = ("decoding", "routes", "busy"), "together"
PROGRESS_INTERVAL = 60.0
"""Seconds between two words of how it goes."""
_SETTLING = 5.0
"""Seconds under load before the count begins."""
_COMPUTING = "while True: sum(range(10_000))"
_DECODING = """
import sys
from pathlib import Path
from swimlb.config import resolve
from swimlb.sources import Directory
while True:
    manifests = Directory(Path(sys.argv[1])).poll()
    assert len(resolve(manifests.documents).configuration.services) == int(sys.argv[2])
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    load: str
    minutes: float
    false_downs: int
    """Ours and the router's."""
    bgp_lost: int
    packets_sent: int
    updates_sent: int
    send_gap_max: float
    receive_gap_max: float
    waited_max: float
    """In the worst second, how much of it ours was ready to run and something else ran."""
    times_given_up: int
    """Ours was an ordinary process for a moment, having computed for long (`swimlb.runtime.urgency`)."""
    stall_max: float
    """Of the machine itself, in seconds."""

    def __str__(self) -> str:
        return (
            f"{self.load:8} {self.minutes:g} min: {self.false_downs} false downs, {self.bgp_lost} BGP sessions lost, "
            f"{self.packets_sent} packets and {self.updates_sent} UPDATEs sent; "
            f"longest gap of ours {1000 * self.send_gap_max:.0f} ms, of the router {1000 * self.receive_gap_max:.0f} ms, "
            f"waiting for a core {1000 * self.waited_max:.0f} ms of the worst second, "
            f"{self.times_given_up} times not real-time, "
            f"longest stall of the machine itself {1000 * self.stall_max:.0f} ms"
        )


def soak(load: str, minutes: float, base: Path) -> Outcome:
    with Sandbox.create(f"soak-{load}", base=base) as sandbox:
        frr = _router(sandbox)
        prefixes = PREFIXES if load in ("routes", TOGETHER) else 1
        log = sandbox.home / "wire.log"
        sandbox.start(
            "wire",
            [sys.executable, "-m", "bench.soak_bfd_wire", ROUTER, NODE, str(prefixes)],
            namespace="node",
            log=log,
        )
        wait_until(lambda: _told(log).get("bfd") == "UP", timeout=60, what="the session", seen=log.read_text)
        wait_until(lambda: _told(log).get("bgp") == "Established", timeout=30, what="BGP", seen=log.read_text)
        stall_logs = [_watch_stalls(sandbox, core) for core in sorted(os.sched_getaffinity(0))]
        for number, argv in enumerate(_load(load, base)):
            sandbox.start(f"load-{number}", argv, namespace="node", log=sandbox.home / f"load-{number}.log")
        time.sleep(_SETTLING)
        before = after = _told(log)
        ends = clock.monotonic() + 60 * minutes
        while (left := ends - clock.monotonic()) > 0:
            time.sleep(min(left, PROGRESS_INTERVAL))
            after = _told(log)
            say(
                f"{load}, {max(ends - clock.monotonic(), 0) / 60:.0f} of {minutes:g} min to go: "
                f"{after['downs']} false downs, longest gap of ours {1000 * after['send_gap_max']:.0f} ms"
            )
        assert all(sandbox.process(f"load-{number}") for number, _ in enumerate(_load(load, base))), (
            "the load ended"
        )
        return Outcome(
            load=load,
            minutes=minutes,
            false_downs=after["downs"] + _downs_of(frr),
            bgp_lost=after["lost"],
            packets_sent=after["sent"] - before["sent"],
            updates_sent=after["updates_sent"] - before["updates_sent"],
            send_gap_max=after["send_gap_max"],
            receive_gap_max=after["receive_gap_max"],
            waited_max=after["waited_max"],
            times_given_up=after["times_given_up"] - before["times_given_up"],
            stall_max=max((stall for log in stall_logs for stall in stalls(log)), default=0.0),
        )


def _router(sandbox: Sandbox) -> Frr:
    sandbox.add_namespaces("switch", "node", "router")
    switch, node, router = map(sandbox.namespace, ("switch", "node", "router"))
    namespaces.build_switch(switch)
    namespaces.plug_in(switch, {"p-node": node, "p-router": router})
    namespaces.configure(node, addresses={"eth0": f"{NODE}/24"})
    namespaces.configure(router, addresses={"eth0": f"{ROUTER}/24"})
    profile = (
        f"  receive-interval {PROFILE.receive_interval_ms}\n"
        f"  transmit-interval {PROFILE.transmit_interval_ms}\n"
        f"  detect-multiplier {PROFILE.detect_multiplier}\n"
    )
    bgpd = (
        f"router bgp {ROUTER_ASN}\n bgp router-id {ROUTER}\n no bgp ebgp-requires-policy\n"
        f" neighbor {NODE} remote-as {NODE_ASN}\n neighbor {NODE} passive\n neighbor {NODE} bfd profile fast\n"
    )
    frr = Frr(sandbox, "router", bgpd_config=bgpd, bfdd_config=f"bfd\n profile fast\n{profile}")
    frr.start()
    # A router is another machine, which the load here does not touch, and which does not touch this one: its bfdd goes before
    # everything, as *wire* does, and what its other daemons do with 100,000 routes comes after both.
    bfdd = sandbox.process("bfdd/router")
    assert bfdd is not None, "bfdd runs"
    for task in Path(f"/proc/{bfdd.pid}/task").iterdir():
        os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(PRIORITY))
    return frr


def _watch_stalls(sandbox: Sandbox, core: int) -> Path:
    log = sandbox.home / f"stalls-{core}.log"
    sandbox.start(
        f"stalls-{core}", [sys.executable, "-m", "bench.stalls", str(core)], namespace="node", log=log
    )
    return log


def _load(load: str, base: Path) -> list[list[str]]:
    commands: list[list[str]] = []
    if load in ("decoding", TOGETHER):
        commands.append([sys.executable, "-c", _DECODING, str(_manifests(base)), str(SERVICES)])
    if load in ("busy", TOGETHER):
        commands += [[sys.executable, "-c", _COMPUTING]] * (os.cpu_count() or 1)
    return commands


def _manifests(base: Path) -> Path:
    """One file of JSON for each thousand Services."""
    directory = base / "manifests"
    if directory.exists():
        return directory
    directory.mkdir()
    for thousand in range(SERVICES // 1000):
        items = [_service(1000 * thousand + number) for number in range(1000)]
        whole = {"apiVersion": "v1", "kind": "List", "items": items}
        (directory / f"{thousand}.json").write_text(json.dumps(whole))
    return directory


def _service(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"service-{number}", "namespace": "default", "labels": {"app": f"app-{number}"}},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": f"app-{number}"},
            "ports": [{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}],
        },
    }


def _told(log: Path) -> dict[str, Any]:
    """The last whole line of what the node tells."""
    lines = [line for line in log.read_text().splitlines(keepends=True) if line.endswith("}\n")]
    told = [line for line in lines if '"bfd":' in line]
    return json.loads(told[-1]) if told else {}


def _downs_of(frr: Frr) -> int:
    counters: list[dict[str, Any]] = frr.vtysh_json("show bfd peers counters json")
    return sum(peer["session-down"] for peer in counters)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--only", choices=(*LOADS, TOGETHER))
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    with ending_in_order(), tempfile.TemporaryDirectory() as scratch:
        _manifests(Path(scratch))
        for load in [options.only] if options.only else LOADS:
            outcomes.append(soak(load, options.minutes, Path(scratch)))
            print(outcomes[-1], flush=True)
    return 1 if any(outcome.false_downs or outcome.bgp_lost for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
