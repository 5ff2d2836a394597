"""Observing a few members closely, so that their deaths are known in a fraction of a probe's time.

    calm    --ping unanswered for observe_timeout-->  burst
    burst   --anything heard from the member-->  calm
    burst   --observe_misses in a row unanswered, and silence for observe_silence-->  we accuse it

Whom this member observes follows from who lives (`circle`), what an accusation is worth from who else accuses
(`quorum`). An observer that was run late itself has seen nothing: it starts over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from math import ceil, inf
from random import Random

from membership.address import Endpoint
from membership.awareness import Awareness
from membership.config import Config, Profile
from membership.effects import Observation
from membership.members import Record, State, Table
from membership.metrics import Meters
from membership.outbox import Outbox
from membership.pace import Pace
from membership.rules import Rules
from membership.wire.messages import Suspect
from membership.wire.ping import PingForm

_UNANSWERED_MAX = 64
"""Pings remembered of a member that answers none; many more than make a burst."""
_JOINED_SHARE = 0.15
"""Of the interval: so much sooner may a round begin to fall together with another's."""
_REFUSED = ("ECONNREFUSED", "EHOSTUNREACH")
"""Nobody listens there, or nobody is there: known by the host's or the router's own word."""
_REFUSED_SHARE = 1 / 3
"""Of the misses and the silence that are needed when pings are refused: a stalled member refuses nothing."""


@dataclass(slots=True, eq=False)
class _Watch:
    """One member that we observe."""

    record: Record
    form: PingForm
    heard_at: float
    sent: dict[int, float] = field(default_factory=dict[int, float])
    """Pings in a row without an answer so far, by sequence number: when they were sent, the oldest first."""
    next_ping: float | None = None
    """In a burst: when the next ping is due. Otherwise it comes with those to the others."""
    rtt: float | None = None
    is_refused: bool = False
    accused: int | None = None
    """The incarnation that we have accused, until it refutes."""


