"""Replicas of the controller and an API server in virtual time, with faults drawn from a seed.

What goes wrong: replicas crash, are paused between any two instructions and are cut off; calls and answers are late or
lost; a call whose answer nobody waits for any more is done all the same, even after long. Watches lag, and skip
versions when they are taken up again. The API server may go away, or fall silent, for as long as a test likes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import TypeVar, assert_never

from swimlb.controller import effects as fx
from swimlb.controller import events as ev
from swimlb.controller import lease as ls
from swimlb.controller.core import Controller
from swimlb.controller.records import Look, ServiceView, ServiceWrite
from swimlb.model import Pool, Service
from swimlb.runtime.outbox import Pace

T = TypeVar("T")

CALL_TIME_MAX = 5.0
"""So long a replica waits for an answer."""


@dataclass
class Weather:
    """How bad the network and the machines are."""

    loss: float = 0.0
    """Of calls, and of answers."""
    latency: tuple[float, float] = (0.001, 0.05)
    slow_share: float = 0.0
    slow: tuple[float, float] = (1.0, 30.0)
    """A call may take so long, whether or not its sender still waits, or lives."""
    breaks: float = 0.02
    """Share of the looks at a watch at which it breaks, and is taken up again with all there is."""
    is_silent: bool = False
    """Calls arrive and are done, and nothing comes back: neither answers nor what watches would tell."""


@dataclass
class Served:
    """A Service as the API server has it."""

    uid: str
    version: int
    wish: Service
    view: ServiceView


class ApiServer:
    """Keeps Services and one Lease, refuses writes onto other versions, and checks after each one what must hold."""

    def __init__(self) -> None:
        self.version = 0
        self.services: dict[str, Served] = {}
        self.lease: ls.Lease | None = None
        self.log: list[tuple[str, str, ServiceView | None]] = []
        """Of changes: key, uid, and what came of it. Its length is what watches count by."""
        self.violations: list[str] = []
        self.writes = 0
        self.may_lose: set[str] = set()
        """Services that somebody gave a reason to change their address."""

    def put(self, wish: Service) -> None:
        """A user creates or changes a Service."""
        self.version += 1
        known = self.services.get(wish.key)
        uid = known.uid if known is not None else f"uid-{self.version}"
        if known is not None:
            self.may_lose.add(wish.key)
        ingress, pool, condition = (), None, None
        if known is not None:
            ingress, pool, condition = known.view.ingress, known.view.pool, known.view.condition
        view = ServiceView(
            key=wish.key,
            uid=uid,
            version=str(self.version),
            service=replace(wish, held_addresses=tuple(one.address for one in ingress if one.address)),
            ingress=ingress,
            pool=pool,
            condition=condition,
        )
        self.services[wish.key] = Served(uid, self.version, wish, view)
        self.log.append((wish.key, uid, view))

    def delete(self, key: str) -> None:
        self.version += 1
        gone = self.services.pop(key)
        self.log.append((key, gone.uid, None))

    def write_service(self, write: ServiceWrite) -> ServiceView | str:
        """The Service afterwards, or how it was refused."""
        served = self.services.get(write.key)
        if served is None:
            return "gone"
        if (served.uid, str(served.version)) != (write.uid, write.version):
            return "conflict"
        self.writes += 1
        self.version += 1
        before = served.view
        ingress = before.ingress if write.ingress is None else write.ingress
        served.version = self.version
        served.view = replace(
            before,
            version=str(self.version),
            ingress=ingress,
            pool=write.pool,
            condition=write.condition,
            service=replace(served.wish, held_addresses=tuple(one.address for one in ingress if one.address)),
        )
        self.log.append((write.key, served.uid, served.view))
        self._check(write.key, before, served.view)
        return served.view

    def _check(self, key: str, before: ServiceView, after: ServiceView) -> None:
        for other, served in self.services.items():
            shared = set(served.view.addresses) & set(after.addresses)
            if other != key and shared:
                self.violations.append(f"{shared} is both {key}'s and {other}'s")
        if before.addresses and before.addresses != after.addresses and key not in self.may_lose:
            self.violations.append(f"{key} had {before.addresses} and was given {after.addresses}")

    def write_lease(self, lease: ls.Lease) -> ls.Lease | None:
        if lease.version != (self.lease.version if self.lease is not None else ""):
            return None
        self.version += 1
        self.lease = replace(lease, version=str(self.version))
        return self.lease


@dataclass
class Replica:
    """One process: the two machines, and what has not reached it yet."""

    name: str
    elector: ls.Elector
    controller: Controller
    is_alive: bool = True
    is_cut_off: bool = False
    paused_until: float = 0.0
    watched: int = 0
    """How much of the API server's log it has seen."""
    leads_until: float = 0.0
    terms: list[int] = field(default_factory=list[int])
    has_ended: bool = False


