"""One member of the ring: SWIM with Lifeguard, on hashicorp/memberlist's wire protocol.

This class joins the parts: it takes events apart, hands each message to the part that knows what to do,
and gives back what the parts want done. The ideas are in the parts: `rules` (what a message does to the
table), `probe` (finding failures), `suspicion`, `awareness`, `relay` (probing for others), `outbox` and
`broadcast` (gossip), `pushpull` (whole tables, joining), `service` (streams), `user` (the
application's messages), `rejoin` (healing), `envelope` (what is around every message).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from math import inf
from random import Random
from typing import assert_never

from membership import events as ev
from membership.address import Endpoint
from membership.awareness import Awareness
from membership.config import Config
from membership.depths import QueueDepths
from membership.effects import (
    Effect,
    LeaveCompleted,
    PacketDropped,
    RunningLate,
    UserMessageReceived,
)
from membership.envelope import Envelope
from membership.errors import DecodeError
from membership.isolation import Isolation
from membership.members import Member, Record, State, Table
from membership.metrics import Meters, Metrics
from membership.observers import Observers
from membership.outbox import Outbox
from membership.pace import Pace
from membership.probe import Prober
from membership.pushpull import PushPuller
from membership.reception import Reception
from membership.rejoin import Rejoiner
from membership.relay import Relays, expect_our_name, reply_endpoint
from membership.rules import Rules
from membership.service import StreamService
from membership.streams import Streams
from membership.user import UserMessages
from membership.wire.codec import META_OCTETS_MAX
from membership.wire.crypto import NONCE_OCTETS
from membership.wire.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Message,
    Nack,
    Ping,
    Suspect,
    User,
)
from membership.wire.packet import decode_packet

_LATENESS_TOLERATED = 0.5
"""Of the probe timeout, or the observers' interval: being run later than that is our own fault, and not that of those
who seem silent.
"""


def fresh_nonce() -> bytes:
    """From the system's source of chance: with one key for a whole ring, nothing less will do."""
    return os.urandom(NONCE_OCTETS)


