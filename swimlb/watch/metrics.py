"""What *watch* gives to be scraped: the facts of *wire* and its own view of the configuration, as of now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from prometheus_client.core import Metric

from swimlb import __version__
from swimlb.allocator import count_pools
from swimlb.model import Problem, Severity
from swimlb.observe.pool_metrics import pool_families
from swimlb.observe.speaker_metrics import Snapshot, speaker_families
from swimlb.watch.status import Facts
from swimlb.watch.world import World


class ReadingCounts:
    """How often the configuration has been read, and how often something in it was wrong."""

    def __init__(self) -> None:
        self.all = 0
        self.failed = 0

    def note(self, problems: tuple[Problem, ...]) -> None:
        self.all += 1
        self.failed += any(problem.severity is Severity.ERROR for problem in problems)


def families(
    node: str,
    facts: Facts,
    world: World,
    problems: tuple[Problem, ...],
    readings: ReadingCounts,
    *,
    is_config_loaded: bool,
) -> Iterator[Metric]:
    """Everything is noted before it returns; the families themselves are made while they are gone through."""
    services: dict[str, tuple[str, ...]] = {}
    for allocation in world.allocations:
        for address in allocation.addresses:
            services[str(address)] = (*services.get(str(address), ()), allocation.service.key)
    snapshot = Snapshot(
        node=node,
        version=__version__,
        facts=facts.current(),
        services=services,
        problems=Counter(str(problem.severity) for problem in problems),
        is_config_loaded=is_config_loaded,
        readings=readings.all,
        failed_readings=readings.failed,
    )
    pools = count_pools(world.resolved.configuration.pools, world.allocations)
    return chain(speaker_families(snapshot), pool_families(pools))
