"""A simulated network of Memberlists in virtual time: a run is a function of its seed.

Packets are delayed, lost, duplicated and reordered; streams are only delayed, as TCP's are. Members crash,
come back with or without memory, pause with their sockets filling up, and have clocks that run fast or slow;
paths are cut, in one direction or both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
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
)
from membership.members import Record, Table
from membership.wire.crypto import NONCE_OCTETS
from swimlb.lab.simnet import trace
from swimlb.lab.simnet.agenda import Agenda
from swimlb.lab.simnet.host import Host
from swimlb.lab.simnet.streams import SimStreams
from swimlb.lab.simnet.wire import Conditions, Wire


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a member had to tell."""

    time: float
    member: str
    effect: Effect


class IncidentKind(StrEnum):
    CRASH = "crash"
    RESTART = "restart without memory"
    REVIVAL = "restart with memory"
    PAUSE = "pause"
    CUT = "cut"
    HEAL = "heal"


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that was done to the ring from outside."""

    time: float
    kind: IncidentKind
    member: str = ""
    duration: float = 0.0


MakeTable: TypeAlias = Callable[[Record, Random], Table]


class SimNet:
    """Members, the network between them, and the clock. Drive it with `run_for` and `run_until`."""

    def __init__(self, seed: int, conditions: Conditions | None = None, *, keep_trace: bool = False) -> None:
        self.agenda = Agenda()
        self.facts: list[Fact] = []
        self.packets_sent = 0
        self.octets_sent = 0
        self.trace: list[str] | None = [] if keep_trace else None
        self.on_fact: Callable[[Fact], None] = self.facts.append
        self.on_incident: Callable[[Incident], None] = lambda incident: None
        self._rng = Random(seed)
        self._hosts: dict[str, Host] = {}
        self._by_endpoint: dict[Endpoint, Host] = {}
        self._wire = Wire(conditions or Conditions(), self._rng)
        self._streams = SimStreams(self.agenda, self._wire, self._hosts, self._happen)

    @property
    def now(self) -> float:
        return self.agenda.now

    @property
    def conditions(self) -> Conditions:
        return self._wire.conditions

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self._wire.conditions = conditions

    # Members

    def add(
        self,
        config: Config,
        seeds: Iterable[Endpoint] = (),
        *,
        clock_rate: float = 1.0,
        make_table: MakeTable = Table,
    ) -> Memberlist:
        """Start a member, and let it join. See `prefilled` for a table that knows all others already."""
        memberlist = self._new_memberlist(config, make_table)
        host = Host(config, memberlist, self.now, clock_rate)
        self._hosts[config.name] = self._by_endpoint[config.endpoint] = host
        self._begin(host, tuple(seeds))
        return memberlist

    def member(self, name: str) -> Memberlist:
        return self._hosts[name].memberlist

    def host(self, name: str) -> Host:
        """To be looked at, and not to be changed."""
        return self._hosts[name]

    def names(self) -> list[str]:
        return list(self._hosts)

    def names_up(self) -> list[str]:
        return [name for name, host in self._hosts.items() if host.is_up]

    def tell(self, name: str, event: Event) -> None:
        """Let something happen to a member now."""
        self._happen(self._hosts[name], event)

    def crash(self, name: str) -> None:
        """The host is silent from now on."""
        host = self._hosts[name]
        host.is_up, host.is_paused, host.wake_at = False, False, None
        host.inbox.clear()
        self._report(IncidentKind.CRASH, name)

    def restart(self, name: str, seeds: Iterable[Endpoint] = ()) -> Memberlist:
        """Start again after a crash, without any memory."""
        host = self._hosts[name]
        assert not host.is_up
        self._report(IncidentKind.RESTART, name)
        host.memberlist = self._new_memberlist(host.config)
        host.generation += 1
        host.is_up = True
        self._begin(host, tuple(seeds))
        return host.memberlist

    def revive(self, name: str) -> None:
        """Go on after a crash with all memory, as a virtual machine does that was moved: it lost what was sent."""
        host = self._hosts[name]
        assert not host.is_up
        self._report(IncidentKind.REVIVAL, name)
        host.is_up = True
        self._streams.reset(host)
        self._perform(host, host.memberlist.advance(host.clock(self.now)))

    def pause(self, name: str, duration: float) -> None:
        """SIGSTOP, or a long garbage collection; what arrives meanwhile waits in the sockets."""
        host = self._hosts[name]
        host.is_paused = True
        host.resumes_at = max(host.resumes_at, self.now + duration)
        self._report(IncidentKind.PAUSE, name, duration)
        self.agenda.at(host.resumes_at, self._resume, host)

    # The network

    def cut(self, sender: str, receiver: str) -> None:
        """Nothing gets from one to the other; the way back stays open."""
        self._wire.cut(sender, receiver)
        self._report(IncidentKind.CUT, receiver)

    def partition(self, *groups: Iterable[str]) -> None:
        """Nothing gets from one group to another."""
        self._wire.partition(groups)
        self._report(IncidentKind.CUT)

    def heal(self) -> None:
        self._wire.heal()
        self._report(IncidentKind.HEAL)

    def packet_delays(self, sender: str, receiver: str) -> tuple[float, ...]:
        """When a packet of another protocol would arrive on this path, as often as it does; () when it is lost."""
        return self._wire.packet_delays(sender, receiver)

    # Time

    def run_for(self, duration: float) -> None:
        self.agenda.run_for(duration)

    def run_until(self, is_reached: Callable[[], bool], duration: float) -> bool:
        """Run until the condition holds after some event; False if it does not within `duration`."""
        return self.agenda.run_until(is_reached, duration)

    # Inside

    def _new_memberlist(self, config: Config, make_table: MakeTable = Table) -> Memberlist:
        seed = self._rng.getrandbits(64)
        # A chance of their own for the nonces: a ring with keys takes the same course as one without.
        nonces = partial(Random(~seed).randbytes, NONCE_OCTETS)
        return Memberlist(config, Random(seed), make_table, nonces)

    def _begin(self, host: Host, seeds: tuple[Endpoint, ...]) -> None:
        self._happen(host, Started())
        if seeds:
            self._happen(host, JoinRequested(seeds))

    def _happen(self, host: Host, event: Event) -> None:
        if not host.is_up:
            return
        if host.is_paused:
            host.buffer(event)
            return
        if self.trace is not None:
            self.trace.append(trace.line(self.now, host.config.name, event))
        self._perform(host, host.memberlist.step(event, host.clock(self.agenda.now)))

    def _resume(self, host: Host) -> None:
        if not (host.is_up and host.is_paused) or self.now < host.resumes_at:
            return
        host.is_paused, host.wake_at = False, None
        inbox, host.inbox = host.inbox, []
        # The timer comes first, which is the worse order for those who are late only because of us.
        self._perform(host, host.memberlist.advance(host.clock(self.now)))
        for event in inbox:
            self._happen(host, event)

    def _wake(self, host: Host, moment: float) -> None:
        if host.wake_at != moment or not host.is_up or host.is_paused:
            return
        host.wake_at = None
        due = host.memberlist.next_deadline()
        # The deadline has often moved by now. And clocks are not exact: at its time it counts as reached.
        if due is None or host.when(due) > moment:
            self._plan_wake(host)
        else:
            self._perform(host, host.memberlist.advance(max(due, host.clock(self.agenda.now))))

    def _plan_wake(self, host: Host) -> None:
        if (due := host.memberlist.next_deadline()) is None:
            return
        moment = max(host.when(due), self.agenda.now)
        if host.wake_at is None or moment < host.wake_at:
            host.wake_at = moment
            self.agenda.at(moment, self._wake, host, moment)

    def _perform(self, host: Host, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SendPacket):
                self._send_packet(host, effect)
            elif isinstance(effect, OpenStream):
                self._streams.open(host, effect, self._by_endpoint.get(effect.target))
            elif isinstance(effect, SendStream):
                self._streams.send(host, effect.stream, effect.payload)
            elif isinstance(effect, CloseStream):
                self._streams.close(host, effect.stream)
            else:
                self._tell(host, effect)
        self._plan_wake(host)

    def _send_packet(self, sender: Host, packet: SendPacket) -> None:
        self.packets_sent += 1
        self.octets_sent += len(packet.payload)
        if (receiver := self._by_endpoint.get(packet.target)) is None:
            return
        delays = self._wire.packet_delays(sender.config.name, receiver.config.name)
        if delays:
            event = PacketReceived(sender.endpoint, packet.payload)
            for delay in delays:
                self.agenda.at(self.agenda.now + delay, self._happen, receiver, event)

    def _tell(self, host: Host, effect: Effect) -> None:
        if self.trace is not None:
            self.trace.append(trace.line(self.now, host.config.name, effect))
        self.on_fact(Fact(self.now, host.config.name, effect))

    def _report(self, kind: IncidentKind, member: str = "", duration: float = 0.0) -> None:
        if self.trace is not None:
            self.trace.append(trace.line(self.now, member or "*", f"*** {kind} {duration or ''}".rstrip()))
        self.on_incident(Incident(self.now, kind, member, duration))