class Cluster:
    """Everything, and the clock."""

    def __init__(
        self, seed: int, pools: tuple[Pool, ...], *, weather: Weather | None = None, replicas: int = 2
    ) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.api = ApiServer()
        self.pools = pools
        self.weather = weather or Weather()
        self.replicas: list[Replica] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._started = 0
        self.drained: list[bool] = []
        for _ in range(replicas):
            self.start_replica()

    # The clock

    def at(self, time: float, action: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, (time, self._count, action))

    def run_for(self, seconds: float) -> None:
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            time, _, action = heappop(self._queue)
            self.now = max(self.now, time)
            action()
        self.now = end

    # Replicas

    def start_replica(self) -> Replica:
        self._started += 1
        name = f"controller-{self._started}"
        rng = random.Random(self.rng.random())
        replica = Replica(
            name,
            ls.Elector(name, rng),
            Controller(rng, quarantine=None, pace=Pace(in_flight_max=4)),
        )
        self.replicas.append(replica)
        self._feed(replica, ev.ConfigurationChanged(pools=self.pools))
        self._watch(replica, is_new=True)
        self._tick(replica)
        return replica

    def crash(self, replica: Replica) -> None:
        """What it has sent is on its way nevertheless."""
        replica.is_alive = False

    def pause(self, replica: Replica, seconds: float) -> None:
        replica.paused_until = max(replica.paused_until, self.now + seconds)

    def stop(self, replica: Replica) -> None:
        """SIGTERM."""
        self._feed(replica, ev.StopRequested())

    def delete_lease(self) -> None:
        """By hand."""
        self.api.lease = None

    def leaders(self) -> list[Replica]:
        return [one for one in self.replicas if one.is_alive and one.elector.is_leading]

    def change_pools(self, pools: tuple[Pool, ...]) -> None:
        self.pools = pools
        self.api.may_lose.update(self.api.services)
        for replica in self.replicas:
            self._deliver(replica, lambda r=replica: self._feed(r, ev.ConfigurationChanged(pools=pools)))

    def _deliver(self, replica: Replica, action: Callable[[], None], delay: float = 0.0) -> None:
        """When the process runs; a crashed one hears nothing."""

        def arrive() -> None:
            if not replica.is_alive:
                return
            if self.now < replica.paused_until:
                self.at(replica.paused_until + self.rng.uniform(0, 0.001), arrive)
                return
            action()

        self.at(self.now + delay, arrive)

    def _tick(self, replica: Replica) -> None:
        """Timers, with the lateness of a busy machine."""
        if not replica.is_alive:
            return
        if self.now >= replica.paused_until:
            self._elect(replica, replica.elector.advance(self.now))
            self._control(replica, replica.controller.advance(self.now))
        deadlines = [replica.elector.next_deadline(), replica.controller.next_deadline()]
        next_one = min((one for one in deadlines if one is not None), default=self.now + 1.0)
        self.at(max(self.now + 0.005, min(next_one, self.now + 0.25)), lambda: self._tick(replica))

    def _watch(self, replica: Replica, *, is_new: bool = False) -> None:
        """Takes up what is new in the log now and then; a break skips to what there is."""
        if not replica.is_alive:
            return
        is_deaf = replica.is_cut_off or self.weather.is_silent
        if not is_deaf and self.now >= replica.paused_until:
            if is_new or self.rng.random() < self.weather.breaks:
                known = {key for key, _, _ in self.api.log[: replica.watched]}
                replica.watched = len(self.api.log)
                for served in self.api.services.values():
                    self._feed(replica, ev.ServiceSeen(served.view))
                gone = known - self.api.services.keys()
                uids = {key: uid for key, uid, _ in self.api.log}
                for key in gone:
                    self._feed(replica, ev.ServiceGone(key, uids[key]))
            else:
                upto = self.rng.randint(replica.watched, len(self.api.log))
                fresh = self.api.log[replica.watched : upto]
                replica.watched = upto
                for key, uid, view in fresh:
                    self._feed(
                        replica, ev.ServiceSeen(view) if view is not None else ev.ServiceGone(key, uid)
                    )
            if self.rng.random() < 0.9:
                self._elect(replica, replica.elector.step(ls.LeaseSeen(self.api.lease), self.now))
        self.at(self.now + self.rng.uniform(0.01, 0.4), lambda: self._watch(replica))

    # Effects

    def _feed(self, replica: Replica, event: ev.Event) -> None:
        if replica.is_alive:
            self._control(replica, replica.controller.step(event, self.now))

    def _elect(self, replica: Replica, effects: list[ls.Effect]) -> None:
        for effect in effects:
            match effect:
                case ls.ReadLease():
                    self._call(
                        replica,
                        lambda: self.api.lease,
                        lambda r, lease: self._elect(r, r.elector.step(ls.LeaseSeen(lease), self.now)),
                        lambda r: self._elect(r, r.elector.step(ls.LeaseReadFailed(), self.now)),
                    )
                case ls.WriteLease(lease):
                    self._call(
                        replica,
                        lambda lease=lease: self.api.write_lease(lease),
                        self._lease_answered,
                        lambda r: self._elect(r, r.elector.step(ls.LeaseWriteFailed(), self.now)),
                    )
                case ls.Lead(term, until, is_clean):
                    replica.leads_until = until
                    replica.terms.append(term)
                    self._check_one_leader(replica)
                    self._feed(replica, ev.Elected(term, until, is_clean))
                case ls.KeepLeading(until):
                    replica.leads_until = until
                    self._feed(replica, ev.Renewed(until))
                case ls.StopLeading():
                    replica.leads_until = 0.0
                    self._feed(replica, ev.Deposed())
                case ls.Resigned():
                    replica.has_ended, replica.is_alive = True, False
                case _:
                    assert_never(effect)

    def _lease_answered(self, replica: Replica, lease: ls.Lease | None) -> None:
        event = ls.LeaseWriteRefused() if lease is None else ls.LeaseWritten(lease)
        self._elect(replica, replica.elector.step(event, self.now))

    def _check_one_leader(self, replica: Replica) -> None:
        for other in self.replicas:
            if (
                other is not replica
                and other.is_alive
                and other.elector.is_leading
                and other.leads_until > self.now
            ):
                self.api.violations.append(f"{replica.name} and {other.name} lead at {self.now:.3f}")

    def _control(self, replica: Replica, effects: list[fx.Effect]) -> None:
        for effect in effects:
            match effect:
                case fx.ReadWorld(term):
                    self._read_world(replica, term)
                case fx.Write(item, expires):
                    # Nothing is begun by whoever knows that it leads no more.
                    if self.now >= expires:
                        self._feed(replica, ev.NotWritten(item.key))
                    else:
                        self._write(replica, item)
                case fx.Drained(is_clean):
                    self.drained.append(is_clean)
                    self._elect(replica, replica.elector.step(ls.ResignRequested(is_clean), self.now))
                case fx.Tell() | fx.Contended() | fx.Unfenced() | fx.AddressesChanged():
                    pass
                case _:
                    assert_never(effect)

    def _read_world(self, replica: Replica, term: int) -> None:
        self._call(
            replica,
            lambda: tuple(served.view for served in self.api.services.values()),
            lambda r, views: self._feed(r, ev.WorldRead(term, views)),
            lambda r: self._read_world(r, term) if r.elector.is_leading else None,
        )

    def _write(self, replica: Replica, item: ServiceWrite | Look) -> None:
        def do() -> ServiceView | str:
            if isinstance(item, ServiceWrite):
                return self.api.write_service(item)
            served = self.api.services.get(item.key)
            return "gone" if served is None or served.uid != item.uid else served.view

        def answered(r: Replica, answer: ServiceView | str) -> None:
            if isinstance(answer, ServiceView):
                self._feed(r, ev.Written(answer))
            elif answer == "conflict":
                self._feed(r, ev.WriteConflicted(item.key))
            else:
                self._feed(r, ev.ServiceGone(item.key, item.uid))
                self._feed(r, ev.NotWritten(item.key))

        self._call(replica, do, answered, lambda r: self._feed(r, ev.WriteFailed(item.key)))

    def _call(
        self,
        replica: Replica,
        do: Callable[[], T],
        answered: Callable[[Replica, T], None],
        failed: Callable[[Replica], None],
    ) -> None:
        """A call reaches the API server late or never, and so does its answer; who waits too long gives up."""
        weather, is_answered = self.weather, False

        def conclude(action: Callable[[], None]) -> None:
            nonlocal is_answered
            if not is_answered:
                is_answered = True
                action()

        def latency() -> float:
            return self.rng.uniform(
                *(weather.slow if self.rng.random() < weather.slow_share else weather.latency)
            )

        def leave() -> None:
            if self.now < replica.paused_until:
                # Paused after it had decided, and before it had sent.
                self.at(replica.paused_until + 0.0005, leave)
            elif not replica.is_cut_off and self.rng.random() >= weather.loss:
                self.at(self.now + latency(), arrive)

        def arrive() -> None:
            answer = do()
            is_heard = not replica.is_cut_off and not self.weather.is_silent
            if is_heard and self.rng.random() >= weather.loss:
                self._deliver(replica, lambda: conclude(lambda: answered(replica, answer)), latency())

        self.at(self.now + self.rng.uniform(0, 0.002), leave)
        self._deliver(replica, lambda: conclude(lambda: failed(replica)), CALL_TIME_MAX)
