"""This replica's part in the election: the calls for the Lease, and the watch that shows what others do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_never

from swimlb.control.surroundings import Surroundings
from swimlb.controller import lease as ls
from swimlb.kube.errors import ApiError, TooManyRequests, Unavailable
from swimlb.kube.lease import LeaseCalls, lease_of
from swimlb.kube.resources import LEASES
from swimlb.kube.store import Changes

Outcome = ls.Lead | ls.KeepLeading | ls.StopLeading | ls.Resigned


class Election:
    """Tells the process when it leads, and when no more."""

    def __init__(self, around: Surroundings, identity: str, tell: Callable[[Outcome], None]) -> None:
        self._around = around
        self._tell = tell
        self._calls = LeaseCalls(around.client, around.settings.namespace, around.settings.lease_name)
        self._elector = ls.Elector(identity, around.rng, around.settings.timing)
        self._driver = around.driver("election", self._elector, self._perform)
        self.has_begun = False
        self.reflector = around.reflector(
            LEASES, lease_of, self._on_changes, **around.named(around.settings.lease_name)
        )

    @property
    def is_leading(self) -> bool:
        return self._elector.is_leading

    @property
    def term(self) -> int | None:
        """The one in which this replica leads."""
        return self._elector.term

    def begin(self) -> None:
        """Stand for election from now on."""
        self.has_begun = True
        self._read()

    def resign(self, is_clean: bool) -> None:
        """Give the Lease back, if it is ours; Resigned follows."""
        self._driver.feed(ls.ResignRequested(is_clean))

    def close(self) -> None:
        self._driver.close()

    def _perform(self, effect: ls.Effect) -> None:
        match effect:
            case ls.ReadLease():
                self._read()
            case ls.WriteLease(lease):
                self._write(lease)
            case ls.Lead() | ls.KeepLeading() | ls.StopLeading() | ls.Resigned():
                self._tell(effect)
            case _:
                assert_never(effect)

    def _on_changes(self, changes: Changes[ls.Lease]) -> None:
        if not self.has_begun:
            return
        for lease in changes.put.values():
            self._driver.feed(ls.LeaseSeen(lease))
        if changes.gone:
            self._driver.feed(ls.LeaseSeen(None))

    async def _call(self, call: Awaitable[ls.Event], what: str, failed: ls.Event) -> None:
        """Its answer, or that there was none; what the operator has to mend is told."""
        event = failed
        try:
            async with asyncio.timeout(self._around.settings.timing.renew_deadline):
                event = await call
            self._around.complaints.done(what)
        except (TimeoutError, Unavailable, TooManyRequests):
            pass
        except ApiError as error:
            self._around.complaints.refused(what, error)
        self._driver.feed(event)

    def _read(self) -> None:
        call = self._calls.read()
        self._around.spawn(self._call(call, f"{LEASES.name} (reading)", ls.LeaseReadFailed()))

    def _write(self, lease: ls.Lease) -> None:
        call = self._calls.write(lease)
        self._around.spawn(self._call(call, LEASES.name, ls.LeaseWriteFailed()))
