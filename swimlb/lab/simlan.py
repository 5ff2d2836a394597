"""A whole cluster in virtual time: on every node a Speaker, its Memberlist and its ARP Responder, on one LAN.

The ring is that of `simnet`; frames cross the same simulated network, so a cut, a loss or a crash meets gossip and
ARP alike. A client stands on the LAN: it learns from ARP as a kernel does, and asks the station it has learnt of every
few milliseconds. A run is a function of its seed.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv4Interface
from random import Random
from typing import Any, assert_never

import membership as ml
from announce import l2
from announce.l2 import arp
from swimlb.lab.simnet import Conditions, Fact, SimNet
from swimlb.model import AddressRange, Allocation, IpAddress, L2Advertisement, Pool, Service
from swimlb.speaker import effects as fx
from swimlb.speaker import events as ev
from swimlb.speaker.core import Config, Speaker
from swimlb.speaker.links import link_of

CLIENT = "client"
CLIENT_ADDRESS = IPv4Address("192.0.2.254")
PROBE_INTERVAL = 0.005
RESOLVE_INTERVAL = 1.0
"""How often a client without an answer asks again: Linux' default."""

FORGET_AFTER = 8.0
"""When a client doubts a station that does not answer: Linux waits 5 s and then asks it three times."""

_BROADCAST = b"\xff" * 6
_INTERFACE = "eth0"
_CLIENT_MAC = bytes((2, 0, 0, 0, 1, 0))
_SUBNET = (IPv4Interface("192.0.2.1/24"),)
_FRAME_DELAY = 0.0005


@dataclass(slots=True)
class _Node:
    speaker: Speaker
    responder: l2.Responder
    mac: bytes
    local: set[IpAddress] = field(default_factory=set[IpAddress])
    is_member: bool = False
    resumes_at: float = 0.0
    missed: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    """What has happened while it was stopped: it waits in the sockets."""


@dataclass(slots=True)
class _Client:
    """A kernel's ARP cache, and what became of its probes."""

    cache: dict[IPv4Address, bytes] = field(default_factory=dict[IPv4Address, bytes])
    asked_at: dict[IPv4Address, float] = field(default_factory=dict[IPv4Address, float])
    heard_at: dict[IPv4Address, float] = field(default_factory=dict[IPv4Address, float])
    answers: dict[IPv4Address, list[str | None]] = field(default_factory=dict[IPv4Address, list[str | None]])


