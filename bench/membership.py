"""Gossip of swimlb beside memberlist, serf and kinship: how fast a death is known to all, and what knowing it costs.

    python -m bench.membership [--quick] [--effort PART] [--sizes 3,5] [--only PRODUCT] [--output DIRECTORY]
    python -m bench.membership --redraw JSON

Every ring lives in a network namespace of its own. The slow profiles, which mostly wait, live side by side at the
same time; the quick ones one after the other. Writes membership.json and membership.svg to the directory, and
docs/reference/benchmarks-membership.md unless --quick. Needs root, `make go-peers`, serf and requirements/bench.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from bench import codec, report
from bench.contenders import ROOT, Contender, contenders
from bench.ring import Cost, Interrupted, Ring, interrupt, pause
from swimlb.runtime import clock

_DOCUMENTS = ROOT / "docs" / "reference"
_LATENESS_INTERVAL = 0.005
_LATENESS_MAX = 0.1
"""A death meanwhile is done again: its time would be the machine's and not the contender's."""
_ATTEMPTS_MAX = 3
"""Then the figure is taken as it is, with the lateness beside it."""
_SLOW_GIVES_UP_AFTER = 60.0
_QUICK_GIVES_UP_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it is done."""

    sizes: tuple[int, ...]
    idle: float
    slow_repeats: int
    quick_repeats: int
    halves: int
    codec_seconds: float

    def scaled(self, effort: float) -> Plan:
        """The same with a part of the deaths and of the rest, but at least one death of each kind."""

        def part(count: int) -> int:
            return max(1, round(count * effort))

        return replace(
            self,
            idle=max(5.0, self.idle * effort),
            slow_repeats=part(self.slow_repeats),
            quick_repeats=part(self.quick_repeats),
            halves=part(self.halves),
        )


FULL = Plan((3, 5, 10, 20), idle=15.0, slow_repeats=3, quick_repeats=10, halves=2, codec_seconds=8.0)
QUICK = Plan((3, 5), idle=5.0, slow_repeats=1, quick_repeats=3, halves=1, codec_seconds=2.0)


@dataclass(slots=True)
class Result:
    """One contender at one size. Times are seconds until all survivors knew; None stands for never in time."""

    contender: str
    product: str
    profile: str
    size: int
    cost: Cost | None = None
    false_deaths: int = 0
    killed: list[float | None] = field(default_factory=list[float | None])
    stopped: list[float | None] = field(default_factory=list[float | None])
    half_killed: list[float | None] = field(default_factory=list[float | None])
    lateness_worst: float = 0.0
    """The most that a timer of the benchmark itself was late in what is counted here."""
    disturbed: int = 0
    """Deaths that were not counted, because the machine was too busy to tell the time of them."""


