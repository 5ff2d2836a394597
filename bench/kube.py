"""What following a cluster costs *watch*, and whether *wire* notices: 10,000 Services and as many EndpointSlices.

    python -m bench.kube [--quick] [--rounds N] [--output DIRECTORY]

The API server is a process of this bench that has all rendered (`kube_server`). A *watch* process lists everything by TLS
and tells a *wire* process, ROUNDS times, each time a new *watch*; then 500 Services change one by one. Beside them runs a
process with nothing but a timer. Told are the goals of each and what was measured: the time and the CPU of the list, memory,
the longest stall of *watch*, and how late the timers of *wire* and of the idle process were while a list was read.
Writes kube.json to the directory, and docs/reference/benchmarks-kubernetes.md
unless there were fewer rounds.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any

from bench.contenders import ROOT
from bench.layer2_report import table
from bench.membership import ending_in_order, machine, say
from swimlb.lab.waiting import wait_until

DOCUMENT = ROOT / "docs" / "reference" / "benchmarks-kubernetes.md"
OBJECTS, QUICK_OBJECTS = 10_000, 2_000
ROUNDS, QUICK_ROUNDS = 5, 1
CHANGES = 500
RSS_MAX_MIB = 65
STALL_MAX_MS = 60
LATENESS_MAX_MS = 5

Found = dict[str, Any]


@contextmanager
def process(*arguments: str, descriptors: Sequence[int] = ()) -> Iterator[subprocess.Popen[str]]:
    """One part of the bench; killed at the end, whatever happens."""
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        pass_fds=descriptors,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


class Lateness:
    """Collects what a process with a timer tells, a line a second."""

    def __init__(self, started: subprocess.Popen[str]) -> None:
        self._lines: list[Found] = []
        self._output = started.stdout
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._output is not None
        # Closed while it is read, when the bench ends.
        with suppress(ValueError):
            self._lines.extend(map(json.loads, self._output))

    def rss(self) -> float:
        return self._lines[-1]["rss"]

    def within(self, spans: Sequence[tuple[float, float]]) -> list[float]:
        """Milliseconds, of the seconds that overlap one of the spans."""
        return [
            late / 1000
            for line in self._lines
            for late in line["late_us"]
            if any(begin <= line["at"] and line["at"] - 1.0 <= end for begin, end in spans)
        ]


def measure(objects: int, rounds: int) -> Found:
    lists: list[Found] = []
    changes: list[Found] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-kube-")))
        stack.enter_context(process("bench.kube_server", str(objects), str(directory)))
        wire_end, watch_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.callback(wire_end.close)
        stack.callback(watch_end.close)
        wire_fd, watch_fd = wire_end.fileno(), watch_end.fileno()
        wire = Lateness(
            stack.enter_context(process("bench.kube_process", "wire", str(wire_fd), descriptors=[wire_fd]))
        )
        idle = Lateness(stack.enter_context(process("bench.kube_process", "idle")))
        wait_until((directory / "server.json").exists, timeout=120, what="the server")
        told = json.loads((directory / "server.json").read_text())
        for number in range(rounds):
            arguments = ("bench.kube_process", "watch", str(watch_fd), str(directory))
            with process(*arguments, descriptors=[watch_fd]) as watch:
                assert watch.stdin is not None
                assert watch.stdout is not None
                lists.append(json.loads(watch.stdout.readline()))
                say(f"list {number + 1}: {lists[-1]['seconds']:.1f} s, {lists[-1]['rss']:.0f} MiB")
                change(told["url"], CHANGES)
                print(file=watch.stdin, flush=True)
                changes.append(json.loads(watch.stdout.readline()))
        spans = [(one["begun"], one["published"]) for one in lists]
        return {
            "machine": machine(),
            "objects": objects,
            "octets": sum(told["octets"].values()),
            "seconds": median(one["seconds"] for one in lists),
            "cpu": median(one["cpu"] for one in lists),
            "rss": max(one["rss"] for one in lists),
            "rss_before": median(one["rss_before"] for one in lists),
            "stall_ms": max(max(one["late_us"]) for one in lists) / 1000,
            "turn_ms": max(one["longest_turn"] for one in lists) * 1000,
            "stall_median_ms": median(max(one["late_us"]) / 1000 for one in lists),
            "change_cpu_ms": median(1000 * one["cpu"] / one["news"] for one in changes),
            "wire_ms": centiles(wire.within(spans)),
            "idle_ms": centiles(idle.within(spans)),
            "wire_rss": wire.rss(),
        }


def change(url: str, count: int) -> None:
    """Have so many Services changed, one after the other."""
    request = urllib.request.Request(f"{url}/change/{count}", b"", method="POST")
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    urllib.request.urlopen(request, context=unverified, timeout=120).read()


def centiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "count": len(ordered),
        **{
            name: ordered[min(len(ordered) - 1, int(part * len(ordered)))]
            for name, part in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
        },
    }


def page(found: Found) -> str:
    where = found["machine"]
    wire, idle = found["wire_ms"], found["idle_ms"]
    rows = [
        ("list, until all is known", f"{found['seconds']:.1f} s, {found['cpu']:.1f} s of CPU", ""),
        ("longest stall of *watch*'s loop", f"{found['stall_ms']:.0f} ms", f"{STALL_MAX_MS} ms"),
        ("CPU of its longest turn", f"{found['turn_ms']:.0f} ms", ""),
        ("memory of *watch* (RSS)", f"{found['rss']:.0f} MiB", f"{RSS_MAX_MIB} MiB"),
        ("one changed Service, CPU of *watch*", f"{found['change_cpu_ms']:.2f} ms", ""),
        (
            "lateness of *wire* beyond an idle process, p99.9",
            f"{wire['p99.9'] - idle['p99.9']:+.1f} ms ({wire['p99.9']:.1f} and {idle['p99.9']:.1f})",
            f"{LATENESS_MAX_MS} ms",
        ),
    ]
    return "\n".join(
        [
            "# Benchmarks: following a cluster",
            "",
            f"Made by `make bench-kube`: {found['objects']:,} Services and as many EndpointSlices "
            f"({found['octets'] / 1e6:.0f} MB of JSON by TLS), {where['cores']} cores, {where['processor']}, "
            f"Linux {where['kernel']}, Python {where['python']}.",
            "",
            *table(("", "measured", "goal"), rows),
            "",
            "The worst of all rounds for stalls and memory, medians for the rest. What is measured, and how: `bench/kube.py`.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    options = parser.parse_args()
    with ending_in_order():
        found = measure(
            QUICK_OBJECTS if options.quick else OBJECTS, QUICK_ROUNDS if options.quick else options.rounds
        )
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "kube.json").write_text(json.dumps(found, indent=1) + "\n")
    print(page(found))
    if not options.quick and options.rounds >= ROUNDS:
        DOCUMENT.write_text(page(found))


if __name__ == "__main__":
    main()
