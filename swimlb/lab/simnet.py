"""A simulated network of Memberlists in virtual time: a run is a function of its seed.

Packets are delayed, lost, duplicated and thereby reordered; streams are only delayed, as TCP's are. Members
crash, restart without memory, and pause with their sockets filling up; paths are cut, in one direction or
both. Nothing sleeps, so that minutes of a ring's life take seconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from membership import (
    CloseStream,
    Config,
    Effect,
    Endpoint,
    Event,
    JoinRequested,
    Memberlist,
    OpenStream,
    PacketReceived,
    SendPacket,
    SendStream,
    Started,
    StreamAccepted,
    StreamEnded,
    StreamFailed,
    StreamReceived,
    TransportEffect,
)

_SOCKET_BUFFER_EVENTS = 2048
_RETRANSMISSION_TIMEOUT = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the network does to packets."""

    latency: tuple[float, float] = (0.0002, 0.001)
    """Shortest and longest one-way delay; packets overtake each other within it."""

    loss: float = 0.0
    """Part of the packets lost, each way."""

    duplication: float = 0.0


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a member had to tell."""

    time: float
    member: str
    effect: Effect


@dataclass(slots=True)
class _Host:
    config: Config
    memberlist: Memberlist
    generation: int = 0
    is_up: bool = True
    is_paused: bool = False
    wake_at: float | None = None
    inbox: list[Event] = field(default_factory=list[Event])


@dataclass(slots=True)
class _Stream:
    """Both ends: (host, generation, number) of who dialled and of who accepted."""

    dialler: tuple[str, int, int]
    accepter: tuple[str, int, int] | None = None
    arrives_at: float = 0.0
    """TCP keeps order: nothing arrives before what was sent before it."""


_Action: TypeAlias = Callable[[], None]


class SimNet:
    """Members, the network between them, and the clock. Drive it with `run_for` and `run_until`."""

    def __init__(self, seed: int, conditions: Conditions | None = None, *, keep_trace: bool = False) -> None:
        self.now = 0.0
        self.conditions = conditions or Conditions()
        self.facts: list[Fact] = []
        self.packets_sent = 0
        self.trace: list[str] | None = [] if keep_trace else None
        self._rng = Random(seed)
        self._hosts: dict[str, _Host] = {}
        self._by_endpoint: dict[Endpoint, str] = {}
        self._cuts: set[tuple[str, str]] = set()
        self._agenda: list[tuple[float, int, _Action]] = []
        self._order = 0
        self._streams: dict[tuple[str, int, int], _Stream] = {}
        self._accepted = 0

    # Members

    def add(self, config: Config, seeds: Iterable[Endpoint] = ()) -> Memberlist:
        """Start a member, and let it join."""
        self._hosts[config.name] = _Host(config, self._new_memberlist(config))
        self._by_endpoint[config.endpoint] = config.name
        self._begin(config.name, tuple(seeds))
        return self._hosts[config.name].memberlist

    def member(self, name: str) -> Memberlist:
        return self._hosts[name].memberlist

    def names_up(self) -> list[str]:
        return [name for name, host in self._hosts.items() if host.is_up]

    def tell(self, name: str, event: Event) -> None:
        """Let something happen to a member now."""
        self._happen(name, event)

    def crash(self, name: str) -> None:
        """The host is silent from now on."""
        host = self._hosts[name]
        host.is_up, host.wake_at = False, None
        host.inbox.clear()

    def restart(self, name: str, seeds: Iterable[Endpoint] = ()) -> Memberlist:
        """Start again after a crash, without any memory."""
        host = self._hosts[name]
        assert not host.is_up
        host.memberlist = self._new_memberlist(host.config)
        host.generation += 1
        host.is_up, host.is_paused = True, False
        self._begin(name, tuple(seeds))
        return host.memberlist

    def pause(self, name: str, duration: float) -> None:
        """SIGSTOP, or a long garbage collection; what arrives meanwhile waits in the sockets."""
        self._hosts[name].is_paused = True
        self._at(self.now + duration, lambda: self._resume(name))

    # The network

    def cut(self, sender: str, receiver: str) -> None:
        """Nothing gets from one to the other; the way back stays open."""
        self._cuts.add((sender, receiver))

    def partition(self, *groups: Iterable[str]) -> None:
        """Nothing gets from one group to another."""
        sides = [list(group) for group in groups]
        for side in sides:
            others = [name for other in sides if other is not side for name in other]
            self._cuts |= {(sender, receiver) for sender in side for receiver in others}

    def heal(self) -> None:
        self._cuts.clear()

    # Time

    def run_for(self, duration: float) -> None:
        self.run_until(lambda: False, duration)

    def run_until(self, is_reached: Callable[[], bool], duration: float) -> bool:
        """Run until the condition holds after some event; False if it does not within `duration`."""
        end = self.now + duration
        if is_reached():
            return True
        while self._agenda and self._agenda[0][0] <= end:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
            if is_reached():
                return True
        self.now = end
        return False

    # Inside

    def _new_memberlist(self, config: Config) -> Memberlist:
        return Memberlist(config, Random(self._rng.getrandbits(64)))

    def _begin(self, name: str, seeds: tuple[Endpoint, ...]) -> None:
        self._happen(name, Started())
        if seeds:
            self._happen(name, JoinRequested(seeds))

    def _at(self, moment: float, action: _Action) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (moment, self._order, action))

    def _happen(self, name: str, event: Event) -> None:
        host = self._hosts[name]
        if not host.is_up:
            return
        if host.is_paused:
            if len(host.inbox) < _SOCKET_BUFFER_EVENTS:
                host.inbox.append(event)
            return
        self._note(name, event)
        self._perform(name, host.memberlist.step(event, self.now))

    def _resume(self, name: str) -> None:
        host = self._hosts[name]
        if not (host.is_up and host.is_paused):
            return
        host.is_paused = False
        inbox, host.inbox = host.inbox, []
        # The timer comes first, which is the worse order for those who are late only because of us.
        self._wake(name, host.generation)
        for event in inbox:
            self._happen(name, event)

    def _wake(self, name: str, generation: int) -> None:
        host = self._hosts[name]
        if not host.is_up or host.generation != generation or host.is_paused:
            return
        host.wake_at = None
        self._perform(name, host.memberlist.advance(self.now))

    def _perform(self, name: str, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SendPacket | OpenStream | SendStream | CloseStream):
                self._transport(name, effect)
            else:
                self._note(name, effect)
                self.facts.append(Fact(self.now, name, effect))
        host = self._hosts[name]
        due = host.memberlist.next_deadline()
        if due is not None and (host.wake_at is None or due < host.wake_at):
            host.wake_at = due
            generation = host.generation
            self._at(max(due, self.now), lambda: self._wake(name, generation))

    def _transport(self, name: str, effect: TransportEffect) -> None:
        generation = self._hosts[name].generation
        match effect:
            case SendPacket():
                self._send_packet(name, effect)
            case OpenStream():
                self._open_stream(name, generation, effect)
            case SendStream():
                self._send_stream((name, generation, effect.stream), effect.payload)
            case CloseStream():
                self._close_stream((name, generation, effect.stream))

    def _send_packet(self, sender: str, packet: SendPacket) -> None:
        self.packets_sent += 1
        receiver = self._by_endpoint.get(packet.target)
        if receiver is None or self._is_lost(sender, receiver):
            return
        event = PacketReceived(self._hosts[sender].config.endpoint, packet.payload)
        copies = 2 if self._rng.random() < self.conditions.duplication else 1
        for _ in range(copies):
            self._at(self.now + self._latency(), lambda: self._happen(receiver, event))

    def _is_lost(self, sender: str, receiver: str) -> bool:
        return (sender, receiver) in self._cuts or self._rng.random() < self.conditions.loss

    def _latency(self) -> float:
        return self._rng.uniform(*self.conditions.latency)

    # Streams

    def _open_stream(self, name: str, generation: int, order: OpenStream) -> None:
        key = (name, generation, order.stream)
        stream = self._streams[key] = _Stream(key)
        self._at(self.now + order.timeout, lambda: self._fail_stream(key, "timeout"))
        if (receiver := self._by_endpoint.get(order.target)) is None:
            return
        self._deliver(stream, name, receiver, lambda: self._accept(stream, receiver, order.payload))

    def _accept(self, stream: _Stream, receiver: str, payload: bytes) -> None:
        host = self._hosts[receiver]
        if not host.is_up or stream.dialler not in self._streams:
            return
        self._accepted -= 1
        stream.accepter = (receiver, host.generation, self._accepted)
        self._streams[stream.accepter] = stream
        source = Endpoint(self._hosts[stream.dialler[0]].config.address, 40_000)
        self._happen(receiver, StreamAccepted(self._accepted, source))
        self._happen(receiver, StreamReceived(self._accepted, payload))

    def _send_stream(self, sender: tuple[str, int, int], payload: bytes) -> None:
        if (other := self._other_end(sender)) is not None:
            stream = self._streams[sender]
            event = StreamReceived(other[2], payload)
            self._deliver(stream, sender[0], other[0], lambda: self._happen_on(other, event))

    def _close_stream(self, closer: tuple[str, int, int]) -> None:
        if (other := self._other_end(closer)) is not None:
            stream = self._streams[closer]
            event = StreamEnded(other[2])
            self._deliver(stream, closer[0], other[0], lambda: self._happen_on(other, event))
        self._streams.pop(closer, None)

    def _fail_stream(self, end: tuple[str, int, int], reason: str) -> None:
        if end in self._streams:
            other = self._other_end(end)
            self._happen_on(end, StreamFailed(end[2], reason))
            self._streams.pop(end, None)
            if other is not None:
                self._fail_stream(other, "reset")

    def _other_end(self, end: tuple[str, int, int]) -> tuple[str, int, int] | None:
        if (stream := self._streams.get(end)) is None:
            return None
        return stream.accepter if end == stream.dialler else stream.dialler

    def _happen_on(self, end: tuple[str, int, int], event: Event) -> None:
        if end in self._streams and self._hosts[end[0]].generation == end[1]:
            self._happen(end[0], event)

    def _deliver(self, stream: _Stream, sender: str, receiver: str, action: _Action) -> None:
        """TCP: loss becomes delay, a cut becomes silence until the timeout."""
        if (sender, receiver) in self._cuts or (receiver, sender) in self._cuts:
            return
        delay = self._latency()
        timeout = _RETRANSMISSION_TIMEOUT
        while self._rng.random() < self.conditions.loss:
            delay += timeout
            timeout *= 2
        stream.arrives_at = max(stream.arrives_at, self.now + delay)
        self._at(stream.arrives_at, action)

    def _note(self, name: str, what: Event | Effect) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now:.6f} {name} {what}")
