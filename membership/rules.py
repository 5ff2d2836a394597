"""What alive, suspect and dead messages do to the table: the rules that make the ring agree.

A higher incarnation wins; at the same incarnation dead beats suspect beats alive. Only a member itself
raises its incarnation, and does so to refute what is said about it. A rule may refuse a message with
DecodeError, and has then changed nothing.

    alive   --suspect-->  suspect  --timer, dead-->  dead     (left, if it says so itself)
    suspect, dead, left   --alive with a higher incarnation-->  alive
"""

from __future__ import annotations

from itertools import islice
from random import Random

from membership.address import Endpoint, host_of, is_address
from membership.awareness import Awareness
from membership.config import Config, Profile
from membership.effects import (
    AccusationRefuted,
    Cause,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
    NameConflict,
    Observation,
)
from membership.errors import DecodeError
from membership.isolation import Isolation
from membership.members import Record, State, Table
from membership.outbox import Outbox, Urgency
from membership.pace import Pace
from membership.quorum import Quorum
from membership.reception import Reception
from membership.suspicion import Suspicion, Suspicions
from membership.wire.codec import U32_MAX
from membership.wire.messages import Alive, Dead, Suspect

_SECOND_OPINIONS = 6
"""About how many members look for themselves when they hear of a suspicion, or tell the dead, whatever the ring's size."""

_CONDEMNED_TOLD_MAX = 64
"""At once; the others are found by pings to the lost, and hear of it then."""

_INCARNATION_BELIEVED_MAX = U32_MAX >> 1
"""Nobody gets there honestly. Above it only steps of `_INCARNATION_STEP_MAX` are believed, from anybody about anybody,
so that one forged message cannot take the numbers that a member has left to refute with.
"""
_INCARNATION_STEP_MAX = 255

_JUDGED_AT_ONCE_MAX = 32
"""Suspicions. With more of them, and each change of one touching all, they are judged together."""
_JUDGED_TOGETHER_EVERY = 0.02
"""Seconds."""


