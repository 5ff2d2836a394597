"""The controller: follows Services and pools, and while it leads, writes who has which address.

Who gets what is the allocator's to decide. This machine sees to it that what is decided gets written, once, and by
nobody but the leader:

- Every write names the version of the Service that it was decided for. Whoever decided on older facts is refused.
- A new leader begins with a reading of all Services that is newer than its election.
- If the leader before it did not end cleanly, calls of it may still be on their way, even after long (a process may
  have been paused between two instructions). All Services whose address may yet change are therefore *fenced*: written
  to, harmlessly, so that their version is another. Only then any address is given away.
- A Service of which only that reading has told may be gone before the watch begins to tell of it. It is looked at now and
  then, until the watch tells of it or it is gone.
- A write of which nobody knows whether it was done counts as on its way until the Service has another version. Until
  then the allocator keeps both its former and its new address from others.

Writing is level-triggered: what a Service should show is compared with what it shows, whenever one of the two changes.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import assert_never

from swimlb.allocator import Allocator, PoolCounts, StatusWritten, WorldChanged, WriteStatus
from swimlb.controller import effects as fx
from swimlb.controller import events as ev
from swimlb.controller.contention import Contention
from swimlb.controller.records import Look, Reason, ServiceView, ServiceWrite
from swimlb.controller.versions import is_older
from swimlb.controller.wanting import fencing_write, keeping_write, status_write
from swimlb.model import Allocation, Pool
from swimlb.runtime import outbox as ob

LOOK_AFTER = 1.0
"""So long after a conflict the watch may take to show the version that won; then it is read."""

UNTOLD_LOOK_INTERVAL = 30.0
"""So often those are looked at of which the watch has not told. It is late by milliseconds, as a rule."""

UNFENCED_AFTER = 60.0
"""A Service that the API server has refused to have written for so long is left out of the fence, as it would keep all others
waiting: a call of the former leader would be refused, too."""

DRAIN_TIME_MAX = 0.7
"""So long the process waits at its end for answers. What is not answered then has to be fenced by the next leader."""


class Controller:
    """Decides what is written to Services."""

    def __init__(self, rng: random.Random, *, quarantine: float | None, pace: ob.Pace | None = None) -> None:
        """`quarantine`: see Allocator."""
        self._quarantine = quarantine
        self._outbox = ob.Outbox[str, ServiceWrite | Look](rng, pace)
        self._contention = Contention()
        self._views: dict[str, ServiceView] = {}
        self._pools: tuple[Pool, ...] | None = None
        self._has_lost_pool = False
        self._term: int | None = None
        self._until = 0.0
        self._lapsed: int | None = None
        """The term that ended by the clock; nobody else has said that it is over."""
        self._is_clean = False
        self._has_world = False
        """What is in `_views` is newer than the election."""
        self._told_meanwhile: set[str] = set()
        """Services of which the watch has told since all were asked for."""
        self._untold: set[str] = set()
        """Services that only a reading of all has shown, and not the watch."""
        self._look_at = 0.0
        """When to look at them."""
        self._allocator: Allocator | None = None
        """While this replica leads and knows all it needs."""
        self._frozen: set[str] = set()
        """Services that the allocator is not told of, as their address may be of a pool that could not be read."""
        self._fence: dict[str, str] = {}
        """Services that are still to be fenced, with the version that must be gone."""
        self._refused_since: dict[str, float] = {}
        """Of those, the ones that the API server has refused to have written, and since when."""
        self._doubtful: dict[str, str] = {}
        """Services with a write of which nobody knows whether it was done, with the version it was decided for."""
        self._conflicted: dict[str, str] = {}
        """Services that have changed from this version in a way that was not seen yet."""
        self._stop_by: float | None = None
        self._has_drained = False

    @property
    def is_ready(self) -> bool:
        """It leads, and gives addresses away."""
        return self._allocator is not None and not self._fence

    @property
    def in_flight(self) -> int:
        return self._outbox.in_flight

    @property
    def waiting(self) -> int:
        """Services that are still to be written."""
        return self._outbox.waiting

    def counts(self) -> tuple[PoolCounts, ...]:
        """Of the pools in force; empty unless this replica leads."""
        return self._allocator.counts() if self._allocator is not None else ()

    def step(self, event: ev.Event, now: float) -> list[fx.Effect]:
        effects = self._expire(now)
        match event:
            case ev.ConfigurationChanged():
                effects += self._configure(event, now)
            case ev.ServiceSeen(view):
                self._untold.discard(view.key)
                effects += self._see(view, now)
            case ev.ServiceGone(key, uid):
                effects += self._forget(key, uid, now)
            case ev.Elected(term, until, is_clean):
                effects += self._lead(term, until, is_clean)
            case ev.Renewed(until):
                effects += self._renew(until, now)
            case ev.Deposed():
                self._step_down()
            case ev.WorldRead(term, views):
                # The one of a term that began anew may have two readings on their way: the later one is older news.
                if term == self._term and not self._has_world:
                    effects += self._know_world(views, now)
            case ev.Written(view):
                effects += self._note_written(view, now)
            case ev.NotWritten(key):
                effects += self._post(ob.Dropped(key), now) + self._go_on(key, now)
            case ev.WriteConflicted(key):
                effects += self._note_conflict(key, now)
            case ev.WriteFailed(key, retry_after):
                effects += self._note_failed(key, retry_after, now)
            case ev.WriteRefused(key):
                effects += self._note_refused(key, now)
            case ev.StopRequested():
                self._stop_by = now + DRAIN_TIME_MAX
                self._outbox.clear()
            case _:
                assert_never(event)
        return effects + self._drain(now)

    def advance(self, now: float) -> list[fx.Effect]:
        effects = self._expire(now)
        if self._allocator is not None:
            effects += self._take(self._allocator.advance(now), now)
            effects += self._look_at_untold(now)
        effects += self._sent(self._outbox.advance(now), now)
        return effects + self._drain(now)

    def next_deadline(self) -> float | None:
        if self._has_drained:
            return None
        deadlines = [
            self._outbox.next_deadline(),
            self._allocator.next_deadline() if self._allocator is not None else None,
            self._until if self._term is not None else None,
            self._look_at if self._is_to_look else None,
            self._stop_by,
        ]
        return min((one for one in deadlines if one is not None), default=None)

    # Leading

    def _lead(self, term: int, until: float, is_clean: bool) -> list[fx.Effect]:
        self._step_down()
        self._term, self._until, self._is_clean = term, until, is_clean
        return [fx.ReadWorld(term)]

    def _renew(self, until: float, now: float) -> list[fx.Effect]:
        """Also of a term that has lapsed here a moment before the answer was read: the election knows nothing of that."""
        if self._term is None and self._lapsed is not None and until > now:
            return self._lead(self._lapsed, until, is_clean=False)
        self._until = until
        return []

    def _step_down(self) -> None:
        self._term, self._allocator, self._has_world = None, None, False
        self._lapsed = None
        self._frozen, self._fence, self._refused_since = set(), {}, {}
        self._told_meanwhile.clear()
        self._outbox.clear()

    def _expire(self, now: float) -> list[fx.Effect]:
        """Nobody may have told us yet that the lease is over."""
        if (term := self._term) is not None and now >= self._until:
            self._step_down()
            self._lapsed = term
        return []

    def _know_world(self, views: Iterable[ServiceView], now: float) -> list[fx.Effect]:
        newest = {view.key: view for view in views}
        for key, view in list(newest.items()):
            known = self._views.get(key)
            if known is not None and is_older(view.version, known.version):
                newest[key] = known
        # The reading is of the moment of its first page: what has come or gone since is told by the watch alone.
        for key in self._told_meanwhile:
            if (known := self._views.get(key)) is None:
                newest.pop(key, None)
            else:
                newest.setdefault(key, known)
        self._untold = {key for key in newest if key not in self._views or key in self._untold}
        self._look_at = now + UNTOLD_LOOK_INTERVAL
        self._views, self._has_world = newest, True
        self._told_meanwhile.clear()
        for table in (self._doubtful, self._conflicted):
            for key in [key for key, version in table.items() if self._version_of(key) != version]:
                del table[key]
        return self._begin(now)

    def _version_of(self, key: str) -> str | None:
        view = self._views.get(key)
        return view.version if view is not None else None

    def _begin(self, now: float) -> list[fx.Effect]:
        """Everything is known: decide, and fence or write."""
        if not self._has_world or self._pools is None or self._term is None or self._stop_by is not None:
            return []
        self._allocator = Allocator(self._quarantine)
        self._frozen = {key for key, view in self._views.items() if self._is_to_freeze(view)}
        services = [
            view.service
            for key, view in self._views.items()
            if view.service is not None and key not in self._frozen
        ]
        self._allocator.step(WorldChanged(self._pools, tuple(services)), now)
        if not self._is_clean:
            self._fence = {
                key: view.version for key, view in self._views.items() if not self._is_settled(view)
            }
        return [*self._reconcile_all(now), fx.AddressesChanged()]

    def _is_settled(self, view: ServiceView) -> bool:
        """It has the address that it should have, so that nobody can have been about to change it."""
        if view.service is None:
            return True
        assert self._allocator is not None
        verdict = self._allocator.verdict(view.key)
        return isinstance(verdict, Allocation) and not verdict.reason and verdict.addresses == view.addresses

    # The world

    def _configure(self, event: ev.ConfigurationChanged, now: float) -> list[fx.Effect]:
        is_first = self._pools is None
        self._pools, self._has_lost_pool = event.pools, event.has_lost_pool
        if is_first:
            return self._begin(now)
        if self._allocator is None:
            return []
        # Whoever was kept out for fear of losing an address is looked at again, before others may have it.
        thawed = {key for key in self._frozen if not self._is_to_freeze(self._views[key])}
        self._frozen -= thawed
        frozen = {
            key for key, view in self._views.items() if key not in self._frozen and self._is_to_freeze(view)
        }
        self._frozen |= frozen
        put = [service for key in thawed if (service := self._views[key].service) is not None]
        effects = self._take(
            self._allocator.step(WorldChanged(event.pools, tuple(put), tuple(frozen)), now), now
        )
        for key in thawed | frozen:
            effects += self._reconcile(key, now)
        return [*effects, fx.AddressesChanged()]

    def _is_to_freeze(self, view: ServiceView) -> bool:
        """Its address may be of a pool that could not be read: then it must not lose it for that."""
        if not self._has_lost_pool or view.service is None or not view.addresses:
            return False
        assert self._pools is not None
        return not any(address in pool for pool in self._pools for address in view.addresses)

    def _see(self, view: ServiceView, now: float) -> list[fx.Effect]:
        known = self._views.get(view.key)
        if known is not None and known.uid == view.uid and not _is_news(view, known):
            return []
        effects: list[fx.Effect] = []
        if known is not None and known.uid != view.uid:
            effects += self._forget(view.key, known.uid, now)
        self._views[view.key] = view
        self._note_told(view.key)
        effects += self._note_version(view, now)
        if self._allocator is not None:
            effects += self._decide(view, known, now)
            effects += self._tell_shown(view, now)
        return effects + self._reconcile(view.key, now)

    def _decide(self, view: ServiceView, known: ServiceView | None, now: float) -> list[fx.Effect]:
        """Let the allocator know what the Service asks for now."""
        assert self._allocator is not None
        service = view.service
        if view.refusal and isinstance(before := self._allocator.verdict(view.key), Allocation):
            # The last good version stays in force, but gets nothing that it has not got.
            service = before.service
        if view.key in self._frozen:
            if self._is_to_freeze(view):
                return []
            self._frozen.discard(view.key)
        elif known is None and self._is_to_freeze(view):
            self._frozen.add(view.key)
            return []
        if service is None:
            return self._release(view.key, now)
        return self._take(self._allocator.step(WorldChanged(put=(service,)), now), now)

    def _forget(self, key: str, uid: str, now: float) -> list[fx.Effect]:
        known = self._views.get(key)
        if known is None or known.uid != uid:
            return []
        del self._views[key]
        self._untold.discard(key)
        self._note_told(key)
        for table in (self._doubtful, self._conflicted):
            table.pop(key, None)
        self._frozen.discard(key)
        self._contention.forget(key)
        effects = self._release(key, now) + self._post(ob.Discard(key), now)
        return effects + self._lower_fence(key, now)

    def _note_told(self, key: str) -> None:
        if self._term is not None and not self._has_world:
            self._told_meanwhile.add(key)

    def _release(self, key: str, now: float) -> list[fx.Effect]:
        if self._allocator is None or self._allocator.verdict(key) is None:
            return []
        effects = self._take(self._allocator.step(WorldChanged(deleted=(key,)), now), now)
        return [*effects, fx.AddressesChanged()]

    def _note_version(self, view: ServiceView, now: float) -> list[fx.Effect]:
        """What stood on an older version has been done by now, or never will be."""
        effects: list[fx.Effect] = []
        if self._doubtful.get(view.key) not in (None, view.version):
            del self._doubtful[view.key]
        if self._conflicted.get(view.key) not in (None, view.version):
            del self._conflicted[view.key]
            # There is no need for a look any more, nor to wait.
            effects = self._post(ob.Discard(view.key), now)
        if self._fence.get(view.key) in (None, view.version):
            return effects
        return effects + self._lower_fence(view.key, now)

    def _lower_fence(self, key: str, now: float) -> list[fx.Effect]:
        self._refused_since.pop(key, None)
        if self._fence.pop(key, None) is None or self._fence:
            return []
        return self._reconcile_all(now)

    def _tell_shown(self, view: ServiceView, now: float) -> list[fx.Effect]:
        """What the status shows is known for sure only while no write of ours is under way."""
        if self._allocator is None or self._outbox.is_in_flight(view.key):
            return []
        if view.version in (self._doubtful.get(view.key), self._conflicted.get(view.key)):
            return []
        return self._take(self._allocator.step(StatusWritten(view.key, view.addresses), now), now)

    # Writing

    def _take(self, told: Iterable[WriteStatus], now: float) -> list[fx.Effect]:
        effects: list[fx.Effect] = []
        for one in told:
            effects += self._reconcile(one.verdict.service.key, now)
        return [*effects, fx.AddressesChanged()] if effects else effects

    def _reconcile_all(self, now: float) -> list[fx.Effect]:
        return [effect for key in list(self._views) for effect in self._reconcile(key, now)]

    def _reconcile(self, key: str, now: float) -> list[fx.Effect]:
        """Have written what the Service does not show yet."""
        view = self._views.get(key)
        if view is None or self._allocator is None or self._stop_by is not None:
            return []
        if self._outbox.is_in_flight(key):
            return []
        if self._conflicted.get(key) == view.version:
            return self._post(ob.Put(key, Look(key, view.uid), now + LOOK_AFTER), now)
        write = self._wanted(view)
        if write is None:
            return self._post(ob.Discard(key), now)
        not_before = self._contention.not_before(key, write.essence, now)
        return self._post(ob.Put(key, write, not_before), now)

    def _wanted(self, view: ServiceView) -> ServiceWrite | None:
        assert self._allocator is not None
        assert self._term is not None
        if self._fence:
            return fencing_write(view, self._term) if self._fence.get(view.key) == view.version else None
        if view.key in self._frozen:
            message = (
                "keeps its address, which is in no pool that could be read: mend the pools that are in error"
            )
            return keeping_write(view, Reason.POOL_INVALID, message)
        verdict = self._allocator.verdict(view.key)
        if verdict is None and view.refusal:
            return keeping_write(view, Reason.INVALID, view.refusal)
        return status_write(view, verdict)

    @property
    def _is_to_look(self) -> bool:
        return bool(self._untold) and self._allocator is not None and self._stop_by is None

    def _look_at_untold(self, now: float) -> list[fx.Effect]:
        if not self._is_to_look or now < self._look_at:
            return []
        self._look_at = now + UNTOLD_LOOK_INTERVAL
        effects: list[fx.Effect] = []
        for key in self._untold:
            view = self._views[key]
            # What is to be written, or on its way, will tell as well.
            if not self._outbox.is_in_flight(key) and self._wanted(view) is None:
                effects += self._post(ob.Put(key, Look(key, view.uid)), now)
        return effects

    def _post(self, event: ob.Event[str, ServiceWrite | Look], now: float) -> list[fx.Effect]:
        return self._sent(self._outbox.step(event, now), now)

    def _sent(self, sends: Iterable[ob.Send[str, ServiceWrite | Look]], now: float) -> list[fx.Effect]:
        assert self._term is not None or not list(sends), "only a leader writes"
        return [fx.Write(send.item, self._until) for send in sends]

    # What came of it

    def _note_written(self, view: ServiceView, now: float) -> list[fx.Effect]:
        item = self._outbox.item_in_flight(view.key)
        effects = self._post(ob.Done(view.key), now)
        known = self._views.get(view.key)
        if known is None or known.uid != view.uid:
            # The watch was faster: this one is gone, and nothing more will be told of it.
            return effects + self._go_on(view.key, now)
        if isinstance(item, ServiceWrite):
            if not item.is_fence and self._contention.note(view.key, item.essence, now):
                effects.append(fx.Contended(view.key))
            if item.notes:
                effects.append(fx.Tell(view.key, view.uid, item.notes))
        else:
            # Looked at: if it is what was known, nobody else has written after all.
            self._conflicted.pop(view.key, None)
        return effects + self._see(view, now) + self._go_on(view.key, now)

    def _note_conflict(self, key: str, now: float) -> list[fx.Effect]:
        item = self._outbox.item_in_flight(key)
        if isinstance(item, ServiceWrite) and self._version_of(key) == item.version:
            self._conflicted[key] = item.version
        return self._post(ob.Dropped(key), now) + self._go_on(key, now)

    def _note_failed(self, key: str, retry_after: float | None, now: float) -> list[fx.Effect]:
        item = self._outbox.item_in_flight(key)
        if isinstance(item, ServiceWrite) and self._version_of(key) == item.version:
            self._doubtful[key] = item.version
        self._refused_since.pop(key, None)
        return self._post(ob.Failed(key, retry_after), now) + self._go_on(key, now)

    def _note_refused(self, key: str, now: float) -> list[fx.Effect]:
        effects = self._post(ob.Failed(key), now)
        if key in self._fence and now - self._refused_since.setdefault(key, now) >= UNFENCED_AFTER:
            effects += [fx.Unfenced(key), *self._lower_fence(key, now)]
        return effects + self._go_on(key, now)

    def _go_on(self, key: str, now: float) -> list[fx.Effect]:
        """Nothing is on its way for this Service: what its status shows counts, and the next write may follow."""
        view = self._views.get(key)
        return [] if view is None else self._tell_shown(view, now) + self._reconcile(key, now)

    def _drain(self, now: float) -> list[fx.Effect]:
        if self._stop_by is None or self._has_drained:
            return []
        if self._outbox.in_flight and now < self._stop_by:
            return []
        self._has_drained = True
        has_fenced = self._is_clean or (self._allocator is not None and not self._fence)
        return [fx.Drained(has_fenced and not self._outbox.in_flight and not self._doubtful)]


def _is_news(view: ServiceView, known: ServiceView) -> bool:
    return view.version != known.version and not is_older(view.version, known.version)
