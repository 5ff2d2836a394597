"""When to announce which address on one interface.

An address runs through the rounds of `Config.announce_at` and is refreshed slowly from then on. Rounds that are due
wait in a queue while the rate limit is exhausted: the first round of every address goes before any second
round, and within a round the latest takeover goes first, because its neighbors are the ones that are misled now.
The pauses between rounds are kept, counted from when a round has really gone out.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from announce.l2.config import Config
from announce.l2.events import IpAddress

_FRAMES_PER_ANNOUNCEMENT = 2


class RateLimit:
    """A token bucket kept as the time at which the next cost fits (the generic cell rate algorithm)."""

    def __init__(self, per_second: float, at_once: int, cost: int) -> None:
        self._spacing = cost / per_second
        self._tolerance = (at_once - cost) / per_second
        self._theoretical_arrival = -math.inf

    @property
    def allowed_at(self) -> float:
        return self._theoretical_arrival - self._tolerance

    def spend(self, now: float) -> None:
        self._theoretical_arrival = max(self._theoretical_arrival, now) + self._spacing


@dataclass(slots=True, eq=False)
class _Turn:
    """Where an address stands. Heap entries with another serial than this one's are stale."""

    address: IpAddress
    takeover: int
    """Counts up: a later takeover has the higher number."""
    serial: int
    due: float
    round: int = 0
    restart_at: float | None = None
    """A restart that was asked for too soon: the rounds go on until then."""
    restart_allowed_at: float = -math.inf


class Announcer:
    """The schedule of announcements on one interface."""

    def __init__(self, config: Config, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._limit = RateLimit(config.frames_per_second, config.frames_at_once, _FRAMES_PER_ANNOUNCEMENT)
        self._turns: dict[IpAddress, _Turn] = {}
        self._waiting: list[tuple[float, int, _Turn]] = []
        self._queue: list[tuple[int, int, int, _Turn]] = []
        self._serial = 0

    def __contains__(self, address: IpAddress) -> bool:
        return address in self._turns

    def start(self, address: IpAddress, now: float) -> None:
        """Announce from the first round on, beginning now."""
        serial = self._next_serial()
        self.stop(address)
        self._turns[address] = turn = _Turn(address, takeover=serial, serial=serial, due=now)
        self._wait(turn, now)

    def restart(self, address: IpAddress, now: float) -> None:
        """Like `start`, for an address that has been started; deferred when the last restart is too recent."""
        turn = self._turns[address]
        if turn.restart_at is not None:
            return
        begin = max(now, turn.restart_allowed_at)
        turn.restart_allowed_at = begin + self._config.reannounce_interval
        if begin <= max(turn.due, now):
            self._begin_again(turn, begin)
        else:
            turn.restart_at = begin

    def stop(self, address: IpAddress) -> None:
        turn = self._turns.pop(address, None)
        if turn is not None:
            turn.serial = -1

    def take_due(self, now: float) -> list[IpAddress]:
        """What is to be announced now, the most urgent first; each call moves the schedule on."""
        while self._waiting and self._waiting[0][0] <= now:
            _, serial, turn = heappop(self._waiting)
            if serial == turn.serial:
                heappush(self._queue, (turn.round, -turn.takeover, serial, turn))
        due: list[IpAddress] = []
        while self._queue and self._limit.allowed_at <= now:
            _, _, serial, turn = heappop(self._queue)
            if serial == turn.serial:
                self._limit.spend(now)
                due.append(turn.address)
                self._move_on(turn, now)
        return due

    def next_deadline(self) -> float | None:
        deadlines = [self._waiting[0][0]] if self._waiting else []
        if self._queue:
            deadlines.append(self._limit.allowed_at)
        return min(deadlines, default=None)

    def _move_on(self, turn: _Turn, now: float) -> None:
        times = self._config.announce_at
        turn.serial = self._next_serial()
        turn.round = min(turn.round + 1, len(times))
        if turn.round < len(times):
            due = now + times[turn.round] - times[turn.round - 1]
        elif self._config.refresh_interval is not None:
            # Shortened by up to a quarter, so that addresses that moved together do not stay together.
            due = now + self._config.refresh_interval * self._rng.uniform(0.75, 1.0)
        else:
            due = math.inf
        if turn.restart_at is not None and turn.restart_at <= due:
            self._begin_again(turn, max(turn.restart_at, now))
        elif due < math.inf:
            self._wait(turn, due)
        else:
            turn.due = due

    def _begin_again(self, turn: _Turn, begin: float) -> None:
        turn.takeover = turn.serial = self._next_serial()
        turn.round = 0
        turn.restart_at = None
        self._wait(turn, begin)

    def _wait(self, turn: _Turn, until: float) -> None:
        if len(self._waiting) + len(self._queue) > 4 * len(self._turns) + 64:
            self._sweep()
        turn.due = until
        heappush(self._waiting, (until, turn.serial, turn))

    def _sweep(self) -> None:
        """Forget stale entries: addresses that come and go must not fill the memory until their time is over."""
        self._waiting = [entry for entry in self._waiting if entry[1] == entry[2].serial]
        heapify(self._waiting)
        self._queue = [entry for entry in self._queue if entry[2] == entry[3].serial]
        heapify(self._queue)

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial
