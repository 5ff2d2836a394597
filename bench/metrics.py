"""What a scrape costs the process that answers it: how long its event loop waits meanwhile.

    python -m bench.metrics [--scrapes 30]

One process serves the metrics of a speaker with thousands of addresses, as *watch* does; another scrapes it. The event loop
notes by how much a timer of 2 ms is late: at rest, while the exposition is made in a thread as it is in the product, and,
for comparison, while it is made in the loop itself. All in one run. Writes docs/reference/benchmarks-metrics.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from prometheus_client.core import Metric

from bench.contenders import ROOT
from bench.membership import machine
from swimlb.observe.endpoint import exposition, serve_metrics
from swimlb.observe.logs import EventLog
from swimlb.observe.speaker_metrics import Snapshot, speaker_families
from swimlb.runtime import clock

DOCUMENT = ROOT / "docs" / "reference" / "benchmarks-metrics.md"
HOST, PORT = "127.0.49.3", 17499
TICK = 0.002
SERIES = (500, 5_000, 20_000)
GOAL_SERIES, GOAL = 5_000, 0.010
"""So much longer than at rest may the loop wait, in seconds."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """Seconds, of the loop's timer."""

    median: float
    p99: float
    most: float

    def __str__(self) -> str:
        return " / ".join(f"{1000 * one:.1f}" for one in (self.median, self.p99, self.most))


@dataclass(frozen=True, slots=True)
class Outcome:
    series: int
    octets: int
    scrape: float
    """Seconds, the median."""
    at_rest: Lateness
    in_thread: Lateness
    in_loop: Lateness


def snapshot(series: int) -> Snapshot:
    """Four series for each address."""
    addresses = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(series // 4)]
    facts: dict[str, dict[str, Any]] = {
        f"l2/{one}": {"owner": "node-a", "is_announced_here": True, "in_use_by": None} for one in addresses
    }
    facts |= {f"tally/{one}": {"answered": 5, "announced": 8} for one in addresses}
    services = {one: (f"default/service-{number}",) for number, one in enumerate(addresses)}
    return Snapshot(node="node-a", version="1", facts=facts, services=services)


class _Watcher:
    """Notes how late a timer is, as long as it is told to."""

    def __init__(self) -> None:
        self.late: list[float] = []

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncGenerator[None, None]:
        self.late = []
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()

    async def _watch(self) -> None:
        while True:
            due = clock.monotonic() + TICK
            await asyncio.sleep(TICK)
            self.late.append(clock.monotonic() - due)

    def lateness(self) -> Lateness:
        ordered = sorted(self.late)
        return Lateness(ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])


def _scrape(url: str, scrapes: int, told: Connection) -> None:
    """The client, in a process of its own."""
    times: list[float] = []
    octets = 0
    for _ in range(scrapes):
        begun = clock.monotonic()
        with urllib.request.urlopen(url, timeout=10) as answer:
            octets = len(answer.read())
        times.append(clock.monotonic() - begun)
        time.sleep(0.05)
    told.send((sorted(times)[len(times) // 2], octets))


async def measure(series: int, scrapes: int) -> Outcome:
    watcher, whole = _Watcher(), snapshot(series)
    log = EventLog(logging.getLogger("bench"))
    async with watcher.watching():
        await asyncio.sleep(scrapes * 0.05)
    at_rest = watcher.lateness()

    async def scraped(collect: Callable[[], Iterable[Metric]]) -> tuple[float, int]:
        async with serve_metrics(HOST, PORT, collect, log):
            ours, theirs = multiprocessing.Pipe()
            client = multiprocessing.get_context("spawn").Process(
                target=_scrape, args=(f"http://{HOST}:{PORT}/metrics", scrapes, theirs)
            )
            client.start()
            await asyncio.sleep(0.5)
            async with watcher.watching():
                answered = asyncio.Event()
                asyncio.get_running_loop().add_reader(ours.fileno(), answered.set)
                await answered.wait()
                asyncio.get_running_loop().remove_reader(ours.fileno())
            client.join()
            return ours.recv()

    scrape, octets = await scraped(lambda: speaker_families(whole))
    in_thread = watcher.lateness()
    async with watcher.watching():
        for _ in range(scrapes):
            exposition(speaker_families(whole))
            await asyncio.sleep(0.05)
    return Outcome(series, octets, scrape, at_rest, in_thread, watcher.lateness())


def page(outcomes: list[Outcome], scrapes: int) -> str:
    where = machine()
    host = f"{where['processor']}, {where['cores']} cores, Linux {where['kernel']}, Python {where['python']}"
    lines = [
        "# Scrapes, measured",
        "",
        f"Written by `make bench-metrics`; do not edit. {host}. {scrapes} scrapes a row; lateness of a timer of 2 ms in the",
        "event loop of the process that answers, median / 99th percentile / most, in milliseconds.",
        "",
        "| series | kB | a scrape takes, ms | at rest | while scraped | were it made in the loop |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in outcomes:
        cells = [
            f"{one.series:,}",
            f"{one.octets / 1000:.0f}",
            f"{1000 * one.scrape:.0f}",
            *map(str, (one.at_rest, one.in_thread, one.in_loop)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    goals = [_goal(one) for one in outcomes if one.series == GOAL_SERIES]
    return "\n".join([*lines, "", *goals]) + "\n"


def _goal(outcome: Outcome) -> str:
    at_rest, scraped = outcome.at_rest, outcome.in_thread
    longer = {
        "by the 99th percentile": scraped.p99 - at_rest.p99,
        "by the most": scraped.most - at_rest.most,
    }
    found = [
        f"{words} {1000 * one:.0f} ms, {'reached' if one <= GOAL else 'not reached'}"
        for words, one in longer.items()
    ]
    return f"The goal: with {GOAL_SERIES:,} series the loop waits no more than {1000 * GOAL:g} ms longer than at rest. It is {'; '.join(found)}."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scrapes", type=int, default=30)
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    for series in SERIES:
        outcomes.append(asyncio.run(measure(series, options.scrapes)))
        print(outcomes[-1], flush=True)
    DOCUMENT.write_text(page(outcomes, options.scrapes))
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
