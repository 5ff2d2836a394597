"""Two BFD sessions at the ends of a path that delays, loses and is cut, on hosts that stall: in virtual time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import pytest

from announce.bfd import (
    Effect,
    Event,
    PacketReceived,
    Retimed,
    SendPacket,
    Session,
    SessionConfig,
    SessionDown,
    SessionUp,
    Started,
    State,
    Stopped,
    StopRequested,
    Timing,
)
from announce.bfd.packet import decode

PEER = IPv4Address("192.0.2.1")
FAST = Timing(desired_min_tx_us=50_000, required_min_rx_us=50_000)
NORMAL = Timing()
DELAY_MAX = 0.010


@dataclass
class End:
    """A session, and the host it runs on."""

    session: Session
    stalled_until: float = 0.0
    news: list[tuple[float, Effect]] = field(default_factory=list[tuple[float, Effect]])

    def times(self, kind: type[Effect]) -> list[float]:
        return [now for now, effect in self.news if isinstance(effect, kind)]


class Path:
    """Packets arrive after 1 to 10 ms, unless they are lost or the path is cut.

    They keep their order, as those of one flow do: a Down that overtook an Up would rightly end a session.
    """

    def __init__(self, seed: int, left: SessionConfig, right: SessionConfig, loss: float = 0.0) -> None:
        self.now = 0.0
        self.loss = loss
        self.is_cut = False
        self.muted: int | None = None
        """The end whose packets are lost, all of them."""
        self._rng = random.Random(seed)
        self._order: Iterator[int] = itertools.count()
        self._on_the_way: list[tuple[float, int, int, bytes]] = []
        self._last_arrival = [0.0, 0.0]
        self.ends = tuple(
            End(Session(config, number + 1, random.Random(self._rng.random())))
            for number, config in enumerate((left, right))
        )
        for number in (0, 1):
            self.feed(number, Started())

    @property
    def left(self) -> End:
        return self.ends[0]

    @property
    def right(self) -> End:
        return self.ends[1]

    @property
    def states(self) -> tuple[State, State]:
        return self.left.session.state, self.right.session.state

    def feed(self, number: int, event: Event) -> None:
        self._perform(number, self.ends[number].session.step(event, self.now))

    def run_for(self, duration: float) -> None:
        end = self.now + duration
        while (due := self._next()) is not None and due[0] <= end:
            self.now, number, payload = due
            if payload is None:
                self._perform(number, self.ends[number].session.advance(self.now))
            else:
                self.feed(number, PacketReceived(decode(payload)))
        self.now = end

    def stall(self, number: int, duration: float) -> None:
        """A host does nothing for a while; what arrives waits in its socket, and is read before timers are."""
        self.ends[number].stalled_until = self.now + duration

    def _next(self) -> tuple[float, int, bytes | None] | None:
        """The next arrival or deadline, and whose it is; an arrival goes before a deadline of the same time."""
        found: list[tuple[float, bool, int, bytes | None]] = []
        for number, end in enumerate(self.ends):
            arrival = next((one for one in sorted(self._on_the_way) if one[2] == number), None)
            if arrival is not None:
                found.append((max(arrival[0], end.stalled_until), False, number, arrival[3]))
            if (deadline := end.session.next_deadline()) is not None:
                found.append((max(deadline, end.stalled_until, self.now), True, number, None))
        if not found:
            return None
        at, is_deadline, number, payload = min(found, key=lambda one: one[:3])
        if not is_deadline:
            self._on_the_way.remove(next(one for one in sorted(self._on_the_way) if one[2] == number))
            heapq.heapify(self._on_the_way)
        return at, number, payload

    def _perform(self, number: int, effects: list[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, SendPacket):
                self.ends[number].news.append((self.now, effect))
            elif not self.is_cut and number != self.muted and self._rng.random() >= self.loss:
                at = max(self._last_arrival[number], self.now + self._rng.uniform(0.001, DELAY_MAX))
                self._last_arrival[number] = at
                heapq.heappush(self._on_the_way, (at, next(self._order), 1 - number, effect.payload))


def config(timing: Timing = FAST, *, is_passive: bool = False) -> SessionConfig:
    return SessionConfig(peer_address=PEER, timing=timing, is_passive=is_passive)


def risen(seed: int, left: Timing = FAST, right: Timing = FAST, loss: float = 0.0) -> Path:
    path = Path(seed, config(left), config(right), loss)
    path.run_for(30.0 if loss else 2.0)
    assert path.states == (State.UP, State.UP)
    return path


def check_no_flap(path: Path) -> None:
    assert [end.times(SessionDown) for end in path.ends] == [[], []]
    assert path.states == (State.UP, State.UP)


def test_a_session_comes_up_within_the_slow_interval(seed: int) -> None:
    """Also where one side is passive."""
    path = Path(seed, config(), config(is_passive=True))

    path.run_for(1.1)

    assert path.states == (State.UP, State.UP)


@pytest.mark.parametrize("timing", [FAST, NORMAL], ids=["50ms", "300ms"])
def test_a_cut_is_found_within_the_detection_time(seed: int, timing: Timing) -> None:
    path = risen(seed, timing, timing)
    cut = path.now

    path.is_cut = True
    path.run_for(3.0)

    detection = 3 * timing.required_min_rx_us / 1e6
    for end in path.ends:
        [down] = end.times(SessionDown)
        assert down - cut <= detection + DELAY_MAX
    assert path.states == (State.DOWN, State.DOWN)


def test_a_session_comes_back_when_the_path_does(seed: int) -> None:
    path = risen(seed)
    path.is_cut = True
    path.run_for(20.0)

    path.is_cut = False
    path.run_for(2.1)

    assert path.states == (State.UP, State.UP)
    assert [len(end.times(SessionUp)) for end in path.ends] == [2, 2]


def test_single_losses_and_short_stalls_are_no_deaths(seed: int) -> None:
    """One packet in fifty is lost, and either host stands still for two intervals once a second: ten minutes."""
    rng = random.Random(seed)
    path = risen(seed)

    for _ in range(600):
        path.stall(rng.randrange(2), 0.08)
        path.run_for(1.0)

    check_no_flap(path)


def test_a_one_way_loss_ends_both_sides(seed: int) -> None:
    """The side that is not heard any more learns it from the other one (diagnostic 3)."""
    path = risen(seed)
    path.muted = 0

    path.run_for(2.0)

    assert [len(end.times(SessionDown)) for end in path.ends] == [1, 1]
    assert max(*path.left.times(SessionDown), *path.right.times(SessionDown)) - 2.0 <= 0.15 + 3 * DELAY_MAX


def test_any_change_of_timing_is_agreed_without_a_flap(seed: int) -> None:
    """From fast to slow, back and to all between, on both sides at any time, while packets are lost."""
    rng = random.Random(seed)
    path = risen(seed)
    path.loss = 0.02

    for _ in range(100):
        path.feed(
            rng.randrange(2),
            Retimed(
                Timing(
                    desired_min_tx_us=rng.choice([50_000, 100_000, 300_000, 1_000_000]),
                    required_min_rx_us=rng.choice([50_000, 100_000, 300_000, 1_000_000]),
                    detect_multiplier=rng.choice([4, 5]),
                )
            ),
        )
        path.run_for(rng.choice([0.05, 0.5, 3.0]))
    path.run_for(10.0)

    assert [end.times(SessionDown) for end in path.ends] == [[], []]
    for end, other in (path.ends, reversed(path.ends)):
        ours, theirs = end.session.status(), other.session.status()
        assert not ours.is_polling
        assert ours.transmit_interval is not None
        assert theirs.detection_time is not None
        assert theirs.detection_time >= 4 * ours.transmit_interval - 1e-9


def test_a_stop_is_known_to_the_peer_even_if_packets_are_lost(seed: int) -> None:
    """A third of them is; the peer takes it for what it is."""
    path = risen(seed)
    path.loss = 0.33
    path.feed(0, StopRequested())

    path.run_for(2.0)

    [stopped] = path.left.times(Stopped)
    assert stopped - 2.0 <= 0.2
    ends = [effect for _, effect in path.right.news if isinstance(effect, SessionDown)]
    assert len(ends) == 1


def test_both_sides_agree_in_the_end_whatever_happened(seed: int) -> None:
    """Losses, cuts and stalls of all lengths; ten seconds after the last of them the session is up."""
    rng = random.Random(seed)
    path = Path(seed, config(), config(NORMAL))
    for _ in range(100):
        path.loss = rng.choice([0.0, 0.1, 0.5])
        path.is_cut = rng.random() < 0.3
        path.stall(rng.randrange(2), rng.choice([0.0, 0.1, 0.5]))
        path.run_for(rng.uniform(0.0, 2.0))
    path.loss, path.is_cut = 0.0, False

    path.run_for(10.0)

    assert path.states == (State.UP, State.UP)
    assert all(len(end.times(SessionUp)) == len(end.times(SessionDown)) + 1 for end in path.ends)
