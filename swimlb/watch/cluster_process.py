"""The life of *watch* on a cluster: follow the API server, tell it what this node does, answer people."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack
from ipaddress import ip_address
from pathlib import Path

from swimlb.config import Options
from swimlb.config.targets import problems_of_node
from swimlb.kube.access import Access
from swimlb.kube.announcements import Owner
from swimlb.kube.client import Client
from swimlb.kube.complaints import Complaints
from swimlb.kube.errors import ApiError
from swimlb.kube.feed import ClusterFeed
from swimlb.kube.pods import PodObject, read_running
from swimlb.kube.reflector import Reflector
from swimlb.kube.resources import PODS
from swimlb.kube.store import Changes
from swimlb.model import Problem
from swimlb.observe.logs import EventLog
from swimlb.runtime import records
from swimlb.runtime.garbage import GarbageKeeper
from swimlb.runtime.link import Link
from swimlb.runtime.replica import Batch, LinkError, Publisher, Subscriber
from swimlb.settings import Settings
from swimlb.watch.answers import Answers, rule_options
from swimlb.watch.cluster import without_the_rest
from swimlb.watch.cluster_source import ClusterSource
from swimlb.watch.failures import FailureKeeper
from swimlb.watch.judging import Judging
from swimlb.watch.last_good import FILE_NAME
from swimlb.watch.reports import Reports
from swimlb.watch.service_events import ServiceEvents
from swimlb.watch.status import Facts

OWN_POD_RETRY = 5.0
"""Seconds between two attempts to read this speaker's Pod, without which nothing is written that would not go with it."""


class ClusterWatch:
    def __init__(self, settings: Settings, access: Access, link_fd: int, log: EventLog) -> None:
        self._settings = settings
        self._log = log
        self._facts = Facts()
        self._published = Publisher(records.SCHEMA)
        self._link = Link(
            link_fd, self._published, Subscriber(records.FACTS_SCHEMA), self._learn, self._on_misfit
        )
        self._stop = asyncio.Event()
        self._misfit: LinkError | None = None
        self._client = Client(access, user_agent="swimlb-speaker")
        self._source = ClusterSource(
            settings.node,
            access.server,
            settings.drain_marks(),
            Path(settings.state_dir or settings.run_dir) / FILE_NAME,
            self._published,
            self._flush,
            log,
            awaits_seeds=bool(settings.member_selectors()),
        )
        self._options = Options(
            system_namespace=settings.system_namespace, lb_class=settings.lb_class or "", node=settings.node
        )
        self._feed = ClusterFeed(
            self._client,
            self._options,
            self._source.tell,
            node=settings.node,
            keep=without_the_rest,
        )
        self._complaints = Complaints(log, "speaker")
        self._reports = Reports(settings.node, settings.system_namespace, self._client, self._complaints)
        self._failures = FailureKeeper(settings.node, self._source.cluster, rule_options(settings))
        self._seeds: dict[str, dict[str, str]] = {}
        """By selector, the addresses of running Pods."""

    async def run(self, supervisor_pid: int) -> None:
        """Until SIGTERM. Raises LinkError."""
        loop = asyncio.get_running_loop()
        main = asyncio.current_task()
        assert main is not None
        stop = self._stop
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        for number in (signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, lambda: None)
        answers = Answers(
            settings=self._settings,
            source=self._source,
            own_problems=self._own_problems,
            facts=self._facts,
            readings=self._source.readings,
            pids={"supervisor": supervisor_pid, "watch": os.getpid()},
            has_published=lambda: self._source.has_published,
            log=self._log,
            client=self._client,
        )
        garbage = GarbageKeeper()
        garbage.start()
        self._link.start()
        self._feed.recall(self._source.recall())
        try:
            async with self._client, answers.serve(), asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._feed.run()),
                    tasks.create_task(self._source.run(lambda: self._feed.standing.unreachable_since)),
                    tasks.create_task(self._report()),
                    *(tasks.create_task(one.run()) for one in self._seed_reflectors()),
                ]
                await stop.wait()
                for task in running:
                    task.cancel()
        finally:
            garbage.close()
            self._link.close()
        if self._misfit is not None:
            raise self._misfit

    def _on_misfit(self, error: LinkError) -> None:
        self._misfit = error
        self._stop.set()

    def _learn(self, batch: Batch) -> None:
        self._facts.learn(batch)
        self._reports.learn(batch)
        self._failures.learn(batch)

    def _flush(self) -> None:
        self._link.flush()
        self._failures.note_change()

    async def _report(self) -> None:
        """Statuses, events and the verdict on the configuration: none of which anything else waits for."""
        owner = await self._own_pod()
        instance = self._settings.node if owner is None else owner.name
        judging = Judging(
            self._settings.node,
            self._settings.system_namespace,
            self._client,
            owner,
            self._source,
            self._own_problems,
            self._complaints,
        )
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            events = ServiceEvents(
                self._settings.node, instance, self._client, self._source.uids, self._complaints, tasks
            )
            stack.callback(events.close)
            tasks.create_task(self._reports.run(owner, events, self._source.note_condition))
            tasks.create_task(self._failures.run(events))
            tasks.create_task(judging.run())

    def _own_problems(self) -> tuple[Problem, ...]:
        """Without what is wrong with objects that are about other nodes only."""
        source = self._source
        return problems_of_node(source.problems, self._feed.documents, source.node_labels, self._options)

    async def _own_pod(self) -> Owner | None:
        name = self._settings.pod_name
        if name is None:
            return None
        while True:
            try:
                pod = await self._client.get(
                    PODS, name, namespace=self._settings.system_namespace, into=PodObject
                )
            except ApiError as error:
                self._complaints.refused(f"pods/{name}", error)
                await asyncio.sleep(OWN_POD_RETRY * random.Random().uniform(0.5, 1.0))
            else:
                self._complaints.done(f"pods/{name}")
                return Owner(name=name, uid=pod.metadata.uid)

    # Seeds

    def _seed_reflectors(self) -> list[Reflector[str]]:
        return [self._seed_reflector(selector) for selector in self._settings.member_selectors()]

    def _seed_reflector(self, selector: str) -> Reflector[str]:
        def sink(changes: Changes[str]) -> None:
            known = self._seeds.setdefault(selector, {})
            known.update(changes.put)
            for key in changes.gone:
                known.pop(key, None)
            if changes.is_synced:
                self._find_seeds()

        return Reflector(
            self._client,
            PODS,
            read_running,
            sink,
            into=PodObject,
            namespace=self._settings.system_namespace,
            label_selector=selector,
            on_condition=self._source.note_condition,
        )

    def _find_seeds(self) -> None:
        if self._seeds.keys() == set(self._settings.member_selectors()):
            found = {address for pods in self._seeds.values() for address in pods.values()}
            self._source.find_seeds(map(ip_address, found))
