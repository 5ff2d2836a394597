"""SWIM's failure detector: one member per interval is asked whether it is there.

One probe: a ping; without an ack after `probe_timeout` a second ping, requests to helpers, and a TCP ping;
without any answer until the end of the interval (longer, if we doubt ourselves) the member is accused.

Members are probed in turn, one after the other. When somebody else accuses a member, we may look for
ourselves besides, and at once: a death is known the sooner, and a false alarm is not confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from membership.address import Endpoint
from membership.awareness import Awareness
from membership.config import Config, Profile
from membership.members import Record, State, Table
from membership.metrics import Meters
from membership.outbox import Outbox
from membership.pace import Pace
from membership.relay import ping
from membership.rules import Rules
from membership.streams import Streams, TcpPing
from membership.wire.messages import IndirectPing, Suspect
from membership.wire.ping import PingForm

_LOOKS_MAX = 32
"""Second opinions under way at a time; the turn comes to everybody anyway."""
_PROTOCOL_WITH_TCP_PING = 3
_PROTOCOL_WITH_NACK = 4


@dataclass(slots=True)
class _Probe:
    record: Record
    incarnation: int
    """That is asked for: who has refuted since was heard by somebody."""
    sequence: int
    began_at: float
    escalates_at: float
    fails_at: float
    is_look: bool
    has_escalated: bool = False
    nacks_expected: int = 0
    nacks: int = 0


class Prober:
    """Runs one probe after the other, once started, and second opinions beside them."""

    def __init__(
        self,
        config: Config,
        pace: Pace,
        table: Table,
        rules: Rules,
        awareness: Awareness,
        outbox: Outbox,
        streams: Streams,
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
        self._streams = streams
        self._rng = rng
        self._pings = PingForm(config.octets, config.port, config.name)
        self._next_tick: float | None = None
        self._tick_waits = False
        self._probes: dict[int, _Probe] = {}

    @property
    def _profile(self) -> Profile:
        return self._pace.profile

    def __len__(self) -> int:
        """Probes under way."""
        return len(self._probes)

    def start(self, now: float) -> None:
        """The first probe is due within an interval, by chance, so that members do not march in step."""
        self._next_tick = now + self._rng.uniform(0, self._profile.probe_interval)

    def stop(self) -> None:
        self._next_tick = None
        self._tick_waits = False
        self._probes.clear()

    def look(self, now: float) -> None:
        """Look for ourselves at those whom others accuse."""
        if self._next_tick is None:
            return
        if not (wanted := self._rules.take_wanted()):
            return
        watched = {probe.record.name for probe in self._probes.values()}
        for record in wanted:
            if record.name not in watched and len(self._probes) <= _LOOKS_MAX:
                self._begin(record, now, is_look=True)

    def next_deadline(self) -> float | None:
        if self._next_tick is None:
            return None
        if not self._probes:
            return self._next_tick
        due = [
            probe.fails_at if probe.has_escalated else probe.escalates_at for probe in self._probes.values()
        ]
        return min([self._next_tick, *due])

    def advance(self, now: float) -> None:
        for probe in list(self._probes.values()):
            if not probe.record.is_member:
                del self._probes[probe.sequence]
            elif now >= probe.fails_at:
                self._fail(probe, now)
            elif now >= probe.escalates_at and not probe.has_escalated:
                self._escalate(probe, now)
        if self._next_tick is not None and now >= self._next_tick:
            self._next_tick = max(self._next_tick + self._profile.probe_interval, now)
            self._tick_waits = True
        self._start_waiting(now)

    def delay(self, lateness: float, now: float) -> None:
        """We slept: give the answers time to be read before they are missed."""
        for probe in self._probes.values():
            missed = min(lateness, now - probe.began_at)
            probe.escalates_at += missed
            probe.fails_at += missed

    def hear_ack(self, sequence: int, now: float) -> bool:
        """Direct, relayed or by TCP; False if it is not about a probe."""
        if (probe := self._probes.pop(sequence, None)) is None:
            return False
        if not probe.has_escalated:
            self._meters.answered(now - probe.began_at)
        if not probe.is_look:
            self._awareness.adjust(-1)
            self._start_waiting(now)
        return True

    def hear_nack(self, sequence: int) -> None:
        if (probe := self._probes.get(sequence)) is not None:
            probe.nacks += 1

    def hear_unsendable(self, target: Endpoint, now: float) -> None:
        """No use in waiting for an ack to a ping that was not sent: ask the helpers now."""
        for probe in list(self._probes.values()):
            if not probe.has_escalated and probe.record.endpoint == target:
                self._escalate(probe, now)

    def _start_waiting(self, now: float) -> None:
        """One probe in turn at a time, and at most one more waits."""
        if not self._tick_waits or any(not probe.is_look for probe in self._probes.values()):
            return
        self._tick_waits = False
        if (record := self._table.next_to_probe()) is not None:
            self._begin(record, now, is_look=False)

    def _begin(self, record: Record, now: float, *, is_look: bool) -> None:
        interval = self._awareness.scale(self._profile.probe_interval)
        sequence = self._outbox.next_sequence()
        self._probes[sequence] = _Probe(
            record,
            record.incarnation,
            sequence,
            now,
            now + self._profile.probe_timeout,
            now + interval,
            is_look,
        )
        if record.state == State.SUSPECT:
            # So that it can refute at once.
            accusation = Suspect(record.incarnation, record.name, self._config.name)
            self._outbox.send_alone(record, ping(self._config, sequence, record.name), accusation)
        else:
            self._outbox.send_encoded(record.endpoint, self._pings.encode(sequence, record.name))

    def _escalate(self, probe: _Probe, now: float) -> None:
        probe.has_escalated = True
        record = probe.record
        question = self._pings.encode(probe.sequence, record.name)
        self._outbox.send_encoded(record.endpoint, question)
        helpers = self._table.pick(
            self._profile.indirect_checks,
            lambda helper: helper.state == State.ALIVE and helper is not record,
        )
        for helper in helpers:
            wants_nack = helper.protocol_max >= _PROTOCOL_WITH_NACK
            probe.nacks_expected += wants_nack
            self._outbox.send(helper.endpoint, self._request(probe, wants_nack))
        if not self._profile.disable_tcp_pings and record.protocol_max >= _PROTOCOL_WITH_TCP_PING:
            timeout = max(probe.fails_at - now, self._profile.probe_timeout)
            self._streams.open(record.endpoint, question, TcpPing(probe.sequence), timeout)

    def _request(self, probe: _Probe, wants_nack: bool) -> IndirectPing:
        record, config = probe.record, self._config
        return IndirectPing(
            probe.sequence,
            record.octets,
            record.port,
            record.name,
            wants_nack,
            config.octets,
            config.port,
            config.name,
        )

    def _fail(self, probe: _Probe, now: float) -> None:
        del self._probes[probe.sequence]
        if not probe.is_look:
            # A helper that says nothing hints that the fault is ours; one that says nack, that it is not.
            self._awareness.adjust(probe.nacks_expected - probe.nacks if probe.nacks_expected else 1)
        if probe.record.incarnation == probe.incarnation:
            self._rules.accuse(probe.record, now)
