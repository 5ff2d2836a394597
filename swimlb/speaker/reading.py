"""Batches of records become known in slices, so that a large table does not stall the process.

A batch is acted on as a whole. While one is being read, the speaker plans nothing but what cannot wait: a half of an edit
would let go of an address that the other half keeps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from swimlb.speaker.events import InventoryChanged
from swimlb.speaker.inventory import Inventory, Record
from swimlb.speaker.standing import StandingPlan

RECORD_COST = 4
"""Of taking in a record, in units of a candidate that is weighed (`layer2_plan`)."""


class Reading:
    """Takes records into the inventory, and says to the plan what they touch."""

    def __init__(self, inventory: Inventory, standing: StandingPlan) -> None:
        self._inventory = inventory
        self._standing = standing
        self._batches: deque[Iterator[Record | str]] = deque()
        """What is left of each: keys that are gone, and records."""

    @property
    def is_pending(self) -> bool:
        """A batch is known in part."""
        return bool(self._batches)

    def add(self, batch: InventoryChanged) -> None:
        self._batches.append(iter((*batch.removed, *batch.put)))

    def work(self, budget: int) -> bool:
        """Read on, for about so much work. Whether all batches are known now, of which one was not before."""
        if not self._batches:
            return False
        left = budget // RECORD_COST
        while self._batches:
            for one in self._batches[0]:
                self._take(one)
                left -= 1
                if left <= 0:
                    return False
            self._batches.popleft()
        return True

    def _take(self, one: Record | str) -> None:
        if isinstance(one, str):
            self._standing.touch_record(self._inventory.remove(one), None)
            return
        before = self._inventory.put(one)
        if one != before:
            self._standing.touch_record(before, one)
