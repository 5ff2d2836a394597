"""What leaves a member in one step: packets with news riding on them, urgent news at once, facts."""

from __future__ import annotations

from enum import IntEnum

from membership.address import Endpoint
from membership.broadcast import BroadcastQueue, transmit_limit
from membership.config import Profile
from membership.effects import Effect, SendPacket
from membership.envelope import Envelope
from membership.members import Record, State, Table
from membership.pace import Pace
from membership.wire.codec import U32_MAX
from membership.wire.messages import Message, User, encode
from membership.wire.packet import COMPOUND_OVERHEAD_OCTETS, PART_OVERHEAD_OCTETS, PARTS_MAX, compound

_FLUSH_NODES_MAX = 16
"""Our own urgent news goes straight to this many members: to all of them in most rings."""
_PROTOCOL_WITH_CRC = 5
_USER_BROADCASTS_MAX = 256
"""What the application may have waiting. More is refused: it is told, and knows best what to leave out."""


class Urgency(IntEnum):
    NONE = 0
    """Waits for the next gossip round, or rides on a packet before that."""
    FORWARDED = 1
    """Passed on at once to as many as a gossip round has."""
    OWN = 2
    """Told at once to everyone, up to a limit."""


class Outbox:
    """Collects the effects of a step. The queue of news is here because every packet may take from it."""

    def __init__(self, pace: Pace, table: Table, envelope: Envelope) -> None:
        self._pace = pace
        self._table = table
        self._envelope = envelope
        self._effects: list[Effect] = []
        self._queue = BroadcastQueue()
        self._user_queue = BroadcastQueue()
        self._last_user_broadcast = 0
        self._urgency = Urgency.NONE
        self._sequence = 0
        self._next_gossip: float | None = None

    @property
    def _profile(self) -> Profile:
        return self._pace.profile

    def next_sequence(self) -> int:
        """One counter for all pings, our own and those for others."""
        self._sequence = self._sequence % U32_MAX + 1
        return self._sequence

    def tell(self, effect: Effect) -> None:
        self._effects.append(effect)

    def broadcast(self, name: str, message: Message, urgency: Urgency) -> None:
        self._queue.put(name, encode(message))
        self._urgency = max(self._urgency, urgency)

    def broadcast_user(self, message: User) -> bool:
        """Queue a message of the application; False when there are too many already."""
        if len(self._user_queue) >= _USER_BROADCASTS_MAX:
            return False
        self._last_user_broadcast += 1
        self._user_queue.put(str(self._last_user_broadcast), encode(message))
        return True

    def is_queued(self, name: str) -> bool:
        return name in self._queue

    @property
    def queued_count(self) -> int:
        return len(self._queue) + len(self._user_queue)

    @property
    def message_octets_max(self) -> int:
        """The longest message that a packet has room for."""
        return self._octets_max - COMPOUND_OVERHEAD_OCTETS - PART_OVERHEAD_OCTETS

    def send(self, target: Endpoint, message: Message) -> None:
        """Send a message, and what news fits beside it."""
        self.send_encoded(target, encode(message))

    def send_encoded(self, target: Endpoint, encoded: bytes) -> None:
        """The same for a message whose bytes are ready."""
        if not self._has_news():
            self._send(target, encoded)
            return
        used = len(encoded) + PART_OVERHEAD_OCTETS + COMPOUND_OVERHEAD_OCTETS
        self._send(target, compound([encoded, *self._take(self._octets_max - used)]))

    def send_bare(self, target: Endpoint, message: Message) -> None:
        """Send a message to an address, without other news."""
        self._send(target, encode(message))

    def send_alone(self, record: Record, *messages: Message) -> None:
        """Send messages to a member whose versions are known, without other news."""
        self._send_to(record, list(map(encode, messages)))

    def gossip_due(self) -> float | None:
        return self._next_gossip

    def gossip(self, now: float) -> None:
        """One gossip round, if it is due: each receiver gets a fresh choice of the news."""
        if self._next_gossip is None or now < self._next_gossip:
            return
        self._next_gossip = now + self._profile.gossip_interval
        for record in self._table.pick(self._profile.gossip_nodes, lambda record: self._hears(record, now)):
            if parts := self._take(self._octets_max - COMPOUND_OVERHEAD_OCTETS):
                self._send_to(record, parts)

    def drain(self, now: float) -> list[Effect]:
        """End the step: send what is urgent, and hand over all effects."""
        if self._urgency:
            self._flush()
        if not self._has_news() or len(self._table) == 1:
            # Alone, there is nobody to tell; whoever comes learns all from the exchange of tables.
            self._next_gossip = None
        elif self._next_gossip is None:
            self._next_gossip = now + self._profile.gossip_interval
        effects, self._effects = self._effects, []
        return effects

    def _flush(self) -> None:
        count = _FLUSH_NODES_MAX if self._urgency == Urgency.OWN else self._profile.gossip_nodes
        self._urgency = Urgency.NONE
        receivers = self._table.pick(count, lambda record: record.is_member)
        if not receivers:
            return
        # One transmit for all of them: the rounds that follow are what makes up for loss.
        if parts := self._take(self._octets_max - COMPOUND_OVERHEAD_OCTETS):
            for record in receivers:
                self._send_to(record, parts)

    def _hears(self, record: Record, now: float) -> bool:
        """A dead member gets gossip for a while longer: it may only be cut off, and this is how it learns."""
        if record.state == State.DEAD:
            return now - record.changed_at <= self._profile.gossip_to_the_dead_time
        return record.state != State.LEFT

    def _take(self, octets: int) -> list[bytes]:
        """News of members first; the application's gets the room that is left."""
        if not self._has_news():
            return []
        limit = transmit_limit(self._profile.retransmit_mult, len(self._table))
        parts = self._queue.take(octets, limit)
        if self._user_queue:
            octets -= sum(map(len, parts)) + len(parts) * PART_OVERHEAD_OCTETS
            parts += self._user_queue.take(octets, limit, PARTS_MAX - 1 - len(parts))
        return parts

    def _has_news(self) -> bool:
        return bool(self._queue or self._user_queue)

    @property
    def _octets_max(self) -> int:
        """What is left of a packet for messages. The CRC is not counted, as it is not in memberlist."""
        return self._profile.packet_octets_max - self._envelope.overhead

    def _send_to(self, record: Record, parts: list[bytes]) -> None:
        has_crc = record.protocol_max >= _PROTOCOL_WITH_CRC
        self._send(record.endpoint, compound(parts), has_crc=has_crc)

    def _send(self, target: Endpoint, message: bytes, *, has_crc: bool = False) -> None:
        self._effects.append(SendPacket(target, self._envelope.close_packet(message, has_crc=has_crc)))
