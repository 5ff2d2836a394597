"""The allocator: Services from nothing, after a restart, and one change in a full world, at 1,000 to 100,000 Services.

    python -m bench.allocator [--sizes 1000,10000] [--output DIRECTORY] [--redraw JSON]

Every size runs in a process of its own, which tells CPU seconds and how much memory a Service costs. Writes
allocator.json and allocator.svg to the directory, and docs/reference/benchmarks-allocator.md if all sizes were run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from math import log2
from pathlib import Path
from statistics import median
from typing import Any

from bench.contenders import ROOT
from bench.layer2_report import table
from bench.membership import machine, say
from swimlb.allocator import Allocator, StatusWritten, WorldChanged, WriteStatus, allocate
from swimlb.model import AddressRange, Allocation, Configuration, Pool, Protocol, Service, ServicePort

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
POOLS = 8
CHANGES = 400
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Result:
    """CPU seconds; of several runs the median."""

    services: int
    whole: float
    """`allocate` from nothing."""
    restart: float
    """`allocate` where everybody holds an address."""
    sync: float
    """The incremental allocator's first event, everybody holding an address."""
    change: float
    """It is told that one Service has gone and another has come, and that the status is written."""
    octets_per_service: float
    """Resident memory that the incremental allocator adds to the Services themselves."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--redraw", type=Path, help="measure nothing: plot and page from this allocator.json")
    options = parser.parse_args()
    documents = ROOT / "docs" / "reference"
    if options.redraw is not None:
        write(json.loads(options.redraw.read_text()), documents)
        return
    sizes = tuple(map(int, options.sizes.split(",")))
    results: list[dict[str, Any]] = []
    options.output.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine(), "results": results}
    for size in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            results.append(asdict(pool.apply(measure, (size,))))
        say(" ".join(f"{name} {value:.6g}" for name, value in results[-1].items()))
        (options.output / "allocator.json").write_text(json.dumps(found, indent=1) + "\n")
    plot(found, options.output / "allocator.svg")
    if sizes == SIZES:
        write(found, documents)
    say(f"written to {options.output}")


def measure(size: int) -> Result:
    pools, services = world(size)
    configuration = Configuration(pools=pools, services=services)
    whole, allocated = timed(lambda: allocate(configuration), REPEATS)
    held = {one.service.key: one.addresses for one in allocated.allocations}
    assert len(held) == size
    settled = tuple(replace(one, held_addresses=held[one.key]) for one in services)
    restart, _ = timed(lambda: allocate(Configuration(pools=pools, services=settled)), REPEATS)
    before, allocator = resident_octets(), Allocator()
    sync, _ = timed(lambda: allocator.step(WorldChanged(pools, settled), 0.0), 1)
    after = resident_octets()
    return Result(size, whole, restart, sync, change(allocator, settled), (after - before) / size)


def world(size: int) -> tuple[tuple[Pool, ...], tuple[Service, ...]]:
    """Pools that the Services fill to three quarters; one Service in ten shares an address."""
    per_pool = max(1, size * 4 // 3 // POOLS)
    pools = tuple(
        Pool(
            name=f"pool-{number}",
            ranges=(
                AddressRange(
                    ip_address((10 << 24) + (number << 20)),
                    ip_address((10 << 24) + (number << 20) + per_pool),
                ),
            ),
        )
        for number in range(POOLS)
    )
    services = tuple(service(f"service-{number}", number) for number in range(size))
    return pools, services


def service(name: str, number: int) -> Service:
    return Service(
        namespace=f"namespace-{number % 200}",
        name=name,
        ports=(ServicePort(Protocol.TCP, 1024 + number % 60_000),),
        sharing_key=f"key-{number // 40}" if number % 10 == 0 else None,
        created=f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
    )


def change(allocator: Allocator, services: tuple[Service, ...]) -> float:
    """The median over many Services of all ages."""
    spent: list[float] = []
    step = max(1, len(services) // CHANGES)
    for index, one in enumerate(services[::step][:CHANGES]):
        new, now = service(f"new-{index}", index * step), float(index)

        def replace_one(old: Service = one, new: Service = new, now: float = now) -> list[WriteStatus]:
            effects = allocator.step(WorldChanged(put=(new,), deleted=(old.key,)), now)
            for effect in effects:
                verdict = effect.verdict
                assert isinstance(verdict, Allocation)
                allocator.step(StatusWritten(verdict.service.key, verdict.addresses), now)
            return effects

        seconds, effects = timed(replace_one, 1)
        assert effects
        spent.append(seconds)
    return median(spent)


def timed(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Median CPU seconds, and the last outcome."""
    spent: list[float] = []
    outcome: Any = None
    for _ in range(repeats):
        begun = time.process_time()
        outcome = work()
        spent.append(time.process_time() - begun)
    return median(spent), outcome


def resident_octets() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def plot(found: dict[str, Any], path: Path) -> None:
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "swimlb"  # The same data draw the same file.
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    sizes = [one["services"] for one in found["results"]]
    for key, label in (
        ("whole", "from nothing"),
        ("restart", "after a restart"),
        ("sync", "incremental, first event"),
    ):
        axes[0].plot(sizes, [one[key] for one in found["results"]], "o-", label=label)
    axes[0].set(title="all Services", xlabel="Services", ylabel="CPU seconds", xscale="log", yscale="log")
    axes[0].legend()
    axes[1].plot(sizes, [1e6 * one["change"] for one in found["results"]], "o-")
    axes[1].set(title="one Service goes, another comes", xlabel="Services", ylabel="CPU, µs", xscale="log")
    axes[1].set_ylim(bottom=0)
    for axis in axes:
        axis.grid(visible=True, which="both", alpha=0.2)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def write(found: dict[str, Any], directory: Path) -> None:
    """benchmarks-allocator.md and its plot."""
    (directory / "benchmarks-allocator.md").write_text("\n".join(page(found)) + "\n")
    plot(found, directory.parent / "images" / "benchmarks-allocator.svg")


def page(found: dict[str, Any]) -> Iterable[str]:
    results, here = found["results"], found["machine"]
    first, last = results[0], results[-1]
    yield "# Allocation, measured"
    yield ""
    yield "Written by `make bench-allocator`; do not edit. CPU seconds of one core, medians; each size in a process of its own:"
    yield f"{here['processor']}, {here['cores']} cores, Linux {here['kernel']}, Python {here['python']}. {POOLS} pools are filled to three"
    yield "quarters; one Service in ten may share its address."
    yield ""
    yield "![All Services at once, and one change](../images/benchmarks-allocator.svg)"
    yield ""
    yield from table(
        (
            "Services",
            "from nothing, s",
            "after a restart, s",
            "incremental, first event, s",
            "one change, µs",
            "octets per Service",
        ),
        (
            (
                f"{one['services']:,}",
                f"{one['whole']:.3f}",
                f"{one['restart']:.3f}",
                f"{one['sync']:.3f}",
                f"{1e6 * one['change']:.0f}",
                f"{one['octets_per_service']:,.0f}",
            )
            for one in results
        ),
    )
    yield ""
    scale = last["services"] * log2(last["services"]) / (first["services"] * log2(first["services"]))
    yield f"- {last['services']:,} Services take {last['whole'] / first['whole']:.0f} times as long as {first['services']:,}; n log n would be {scale:.0f} times."
    yield f"- One change costs {last['change'] / first['change']:.2f} times as much among {last['services']:,} as among {first['services']:,}."
    yield "- *One change*: a Service goes, another comes and gets an address, and its status is written."
    yield "- *Octets per Service* is what the incremental allocator adds to the Services themselves."


if __name__ == "__main__":
    main()
