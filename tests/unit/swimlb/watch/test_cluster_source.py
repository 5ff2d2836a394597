"""Following a cluster: what *wire* is told when, what goes to the disk, and what comes from there when nobody answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from swimlb.config import Resolved
from swimlb.drain import DrainMark
from swimlb.kube.decode import NodeView, Taint
from swimlb.kube.following import Trouble
from swimlb.kube.news import (
    ConditionChanged,
    Configured,
    EndpointsChanged,
    News,
    NodeChanged,
    ServiceChanged,
    Synced,
)
from swimlb.kube.reflector import Condition
from swimlb.kube.resources import SERVICES
from swimlb.model import AddressRange, Configuration, Endpoints, Pool, Seeds, Service
from swimlb.observe.logs import EventLog
from swimlb.runtime import clock, records
from swimlb.runtime.replica import Publisher
from swimlb.watch.cluster_source import ClusterSource
from swimlb.watch.last_good import FILE_NAME, load, pack, save
from tests.waiting import until

POOL = Pool(name="pool", ranges=(AddressRange(ip_address("192.0.2.0"), ip_address("192.0.2.255")),))
WEB = Service(namespace="default", name="web", held_addresses=(ip_address("192.0.2.1"),))
KNOWN: list[News] = [
    ServiceChanged("default/web", WEB, "uid"),
    EndpointsChanged("default/web", Endpoints(service="default/web", nodes=frozenset({"node-a"}))),
    Configured(Resolved(Configuration(pools=(POOL,)))),
    Synced(),
]
KEYS = {"Pool/pool", "Allocation/default/web", "Endpoints/default/web"}


class Play:
    def __init__(self, directory: Path, awaits_seeds: bool = False) -> None:
        self.file = directory / FILE_NAME
        self.published = Publisher(records.SCHEMA)
        self.flushes = 0
        self.unreachable_since: float | None = None
        self.source = ClusterSource(
            "node-a",
            "https://192.0.2.100:6443",
            [DrainMark.parse("taint:maintenance")],
            self.file,
            self.published,
            self.flush,
            EventLog(logging.getLogger("swimlb.test")),
            awaits_seeds=awaits_seeds,
        )

    def flush(self) -> None:
        self.flushes += 1

    @property
    def keys(self) -> set[str]:
        return set(self.published.table)

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[None, None]:
        self.source.recall()
        task = asyncio.create_task(self.source.run(lambda: self.unreachable_since))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, is_so: Callable[[], object]) -> None:
        await until(is_so)


def play(scene: Callable[[], Any]) -> None:
    asyncio.run(scene())


def state(source: ClusterSource) -> str:
    return str(source.describe()["state"])


def test_tells_wire_when_all_is_known_and_then_each_change(tmp_path: Path) -> None:
    """Nothing earlier; what is in force is on the disk when it ends."""

    async def scene() -> None:
        here = Play(tmp_path)
        async with here.following():
            here.source.tell(KNOWN[:-1])
            await asyncio.sleep(0.3)
            assert here.keys == set()
            assert state(here.source) == "waiting"

            here.source.tell(KNOWN[-1:])
            await here.until(lambda: here.flushes)
            assert here.keys == KEYS
            assert state(here.source) == "current"
            assert here.source.describe()["age"] is None

            here.source.tell([ServiceChanged("default/web", None)])
            await here.until(lambda: here.keys == {"Pool/pool"})
        found = load(here.file, records.SCHEMA, "node-a")
        assert found is not None
        assert set(found.table) == {"Pool/pool"}

    play(scene)


def test_announces_the_last_good_state_while_nobody_answers(tmp_path: Path) -> None:
    """Until the API server does: then what is not there any more is gone."""

    async def scene() -> None:
        here = Play(tmp_path)
        table = {"Pool/gone": b"", "Allocation/default/web": b"before"}
        save(here.file, pack(records.SCHEMA, "node-a", clock.wall() - 100.0, table, ()))
        here.unreachable_since = clock.monotonic()
        async with here.following():
            await here.until(lambda: here.flushes)
            assert here.keys == table.keys()
            told = here.source.describe()
            assert told["state"] == "last-good"
            assert 100 <= told["age"] < 160
            assert here.source.has_published

            here.unreachable_since = None
            here.source.tell(KNOWN)
            await here.until(lambda: here.keys == KEYS)
            assert state(here.source) == "current"

    play(scene)


def test_a_state_that_cannot_be_believed_is_told_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is announced then, but nothing is broken either."""
    caplog.set_level(logging.WARNING, "swimlb.test")

    async def scene() -> None:
        here = Play(tmp_path)
        save(here.file, pack(records.SCHEMA, "node-a", 0.0, {"Pool/pool": b""}, ()))
        here.file.write_bytes(here.file.read_bytes()[:-1])
        here.unreachable_since = clock.monotonic()
        async with here.following():
            await here.until(lambda: "last_good_state_ignored" in caplog.messages)
            assert here.keys == set()
            assert not here.source.has_published
            assert here.file.exists()

            here.unreachable_since = None
            here.source.tell(KNOWN)
            await here.until(lambda: here.keys == KEYS)

    play(scene)
    [fields] = [
        vars(record)["fields"] for record in caplog.records if record.message == "last_good_state_ignored"
    ]
    assert fields["reason"] == "it is damaged"


