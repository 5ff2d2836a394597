from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from swimlb.runtime.garbage import GarbageKeeper


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The collector is the whole process's."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class Knot:
    def __init__(self) -> None:
        self.itself = self


def keep(seconds: float) -> None:
    async def main() -> None:
        keeper = GarbageKeeper(interval=0.01)
        keeper.start()
        await asyncio.sleep(seconds)
        keeper.close()

    asyncio.run(main())


def test_full_collections_come_at_times_of_our_own_only() -> None:
    keep(0.0)

    assert gc.get_threshold()[2] >= 1_000_000_000


def test_garbage_goes_and_what_is_in_use_is_not_looked_at_again() -> None:
    garbage, used = weakref.ref(Knot()), Knot()

    keep(0.05)

    assert garbage() is None
    assert used.itself is used
    assert gc.get_freeze_count() > 0


def test_garbage_goes_that_was_made_later() -> None:
    made: list[weakref.ref[Knot]] = []

    async def main() -> None:
        keeper = GarbageKeeper(interval=0.01)
        keeper.start()
        made.append(weakref.ref(Knot()))
        await asyncio.sleep(0.05)
        keeper.close()

    asyncio.run(main())

    assert made[0]() is None


def test_what_a_burst_has_left_is_passed_over() -> None:
    """A look at it would take longer than others can wait. What is made after it is looked at again."""
    passed_over: list[weakref.ref[Knot]] = []
    later: list[weakref.ref[Knot]] = []

    async def main() -> None:
        keeper = GarbageKeeper(interval=0.05)
        keeper.start()
        burst = [[number] for number in range(100_000)]
        passed_over.append(weakref.ref(Knot()))
        await asyncio.sleep(0.07)
        del burst
        later.append(weakref.ref(Knot()))
        await asyncio.sleep(0.2)
        keeper.close()

    asyncio.run(main())

    assert passed_over[0]() is not None
    assert later[0]() is None


def test_what_is_frozen_is_freed_with_its_last_reference() -> None:
    used: list[Plain] = [Plain()]
    watched = weakref.ref(used[0])
    keep(0.02)

    used.clear()

    assert watched() is None


class Plain:
    """Refers to nothing."""
