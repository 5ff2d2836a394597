"""The shell around `swimlb.reporting.failures`: facts of *wire* on one side, Events on Services on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import msgpack

from swimlb.model import IpAddress
from swimlb.reporting.failures import Event, Failures, TellFailed, ViewChanged, Withheld
from swimlb.runtime.driver import Driver
from swimlb.runtime.replica import Batch
from swimlb.speaker.layer2_rules import Layer2Rules
from swimlb.speaker.plan import Reason
from swimlb.speaker.presence import Presence
from swimlb.speaker.rules import RuleOptions
from swimlb.watch.cluster import ClusterRecords
from swimlb.watch.service_events import ServiceEvents

_PRESENCE = "presence/"
_WITHHELD, _LAYER_2 = "withheld/", "/l2"


class FailureKeeper:
    """`learn` and `note_change` may be called before `run`: what is to be told then waits."""

    def __init__(self, node: str, cluster: ClusterRecords, options: RuleOptions) -> None:
        self._node = node
        self._cluster = cluster
        self._options = options
        self._presences: dict[str, Presence] = {}
        self._untold: asyncio.Queue[TellFailed] = asyncio.Queue()
        """One for each address of a Service at most that fails, in the order of their failing."""
        self._driver: Driver[Event, TellFailed] = Driver(
            "failures", Failures(self._judge), self._untold.put_nowait
        )

    def learn(self, batch: Batch) -> None:
        """What *wire* says."""
        if self._learn_presences(batch):
            self._driver.feed(ViewChanged())
        if changes := _withheld_changes(batch):
            self._driver.feed(Withheld(changes))

    def note_change(self) -> None:
        """What *wire* is told has changed."""
        self._driver.feed(ViewChanged())

    async def run(self, events: ServiceEvents) -> None:
        """Until cancelled."""
        try:
            while True:
                one = await self._untold.get()
                events.failed(one.service, one.address)
        finally:
            self._driver.close()

    def _learn_presences(self, batch: Batch) -> bool:
        found = {
            key.removeprefix(_PRESENCE): Presence.decode(
                cast("dict[str, Any]", msgpack.unpackb(value))["meta"]
            )
            for key, value in batch.put.items()
            if key.startswith(_PRESENCE)
        }
        gone = [key.removeprefix(_PRESENCE) for key in batch.removed if key.startswith(_PRESENCE)]
        self._presences |= found
        for name in gone:
            self._presences.pop(name, None)
        return bool(found or gone)

    def _judge(self, services: Iterable[str]) -> dict[str, tuple[IpAddress, ...]]:
        inventory = self._cluster.inventory(self._node, services)
        inventory.presences.update(self._presences)
        rules = Layer2Rules(inventory, self._options)
        return {
            service: allocation.addresses
            for service, allocation in inventory.allocations.items()
            if rules.stranded_owner(allocation) == self._node
        }


def _withheld_changes(batch: Batch) -> dict[str, bool]:
    """Which Services are, or are no more, withheld on the LAN for want of an interface."""
    changes = {
        key[len(_WITHHELD) : -len(_LAYER_2)]: False
        for key in batch.removed
        if key.startswith(_WITHHELD) and key.endswith(_LAYER_2)
    }
    for key, value in batch.put.items():
        if key.startswith(_WITHHELD) and key.endswith(_LAYER_2):
            fact = cast("dict[str, Any]", msgpack.unpackb(value))
            changes[fact["service"]] = fact["reason"] == Reason.NO_INTERFACE
    return changes
