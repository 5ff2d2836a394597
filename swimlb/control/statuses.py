"""The statuses of pools and the ConfigurationState: followed, compared with what they should be, and written."""

from __future__ import annotations

from collections.abc import Callable

from swimlb.allocator import PoolCounts
from swimlb.control.surroundings import Surroundings
from swimlb.controller import upkeep as up
from swimlb.controller.records import State
from swimlb.kube.errors import ApiError, TooManyRequests, Unavailable
from swimlb.kube.reflector import Reflector
from swimlb.kube.resources import CONFIGURATION_STATES, IP_ADDRESS_POOLS
from swimlb.kube.states import (
    STATE_NAME,
    PoolObject,
    ShownCounts,
    ShownState,
    StateWriter,
    shown_counts,
    shown_state,
    write_counts,
)
from swimlb.kube.store import Changes
from swimlb.runtime import outbox as ob


class Statuses:
    """Around the Upkeep machine."""

    def __init__(self, around: Surroundings, count: Callable[[], tuple[PoolCounts, ...]]) -> None:
        """`count`: how full the pools are."""
        self._around = around
        self._count = count
        self._writer = StateWriter(around.client, around.settings.namespace, around.settings.pod)
        self._driver = around.driver("upkeep", up.Upkeep(around.rng), self._perform)
        self._pools: Reflector[ShownCounts] = around.reflector(
            IP_ADDRESS_POOLS,
            shown_counts,
            self._on_pools,
            into=PoolObject,
            namespace=around.settings.namespace,
        )
        self._states: Reflector[ShownState] = around.reflector(
            CONFIGURATION_STATES, shown_state, self._on_state, **around.named(STATE_NAME)
        )

    @property
    def reflectors(self) -> tuple[Reflector[ShownCounts], Reflector[ShownState]]:
        return self._pools, self._states

    def lead(self, is_leading: bool) -> None:
        self._driver.feed(up.LeadershipChanged(is_leading))

    def judge(self, state: State) -> None:
        self._driver.feed(up.Judged(state))

    def note_addresses_changed(self) -> None:
        self._driver.feed(up.AddressesChanged())

    def close(self) -> None:
        self._driver.close()

    def _on_pools(self, _: Changes[ShownCounts]) -> None:
        counts = {key.partition("/")[2]: one.counts for key, one in self._pools.values.items()}
        self._driver.feed(up.PoolsShown(counts))

    def _on_state(self, _: Changes[ShownState]) -> None:
        shown = next(iter(self._states.values.values()), None)
        self._driver.feed(up.StateShown(shown.state if shown is not None else None))

    def _perform(self, effect: up.Effect) -> None:
        match effect:
            case up.Count():
                self._driver.feed(up.Counted(self._count()))
            case ob.Send(key, item):
                self._around.spawn(self._write(key, item))

    async def _write(self, key: str, item: up.Item) -> None:
        """What is refused is told once, and tried again."""
        kind = CONFIGURATION_STATES if isinstance(item, State) else IP_ADDRESS_POOLS
        what = f"{kind.name}/status"
        try:
            if isinstance(item, State):
                await self._writer.write(item)
            else:
                await write_counts(self._around.client, self._around.settings.namespace, item)
        except (TooManyRequests, Unavailable) as error:
            self._driver.feed(ob.Failed(key, error.retry_after))
        except ApiError as error:
            self._around.complaints.refused(what, error)
            self._driver.feed(ob.Failed(key))
        else:
            self._around.complaints.done(what)
            self._driver.feed(ob.Done(key))
