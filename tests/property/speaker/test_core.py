"""The speaker's core under any events in any order: what it orders and what it holds never part."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from swimlb.model import (
    AddressRange,
    Allocation,
    BgpAdvertisement,
    BgpPeer,
    HealthCheck,
    Intent,
    IpAddress,
    L2Advertisement,
    Pool,
    ProbeKind,
    Readiness,
    Service,
)
from swimlb.speaker import effects as fx
from swimlb.speaker.core import Config, Phase, Speaker
from swimlb.speaker.events import (
    ClaimHeard,
    Event,
    InventoryChanged,
    LinksChanged,
    MemberGone,
    MemberPresent,
    PeerStopped,
    ReceptionChanged,
    RingJoined,
    RingLeft,
    StopRequested,
)
from swimlb.speaker.inventory import Record, key_of
from swimlb.speaker.links import Link, name_id
from swimlb.speaker.presence import Presence

ADDRESSES = [ip_address("192.0.2.10"), ip_address("192.0.2.11"), ip_address("2001:db8::10")]
HOST = ip_address("192.0.2.101")
"""Of a member itself, which gossips there. One may be so careless as to have a Service's."""
CHECK = HealthCheck(kind=ProbeKind.TCP, port=80)
RECORDS: list[Record] = [
    Pool(name="pool", ranges=(AddressRange(ip_address("192.0.2.0"), ip_address("192.0.2.255")),)),
    L2Advertisement(name="lan"),
    L2Advertisement(name="lan", interfaces=("eth1",)),
    BgpAdvertisement(name="routers"),
    BgpPeer(name="router", my_asn=64496, peer_asn=64497, peer_address=ip_address("198.51.100.1")),
    BgpPeer(name="router", my_asn=64496, peer_asn=64498, peer_address=ip_address("198.51.100.1")),
    BgpPeer(
        name="router", my_asn=64496, peer_asn=64498, peer_address=ip_address("198.51.100.1"), hold_time=9
    ),
    BgpPeer(
        name="keeper",
        my_asn=64496,
        peer_asn=64498,
        peer_address=ip_address("198.51.100.2"),
        has_graceful_restart=True,
    ),
    Readiness(service="default/a", is_ready=True),
    Readiness(service="default/a", is_ready=False),
    Intent(drained_by="label:maintenance"),
    *(
        Allocation(
            service=Service(namespace="default", name=name, health_check=check),
            addresses=addresses,
            pool="pool",
        )
        for name, check in (("a", CHECK), ("b", None))
        for addresses in ((ADDRESSES[0],), (ADDRESSES[1], ADDRESSES[2]), (ADDRESSES[0], ADDRESSES[2]))
    ),
]
LINKS = {
    name: Link(name_id("eth0"), bytes([2, 0, 0, 0, 0, number]), (ip_network("192.0.2.0/24"),))
    for number, name in enumerate(["node-a", "node-b", "node-c", "node-d", "stranger"])
}
OTHERS = st.sampled_from(["node-b", "node-c", "node-d"])