class Observers:
    """Our own part as an observer of others."""

    def __init__(
        self,
        config: Config,
        pace: Pace,
        table: Table,
        rules: Rules,
        awareness: Awareness,
        outbox: Outbox,
        meters: Meters,
        rng: Random,
    ) -> None:
        self._config = config
        self._pace = pace
        self._table = table
        self._rules = rules
        self._awareness = awareness
        self._outbox = outbox
        self._meters = meters
        self._rng = rng
        self._is_running = False
        self._next_round: float | None = None
        self._watches: dict[str, _Watch] = {}
        self._by_endpoint: dict[Endpoint, _Watch] = {}
        self._by_sequence: dict[int, _Watch] = {}
        self._seen_changes = -1
        self._seen_profile: Profile | None = None

    @property
    def _profile(self) -> Profile:
        return self._pace.profile

    def __len__(self) -> int:
        """Pings without an answer so far."""
        return len(self._by_sequence)

    def start(self, now: float) -> None:
        self._is_running = True

    def stop(self) -> None:
        self._is_running = False
        self._next_round = None
        for watch in list(self._watches.values()):
            self._drop(watch)

    # What happens

    def hear(self, source: Endpoint, now: float) -> None:
        """A packet came from there that made sense."""
        if (watch := self._by_endpoint.get(source)) is not None:
            watch.heard_at = now
            if watch.next_ping is not None:
                self._calm(watch)

    def hear_ack(self, sequence: int, now: float) -> bool:
        """False if it is not about a ping of ours."""
        if (watch := self._by_sequence.get(sequence)) is None:
            return False
        watch.rtt = now - watch.sent[sequence]
        self._meters.answered(watch.rtt)
        watch.heard_at = now
        self._calm(watch)
        return True

    def hear_unsendable(self, target: Endpoint, reason: str, now: float) -> None:
        if reason in _REFUSED and (watch := self._by_endpoint.get(target)) is not None and watch.sent:
            watch.is_refused = True
            if watch.next_ping is None:
                watch.next_ping = now

    def start_over(self, now: float) -> None:
        """We were not run for a while: what was to be heard is still in the socket, or lost by our own fault."""
        for watch in self._watches.values():
            self._forget(watch, now)

    # Time

    def next_deadline(self) -> float | None:
        if self._next_round is None:
            return None
        earliest = self._next_round
        for watch in self._watches.values():
            if watch.next_ping is not None:
                earliest = min(earliest, watch.next_ping, self._sure_at(watch))
            elif watch.sent:
                earliest = min(earliest, next(iter(watch.sent.values())) + self._profile.observe_timeout)
        return earliest

    def advance(self, now: float) -> None:
        if self._next_round is None:
            return
        for watch in list(self._watches.values()):
            if watch.sent or watch.next_ping is not None:
                self._examine(watch, now)
        if now >= self._next_round:
            self._begin_round(max(self._next_round, now - self._profile.observe_interval), now)

    def join_round(self, now: float) -> None:
        """Somebody has just pinged us: we are awake, so let our own round begin, if it is nearly due.

        By this the rounds of all fall together, as fireflies' flashes do, and each member wakes up a few times in a round
        instead of once for every packet. Waking up is most of what observing costs.
        """
        interval = self._profile.observe_interval
        if self._next_round is not None and now >= self._next_round - _JOINED_SHARE * interval:
            self._begin_round(now, now)

    def _begin_round(self, since: float, now: float) -> None:
        self._next_round = since + self._profile.observe_interval
        for watch in self._watches.values():
            if watch.next_ping is None and not watch.sent:
                self._ping(watch, now)

    def settle(self, now: float) -> None:
        """The end of a step: who is to be observed may have changed."""
        profile = self._profile
        if not self._is_running or (
            self._seen_changes == self._table.changes and self._seen_profile is profile
        ):
            return
        self._seen_changes = self._table.changes
        if self._seen_profile is not profile:
            self._seen_profile = profile
            self._next_round = (
                now + self._rng.uniform(0, profile.observe_interval) if profile.observers else None
            )
        charges = self._charges()
        for watch in [watch for name, watch in self._watches.items() if name not in charges]:
            self._drop(watch)
        for name in charges:
            if (watch := self._watches.get(name)) is None:
                self._watches[name] = self._watch(name, now)
            else:
                self._reconsider(watch, now)
        self._by_endpoint = {watch.record.endpoint: watch for watch in self._watches.values()}

    # Inside

    def _charges(self) -> list[str]:
        count = self._profile.observers
        return self._table.circle.charges_of(self._config.name, count) if count else []

    def _watch(self, name: str, now: float) -> _Watch:
        config, profile = self._config, self._profile
        record = self._table.get(name)
        assert record is not None
        watch = _Watch(record, PingForm(config.octets, config.port, config.name), now)
        if self._table.count(State.SUSPECT):
            # We stand in for a suspect, and the verdict may wait for us alone.
            burst = (profile.observe_misses - 1) * profile.burst_interval + profile.observe_timeout
            watch.heard_at = now - max(0.0, profile.observe_silence - burst)
            watch.next_ping = now
        return watch

    def _reconsider(self, watch: _Watch, now: float) -> None:
        record = watch.record
        if watch.accused is not None and (
            record.state != State.SUSPECT or record.incarnation > watch.accused
        ):
            # It has refuted.
            watch.accused = None
            self._forget(watch, now)
        if record.state == State.SUSPECT and watch.next_ping is None:
            # Others accuse it: look closely.
            watch.next_ping = now

    def _drop(self, watch: _Watch) -> None:
        self._calm(watch)
        del self._watches[watch.record.name]

    def _forget(self, watch: _Watch, now: float) -> None:
        """What we have missed counts for nothing: begin anew."""
        self._calm(watch)
        watch.heard_at = now

    def _calm(self, watch: _Watch) -> None:
        for sequence in watch.sent:
            del self._by_sequence[sequence]
        watch.sent.clear()
        watch.next_ping = None
        watch.is_refused = False

    def _examine(self, watch: _Watch, now: float) -> None:
        if watch.next_ping is None:
            oldest = next(iter(watch.sent.values()))
            if now < oldest + self._profile.observe_timeout:
                return
            if watch.heard_at > oldest:
                # The answer was lost, but it lives.
                self._calm(watch)
                return
            watch.next_ping = now
        if now >= self._sure_at(watch):
            doubts_itself = self._awareness.score > self._profile.awareness_max_multiplier // 2
            if doubts_itself or not self._rules.may_accuse:
                # Whoever doubts itself has no vote (Lifeguard), nor who may be deaf.
                self._forget(watch, now)
                return
            self._accuse(watch, now)
        if now >= watch.next_ping:
            profile = self._profile
            interval = profile.observe_interval if watch.accused is not None else profile.burst_interval
            watch.next_ping = now + interval
            self._ping(watch, now)

    def _ping(self, watch: _Watch, now: float) -> None:
        if len(watch.sent) >= _UNANSWERED_MAX:
            oldest = next(iter(watch.sent))
            del watch.sent[oldest], self._by_sequence[oldest]
        sequence = self._outbox.next_sequence()
        watch.sent[sequence] = now
        self._by_sequence[sequence] = watch
        self._outbox.send_encoded(watch.record.endpoint, watch.form.encode(sequence, watch.record.name))

    def _sure_at(self, watch: _Watch) -> float:
        """When enough pings are missed and the silence is long enough, if nothing is heard until then."""
        profile = self._profile
        misses, silence, timeout = profile.observe_misses, profile.observe_silence, profile.observe_timeout
        if watch.is_refused:
            misses, silence, timeout = ceil(misses * _REFUSED_SHARE), silence * _REFUSED_SHARE, 0.0
        if watch.accused is not None or len(watch.sent) < misses:
            return inf
        last = next(islice(watch.sent.values(), misses - 1, None))
        return max(last + timeout, watch.heard_at + silence)

    def _accuse(self, watch: _Watch, now: float) -> None:
        record, profile = watch.record, self._profile
        watch.accused = record.incarnation
        seen = Observation(len(watch.sent), now - watch.heard_at, watch.rtt, watch.is_refused)
        self._rules.accuse(record, now, seen)
        accusation = Suspect(record.incarnation, record.name, self._config.name)
        for name in (record.name, *self._table.circle.observers_of(record.name, profile.observers)):
            if name != self._config.name and (receiver := self._table.get(name)) is not None:
                self._outbox.send_alone(receiver, accusation)