class Rules:
    """The only place that adds members and changes what is known of them."""

    def __init__(
        self,
        config: Config,
        pace: Pace,
        table: Table,
        awareness: Awareness,
        outbox: Outbox,
        isolation: Isolation,
        reception: Reception,
        rng: Random,
    ) -> None:
        self._config = config
        self._isolation = isolation
        self._reception = reception
        self._pace = pace
        self._table = table
        self._awareness = awareness
        self._outbox = outbox
        self._rng = rng
        self._suspicions = Suspicions(pace, table)
        self._quorum = Quorum(pace, table)
        self._is_unsettled = False
        """The members that count have changed, and by that every suspicion."""
        self._accused: dict[str, None] = {}
        """Whose accusers have changed."""
        self._judged_at = 0.0
        """When all suspicions were judged last."""
        self._observation: Observation | None = None
        """Of the accusation that we are just making."""
        self._wanted: dict[str, Record] = {}
        self._condemned_alone: dict[str, Record] = {}
        """By our own verdict while we heard nobody."""
        self.refutations = 0

    @property
    def _profile(self) -> Profile:
        return self._pace.profile

    @property
    def _local(self) -> Record:
        return self._table.local

    @property
    def suspicion_count(self) -> int:
        return len(self._suspicions)

    # Messages of others

    def alive(self, message: Alive, now: float) -> None:
        if not message.node or not is_address(message.address):
            raise DecodeError("bad-address")
        if not self.fits(message.versions):
            raise DecodeError("incompatible-versions")
        record = self._table.get(message.node)
        self._expect_refutable(record, message.incarnation)
        port = message.port or self._config.port
        if record is None:
            self._discover(message, port, now)
            return
        if (record.octets, record.port) == (message.address, port):
            self._hear_alive(record, message, port, now)
        elif record is not self._local and self._may_move(record, now):
            self._adopt(record, message, port, now)
        else:
            claimed = Endpoint(host_of(message.address), port)
            self._outbox.tell(NameConflict(record.name, record.endpoint, claimed))

    def suspect(self, message: Suspect, now: float, source: Endpoint | None = None) -> None:
        record = self._table.get(message.node)
        if record is None or self._is_stale(record, message, now, source):
            return
        suspicion = self._suspicions.get(record.name)
        if suspicion is not None and message.incarnation > record.incarnation:
            self._suppose_refuted(record, message.incarnation, now)
            suspicion = None
        if suspicion is not None:
            self._confirm(record, suspicion, message, now)
        elif record is self._local:
            self._refute(message.incarnation, message.accuser)
        elif record.state == State.ALIVE:
            self._start_suspicion(record, message, now)

    def hear_of_suspect(self, name: str, incarnation: int, now: float) -> None:
        """A table of somebody else says so. memberlist then accuses in its own name; but our word is a vote
        where we are an observer, and there we trust our own eyes only.
        """
        record = self._table.get(name)
        if record is None or record is self._local or not self._quorum.is_observer(record):
            self.suspect(Suspect(incarnation, name, self._local.name), now)

    def dead(
        self, message: Dead, now: float, source: Endpoint | None = None, cause: Cause = Cause.TOLD
    ) -> None:
        record = self._table.get(message.node)
        if record is None or self._is_stale(record, message, now, source) or not record.is_member:
            return
        if record is self._local:
            self._refute(message.incarnation, message.accuser)
            return
        suspicion = self._suspicions.end(record.name)
        has_left = message.accuser == message.node
        record.incarnation = message.incarnation
        self._become(record, State.LEFT if has_left else State.DEAD, now)
        is_ours = message.accuser == self._local.name
        if is_ours and self._isolation.is_cut_off(now):
            self._condemned_alone[record.name] = record
        else:
            self._outbox.broadcast(record.name, message, Urgency.OWN if is_ours else Urgency.FORWARDED)
        if has_left:
            self._outbox.tell(MemberLeft(record.name, record.incarnation))
            return
        if is_ours or self._is_chosen():
            # If it lives after all, it cannot say so too soon.
            self._outbox.send_alone(record, message)
        accusers = dict.fromkeys((message.accuser, *(suspicion.accusers if suspicion else ())))
        suspected_for = now - suspicion.began_at if suspicion else 0.0
        observation = suspicion.observation if suspicion else None
        self._outbox.tell(
            MemberFailed(record.name, record.incarnation, tuple(accusers), suspected_for, cause, observation)
        )

    def fits(self, versions: bytes) -> bool:
        """Would a member of these versions and this one understand each other?

        memberlist does not verify gossip, and then one misfit makes every push/pull of the ring fail.
        """
        if len(versions) != 6 or versions[0] == 0:
            return False
        ours = self._local.versions
        return all(
            versions[at] <= ours[at + 2] <= versions[at + 1] and ours[at] <= versions[at + 2] <= ours[at + 1]
            for at in (0, 3)
        )

    def take_wanted(self) -> list[Record]:
        """Whom others have accused since the last time, and who needs a second opinion."""
        if not self._wanted:
            return []
        wanted, self._wanted = self._wanted, {}
        return [record for record in wanted.values() if record.state == State.SUSPECT]

    # Our own doing

    @property
    def may_accuse(self) -> bool:
        """If nobody hears us, silence is no evidence."""
        return not self._reception.is_in_question

    def accuse(self, record: Record, now: float, observation: Observation | None = None) -> None:
        """Our probe of it has failed, or what we observe is silence."""
        if not self.may_accuse:
            return
        self._observation = observation
        self.suspect(Suspect(record.incarnation, record.name, self._local.name), now)
        self._observation = None

    def leave(self, now: float) -> None:
        self._become(self._local, State.LEFT, now)
        self._suspicions.clear()
        farewell = Dead(self._local.incarnation, self._local.name, self._local.name)
        self._outbox.broadcast(self._local.name, farewell, Urgency.OWN)

    def change_meta(self, meta: bytes) -> None:
        """Who has said goodbye says nothing more: others would take it back."""
        if meta != self._local.meta and self._local.state != State.LEFT:
            self._local.meta = meta
            self._readvertise(self._local.incarnation)

    def introduce(self) -> None:
        """Queue what others need to know of us: the first news of this member."""
        self._outbox.broadcast(self._local.name, self._local.alive(), Urgency.OWN)

    # Time

    def next_deadline(self) -> float | None:
        due = self._suspicions.next_deadline()
        if due is None or not self._is_unsettled:
            return due
        return min(due, self._judged_at + _JUDGED_TOGETHER_EVERY)

    def advance(self, now: float) -> None:
        for name, suspicion in self._suspicions.items():
            record = self._table.get(name)
            assert record is not None
            if now >= suspicion.deadline:
                self._condemn(record, now, Cause.SUSPICION)
            elif suspicion.verdict_at is not None and now >= suspicion.verdict_at:
                self._condemn(record, now, Cause.OBSERVERS)
            elif suspicion.next_reminder is not None and now >= suspicion.next_reminder:
                self._remind(record, suspicion, now)

    def delay(self, lateness: float, now: float) -> None:
        self._suspicions.delay(lateness, now)

    def end_isolation(self) -> None:
        """Whom we condemned while we heard nobody shall hear of it, and nobody else."""
        condemned, self._condemned_alone = self._condemned_alone, {}
        for record in islice(condemned.values(), _CONDEMNED_TOLD_MAX):
            if record.state == State.DEAD:
                self._outbox.send_alone(record, Dead(record.incarnation, record.name, self._local.name))

    def settle(self, now: float) -> None:
        """The end of a step: judge anew those whose accusers, or the members that count, have changed."""
        while self._is_unsettled or self._accused:
            if self._is_unsettled and (change := self._pace.settle()) is not None:
                self._outbox.tell(change)
            if not (names := self._to_be_judged(now)):
                return
            for name in names:
                self._judge(name, now)

    def _to_be_judged(self, now: float) -> list[str]:
        accused, self._accused = self._accused, {}
        if self._is_unsettled and (
            len(self._suspicions) <= _JUDGED_AT_ONCE_MAX or now >= self._judged_at + _JUDGED_TOGETHER_EVERY
        ):
            self._is_unsettled, self._judged_at = False, now
            return [name for name, _ in self._suspicions.items()]
        return list(accused)

    def _judge(self, name: str, now: float) -> None:
        if (suspicion := self._suspicions.get(name)) is None:
            return
        record = self._table.get(name)
        assert record is not None
        self._suspicions.reconsider(suspicion)
        suspicion.verdict_at = self._quorum.verdict_at(record, suspicion, now)
        if suspicion.verdict_at is not None and now >= suspicion.verdict_at:
            self._condemn(record, now, Cause.OBSERVERS)

    def _condemn(self, record: Record, now: float, cause: Cause) -> None:
        self.dead(Dead(record.incarnation, record.name, self._local.name), now, cause=cause)

    # Alive

    def _may_move(self, record: Record, now: float) -> bool:
        """A name moves to another address only when its old place is given up."""
        reclaim_time = self._profile.dead_node_reclaim_time
        has_expired = 0 < reclaim_time < now - record.changed_at
        return record.state == State.LEFT or (record.state == State.DEAD and has_expired)

    def _discover(self, message: Alive, port: int, now: float) -> None:
        if message.incarnation == 0:
            return
        if len(self._table) >= self._profile.members_max:
            raise DecodeError("table-full")
        record = Record(
            message.node, message.address, port, b"", message.versions, 0, State.DEAD, changed_at=now
        )
        self._table.add(record)
        self._adopt(record, message, port, now)

    def _hear_alive(self, record: Record, message: Alive, port: int, now: float) -> None:
        if record is not self._local:
            if message.incarnation > record.incarnation:
                self._adopt(record, message, port, now)
            return
        if record.state == State.LEFT or message.incarnation < record.incarnation:
            return
        said = (message.incarnation, message.meta, message.versions)
        if said != (record.incarnation, record.meta, record.versions):
            # An earlier life of ours, or somebody in our name.
            self._refute(message.incarnation, message.node)

    def _adopt(self, record: Record, message: Alive, port: int, now: float) -> None:
        before = record.member()
        if (record.octets, record.port) != (message.address, port):
            self._table.move(record, message.address, port)
        record.incarnation, record.meta, record.versions = message.incarnation, message.meta, message.versions
        self._suspicions.end(record.name)
        self._become(record, State.ALIVE, now)
        after = record.member()
        has_changed = (before.address, before.port, before.meta) != (after.address, after.port, after.meta)
        match before.state:
            case State.DEAD | State.LEFT:
                self._outbox.tell(MemberJoined(after))
            case State.SUSPECT:
                self._outbox.tell(MemberRefuted(record.name, record.incarnation))
                if has_changed:
                    self._outbox.tell(MemberUpdated(after))
            case State.ALIVE:
                if has_changed:
                    self._outbox.tell(MemberUpdated(after))
        is_news = has_changed or before.state != State.ALIVE
        urgency = Urgency.FORWARDED if is_news else Urgency.NONE
        self._outbox.broadcast(record.name, record.alive(), urgency)

    # Suspicion

    def _is_stale(self, record: Record, message: Suspect | Dead, now: float, source: Endpoint | None) -> bool:
        self._expect_refutable(record, message.incarnation)
        self._note_accusation(record, message, now)
        if message.incarnation >= record.incarnation:
            return record is self._local and record.state == State.LEFT
        if record is self._local and source is not None and record.state == State.ALIVE:
            # Our refutation has not reached it. Gossip would in time, but its timer is running.
            self._outbox.send_bare(source, record.alive())
        return True

    def _start_suspicion(self, record: Record, message: Suspect, now: float) -> None:
        record.incarnation = message.incarnation
        suspicion = self._suspicions.start(record.name, message.accuser, now)
        self._accused[record.name] = None
        self._become(record, State.SUSPECT, now)
        suspicion.observation = self._observation
        self._outbox.tell(
            MemberSuspected(record.name, record.incarnation, message.accuser, self._observation)
        )
        self._spread_accusation(record, suspicion, message, now)
        if message.accuser != self._local.name and self._is_chosen():
            self._wanted[record.name] = record

    def _is_chosen(self) -> bool:
        """Shall we be one of the few that look after somebody?"""
        return self._rng.random() < _SECOND_OPINIONS / max(1, self._table.count(State.ALIVE))

    def _suppose_refuted(self, record: Record, incarnation: int, now: float) -> None:
        """Only the suspect itself raises its incarnation: it has refuted, and we have missed it."""
        self._suspicions.end(record.name)
        record.incarnation = incarnation
        self._become(record, State.ALIVE, now)
        self._outbox.tell(MemberRefuted(record.name, incarnation))

    def _confirm(self, record: Record, suspicion: Suspicion, message: Suspect, now: float) -> None:
        if suspicion.confirm(message.accuser, now):
            suspicion.observation = suspicion.observation or self._observation
            self._accused[record.name] = None
            self._spread_accusation(record, suspicion, message, now)

    def _spread_accusation(self, record: Record, suspicion: Suspicion, message: Suspect, now: float) -> None:
        is_ours = message.accuser == self._local.name
        if is_ours:
            suspicion.next_reminder = now + self._profile.reminder_interval
            if self._isolation.is_cut_off(now):
                return
        self._outbox.broadcast(record.name, message, Urgency.OWN if is_ours else Urgency.NONE)

    def _remind(self, record: Record, suspicion: Suspicion, now: float) -> None:
        """Whom we accuse shall hear of it in time, even through a link that loses packets."""
        suspicion.next_reminder = now + self._profile.reminder_interval
        self._outbox.send_alone(record, Suspect(record.incarnation, record.name, self._local.name))

    def _become(self, record: Record, state: State, now: float) -> None:
        self._table.set_state(record, state, now)
        self._pace.hear(record)
        self._is_unsettled = True

    # Ourselves

    def _note_accusation(self, record: Record, message: Suspect | Dead, now: float) -> None:
        """Also one that is older than our last word: that word may not have arrived anywhere."""
        local = self._local
        if record is local and local.state == State.ALIVE and message.accuser != local.name:
            self._reception.accused(message.accuser, now)

    def _expect_refutable(self, record: Record | None, incarnation: int) -> None:
        """Whoever is new may have come far, but not so far that it could not refute our own accusation of it."""
        believed = U32_MAX - 1
        if record is not None:
            believed = min(
                believed, max(_INCARNATION_BELIEVED_MAX, record.incarnation + _INCARNATION_STEP_MAX)
            )
        if incarnation > believed:
            raise DecodeError("incarnation-exhausted")

    def _refute(self, incarnation: int, accuser: str) -> None:
        self.refutations += 1
        self._awareness.adjust(+1)
        self._readvertise(incarnation)
        self._outbox.tell(AccusationRefuted(self._local.incarnation, accuser))

    def _readvertise(self, above: int) -> None:
        self._local.incarnation = max(self._local.incarnation, above) + 1
        self.introduce()