class Lateness:
    """How late this machine runs a process that wants to run every 5 ms."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Lateness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def take(self) -> float:
        """The worst since the last time this was asked."""
        worst, self._worst = self._worst, 0.0
        return worst

    def _run(self) -> None:
        due = clock.monotonic() + _LATENESS_INTERVAL
        while not self._ended.wait(max(0.0, due - clock.monotonic())):
            self._worst = max(self._worst, clock.monotonic() - due)
            due = clock.monotonic() + _LATENESS_INTERVAL


@contextmanager
def whole_ring(contender: Contender, size: int) -> Generator[Ring]:
    """One whose members all know each other. A ring that does not come together is begun anew: joins are not measured."""
    for attempt in range(1, _ATTEMPTS_MAX + 1):
        with Ring(contender, size) as ring:
            try:
                ring.start()
            except TimeoutError as error:
                if attempt == _ATTEMPTS_MAX:
                    raise
                say(str(error))
                continue
            yield ring
            return


def measure(contender: Contender, size: int, plan: Plan) -> Result:
    """All of one ring's life."""
    result = Result(contender.name, contender.product, contender.profile, size)
    repeats = plan.quick_repeats if contender.is_quick else plan.slow_repeats
    halves = plan.halves * (2 if contender.is_quick else 1)
    patience = _QUICK_GIVES_UP_AFTER if contender.is_quick else _SLOW_GIVES_UP_AFTER
    rng = Random(size)
    with Lateness() as lateness, whole_ring(contender, size) as ring:
        pause(3.0)  # The news of the joins is told first.
        result.cost = ring.cost(plan.idle)
        result.false_deaths = ring.false_deaths()
        ring.forget()
        rounds = (
            *((signal.SIGKILL, 1, result.killed),) * repeats,
            *((signal.SIGSTOP, 1, result.stopped),) * repeats,
            *((signal.SIGKILL, size // 2, result.half_killed),) * (halves if size > 3 else 0),
        )
        for how, count, found in rounds:
            for attempt in range(_ATTEMPTS_MAX):
                victims = rng.sample(ring.members, count)
                lateness.take()
                took, late = ring.hurt(victims, how, patience), lateness.take()
                ring.heal(victims)
                # The next death is not to meet the news of this one, nor always the same moment of a probe round.
                pause(rng.uniform(1.0, 2.0) if contender.is_quick else rng.uniform(2.0, 4.0))
                if late <= _LATENESS_MAX or attempt == _ATTEMPTS_MAX - 1:
                    found.append(took)
                    result.lateness_worst = max(result.lateness_worst, late)
                    break
                result.disturbed += 1
    say(f"{contender.name} at {size}: {report.outline(asdict(result))}")
    return result


def measure_size(size: int, chosen: Sequence[Contender], plan: Plan) -> list[Result]:
    slow = [contender for contender in chosen if not contender.is_quick]
    results = [measure(contender, size, plan) for contender in chosen if contender.is_quick]
    if slow:
        with ThreadPoolExecutor(len(slow)) as pool:
            begun = [pool.submit(measure, contender, size, plan) for contender in slow]
            try:
                results += [future.result() for future in begun]
            except BaseException:
                interrupt()  # The pool waits for its threads.
                raise
    return results


def machine() -> dict[str, Any]:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
    }


_begun = clock.monotonic()


def say(text: str) -> None:
    print(f"{clock.monotonic() - _begun:6.0f} s  {text}", flush=True)


@contextmanager
def ending_in_order() -> Generator[None]:
    """SIGTERM unwinds like Ctrl-C, so that members and namespaces go in any case."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under two minutes; no document")
    parser.add_argument(
        "--effort", type=float, default=1.0, help="part of the deaths and of the time at rest"
    )
    parser.add_argument("--sizes", help="members per ring, separated by commas")
    parser.add_argument("--only", help="one product")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument(
        "--redraw", type=Path, help="measure nothing: plot and page from this membership.json"
    )
    options = parser.parse_args()
    if options.redraw is not None:
        report.write(json.loads(options.redraw.read_text()), _DOCUMENTS)
        return
    plan = (QUICK if options.quick else FULL).scaled(options.effort)
    sizes = plan.sizes if options.sizes is None else tuple(map(int, options.sizes.split(",")))
    chosen = [one for one in contenders() if options.only in (None, one.product)]
    results: list[Result] = []
    loads = [os.getloadavg()[1]]
    with ending_in_order():
        say("codec")
        timings = codec.timings(plan.codec_seconds)
        for size in sizes:
            say(f"rings of {size}")
            results += measure_size(size, chosen, plan)
            loads.append(os.getloadavg()[1])
            found = {
                "machine": machine() | {"load_before": loads[0], "load_after": loads[-1]},
                "plan": asdict(plan),
                "rings": [asdict(result) for result in results],
                "codec": [asdict(timing) for timing in timings],
            }
            options.output.mkdir(parents=True, exist_ok=True)
            # After each size, so that an interruption costs only what it interrupts.
            (options.output / "membership.json").write_text(json.dumps(found, indent=1) + "\n")
            report.plot(found, options.output / "membership.svg")
    if not options.quick and options.only is None:
        report.write(found, _DOCUMENTS)
    say(f"written to {options.output}")


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, Interrupted):
        sys.exit("interrupted; the sizes that were done are written, and nobody is left")
