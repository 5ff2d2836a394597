"""The processes that `bench.kube` measures, each told its part:

    python -m bench.kube_process watch LINK_FD DIRECTORY       follows the API server and tells *wire*, as *watch* does
    python -m bench.kube_process wire LINK_FD                  is told, and plans, as *wire* does; without sockets
    python -m bench.kube_process idle                          has a timer and nothing else

Each prints JSON lines: `wire` and `idle` once a second how late their timer was, `watch` what a list cost it.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import random
import resource
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from swimlb.runtime import clock, records
from swimlb.runtime.garbage import GarbageKeeper
from swimlb.runtime.link import Link
from swimlb.runtime.priority import take_precedence
from swimlb.runtime.replica import Batch, Publisher, Subscriber

PERIOD = 0.005
SERVICES_AT_ONCE = 50
"""As *watch* makes up for what has changed."""


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class Timer:
    """How late a timer fires that is set anew each time."""

    def __init__(self, period: float) -> None:
        self._period = period
        self.lateness: list[float] = []
        self.longest_turn = 0.0
        """CPU seconds of the loop's thread between two looks: a stall that does not depend on who else wants the cores."""
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._spent = time.thread_time()
        self._arm()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._period
        self._handle = loop.call_at(self._due, self._fire)

    def _fire(self) -> None:
        self.lateness.append(asyncio.get_running_loop().time() - self._due)
        spent = time.thread_time()
        self.longest_turn = max(self.longest_turn, spent - self._spent)
        self._spent = spent
        self._arm()

    def take(self) -> list[float]:
        found, self.lateness = self.lateness, []
        return found


async def tell_lateness(timer: Timer) -> None:
    while True:
        await asyncio.sleep(1.0)
        found = [round(one * 1e6) for one in timer.take()]
        say(at=clock.monotonic(), late_us=found, rss=rss_mib())


async def idle() -> None:
    take_precedence()
    GarbageKeeper().start()
    await tell_lateness(Timer(PERIOD))


async def wire(link_fd: int) -> None:
    from swimlb.model import Seeds
    from swimlb.runtime.driver import Driver
    from swimlb.runtime.recorder import Recorder
    from swimlb.speaker.core import Config, Speaker
    from swimlb.speaker.effects import Effect
    from swimlb.speaker.events import Event, InventoryChanged
    from swimlb.speaker.inventory import Record
    from swimlb.wire.process import RECORDS_AT_ONCE

    take_precedence()
    GarbageKeeper().start()
    speaker = Speaker(Config(node="node-000"))
    driver: Driver[Event, Effect] = Driver("speaker", speaker, lambda effect: None, Recorder())
    unread: deque[tuple[Iterator[bytes], list[Record | Seeds], Batch]] = deque()

    def learn(batch: Batch) -> None:
        unread.append((iter(batch.put.values()), [], batch))
        if len(unread) == 1:
            read_on()

    def read_on() -> None:
        """In portions, as `wire.process` does."""
        values, put, batch = unread[0]
        put += map(records.decode, islice(values, RECORDS_AT_ONCE))
        if len(put) == len(batch.put):
            unread.popleft()
            known = tuple(record for record in put if not isinstance(record, Seeds))
            driver.feed(InventoryChanged(known, tuple(sorted(batch.removed))))
        if unread:
            asyncio.get_running_loop().call_soon(read_on)

    link = Link(link_fd, Publisher(records.FACTS_SCHEMA), Subscriber(records.SCHEMA), learn)
    link.start()
    await tell_lateness(Timer(PERIOD))


async def watch(link_fd: int, directory: Path) -> None:
    from swimlb.config import Options
    from swimlb.kube.access import Access
    from swimlb.kube.client import Client
    from swimlb.kube.credentials import FreshFile
    from swimlb.kube.feed import ClusterFeed
    from swimlb.kube.news import Configured, EndpointsChanged, News, ServiceChanged, Synced
    from swimlb.kube.trust import Trust
    from swimlb.model import Service
    from swimlb.watch.cluster import ClusterRecords, without_the_rest

    # What else the process has loaded.
    importlib.import_module("swimlb.watch.cluster_process")
    keeper = GarbageKeeper()
    keeper.start()
    before = rss_mib()
    published = Publisher(records.SCHEMA)
    link = Link(link_fd, published, Subscriber(records.FACTS_SCHEMA), lambda batch: None)
    link.start()
    cluster = ClusterRecords(published)
    synced, work, told_all = asyncio.Event(), asyncio.Event(), asyncio.Event()
    counts = {"news": 0}

    def listen(news: Sequence[News]) -> None:
        for one in news:
            counts["news"] += 1
            match one:
                case ServiceChanged(key, Service() as service):
                    cluster.put_service(service, key)
                case ServiceChanged(key):
                    cluster.remove_service(key)
                case EndpointsChanged(key, endpoints):
                    cluster.put_endpoints(key, frozenset() if endpoints is None else endpoints.nodes)
                case Configured(resolved):
                    cluster.configure(resolved)
                case Synced():
                    cluster.begin()
                    synced.set()
                case _:
                    pass
        told_all.clear()
        work.set()

    async def tell_wire() -> None:
        while True:
            await work.wait()
            work.clear()
            while cluster.is_pending:
                cluster.work(SERVICES_AT_ONCE)
                await asyncio.sleep(0)
            told_all.set()
            link.flush()

    told = json.loads((directory / "server.json").read_text())
    access = Access(server=told["url"], trust=Trust(FreshFile(directory / "ca.crt")))
    begun, cpu = clock.monotonic(), time.process_time()
    timer = Timer(PERIOD)
    async with Client(access) as client, asyncio.TaskGroup() as tasks:
        feed = ClusterFeed(
            client, Options(), listen, node="node-000", keep=without_the_rest, rng=random.Random(1)
        )
        tasks.create_task(feed.run())
        tasks.create_task(tell_wire())
        await synced.wait()
        listed, spent = clock.monotonic(), time.process_time() - cpu
        await told_all.wait()
        published_at = clock.monotonic()
        longest_turn = timer.longest_turn
        gc.collect()
        gc.freeze()
        say(
            begun=begun,
            synced=listed,
            published=published_at,
            seconds=listed - begun,
            cpu=spent,
            late_us=[round(one * 1e6) for one in timer.take()],
            longest_turn=longest_turn,
            rss_before=before,
            rss=rss_mib(),
            peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            news=counts["news"],
        )
        timer.stop()
        counts["news"], cpu = 0, time.process_time()
        await asyncio.to_thread(sys.stdin.readline)
        say(
            news=counts["news"],
            cpu=time.process_time() - cpu,
            rss=rss_mib(),
        )


def main(part: str, *arguments: str) -> None:
    if part == "idle":
        asyncio.run(idle())
    elif part == "wire":
        asyncio.run(wire(int(arguments[0])))
    else:
        asyncio.run(watch(int(arguments[0]), Path(arguments[1])))


if __name__ == "__main__":
    main(*sys.argv[1:])
