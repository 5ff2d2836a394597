"""Keeps this speaker's ConfigurationState equal to what is wrong with the configuration, and makes it anew when it is deleted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from swimlb.kube.announcements import Owner
from swimlb.kube.client import Client
from swimlb.kube.complaints import Complaints
from swimlb.kube.errors import ApiError, Forbidden, NotFound, TooManyRequests
from swimlb.kube.reflector import Reflector
from swimlb.kube.resources import CONFIGURATION_STATES
from swimlb.kube.speaker_state import StateWriter, state_name
from swimlb.kube.store import Changes
from swimlb.model import Problem
from swimlb.reporting.verdict import Verdict
from swimlb.runtime.driver import Driver
from swimlb.runtime.outbox import Done, Event, Failed, Outbox, Put, Send
from swimlb.watch.cluster_source import ClusterSource
from swimlb.watch.reports import FORBIDDEN_PAUSE

_KEY = "state"
_RESOURCE = CONFIGURATION_STATES.name
LOOK_INTERVAL = 0.5
"""Seconds; comparing costs next to nothing."""


class Judging:
    def __init__(
        self,
        node: str,
        namespace: str,
        client: Client,
        owner: Owner | None,
        source: ClusterSource,
        problems: Callable[[], tuple[Problem, ...]],
        complaints: Complaints,
    ) -> None:
        """`problems` gives those that are this node's."""
        self._source = source
        self._problems = problems
        self._complaints = complaints
        self._writer = StateWriter(client=client, namespace=namespace, node=node, owner=owner)
        self._driver: Driver[Event[str, Verdict], Send[str, Verdict]] = Driver(
            "configuration state", Outbox[str, Verdict](random.Random()), self._send
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._reflector: Reflector[bool] = Reflector(
            client,
            CONFIGURATION_STATES,
            lambda _: True,
            self._on_objects,
            namespace=namespace,
            field_selector=f"metadata.name={state_name(node)}",
            on_condition=source.note_condition,
        )
        self._told: Verdict | None = None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._reflector.run())
                while True:
                    self._look()
                    await asyncio.sleep(LOOK_INTERVAL)
        finally:
            self._driver.close()

    def _look(self) -> None:
        if not self._source.is_synced:
            return  # Of the last good state nothing is known to be wrong, nor to be right.
        verdict = Verdict.of(self._problems())
        if verdict != self._told:
            self._told = verdict
            self._driver.feed(Put(_KEY, verdict))

    def _on_objects(self, changes: Changes[Any]) -> None:
        if changes.gone:
            self._told = None

    def _send(self, effect: Send[str, Verdict]) -> None:
        assert self._tasks is not None
        self._tasks.create_task(self._write(effect.item))

    async def _write(self, verdict: Verdict) -> None:
        try:
            await self._writer.write(verdict)
        except ApiError as error:
            self._complaints.refused(_RESOURCE, error)
            pause = error.retry_after if isinstance(error, TooManyRequests) else None
            self._driver.feed(
                Failed(_KEY, FORBIDDEN_PAUSE if isinstance(error, (Forbidden, NotFound)) else pause)
            )
        else:
            self._complaints.done(_RESOURCE)
            self._driver.feed(Done(_KEY))
