"""The API server is away, or silent, for ten minutes: who asks it how often meanwhile, and what happens when it is back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import assert_never

from swimlb.config import parse_pool_entry
from swimlb.controller.lease import Timing
from swimlb.kube import following as fw
from swimlb.model import Pool
from swimlb.reporting import statuses as st
from swimlb.runtime.outbox import Pace
from tests.simulation.replicas import Cluster, Weather
from tests.simulation.test_controller import check, service

AWAY = 600.0
POOL = Pool(name="first", ranges=(parse_pool_entry("192.0.2.0/24"),))
TAKEN_OVER = Timing().lease_duration + 2 * Timing().retry_period
"""The longest that nobody leads once the API server is back."""


# The controller


def away(cluster: Cluster) -> None:
    """Connections are refused: no call arrives."""
    for replica in cluster.replicas:
        replica.is_cut_off = True


def back(cluster: Cluster) -> None:
    cluster.weather = Weather()
    for replica in cluster.replicas:
        replica.is_cut_off = False


def silent(cluster: Cluster) -> None:
    """Half-open connections: what is asked is done, and nobody hears of it."""
    cluster.weather = Weather(is_silent=True)


def play(seed: int, begin: Callable[[Cluster], None]) -> None:
    """Services are made before and after; a replica dies in between, and another one starts that knows nothing."""
    cluster = Cluster(seed, (POOL,))
    for number in range(40):
        cluster.api.put(service(number))
    cluster.run_for(30.0)
    before = {key: served.view.addresses for key, served in cluster.api.services.items()}
    assert all(before.values())

    begin(cluster)
    cluster.run_for(AWAY / 2)
    assert not cluster.leaders()
    cluster.crash(cluster.rng.choice(cluster.replicas))
    cluster.start_replica()
    begin(cluster)
    cluster.run_for(AWAY / 2)
    writes = cluster.api.writes
    back(cluster)
    cluster.api.put(service(40))
    cluster.run_for(TAKEN_OVER + 5.0)

    check(cluster)
    after = {key: served.view.addresses for key, served in cluster.api.services.items()}
    assert {key: after[key] for key in before} == before
    # A new leader of unknown predecessors fences, and so writes twice, where something is to be done at all.
    assert cluster.api.writes - writes <= 2


def test_replicas_lead_again_and_rewrite_nothing_when_the_api_server_is_back(seed: int) -> None:
    """Nobody leads meanwhile, and who starts meanwhile decides nothing."""
    play(seed, away)


def test_replicas_bear_an_api_server_that_does_all_and_answers_nothing(seed: int) -> None:
    """Renewals that are done without an answer hold the Lease for nobody."""
    play(seed, silent)


# What follows kinds of objects

MACHINES = 400
"""Ten reflectors on each of forty nodes."""

WINDOW = 10
"""Seconds over which requests are counted: in one there is too much chance."""

NO_ANSWER = 10.0
"""Seconds after which a client gives up on a call."""


@dataclass
class Follower:
    machine: fw.Following
    stream: int = 0
    """Which of its streams is open; what comes of an older one comes to nothing."""
    lists: int = 0
    troubles: list[fw.Trouble | None] = field(default_factory=list[fw.Trouble | None])


class Fleet:
    """Machines, and an API server that is there, refuses connections, or accepts them and says nothing."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.is_away = self.is_silent = self.has_forgotten = False
        self.asked: Counter[int] = Counter()
        """By window of time."""
        self._rng = random.Random(seed)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.followers = [Follower(fw.Following(random.Random(self._rng.random()))) for _ in range(MACHINES)]
        for one in self.followers:
            self._after(self._rng.uniform(0, 5.0), lambda one=one: self._tell(one, fw.Started()))

    def run_for(self, seconds: float) -> None:
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heappop(self._queue)
            action()
        self.now = end

    def break_streams(self) -> None:
        """As when the API server ends."""
        for one in self.followers:
            if one.machine.phase is not fw.Phase.WAITING:
                one.stream += 1
                self._tell(one, fw.Failed(fw.Trouble.UNREACHABLE, "the watch broke"))

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, (self.now + seconds, self._count, action))

    def _tell(self, one: Follower, event: fw.Event) -> None:
        self._perform(one, one.machine.step(event, self.now))

    def _perform(self, one: Follower, effects: list[fw.Effect]) -> None:
        for effect in effects:
            match effect:
                case fw.OpenWatch():
                    self._open(one, effect)
                case fw.BeginList():
                    one.lists += 1
                case fw.TellTrouble(trouble):
                    one.troubles.append(trouble)
                case fw.Close():
                    one.stream += 1
                case fw.EndList() | fw.AbandonList() | fw.DropSelector() | fw.ReadPage():
                    pass
                case _:
                    assert_never(effect)
        self._arm(one)

    def _arm(self, one: Follower) -> None:
        deadline = one.machine.next_deadline()
        if deadline is None:
            return

        def due() -> None:
            if one.machine.next_deadline() == deadline:
                self._perform(one, one.machine.advance(self.now))

        self._after(max(0.0, deadline - self.now), due)

    def _open(self, one: Follower, order: fw.OpenWatch) -> None:
        self.asked[int(self.now) // WINDOW] += 1
        one.stream += 1
        stream = one.stream

        def of_it(action: Callable[[], None]) -> Callable[[], None]:
            return lambda: action() if one.stream == stream else None

        def answer() -> None:
            if self.is_away:
                self._tell(one, fw.Failed(fw.Trouble.UNREACHABLE, "connection refused"))
            elif self.is_silent:
                give_up = fw.Failed(fw.Trouble.UNREACHABLE, "no answer")
                self._after(NO_ANSWER, of_it(lambda: self._tell(one, give_up)))
            elif self.has_forgotten and order.version:
                self._tell(one, fw.Expired())
            else:
                self._tell(one, fw.Opened())
                if not order.version:
                    self._tell(one, fw.Heard("1", is_list_end=True))
                self._after(60.0, of_it(bookmark))
                self._after(order.seconds, of_it(lambda: self._tell(one, fw.Ended())))

        def bookmark() -> None:
            if not self.is_silent:
                self._tell(one, fw.Heard("1"))
            self._after(60.0, of_it(bookmark))

        self._after(self._rng.uniform(0.001, 0.05), of_it(answer))

    # What is so

    def watching(self) -> int:
        return sum(one.machine.phase is fw.Phase.WATCHING for one in self.followers)

    def rate_max(self, begin: float, end: float) -> float:
        """The most requests a second that came in a window between the two."""
        windows = range(int(begin) // WINDOW, int(end) // WINDOW)
        return max(self.asked[window] for window in windows) / WINDOW


def settled(seed: int) -> Fleet:
    fleet = Fleet(seed)
    fleet.run_for(30.0)
    assert fleet.watching() == MACHINES
    return fleet


RATE_MAX = 1.5 * MACHINES / (0.75 * fw.BACKOFF_MAX)
"""Requests a second: half as many again as the mean of the longest pauses comes to."""


def test_followers_ask_seldom_and_go_on_where_they_were(seed: int) -> None:
    """Each tells of the trouble once and of its end once; nobody lists anew, and nobody is missing within the longest pause."""
    fleet = settled(seed)

    fleet.is_away = True
    fleet.break_streams()
    fleet.run_for(AWAY)
    ended = fleet.now
    assert fleet.rate_max(60.0, ended) <= RATE_MAX
    fleet.is_away = False
    fleet.run_for(fw.BACKOFF_MAX + fw.LIFE_MIN + 1.0)

    assert fleet.watching() == MACHINES
    assert fleet.rate_max(ended, fleet.now) <= 2 * RATE_MAX
    for one in fleet.followers:
        assert one.lists == 1
        assert one.troubles == [fw.Trouble.UNREACHABLE, None]


def test_followers_of_an_api_server_that_has_forgotten_list_one_after_the_other(seed: int) -> None:
    """After ten minutes the versions are too old, and thousands of lists at the same moment would bring it down again."""
    fleet = settled(seed)

    fleet.is_away = True
    fleet.break_streams()
    fleet.run_for(AWAY)
    returned = fleet.now
    fleet.is_away, fleet.has_forgotten = False, True
    fleet.run_for(2 * fw.BACKOFF_MAX + fw.LIFE_MIN + 1.0)

    assert fleet.watching() == MACHINES
    assert {one.lists for one in fleet.followers} == {2}
    assert fleet.rate_max(returned, fleet.now) <= 3 * RATE_MAX


def test_followers_find_out_that_nothing_is_heard_any_more(seed: int) -> None:
    """A watch that is open and dead is given up when two bookmarks are missing, and calls without an answer are few."""
    fleet = settled(seed)

    fleet.is_silent = True
    fleet.run_for(fw.QUIET_MAX + 60.0)
    assert fleet.watching() < MACHINES
    fleet.run_for(AWAY - fw.QUIET_MAX - 60.0)
    assert fleet.rate_max(fw.QUIET_MAX + 60.0, fleet.now) <= RATE_MAX
    fleet.is_silent = False
    fleet.run_for(fw.BACKOFF_MAX + NO_ANSWER + fw.LIFE_MIN + 1.0)

    assert fleet.watching() == MACHINES
    assert {one.lists for one in fleet.followers} == {1}


# What a speaker writes

SERVICES = 200


class Scribe:
    """The status objects of one node, and an API server that takes them or does not answer."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.is_away = False
        self.machine = st.Statuses("node-a", "pod-a", random.Random(seed), is_exclusive=True)
        self.objects: dict[str, st.StatusObject] = {}
        self.tries: Counter[str] = Counter()
        self.under_way = self.under_way_max = 0
        self.told: Counter[str] = Counter()
        self._calls: list[tuple[float, int, st.Create | st.SetContent | st.Delete]] = []
        self._count = 0
        self.tell(st.ObjectsSeen())

    def tell(self, event: st.Event) -> None:
        self._perform(self.machine.step(event, self.now))

    def run_for(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            deadline = self.machine.next_deadline()
            moments = [one for one in (deadline, *(call[0] for call in self._calls[:1])) if one is not None]
            if not moments or min(moments) > end:
                break
            self.now = max(self.now, min(moments))
            if self._calls and self._calls[0][0] <= self.now:
                self._answer(heappop(self._calls)[2])
            else:
                self._perform(self.machine.advance(self.now))
        self.now = end

    def _perform(self, effects: list[st.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, st.TellAssigned):
                self.told[effect.service] += 1
                continue
            self.tries[effect.service] += 1
            self.under_way += 1
            self.under_way_max = max(self.under_way_max, self.under_way)
            self._count += 1
            heappush(self._calls, (self.now + (NO_ANSWER if self.is_away else 0.01), self._count, effect))

    def _answer(self, order: st.Create | st.SetContent | st.Delete) -> None:
        self.under_way -= 1
        if self.is_away:
            self.tell(st.Refused(order.service))
            return
        made = None
        match order:
            case st.Create(service):
                made = st.StatusObject(name=f"l2-{service}", service=service, node="node-a", owner="pod-a")
                self.objects[made.name] = made
            case st.SetContent(service, name, content):
                owned = st.StatusObject(
                    name=name, service=service, node="node-a", owner="pod-a", content=content
                )
                self.objects[name] = owned
            case st.Delete(_, name):
                self.objects.pop(name, None)
        self.tell(st.Written(order.service, made))


def test_statuses_that_could_not_be_written_are_written_once_it_is_back(seed: int) -> None:
    """What was announced and given up meanwhile leaves no trace; few calls wait at a time, and none is hurried."""
    scribe = Scribe(seed)
    names = [f"default/s{number:03}" for number in range(SERVICES)]
    scribe.tell(st.Announced(dict.fromkeys(names[:100], ())))
    scribe.run_for(10.0)
    assert len(scribe.objects) == 100
    before = dict(scribe.objects)

    scribe.is_away = True
    scribe.tell(st.Announced(dict.fromkeys(names[100:], ())))
    scribe.run_for(AWAY / 2)
    # An owner that came and went, and one that went and came: as it was.
    scribe.tell(st.Announced(dict.fromkeys([*names[:10], *names[100:110]])))
    scribe.run_for(AWAY / 4)
    scribe.tell(st.Announced(dict.fromkeys(names[:10], ())))
    scribe.run_for(AWAY / 4)
    tries = dict(scribe.tries)
    scribe.is_away = False
    scribe.run_for(Pace().pause_max + 2 * NO_ANSWER)

    assert scribe.machine.is_settled
    assert {one.service for one in scribe.objects.values()} == {*names[:100], *names[110:]}
    assert all(one.content == () for one in scribe.objects.values())
    assert {name: scribe.objects[name] for name in before} == before
    assert scribe.under_way_max <= Pace().in_flight_max
    assert set(scribe.told.values()) == {1}
    assert max(scribe.tries[name] - tries.get(name, 0) for name in names) <= 3
    assert sum(tries.values()) <= 200 + Pace().in_flight_max * (AWAY / NO_ANSWER + 1)