class Play(RuleBasedStateMachine):
    """Performs effects on a model of the world: which addresses are held, which sessions run."""

    is_probing = False
    is_hearing_checked = False

    def __init__(self) -> None:
        super().__init__()
        self.speaker = Speaker(
            Config(
                node="node-a",
                is_data_path_local=True,
                is_probing=self.is_probing,
                is_hearing_checked=self.is_hearing_checked,
                is_chaining=True,
            )
        )
        self.now = 0.0
        self.announced: dict[IpAddress, frozenset[str] | None] = {}
        self.watched: set[IpAddress] = set()
        self.answered: set[IpAddress] = set()
        self.local: set[IpAddress] = set()
        self.former: dict[IpAddress, str] = {}
        """To whom packets of unknown connections are sent on."""
        self.known: dict[str, tuple[Link, ...]] = {}
        self.gone: dict[str, float | None] = {}
        """Who is not there, with when it said goodbye, if it did."""
        self.running: set[str] = set()
        self.stopping: set[str] = set()
        self.told: dict[str, object] = {}
        """By Service, how people were last told that it is announced."""
        self.is_stopped = False
        self.has_left = False
        self.is_kept = False
        """A router goes on sending traffic here."""

    def tell(self, event: Event) -> None:
        self.perform(self.speaker.step(event, self.now))

    def announcement(self, service: str) -> object:
        return self.speaker.ownership_of(service), self.speaker.standing.bgp.peers_of(service)

    def perform(self, effects: list[fx.Effect]) -> None:
        for service in self.speaker.take_news().services:
            self.told[service] = self.announcement(service)
        for effect in effects:
            assert not self.is_stopped, f"{effect} after the end"
            match effect:
                case fx.Announce(address, interfaces):
                    self.announced[address] = interfaces
                case fx.Withdraw(address):
                    del self.announced[address]
                case fx.AnnounceAgain(address) | fx.HandOver(address) | fx.Defend(address):
                    assert address in self.announced
                case fx.Watch(address):
                    assert address not in self.watched
                    self.watched.add(address)
                case fx.Unwatch(address):
                    self.watched.remove(address)
                case fx.Ask(address):
                    assert address in self.watched, "the answer would not be heard"
                case fx.Solicit(address):
                    assert address in self.watched, "the answer would not be heard"
                case fx.AnswerAskers(address):
                    assert address not in self.answered
                    self.answered.add(address)
                case fx.EndAnswer(address):
                    self.answered.remove(address)
                case fx.AddLocalAddress(address):
                    assert address not in self.local
                    self.local.add(address)
                case fx.RemoveLocalAddress(address):
                    self.local.remove(address)
                case fx.ChainTo(members):
                    for address, member in members.items():
                        assert self.former.get(address) != member, "nothing is told twice"
                        if member is None:
                            del self.former[address]
                        else:
                            self.former[address] = member
                case fx.KnowMember(member, links):
                    self.known[member] = links
                case fx.StartPeer(peer):
                    assert peer.name not in self.running | self.stopping
                    self.running.add(peer.name)
                case fx.ReconfigurePeer(peer):
                    assert peer.name in self.running
                case fx.StopPeer(name, is_restart):
                    self.running.remove(name)
                    self.is_kept |= is_restart
                    self.stopping.add(name)
                case fx.Advertise(name):
                    assert name in self.running
                case fx.PublishMeta(meta):
                    assert len(meta) <= 512
                case fx.LeaveRing():
                    self.has_left = True
                case fx.Stopped():
                    self.is_stopped = True
                case fx.JoinRing() | fx.OwnerChanged() | fx.ConflictNoticed() | fx.Yielded():
                    pass
                case fx.Unanswered() | fx.AnsweredAgain() | fx.DeafnessChanged():
                    pass
                case fx.AddressInUse(address) | fx.AddressFree(address):
                    assert address not in self.announced

    @rule(put=st.lists(st.sampled_from(RECORDS), max_size=4))
    def learns(self, put: list[Record]) -> None:
        self.tell(InventoryChanged(tuple(put)))

    @rule(record=st.sampled_from(RECORDS))
    def forgets(self, record: Record) -> None:
        self.tell(InventoryChanged((), (key_of(record),)))

    @rule(
        name=OTHERS,
        is_leaving=st.booleans(),
        tells_links=st.booleans(),
        is_cut_off=st.booleans(),
        unanswering=st.sampled_from([None, (), ("node-a",), ("node-b",), ("node-a", "node-c")]),
    )
    def member_comes(
        self,
        name: str,
        is_leaving: bool,
        tells_links: bool,
        is_cut_off: bool,
        unanswering: tuple[str, ...] | None,
    ) -> None:
        links = (() if is_cut_off else (LINKS[name],)) if tells_links else None
        presence = Presence.of(is_leaving=is_leaving, links=links, unanswering=unanswering)
        self.gone.pop(name, None)
        self.tell(MemberPresent(name, presence.encode()))

    @rule(links=st.sampled_from([(), (LINKS["node-a"],)]))
    def links_change(self, links: tuple[Link, ...]) -> None:
        self.tell(LinksChanged(links))
        if not links:
            assert not self.announced, "nobody can hear this node"

    @rule(is_heard=st.booleans())
    def reception_changes(self, is_heard: bool) -> None:
        self.tell(ReceptionChanged(is_heard))

    @rule(name=OTHERS, has_failed=st.booleans(), address=st.sampled_from([None, HOST, ADDRESSES[0]]))
    def member_goes(self, name: str, has_failed: bool, address: IpAddress | None) -> None:
        if (presence := self.speaker.inventory.presences.get(name)) is not None:
            self.gone[name] = self.now if presence.is_leaving or not has_failed else None
        self.tell(MemberGone(name, has_failed, address))

    @rule(
        address=st.sampled_from([*ADDRESSES, HOST]),
        claimant=st.sampled_from(["node-b", "node-c", "stranger"]),
        is_answer=st.booleans(),
    )
    def hears_a_claim(self, address: IpAddress, claimant: str, is_answer: bool) -> None:
        self.tell(ClaimHeard(address, LINKS[claimant].mac.hex(":"), "eth0", is_answer))

    @rule()
    def ring_answers(self) -> None:
        self.tell(RingJoined(1))

    @rule(seconds=st.sampled_from([0.01, 0.3, 0.7, 2.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.perform(self.speaker.advance(self.now))
        deadline = self.speaker.next_deadline()
        assert deadline is None or deadline > self.now, "what was due is done"

    @precondition(lambda self: self.stopping)
    @rule()
    def peer_stops(self) -> None:
        name = self.stopping.pop()
        self.tell(PeerStopped(name))

    @precondition(lambda self: self.has_left)
    @rule()
    def ring_left(self) -> None:
        self.tell(RingLeft())

    @rule(is_restart=st.booleans())
    def stop(self, is_restart: bool) -> None:
        self.tell(StopRequested(is_restart))

    @invariant()
    def holds_what_it_ordered(self) -> None:
        assert self.speaker.announced == self.announced.keys()

    @invariant()
    def says_that_it_withholds_what_a_stranger_has(self) -> None:
        assert self.speaker.squatters.keys().isdisjoint(self.announced)
        assert self.speaker.squatters.keys() <= self.watched

    @invariant()
    def tells_of_every_change(self) -> None:
        for service in ("default/a", "default/b"):
            assert self.told.get(service, (None, ())) == self.announcement(service)

    @invariant()
    def has_no_session_that_it_would_start_while_drained(self) -> None:
        if self.speaker.inventory.drained_by is not None and self.speaker.phase is Phase.RUNNING:
            assert not self.running

    @invariant()
    def announces_only_what_traffic_finds_an_end_for(self) -> None:
        assert self.announced.keys() <= self.local

    @invariant()
    def sends_nothing_on_to_the_dead(self) -> None:
        if self.is_stopped:
            return
        for member in self.former.values():
            said_goodbye = self.gone.get(member, self.now)
            assert said_goodbye is not None, "it has not"
            assert self.now < said_goodbye + Config(node="node-a").goodbye_max

    @invariant()
    def sends_on_to_who_owns_as_long_as_that_is_another(self) -> None:
        if self.speaker.phase not in (Phase.JOINING, Phase.RUNNING) or self.speaker.is_busy:
            return
        layer2, inventory = self.speaker.standing.layer2, self.speaker.inventory
        for address in layer2.addresses:
            ownership = layer2.ownership(address)
            owner = None if ownership is None else ownership.owner
            if owner not in (None, "node-a", *inventory.deaf):
                assert self.former.get(address) == owner
                assert self.known.get(owner or "", ()) == inventory.presences[owner or ""].links

    def teardown(self) -> None:
        """Whatever happened before, a stop ends in bounded time and holds nothing but what routers still send to."""
        self.tell(StopRequested())
        config = Config(node="node-a")
        for _ in range(3):
            self.now += config.drain_max + config.leave_max
            self.perform(self.speaker.advance(self.now))

        assert self.speaker.phase is Phase.STOPPED
        assert self.speaker.next_deadline() is None
        assert self.is_stopped
        assert not self.announced
        assert not self.local or self.is_kept
        assert not self.running
        assert not self.watched
        assert not self.answered


class ProbingPlay(Play):
    """The same, of a speaker that asks before it announces."""

    is_probing = True


class AskingPlay(ProbingPlay):
    """The same, of one that asks others whether they hear."""

    is_hearing_checked = True


TestPlay = Play.TestCase
TestAskingPlay = AskingPlay.TestCase
TestProbingPlay = ProbingPlay.TestCase
