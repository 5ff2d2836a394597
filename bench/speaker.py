"""What the speaker's plan costs: CPU of one survivor for each kind of event, by Services and nodes.

    python -m bench.speaker [--quick] [--output DIRECTORY]

Runs the core itself (no network, no threads, one process) on Services of one LAN and one router, and plays each event to its
end. Writes speaker.json and speaker.svg to the directory, and docs/reference/benchmarks-speaker.md unless --quick. Needs
requirements/bench.txt.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from bench.contenders import ROOT
from bench.membership import machine
from swimlb.model import (
    AddressRange,
    Allocation,
    BgpAdvertisement,
    BgpPeer,
    L2Advertisement,
    Node,
    Pool,
    Service,
    labels_of,
)
from swimlb.runtime.garbage import THRESHOLDS
from swimlb.speaker.core import Config, Speaker
from swimlb.speaker.events import (
    Event,
    InventoryChanged,
    MemberGone,
    MemberPresent,
    RingJoined,
    StopRequested,
)
from swimlb.speaker.inventory import Record
from swimlb.speaker.planner import plan
from swimlb.speaker.presence import Presence

DOCUMENT = ROOT / "docs" / "reference" / "benchmarks-speaker.md"
SERVICES = (100, 1000, 10_000)
NODES = (3, 10, 100)
FIRST = int(ip_address("10.0.0.1"))
LAN = L2Advertisement(name="lan")
HERE = Presence().encode()
WHOLE = "plan computed whole (was: each event)"
LEFT = "this node left, and nobody was heard"
LEAVING_SERVICES = (2000, 20_000)
LEAVING_REPEATS = 3
REPEATS = 5
"""Of events that can be undone; the median is told."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU."""

    services: int
    nodes: int
    event: str
    total: float
    first_turn: float
    """Until the effects of the first turn can be performed: those that matter most."""
    longest_turn: float
    turns: int
    moved: int = 0
    """Addresses that have got another owner."""


class World:
    """A survivor's speaker, and its clock."""

    def __init__(self, services: int, nodes: int) -> None:
        self.services, self.nodes = services, nodes
        self.names = [f"node-{number:03}" for number in range(nodes)]
        self.speaker = Speaker(Config(node=self.names[0]))
        self.now = 0.0

    def records(self) -> Iterable[Record]:
        yield Pool(name="pool", ranges=(AddressRange(ip_address("10.0.0.0"), ip_address("10.0.255.255")),))
        yield LAN
        yield BgpAdvertisement(name="routers")
        yield BgpPeer(name="router", my_asn=64496, peer_asn=64497, peer_address=ip_address("198.51.100.1"))
        for name in self.names:
            yield Node(name=name, labels=labels_of({"kubernetes.io/hostname": name}))
        yield from map(allocation, range(self.services))

    def owners(self) -> Counter[str]:
        layer2 = self.speaker.standing.layer2
        found = (layer2.ownership(address) for address in layer2.addresses)
        return Counter(one.owner for one in found if one is not None and one.owner is not None)

    def play(self, name: str, event: Event) -> Cost:
        """One event, and every turn that it takes until nothing is left to do."""
        gc.collect()
        self.now += 100.0
        times = [self._timed(lambda: self.speaker.step(event, self.now))]
        while self.speaker.is_busy:
            times.append(self._timed(lambda: self.speaker.advance(self.now)))
        return Cost(self.services, self.nodes, name, sum(times), times[0], max(times), len(times))

    def leave(self, owned: int) -> Cost:
        """SIGTERM, and nobody says anything about what is handed over: every address is nudged, and freed in the end."""
        gc.collect()
        self.now += 100.0
        begun = self.now
        times = [self._timed(lambda: self.speaker.step(StopRequested(), self.now))]
        while self.speaker.announced:
            deadline = self.speaker.next_deadline()
            assert deadline is not None
            assert deadline < begun + Config(node="").drain_max, "addresses are held until the drain ends"
            self.now = max(self.now, deadline)
            times.append(self._timed(lambda: self.speaker.advance(self.now)))
        return Cost(self.services, self.nodes, LEFT, sum(times), times[0], max(times), len(times), owned)

    @staticmethod
    def _timed(act: Callable[[], object]) -> float:
        begin = time.process_time()
        act()
        return (time.process_time() - begin) * 1000


def allocation(number: int) -> Allocation:
    service = Service(namespace="default", name=f"service-{number:05}")
    return Allocation(service=service, addresses=(ip_address(FIRST + number),), pool="pool")