class Cluster:
    """`speakers` nodes, node-a and on, and one client. They run when this returns; `settle` lets them find together."""

    def __init__(
        self,
        seed: int,
        speakers: int,
        addresses: tuple[IPv4Address, ...],
        *,
        conditions: Conditions | None = None,
        profile: Callable[[], ml.Profile] = ml.normal,
        is_probing: bool = True,
        client_probes: int | None = None,
    ) -> None:
        """The client probes so many of the addresses; None: all. `news` is what speakers have to tell people."""
        self.net = SimNet(seed, conditions)
        self.net.on_fact = self._hear
        self.addresses = addresses
        self._rng = Random(seed)
        self._is_lan_whole = False
        self._is_probing = is_probing
        self.news: list[tuple[float, str, fx.NewsEffect]] = []
        self._deaf: set[str] = set()
        self._squatted: set[IPv4Address] = set()
        self._announcements: Counter[IPv4Address] = Counter()
        self._client = _Client(answers={address: [] for address in addresses[:client_probes]})
        self._nodes: dict[str, _Node] = {}
        self._members = {
            name: ml.Config(name=name, address=f"198.51.100.{number}", profile=profile())
            for number, name in enumerate(
                (f"node-{chr(ord('a') + index)}" for index in range(speakers)), start=1
            )
        }
        self._macs = {
            name: bytes((2, 0, 0, 0, 0, number)) for number, name in enumerate(self._members, start=1)
        }
        self._records = (
            Pool(name="pool", ranges=(AddressRange(IPv4Address("192.0.2.0"), IPv4Address("192.0.2.255")),)),
            L2Advertisement(name="lan"),
            *(
                Allocation(
                    service=Service(namespace="default", name=f"web-{address}"),
                    addresses=(address,),
                    pool="pool",
                )
                for address in addresses
            ),
        )
        for name in self._members:
            self.start(name)
        self.net.agenda.every(PROBE_INTERVAL, self._probe)

    # What is done to it

    def start(self, name: str) -> None:
        """Start a node's speaker, for the first time or again."""
        responder = l2.Responder(l2.Config(), Random(self._rng.getrandbits(64)))
        speaker = Speaker(
            Config(node=name, is_data_path_local=True, is_probing=self._is_probing, is_hearing_checked=True)
        )
        node = self._nodes[name] = _Node(speaker, responder, self._macs[name])
        interface = l2.Interface(
            name=_INTERFACE, index=1, mac=node.mac, is_up=True, has_carrier=True, addresses=_SUBNET
        )
        self._tell_responder(name, l2.InterfaceAdded(interface))
        self._tell_speaker(name, ev.LinksChanged((link_of(interface),)))
        self._tell_speaker(name, ev.InventoryChanged(self._records))

    def crash(self, name: str) -> None:
        """Power off: gossip, ARP and traffic end at once."""
        del self._nodes[name]
        self.net.crash(name)

    def pause(self, name: str, seconds: float) -> None:
        """The node's processes stop for a while; gossip and frames wait in the sockets."""
        node = self._nodes[name]
        node.resumes_at = max(node.resumes_at, self.net.now + seconds)
        self.net.pause(name, seconds)
        self.net.agenda.at(node.resumes_at, self._resume, name, node)

    def deafen(self, name: str) -> None:
        """Questions of ARP do not reach the node any more, though all else does."""
        self._deaf.add(name)

    def end_deafness(self, name: str) -> None:
        self._deaf.discard(name)

    def stop(self, name: str) -> None:
        """SIGTERM: the planned move. The node is gone when its speaker says so."""
        self._tell_speaker(name, ev.StopRequested())

    def cut(self, name: str) -> None:
        """Its cable is dead; the node itself does not notice."""
        self.net.partition((name,), (*(other for other in self._members if other != name), CLIENT))

    def mute(self, name: str) -> None:
        """One way only: the other nodes hear nothing of it. It hears them, and the client hears and reaches all."""
        for other in self._members:
            if other != name:
                self.net.cut(name, other)

    def mute_gossip(self, name: str) -> None:
        """What it says by gossip is lost, and nothing else."""
        self._is_lan_whole = True
        self.mute(name)

    def cut_gossip(self, *groups: tuple[str, ...]) -> None:
        """Only what the members say to each other is lost; frames cross the LAN as before."""
        self._is_lan_whole = True
        self.net.partition(*groups)

    def squat(self, address: IPv4Address) -> None:
        """The client's host takes an address for its own, without a word: it answers who asks."""
        self._squatted.add(address)

    def end_squat(self, address: IPv4Address) -> None:
        self._squatted.discard(address)

    def heal(self) -> None:
        self._is_lan_whole = False
        self.net.heal()

    def run_for(self, seconds: float) -> None:
        self.net.run_for(seconds)

    # What can be seen of it

    def running(self) -> list[str]:
        return sorted(self._nodes)

    def owners_of(self, address: IPv4Address) -> list[str]:
        """Every node that answers for the address right now."""
        return [name for name, node in sorted(self._nodes.items()) if address in node.speaker.announced]

    def planned_owner(self, address: IPv4Address) -> str:
        """Who is to answer for the address, as any node sees it."""
        ownership = next(iter(self._nodes.values())).speaker.standing.layer2.ownership(address)
        assert ownership is not None
        assert ownership.owner is not None
        return ownership.owner

    def announcements_of(self, address: IPv4Address) -> int:
        """How often nodes have claimed the address on the wire."""
        return self._announcements[address]

    def answered_by(self, address: IPv4Address, seconds: float) -> list[str | None]:
        """Who answered the client's last probes; None for one that was lost."""
        return self._client.answers[address][-round(seconds / PROBE_INTERVAL) :]

    def longest_outage(self, address: IPv4Address, seconds: float) -> float:
        """The longest run of lost probes in the last so many seconds."""
        longest = current = 0
        for answer in self.answered_by(address, seconds):
            current = 0 if answer is not None else current + 1
            longest = max(longest, current)
        return longest * PROBE_INTERVAL

    def octets_remembered_by(self, name: str) -> int:
        """The size of all that a node's machines hold, written out: what grows for ever in it is a leak."""
        node = self._nodes[name]
        return len(pickle.dumps((node.speaker, node.responder, self.net.member(name))))

    # The speaker

    def _tell_speaker(self, name: str, event: ev.Event) -> None:
        node = self._nodes.get(name)
        if node is None:
            return
        if node.resumes_at > self.net.now:
            node.missed.append(partial(self._tell_speaker, name, event))
        else:
            self._perform(name, node, node.speaker.step(event, self.net.now))

    def _perform(self, name: str, node: _Node, effects: list[fx.Effect]) -> None:
        for effect in effects:
            match effect:
                case fx.AddLocalAddress(address):
                    node.local.add(address)
                case fx.RemoveLocalAddress(address):
                    node.local.discard(address)
                case fx.Announce(address, interfaces):
                    self._tell_responder(name, l2.AnnounceRequested(address, interfaces))
                case fx.AnnounceAgain(address):
                    self._tell_responder(name, l2.ReannounceRequested(address))
                case fx.Defend(address):
                    self._tell_responder(name, l2.DefendRequested(address))
                case fx.Watch(address):
                    self._tell_responder(name, l2.WatchRequested(address))
                case fx.Unwatch(address):
                    self._tell_responder(name, l2.UnwatchRequested(address))
                case fx.Ask(address):
                    self._tell_responder(name, l2.ProbeRequested(address))
                case fx.Solicit(address):
                    self._tell_responder(name, l2.SolicitRequested(address))
                case fx.AnswerAskers(address):
                    self._tell_responder(name, l2.AnnounceRequested(address))
                case fx.EndAnswer(address):
                    self._tell_responder(name, l2.WithdrawRequested(address))
                case fx.HandOver(address):
                    self._tell_responder(name, l2.HandOverRequested(address))
                case fx.Withdraw(address):
                    self._tell_responder(name, l2.WithdrawRequested(address))
                case fx.JoinRing():
                    self._join(name, node)
                case fx.PublishMeta(meta):
                    if node.is_member:
                        self.net.tell(name, ml.MetaChanged(meta))
                case fx.LeaveRing():
                    self.net.tell(name, ml.LeaveRequested())
                case fx.Stopped():
                    self.net.agenda.at(self.net.now, self._end, name, node)
                case (
                    fx.OwnerChanged()
                    | fx.ConflictNoticed()
                    | fx.Yielded()
                    | fx.AddressInUse()
                    | fx.AddressFree()
                    | fx.Unanswered()
                    | fx.AnsweredAgain()
                    | fx.DeafnessChanged()
                ):
                    self.news.append((self.net.now, name, effect))
                case fx.StartPeer() | fx.ReconfigurePeer() | fx.StopPeer() | fx.Advertise():
                    pass  # There is no router here.
                case fx.ChainTo() | fx.KnowMember():
                    pass  # Nor a connection.
                case _:
                    assert_never(effect)
        self._wake_at(node.speaker.next_deadline(), name, node, self._advance_speaker)

    def _join(self, name: str, node: _Node) -> None:
        node.is_member = True
        meta = node.speaker.inventory.presences[name].encode()
        seeds = [config.endpoint for other, config in self._members.items() if other != name]
        if name in self.net.names():
            self.net.restart(name, seeds)
        else:
            self.net.add(self._members[name], seeds)
        self.net.tell(name, ml.MetaChanged(meta))

    def _end(self, name: str, node: _Node) -> None:
        if self._nodes.get(name) is node:
            self.crash(name)

    def _hear(self, fact: Fact) -> None:
        event = _event_of(fact.effect)
        if event is not None:
            # Not from within the turn of the memberlist that tells it.
            self.net.agenda.at(self.net.now, self._tell_speaker, fact.member, event)

    def _advance_speaker(self, name: str, node: _Node) -> None:
        self._perform(name, node, node.speaker.advance(self.net.now))

    # The LAN

    def _tell_responder(self, name: str, event: l2.Event) -> None:
        node = self._nodes.get(name)
        if node is None:
            return
        if node.resumes_at > self.net.now:
            node.missed.append(partial(self._tell_responder, name, event))
        else:
            self._perform_l2(name, node, node.responder.step(event, self.net.now))

    def _perform_l2(self, name: str, node: _Node, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case l2.SendFrame(_, frame):
                    self._broadcast(name, frame)
                case l2.SendReplies(_, frames):
                    for frame in frames:
                        self._broadcast(name, frame)
                case l2.AnnouncementHeard(address, mac, interface, kind):
                    claim = ev.ClaimHeard(
                        address, mac.hex(":"), interface, is_answer=kind is l2.ClaimKind.REPLY
                    )
                    self.net.agenda.at(self.net.now, self._tell_speaker, name, claim)
                case _:
                    pass
        self._wake_at(node.responder.next_deadline(), name, node, self._advance_responder)

    def _advance_responder(self, name: str, node: _Node) -> None:
        self._perform_l2(name, node, node.responder.advance(self.net.now))

    def _broadcast(self, sender: str, frame: bytes) -> None:
        if frame[12:14] != arp.ETHERTYPE_ARP.to_bytes(2, "big"):
            return  # Of IPv6 there are only the addresses that nodes under suspicion answer for, and nobody asks.
        if sender != CLIENT:
            self._announcements[arp.decode(frame).sender_address] += 1
        for receiver in [*self._nodes, CLIENT]:
            if receiver == sender:
                continue
            for delay in self._delays(sender, receiver):
                self.net.agenda.at(self.net.now + delay, self._receive, receiver, frame)

    def _delays(self, sender: str, receiver: str) -> tuple[float, ...]:
        return (_FRAME_DELAY,) if self._is_lan_whole else self.net.packet_delays(sender, receiver)

    def _receive(self, receiver: str, frame: bytes) -> None:
        if receiver in self._deaf and arp.decode(frame).operation is arp.Operation.REQUEST:
            return
        if receiver != CLIENT:
            self._tell_responder(receiver, l2.FramesReceived(_INTERFACE, (frame,)))
            return
        heard = arp.decode(frame)
        if heard.operation is arp.Operation.REQUEST and heard.target_address in self._squatted:
            template = arp.reply_template(_CLIENT_MAC, heard.target_address)
            self._broadcast(CLIENT, arp.reply(template, heard.sender_mac, heard.sender_address.packed))
        if heard.sender_address in self._client.answers:
            self._client.cache[heard.sender_address] = heard.sender_mac

    def _probe(self) -> None:
        for address in self._client.answers:
            mac = self._client.cache.get(address)
            if mac is None:
                self._resolve(address)
            answer = None if mac is None else self._ask(address, mac)
            self._client.answers[address].append(answer)
            if answer is not None:
                self._client.heard_at[address] = self.net.now
            elif self.net.now - self._client.heard_at.get(address, self.net.now) >= FORGET_AFTER:
                self._client.cache.pop(address, None)

    def _resolve(self, address: IPv4Address) -> None:
        if self.net.now - self._client.asked_at.get(address, -RESOLVE_INTERVAL) < RESOLVE_INTERVAL:
            return
        self._client.asked_at[address] = self.net.now
        question = arp.ArpFrame(
            destination=_BROADCAST,
            source=_CLIENT_MAC,
            operation=arp.Operation.REQUEST,
            sender_mac=_CLIENT_MAC,
            sender_address=CLIENT_ADDRESS,
            target_mac=bytes(6),
            target_address=address,
        )
        self._broadcast(CLIENT, arp.encode(question))

    def _ask(self, address: IPv4Address, mac: bytes) -> str | None:
        """Who answers a packet to the address that goes to this station."""
        for name, node in self._nodes.items():
            if node.mac == mac:
                there_and_back = self._delays(CLIENT, name) and self._delays(name, CLIENT)
                return name if there_and_back and address in node.local else None
        return None

    # Time

    def _wake_at(
        self, deadline: float | None, name: str, node: _Node, advance: Callable[[str, _Node], None]
    ) -> None:
        if deadline is not None:
            self.net.agenda.at(max(deadline, self.net.now), self._wake, name, node, advance)

    def _resume(self, name: str, node: _Node) -> None:
        """The timers come first, which is the worse order for those who are late only because of this node."""
        if self._nodes.get(name) is not node or node.resumes_at > self.net.now:
            return
        self._advance_speaker(name, node)
        self._advance_responder(name, node)
        missed, node.missed = node.missed, []
        for event in missed:
            event()

    def _wake(self, name: str, node: _Node, advance: Callable[[str, _Node], None]) -> None:
        if node.resumes_at > self.net.now:
            return
        machine = node.speaker if advance == self._advance_speaker else node.responder
        due = machine.next_deadline()
        if self._nodes.get(name) is node and due is not None and due <= self.net.now:
            advance(name, node)


def _event_of(effect: ml.Effect) -> ev.Event | None:
    match effect:
        case ml.MemberJoined(member) | ml.MemberUpdated(member):
            return ev.MemberPresent(member.name, member.meta)
        case ml.MemberFailed(name) | ml.MemberLeft(name):
            return ev.MemberGone(name)
        case ml.NotHeard() | ml.HeardAgain():
            return ev.ReceptionChanged(is_heard=isinstance(effect, ml.HeardAgain))
        case ml.JoinCompleted(contacted):
            return ev.RingJoined(len(contacted))
        case ml.LeaveCompleted():
            return ev.RingLeft()
        case _:
            return None