def test_waits_for_where_others_are_but_not_for_ever(tmp_path: Path) -> None:
    """A node that knows nobody would take all addresses."""

    async def scene() -> None:
        here = Play(tmp_path, awaits_seeds=True)
        async with here.following():
            here.source.tell(KNOWN)
            await asyncio.sleep(0.5)
            assert here.keys == set()

            here.source.find_seeds([ip_address("192.0.2.9")])
            await here.until(lambda: here.flushes)
            assert here.keys == KEYS | {records.SEEDS_KEY}

        alone = Play(tmp_path, awaits_seeds=True)
        async with alone.following():
            alone.source.tell(KNOWN)
            await alone.until(lambda: alone.flushes)
            assert alone.keys == KEYS

    play(scene)


def test_what_cannot_be_reached_any_more_is_stale_and_stays_in_force(tmp_path: Path) -> None:
    """With what is wrong, in the API server's words."""

    async def scene() -> None:
        here = Play(tmp_path)
        async with here.following():
            here.source.tell(KNOWN)
            await here.until(lambda: here.flushes)
            here.unreachable_since = clock.monotonic() - 30.0
            trouble = Condition(SERVICES, Trouble.UNREACHABLE, "connection refused", "It is tried again.")
            here.source.tell([ConditionChanged(trouble)])

            told = here.source.describe()
            assert (told["state"], told["troubles"][0]["message"]) == ("stale", "connection refused")
            assert told["age"] >= 30
            assert here.keys == KEYS

            here.unreachable_since = None
            here.source.tell([ConditionChanged(Condition(SERVICES, None))])
            assert here.source.describe()["troubles"] == []

    play(scene)


def node(*taints: str) -> NodeChanged:
    marks = tuple(Taint(key=key, effect="NoSchedule") for key in taints)
    return NodeChanged(
        NodeView(
            name="node-a", uid="", labels=(), annotations=(), taints=marks, is_unschedulable=bool(taints)
        )
    )


@pytest.mark.parametrize(("saved", "now"), [((), ("maintenance",)), (("maintenance",), ())])
def test_what_is_known_of_this_node_comes_before_what_was_saved(
    tmp_path: Path, saved: tuple[str, ...], now: tuple[str, ...]
) -> None:
    """One kind is slow or forbidden, and the last good state is taken; Nodes and Pods were listed before."""

    async def scene() -> None:
        before = Play(tmp_path, awaits_seeds=True)
        async with before.following():
            before.source.find_seeds([ip_address("192.0.2.99")])
            before.source.tell([*KNOWN, node(*saved)])
            await before.until(lambda: before.flushes)
        here = Play(tmp_path, awaits_seeds=True)
        here.unreachable_since = clock.monotonic()
        async with here.following():
            here.source.tell([node(*now)])
            here.source.find_seeds([ip_address("192.0.2.9")])
            await here.until(lambda: state(here.source) == "stale" or here.flushes)
            drained = {"Intent/own"} if now else set[str]()
            assert here.keys == KEYS | {records.SEEDS_KEY} | drained
            seeds = records.decode(here.published.table[records.SEEDS_KEY])
            assert seeds == Seeds(addresses=(ip_address("192.0.2.9"),))

            flushes = here.flushes
            here.source.tell([node("maintenance")])
            await here.until(lambda: here.flushes > flushes)
            assert "Intent/own" in here.keys

    play(scene)


def test_a_mark_on_the_node_drains_it(tmp_path: Path) -> None:
    """The one that was chosen, and no other."""

    async def scene() -> None:
        here = Play(tmp_path)
        async with here.following():
            here.source.tell([*KNOWN, node("node.kubernetes.io/unschedulable")])
            await here.until(lambda: here.flushes)
            assert here.keys == KEYS

            here.source.tell([node("maintenance")])
            assert here.keys == KEYS | {"Intent/own"}
            assert here.source.describe()["drained_by"] == "taint:maintenance"

            here.source.tell([node()])
            assert here.keys == KEYS

    play(scene)
