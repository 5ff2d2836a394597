"""Follows a cluster: news of the feed go to the records for *wire*, and what they come to goes to the disk.

    waiting ──all is known──► current ◄──reachable──unreachable──► stale
       │                         ▲
       └──no answer in time──► last good

At the start, *wire* is told nothing before all is known. If the API server does not answer, it is told what the last
speaker on this node was told (`last_good`), until the API server does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, assert_never

from swimlb.drain import DrainMark, NodeMarks, drain_reason
from swimlb.kube.decode import NodeView
from swimlb.kube.in_force import Content, Recalled
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
from swimlb.model import Intent, IpAddress, Labels, Problem, Service
from swimlb.observe.logs import EventLog
from swimlb.observe.problems import log_problems
from swimlb.runtime import clock, records
from swimlb.runtime.replica import Publisher
from swimlb.speaker.inventory import key_of
from swimlb.watch.cluster import ClusterRecords
from swimlb.watch.last_good import LastGood, Unusable, load, pack, save
from swimlb.watch.metrics import ReadingCounts
from swimlb.watch.world import World

SERVICES_AT_ONCE = 200
"""Worked through before others have their turn: some milliseconds."""

FIRST_ANSWER_MAX = 1.0
"""Seconds that an API server which cannot be reached has before the last good state is taken."""

SYNC_MAX = 15.0
"""Seconds that one has which answers, but does not come to an end: it is slow, or does not allow something."""

SEEDS_MAX = 5.0
"""Seconds from the start for which others are looked for, when all else is known."""

SAVE_INTERVAL = 5.0
"""Seconds between two writes to the disk, at least. What changes all the time wears it out."""


class ClusterSource:
    """`tell` is for the feed. Whoever owns the link flushes it when told."""

    def __init__(
        self,
        node: str,
        server: str,
        drain_marks: Sequence[DrainMark],
        state_file: Path,
        published: Publisher,
        flush: Callable[[], None],
        log: EventLog,
        *,
        awaits_seeds: bool,
    ) -> None:
        """`awaits_seeds`: `find_seeds` will be called. A node that knows nobody would take itself for the only one."""
        self.cluster = ClusterRecords(published)
        self.readings = ReadingCounts()
        self.uids: dict[str, str] = {}
        """Of Services, by key."""
        self.has_published = False
        self._node = node
        self._server = server
        self._drain_marks = tuple(drain_marks)
        self._state_file = state_file
        self._published = published
        self._flush = flush
        self._log = log
        self._problems: tuple[Problem, ...] = ()
        self._conditions: dict[str, Condition] = {}
        self._wake = asyncio.Event()
        self._is_synced = False
        self._awaits_seeds = awaits_seeds
        self._has_tried_disk = False
        self._is_state_unusable = False
        self._last_good: LastGood | None = None
        """From the disk, when a Service needed it and until all is known."""
        self._contents: tuple[Content, ...] = ()
        """The objects that are in force, for the disk."""
        self._drained_by: str | None = None
        self._is_node_known = False
        self.node_labels: Labels = ()
        """Of this node's Node."""
        self._saved_at: float | None = None
        """When what is in force was saved (seconds since 1970); None: it is not from the disk."""
        self._ask_unreachable_since: Callable[[], float | None] = lambda: None
        self._saving = asyncio.Event()
        self._disk = threading.Lock()

    @property
    def world(self) -> World:
        return self.cluster.world()

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self._problems

    @property
    def is_synced(self) -> bool:
        return self._is_synced

    @property
    def _unreachable_since(self) -> float | None:
        return self._ask_unreachable_since()

    def describe(self) -> dict[str, Any]:
        """Where it comes from, for people: `age` is that of what is in force, in seconds; None: it is as of now."""
        now = clock.monotonic()
        if self._is_synced and self._unreachable_since is not None:
            state, age = "stale", now - self._unreachable_since
        elif self._is_synced:
            state, age = "current", None
        elif self._saved_at is not None:
            state, age = "last-good", max(0.0, clock.wall() - self._saved_at)
        else:
            state, age = "waiting", None
        return {
            "kind": "kubernetes",
            "from": self._server,
            "state": state,
            "age": None if age is None else round(age, 1),
            "drained_by": self._drained_by,
            "troubles": [
                {"kind": name, "trouble": str(one.trouble), "message": one.message, "hint": one.hint}
                for name, one in sorted(self._conditions.items())
            ],
        }

    def tell(self, news: Sequence[News]) -> None:
        """Something has changed."""
        for one in news:
            match one:
                case ServiceChanged():
                    self._service_changed(one)
                case EndpointsChanged(key, endpoints):
                    nodes = frozenset[str]() if endpoints is None else endpoints.nodes
                    self.cluster.put_endpoints(key, nodes)
                case NodeChanged(node):
                    self._node_changed(node)
                case Configured(resolved, contents):
                    self._contents = contents
                    self.cluster.configure(resolved)
                    self._problems_changed(resolved.problems)
                case ConditionChanged(condition):
                    self._condition_changed(condition)
                case Synced():
                    self._is_synced = True
                case _:
                    assert_never(one)
        self.wake()

    def find_seeds(self, addresses: Iterable[IpAddress]) -> None:
        """Other speakers are at these, and there are no others."""
        self._awaits_seeds = False
        self.cluster.find_seeds(addresses)
        self.wake()

    def wake(self) -> None:
        """The records have changed."""
        self._wake.set()

    def recall(self) -> Recalled:
        """What was in force when this node saved it last, from the disk: to be called before `run`."""
        found = self._load()
        if found is None:
            return Recalled()
        return Recalled(found.contents, dict(found.meanings()), self._recall_service)

    def _recall_service(self, key: str) -> Service | None:
        """Read once more, if at all: the records of thousands are not held for the few that are bad now."""
        if self._last_good is None:
            self._last_good = self._load()
        return None if self._last_good is None else self._last_good.service(key)

    def _load(self) -> LastGood | None:
        if self._is_state_unusable:
            return None
        try:
            return load(self._state_file, records.SCHEMA, self._node)
        except Unusable as error:
            self._is_state_unusable = True
            self._log.warning("last_good_state_ignored", path=str(self._state_file), reason=str(error))
            return None

    # The life of it

    async def run(self, unreachable_since: Callable[[], float | None]) -> None:
        """Until cancelled; then what is in force is on the disk.

        `unreachable_since` tells since when the API server cannot be reached (monotonic); None: it can.
        """
        self._ask_unreachable_since = unreachable_since
        saver = asyncio.create_task(self._save_for_ever())
        try:
            await self._start()
            while True:
                await self._settle()
                await self._wake.wait()
                self._wake.clear()
        finally:
            saver.cancel()
            with suppress(asyncio.CancelledError):
                await saver
            self._save_now()

    async def _start(self) -> None:
        """Until all is known, or something else is to be told instead."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not (self._is_synced and not self._awaits_seeds):
            if self._is_synced and loop.time() >= began + SEEDS_MAX:
                break
            if not self._has_tried_disk:
                is_away = self._unreachable_since is not None
                deadline = began + (FIRST_ANSWER_MAX if is_away else SYNC_MAX)
                if loop.time() >= deadline:
                    self._take_last_good()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._wake.wait()
                    self._wake.clear()
            if self.has_published:
                self._flush()
        self.cluster.begin()
        while self.cluster.is_pending:
            self.cluster.work(SERVICES_AT_ONCE)
            await asyncio.sleep(0)
        self._published.retain(self.cluster.keys())
        self.has_published = True
        self._saved_at = self._last_good = None
        self._log.info("cluster_known", services=len(self.uids), server=self._server)
        self._flush()
        self._saving.set()

    async def _settle(self) -> None:
        while self.cluster.is_pending:
            self.cluster.work(SERVICES_AT_ONCE)
            await asyncio.sleep(0)
        self._flush()
        self._saving.set()

    # What has changed

    def _service_changed(self, news: ServiceChanged) -> None:
        if news.service is None:
            self.uids.pop(news.key, None)
            self.cluster.remove_service(news.key)
        else:
            self.uids[news.key] = news.uid
            self.cluster.put_service(news.service, news.key)

    def _node_changed(self, node: NodeView | None) -> None:
        self._is_node_known = True
        marks = NodeMarks()
        self.node_labels = () if node is None else node.labels
        if node is not None:
            taints = tuple((taint.key, taint.value) for taint in node.taints)
            marks = NodeMarks(annotations=node.annotations, labels=node.labels, taints=taints)
        reason = drain_reason(self._drain_marks, marks)
        if reason != self._drained_by:
            self._log.info("drain_intent", drained_by=reason)
        self._drained_by = reason
        self.cluster.drain(reason)

    def _problems_changed(self, problems: tuple[Problem, ...]) -> None:
        self.readings.note(problems)
        known = set(self._problems)
        log_problems(self._log, (problem for problem in problems if problem not in known))
        self._problems = problems

    def note_condition(self, condition: Condition) -> None:
        """From those who follow a kind beside the feed: of the API server as a whole, that tells by itself."""
        is_known = condition.resource.name in self._conditions
        if is_known or (condition.trouble is not None and condition.trouble.is_lasting):
            self._condition_changed(condition)

    def _condition_changed(self, condition: Condition) -> None:
        name, trouble = condition.resource.name, condition.trouble
        if trouble is None:
            self._conditions.pop(name, None)
            self._log.info("cluster_trouble_over", resource=name)
        else:
            self._conditions[name] = condition
            self._log.warning(
                "cluster_trouble",
                resource=name,
                trouble=str(trouble),
                message=condition.message,
                hint=condition.hint,
            )

    # The disk

    def _take_last_good(self) -> None:
        self._has_tried_disk = True
        found = self._load()
        if found is None:
            if not self._is_state_unusable:
                self._log.warning("last_good_state_missing", path=str(self._state_file))
            return
        self._saved_at = found.saved_at
        self.has_published = True
        table = dict(found.table)
        if self._is_node_known:
            table.pop(key_of(Intent(drained_by="")), None)
        # What is known by now comes before what was saved.
        self._published.replace(table | self.cluster.own_records())
        self._flush()
        self._log.warning(
            "last_good_state_in_force",
            path=str(self._state_file),
            age=round(max(0.0, clock.wall() - found.saved_at), 1),
            records=len(found.table),
            hint="the API server does not answer; what was announced before is announced until it does",
        )

    async def _save_for_ever(self) -> None:
        while True:
            await self._saving.wait()
            self._saving.clear()
            await asyncio.to_thread(self._save, dict(self._published.table), self._contents)
            await asyncio.sleep(SAVE_INTERVAL)

    def _save_now(self) -> None:
        if self._is_synced:
            self._save(self._published.table, self._contents)

    def _save(self, table: Mapping[str, bytes], contents: tuple[Content, ...]) -> None:
        try:
            # The one that a thread is at when this process ends is waited for: both write the same new file.
            with self._disk:
                save(self._state_file, pack(records.SCHEMA, self._node, clock.wall(), table, contents))
        except OSError as error:
            self._log.warning(
                "last_good_state_not_saved",
                path=str(self._state_file),
                reason=error.strerror,
                hint="a restart while the API server is away would announce an older state; mend the path or its permissions",
            )