class Memberlist:
    """Does no I/O and reads no clock: see `membership.net.Transport` for what performs its effects."""

    def __init__(
        self,
        config: Config,
        rng: Random,
        make_table: Callable[[Record, Random], Table] = Table,
        nonces: Callable[[], bytes] = fresh_nonce,
    ) -> None:
        """Only simulations need other than the defaults: chance that is a function of a seed, and filled tables.

        `make_table` gets our own row and our chance. `nonces` must never give the same 12 octets twice.
        """
        self._config = config
        profile = config.profile
        local = Record(
            config.name,
            config.octets,
            config.port,
            config.meta,
            config.versions,
            1,
            State.ALIVE,
            changed_at=0.0,
        )
        self._table = make_table(local, rng)
        self._meters = Meters()
        self._awareness = Awareness(profile.awareness_max_multiplier)
        self._envelope = Envelope(
            config.label.encode(), config.encryption, nonces, compression=profile.compression
        )
        self._pace = pace = Pace(config, self._table)
        self._outbox = Outbox(pace, self._table, self._envelope)
        self._isolation = Isolation(pace)
        self._reception = Reception(pace)
        self._rules = Rules(
            config,
            pace,
            self._table,
            self._awareness,
            self._outbox,
            self._isolation,
            self._reception,
            rng,
        )
        streams = self._streams = Streams(self._outbox, self._envelope)
        self._relays = Relays(config, pace, self._outbox)
        self._prober = Prober(
            config, pace, self._table, self._rules, self._awareness, self._outbox, streams, self._meters, rng
        )
        self._observers = Observers(
            config, pace, self._table, self._rules, self._awareness, self._outbox, self._meters, rng
        )
        self._push_puller = PushPuller(config, pace, self._table, self._rules, self._outbox, streams, rng)
        self._user_messages = UserMessages(profile, self._table, self._outbox, streams)
        self._service = StreamService(
            config, streams, self._prober, self._push_puller, self._user_messages, self._outbox
        )
        self._rejoiner = Rejoiner(config, pace, self._table, self._outbox, rng)
        self._timed = (
            *(self._prober, self._observers, self._rules),
            *(self._relays, self._push_puller, self._rejoiner, self._reception),
        )
        self._is_leaving = False
        self._due: float | None = None
        self._ran_at = -inf
        """When anything was done here last: what was overdue then has been excused."""

    # What others may look at

    @property
    def local(self) -> Member:
        return self._table.local.member()

    @property
    def health(self) -> int:
        """Lifeguard's score of ourselves: 0 is healthy."""
        return self._awareness.score

    def members(self) -> tuple[Member, ...]:
        """All that are alive or only suspect, by name, and this member among them until it has left."""
        records = sorted(
            (record for record in self._table if record.is_member), key=lambda record: record.name
        )
        return tuple(record.member() for record in records)

    def known(self) -> tuple[Member, ...]:
        """All of the table by name: also the dead, and those that have left, until they are forgotten."""
        return tuple(record.member() for record in sorted(self._table, key=lambda record: record.name))

    def find(self, name: str) -> Member | None:
        """One of those, without looking at the others; None: it is not known."""
        record = self._table.get(name)
        return None if record is None else record.member()

    def depths(self) -> QueueDepths:
        """How much of what is waiting. All of it has limits, and is little unless something is wrong."""
        return QueueDepths(
            table=len(self._table),
            broadcasts=self._outbox.queued_count,
            suspicions=self._rules.suspicion_count,
            probes=len(self._prober),
            relays=len(self._relays),
            streams=len(self._streams),
            reconnects=self._rejoiner.candidate_count,
        )

    def metrics(self) -> Metrics:
        """All counters at this moment."""
        return self._meters.read(self._pace.profile.name, self._awareness.score, self.depths())

    # The machine

    def step(self, event: ev.Event, now: float) -> list[Effect]:
        self._excuse_lateness(now)
        self._review_reception(now)
        self._handle(event, now)
        return self._end(now)

    def advance(self, now: float) -> list[Effect]:
        self._excuse_lateness(now)
        self._review_reception(now)
        self._rules.advance(now)
        self._observers.advance(now)
        self._prober.advance(now)
        self._relays.advance(now)
        self._push_puller.advance(now)
        self._rejoiner.advance(now)
        self._outbox.gossip(now)
        return self._end(now)

    def next_deadline(self) -> float | None:
        return self._due

    def _excuse_lateness(self, now: float) -> None:
        """After a stall of our own, whoever seems to be late gets as much more time (Lifeguard)."""
        if self._due is None or now <= self._due:
            return
        lateness, profile = now - max(self._due, self._ran_at), self._pace.profile
        if lateness > _LATENESS_TOLERATED * profile.observe_interval:
            self._observers.start_over(now)
        if lateness <= _LATENESS_TOLERATED * profile.probe_timeout:
            return
        self._rules.delay(lateness, now)
        self._prober.delay(lateness, now)
        self._awareness.adjust(+1)
        self._outbox.tell(RunningLate(lateness))

    def _review_reception(self, now: float) -> None:
        """While nobody hears us, nobody owes us an answer."""
        change, stopped_for = self._reception.review(now)
        if change is not None:
            self._outbox.tell(change)
            self._observers.start_over(now)
        if stopped_for:
            self._rules.delay(stopped_for, now)

    def _end(self, now: float) -> list[Effect]:
        self._prober.look(now)
        self._rules.settle(now)
        self._observers.settle(now)
        effects = self._outbox.drain(now)
        if self._is_leaving and self._is_farewell_said():
            self._is_leaving = False
            effects.append(LeaveCompleted())
        self._meters.count(effects)
        self._due, self._ran_at = self._earliest_deadline(), now
        return effects

    def _earliest_deadline(self) -> float | None:
        earliest = self._outbox.gossip_due()
        for part in self._timed:
            due = part.next_deadline()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def _handle(self, event: ev.Event, now: float) -> None:
        match event:
            case ev.PacketReceived():
                self._receive_packet(event, now)
            case ev.PacketUnsendable():
                self._prober.hear_unsendable(event.target, now)
                self._observers.hear_unsendable(event.target, event.reason, now)
            case ev.StreamAccepted():
                self._service.accept(event)
            case ev.StreamReceived():
                if event.stream > 0:
                    self._reception.answered()
                self._service.receive(event, now)
            case ev.StreamEnded():
                self._service.end(event.stream, None)
            case ev.StreamFailed():
                self._service.end(event.stream, event.reason)
            case ev.Started():
                self._start(now)
            case ev.JoinRequested():
                self._rejoiner.add_seeds(event.seeds)
                self._push_puller.join(event.seeds)
            case ev.LeaveRequested():
                self._leave(now)
            case ev.MetaChanged():
                assert len(event.meta) <= META_OCTETS_MAX
                self._rules.change_meta(event.meta)
            case ev.SeedsChanged():
                if new := self._rejoiner.replace_seeds(event.seeds):
                    self._push_puller.join(new)
            case ev.EncryptionChanged():
                self._envelope.change(event.encryption)
            case ev.UserMessageRequested():
                self._user_messages.send(event)
            case ev.UserBroadcastRequested():
                self._user_messages.broadcast(event)
            case _:
                assert_never(event)

    def _start(self, now: float) -> None:
        self._table.local.changed_at = now
        # Silence is counted from here on.
        self._isolation.hear(now)
        self._reception.hear(now)
        self._prober.start(now)
        self._observers.start(now)
        self._push_puller.start(now)
        self._rejoiner.start(now)

    def _leave(self, now: float) -> None:
        if self._table.local.state == State.LEFT:
            return
        self._prober.stop()
        self._observers.stop()
        self._push_puller.stop()
        self._rejoiner.stop()
        self._rules.leave(now)
        self._is_leaving = True

    def _is_farewell_said(self) -> bool:
        return not self._outbox.is_queued(self._config.name) or not any(
            record.is_member for record in self._table
        )

    # Packets

    def _receive_packet(self, event: ev.PacketReceived, now: float) -> None:
        self._meters.receive(len(event.payload))
        try:
            payload = self._envelope.open_packet(event.payload)
        except DecodeError as error:
            self._outbox.tell(PacketDropped(event.source, error.reason))
            return
        for message in decode_packet(payload):
            try:
                if isinstance(message, DecodeError):
                    raise message
                self._receive_message(message, event.source, now)
                self._observers.hear(event.source, now)
                self._end_isolation(now)
            except DecodeError as error:
                self._outbox.tell(PacketDropped(event.source, error.reason))

    def _end_isolation(self, now: float) -> None:
        """If nobody was heard for a while, what the others owe us from that time was lost by our own fault."""
        self._reception.hear(now)
        silent_for = self._isolation.hear(now)
        if silent_for:
            self._observers.start_over(now)
            self._rules.delay(silent_for, now)
            self._prober.delay(silent_for, now)
            self._rules.end_isolation()

    def _receive_message(self, message: Message, source: Endpoint, now: float) -> None:
        match message:
            case Ping():
                expect_our_name(self._config, message)
                target = reply_endpoint(message.source_address, message.source_port, source)
                self._outbox.send(target, Ack(message.sequence))
                self._observers.join_round(now)
            case Ack():
                self._hear_ack(message.sequence, now)
            case Nack():
                self._reception.answered()
                self._prober.hear_nack(message.sequence)
            case IndirectPing():
                self._relays.request(message, source, now)
            case Alive():
                self._rules.alive(message, now)
            case Suspect():
                self._rules.suspect(message, now, source)
            case Dead():
                self._rules.dead(message, now, source)
            case User():
                self._outbox.tell(UserMessageReceived(source, message.payload))
            case _:
                assert_never(message)

    def _hear_ack(self, sequence: int, now: float) -> None:
        if (
            self._observers.hear_ack(sequence, now)
            or self._prober.hear_ack(sequence, now)
            or self._relays.hear_ack(sequence)
        ):
            self._reception.answered()
            return
        if (endpoint := self._rejoiner.hear_ack(sequence, now)) is not None:
            self._reception.answered()
            self._push_puller.exchange(endpoint, is_join=True)