def median(costs: list[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.total)[len(costs) // 2]


def measure(services: int, nodes: int) -> list[Cost]:
    world = World(services, nodes)
    speaker = world.speaker
    for name in world.names[1:]:
        speaker.step(MemberPresent(name, HERE), 0.0)
    costs = [world.play("first inventory", InventoryChanged(tuple(world.records())))]
    world.play("joined", RingJoined(nodes - 1))
    begin = time.process_time()
    plan(speaker.inventory)
    whole = (time.process_time() - begin) * 1000
    costs.append(Cost(services, nodes, WHOLE, whole, whole, whole, 1))

    moved = allocation(services // 2)
    other = replace(moved, addresses=(ip_address(FIRST + services + 7),))
    costs.append(
        median(
            [world.play("one Service changed", InventoryChanged((one,))) for one in (other, moved) * REPEATS]
        )
    )
    victim = world.names[-1]
    owned = world.owners()[victim]
    died: list[Cost] = []
    joined: list[Cost] = []
    for _ in range(REPEATS):
        died.append(replace(world.play("a member died", MemberGone(victim)), moved=owned))
        joined.append(replace(world.play("a member joined", MemberPresent(victim, HERE)), moved=owned))
    costs += [median(died), median(joined)]
    edits = [replace(LAN, interfaces=("eth0",)), LAN] * 2
    costs.append(median([world.play("an advertisement edited", InventoryChanged((edit,))) for edit in edits]))
    return costs


def measure_leaving(services: int) -> Cost:
    """Of two nodes one leaves, and with it half of the addresses."""
    found: list[Cost] = []
    for _ in range(LEAVING_REPEATS):
        world = World(services, nodes=2)
        world.speaker.step(MemberPresent(world.names[1], HERE), 0.0)
        world.play("first inventory", InventoryChanged(tuple(world.records())))
        world.play("joined", RingJoined(1))
        found.append(world.leave(owned=world.owners()[world.names[0]]))
    return median(found)


def table(costs: list[Cost]) -> str:
    head = [
        "| event | Services | nodes | addresses moved | CPU | first turn | longest turn | turns |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows = [
        f"| {cost.event} | {cost.services:,} | {cost.nodes} | {cost.moved or '-'} | {cost.total:.2f} ms "
        f"| {cost.first_turn:.2f} ms | {cost.longest_turn:.2f} ms | {cost.turns} |"
        for cost in sorted(costs, key=lambda cost: (cost.event, cost.services, cost.nodes))
    ]
    return "\n".join([*head, *rows])


def draw(costs: list[Cost], path: Path) -> None:
    mpl: Any = importlib.import_module("matplotlib")
    mpl.use("svg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    events = list(dict.fromkeys(cost.event for cost in costs if cost.event != LEFT))
    nodes = max(cost.nodes for cost in costs)
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for event in events:
        of_event = sorted(
            (cost for cost in costs if cost.event == event and cost.nodes == nodes),
            key=lambda cost: cost.services,
        )
        axes.plot(
            [cost.services for cost in of_event], [cost.total for cost in of_event], marker="o", label=event
        )
    axes.set(xscale="log", yscale="log", xlabel="Services", ylabel="CPU, ms")
    axes.set_title(f"What an event costs one survivor, {nodes} nodes")
    axes.legend(fontsize="small")
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)


def document(costs: list[Cost], load: float) -> str:
    about = machine()
    return f"""# Benchmark: the speaker's plan

`make bench-speaker` measures what an event costs one surviving node, in CPU of the core: finding out who owns what now, and
ordering what is different. No network is in it. The Services are on one LAN and go to one router. Measured on
{about["processor"]}, {about["cores"]} cores, Linux {about["kernel"]}, Python {about["python"]}; other work ran beside it (load
{load:.0f}), which makes all figures longer, so trust ratios.

The plan is kept up to date by what an event touches: a death costs what the dead member owned, a change its Service, a
member that comes one hash per address. What takes longer than a few milliseconds is done in turns, the most urgent
first, and gossip is answered in between: the longest turn is what others may notice of it. The longest of all here took
{max(cost.longest_turn for cost in costs if cost.event != WHOLE):.0f} ms.

*{LEFT}* is the dearest planned move there is: each address is handed over, announced once more
for a successor that says nothing, and freed in the end.

{ratio(costs)}

{table(costs)}

![What an event costs](../images/benchmarks-speaker.svg)
"""


def ratio(costs: list[Cost]) -> str:
    """What ten times as many addresses cost to leave behind."""
    least, most = (cost for cost in costs if cost.event == LEFT)
    return f"Leaving {most.moved:,} addresses costs {most.total / least.total:.1f} times the CPU of leaving {least.moved:,}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without 10,000 Services, and no document")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results")
    arguments = parser.parse_args()
    # As in the process itself, in which full collections run at times of their own.
    gc.set_threshold(*THRESHOLDS)
    services = SERVICES[:-1] if arguments.quick else SERVICES
    costs = [cost for many in services for nodes in NODES for cost in measure(many, nodes)]
    costs += map(measure_leaving, LEAVING_SERVICES)
    print(table(costs), ratio(costs), sep="\n\n")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "speaker.json").write_text(
        json.dumps([asdict(cost) for cost in costs], indent=2) + "\n"
    )
    draw(costs, arguments.output / "speaker.svg")
    if not arguments.quick:
        DOCUMENT.write_text(document(costs, os.getloadavg()[0]))
        draw(costs, ROOT / "docs" / "images" / "benchmarks-speaker.svg")


if __name__ == "__main__":
    main()
