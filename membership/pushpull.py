"""Anti-entropy: two members exchange their whole tables. It is also how one joins.

The side that dials sends its table first; the other answers with its own before it looks at what it got.
Then both verify that all versions agree, and merge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil, log2
from random import Random

from membership.address import Endpoint
from membership.config import Config, Profile
from membership.effects import JoinCompleted, JoinFailure, PushPullFailed
from membership.errors import DecodeError
from membership.members import State, Table
from membership.outbox import Outbox
from membership.pace import Pace
from membership.rules import Rules
from membership.streams import Exchange, Stream, Streams
from membership.wire.messages import Alive, Dead
from membership.wire.stream import Err, NodeState, PushPull, StreamMessage, encode_push_pull

_SCALE_ABOVE = 32
_REPEATS_MAX = 3
_JOIN_DIALS_MAX = 4
"""Seeds dialled at the same time: one that is down does not hold up the others."""


@dataclass(slots=True)
class _Join:
    waiting: list[Endpoint]
    running: int = 0
    contacted: list[Endpoint] = field(default_factory=list[Endpoint])
    failures: list[JoinFailure] = field(default_factory=list[JoinFailure])


@dataclass(frozen=True, slots=True)
class _Repeat:
    due: float
    target: Endpoint
    repeats: int


class PushPuller:
    """Exchanges tables: now and then with anyone, on request with seeds, and twice after a cut has healed."""

    def __init__(
        self,
        config: Config,
        pace: Pace,
        table: Table,
        rules: Rules,
        outbox: Outbox,
        streams: Streams,
        rng: Random,
    ) -> None:
        self._config = config
        self._pace = pace
        self._table = table
        self._rules = rules
        self._outbox = outbox
        self._streams = streams
        self._rng = rng
        self._next: float | None = None
        self._repeats: list[_Repeat] = []
        self._joins: dict[int, _Join] = {}
        self._last_join = 0

    @property
    def _profile(self) -> Profile:
        return self._pace.profile

    def start(self, now: float) -> None:
        self._next = now + self._rng.uniform(0, self._interval())

    def stop(self) -> None:
        self._next = None
        self._repeats.clear()

    def next_deadline(self) -> float | None:
        if not self._repeats:
            return self._next
        due = [repeat.due for repeat in self._repeats]
        return min(due if self._next is None else [*due, self._next], default=None)

    def advance(self, now: float) -> None:
        if self._next is not None and now >= self._next:
            self._next = now + self._interval()
            for record in self._table.pick(1, lambda record: record.state == State.ALIVE):
                self.exchange(record.endpoint, is_join=False)
        for repeat in [repeat for repeat in self._repeats if now >= repeat.due]:
            self._repeats.remove(repeat)
            self.exchange(repeat.target, is_join=True, repeats=repeat.repeats)

    def join(self, seeds: Iterable[Endpoint]) -> None:
        self._last_join += 1
        waiting = [seed for seed in dict.fromkeys(seeds) if seed != self._config.endpoint]
        self._joins[self._last_join] = _Join(waiting[::-1])
        self._continue_join(self._last_join)

    def exchange(self, target: Endpoint, *, is_join: bool, join: int | None = None, repeats: int = 0) -> None:
        payload = self._table_message(is_join=is_join)
        purpose = Exchange(join, is_join, repeats)
        self._streams.open(target, payload, purpose, self._profile.stream_timeout)

    def serve(self, stream: Stream, request: PushPull, now: float) -> None:
        """Answer first, then merge, as memberlist does."""
        self._adopt_versions(request)
        self._streams.reply(stream, self._table_message(is_join=request.is_join))
        self._streams.close(stream)
        self._merge(request, now)

    def complete(self, stream: Stream, exchange: Exchange, reply: StreamMessage, now: float) -> None:
        """Our request has been answered. DecodeError when the answer is of no use."""
        match reply:
            case PushPull():
                pass
            case Err():
                raise DecodeError("refused-by-peer")
            case _:
                raise DecodeError("unexpected-reply")
        if self._adopt_versions(reply) and exchange.repeats < _REPEATS_MAX:
            # It has refused our row, but it will not the next one. Nothing was gossiped yet.
            self.exchange(stream.remote, is_join=True, join=exchange.join, repeats=exchange.repeats + 1)
            return
        refutations = self._rules.refutations
        was_stale = self._merge(reply, now)
        if self._rules.refutations > refutations:
            # It may hold us dead, and so would not hear our gossip back from others soon.
            self._outbox.send_bare(stream.remote, self._table.local.alive())
            was_stale = True
        if was_stale and exchange.repeats < _REPEATS_MAX:
            # Both halves of a healed cut held the other dead. All have now heard it and refute; fetch that.
            due = now + 2 * self._profile.gossip_interval
            self._repeats.append(_Repeat(due, stream.remote, exchange.repeats + 1))
        if exchange.join is not None:
            self._joins[exchange.join].contacted.append(stream.remote)
            self._end_dial(exchange.join)

    def fail(self, stream: Stream, exchange: Exchange, reason: str) -> None:
        if exchange.join is None:
            self._outbox.tell(PushPullFailed(stream.remote, reason))
        else:
            self._joins[exchange.join].failures.append(JoinFailure(stream.remote, reason))
            self._end_dial(exchange.join)

    def _end_dial(self, number: int) -> None:
        self._joins[number].running -= 1
        self._continue_join(number)

    def _continue_join(self, number: int) -> None:
        join = self._joins[number]
        while join.waiting and join.running < _JOIN_DIALS_MAX:
            join.running += 1
            self.exchange(join.waiting.pop(), is_join=True, join=number)
        if not join.running:
            del self._joins[number]
            self._outbox.tell(JoinCompleted(tuple(join.contacted), tuple(join.failures)))

    def _interval(self) -> float:
        return self._profile.push_pull_interval * _scale(len(self._table))

    def _table_message(self, *, is_join: bool) -> bytes:
        return encode_push_pull([record.node_state() for record in self._table], is_join=is_join)

    def _adopt_versions(self, remote: PushPull) -> bool:
        """Take on the delegate versions of the ring we meet; True when ours are others by that.

        Only a member that is alone does, and only when its configuration leaves it open: a ring of members with two
        kinds of versions exchanges no tables any more.
        """
        living = [node.versions for node in remote.nodes if node.state == State.ALIVE]
        if self._config.delegate_versions is not None or len(self._table) > 1 or not living:
            return False
        local = self._table.local
        before = local.versions
        if any(map(self._rules.fits, living)) or len(living[0]) != len(before):
            return False
        local.versions = before[:3] + living[0][3:]
        if all(map(self._rules.fits, living)):
            return True
        local.versions = before
        return False

    def _merge(self, remote: PushPull, now: float) -> bool:
        """Take over what is newer. True when a member that lives there is dead here, and still is.

        memberlist merges nothing as soon as one row has misfit versions, so that one bad member stops all
        anti-entropy. Here each row is judged by itself, and only a ring that fits us nowhere is refused.
        """
        living = [node.versions for node in remote.nodes if node.state == State.ALIVE]
        if living and not any(map(self._rules.fits, living)):
            raise DecodeError("incompatible-versions")
        was_stale = False
        for node in remote.nodes:
            try:
                self._merge_node(node, now)
            except DecodeError:
                continue
            if node.state == State.ALIVE and (record := self._table.get(node.name)) is not None:
                was_stale |= record.state == State.DEAD
        return was_stale

    def _merge_node(self, node: NodeState, now: float) -> None:
        match State(node.state):
            case State.ALIVE:
                self._rules.alive(
                    Alive(node.incarnation, node.name, node.address, node.port, node.meta, node.versions),
                    now,
                )
            case State.LEFT:
                self._rules.dead(Dead(node.incarnation, node.name, node.name), now)
            case State.DEAD | State.SUSPECT:
                # Hearsay: a table is no proof of a death, so it gets the chance to refute.
                self._rules.hear_of_suspect(node.name, node.incarnation, now)


def _scale(member_count: int) -> int:
    """Large rings exchange less often, or the big tables would fill the network."""
    if member_count <= _SCALE_ABOVE:
        return 1
    return ceil(log2(member_count) - log2(_SCALE_ABOVE)) + 1
