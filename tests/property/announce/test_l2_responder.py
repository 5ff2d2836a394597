"""Whatever happens to a responder, it answers for exactly what it announces."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from announce.l2 import (
    AnnounceRequested,
    CloseInterface,
    Config,
    DefendRequested,
    Effect,
    Event,
    FramesReceived,
    GroupFailed,
    HandOverRequested,
    Interface,
    InterfaceAdded,
    InterfaceChanged,
    InterfaceRemoved,
    JoinGroup,
    LeaveGroup,
    OpenInterface,
    ProbeRequested,
    ReannounceRequested,
    Responder,
    SendFailed,
    SendFrame,
    SendReplies,
    SocketFailed,
    UnwatchRequested,
    WatchRequested,
    WithdrawRequested,
    ndp,
)
from announce.l2.arp import Operation, decode
from announce.l2.ndp import announcement, solicited_node
from tests.unit.announce.l2.playbook import (
    NOBODY6,
    PEER,
    PEER6,
    PEER_MAC,
    VIP6,
    frame,
    question,
    solicitation,
)

NAMES = st.sampled_from(["eth0", "eth1", "veth0"])
V4 = [IPv4Address("192.0.2.10") + offset for offset in range(4)]
V6 = [VIP6, VIP6 + 1, IPv6Address("2001:db8:1::aa:10")]
ADDRESSES = st.sampled_from([*V4, *V6])
MACS = st.sampled_from([bytes([2, 0, 0, 0, 0, number]) for number in (1, 2, 0xAA)])
INTERFACES = st.builds(
    Interface,
    name=NAMES,
    index=st.integers(1, 3),
    mac=MACS,
    is_up=st.booleans(),
    has_carrier=st.booleans(),
    master=st.sampled_from([None, None, None, 9]),
)
FRAMES = st.one_of(
    st.binary(max_size=80),
    st.builds(
        frame,
        st.sampled_from(Operation),
        st.sampled_from([PEER, IPv4Address("0.0.0.0"), IPv4Address("192.0.2.10"), IPv4Address("192.0.2.11")]),
        st.sampled_from([PEER, *(IPv4Address("192.0.2.10") + offset for offset in range(5))]),
        to=MACS | st.just(b"\xff" * 6),
        sender_mac=MACS,
    ),
    st.builds(
        solicitation,
        st.sampled_from([*V6, VIP6 + 7]),
        to_mac=st.none() | MACS,
        sender=st.sampled_from([PEER6, NOBODY6, VIP6]),
        sender_mac=MACS,
        link_layer=st.none() | MACS,
    ),
    st.builds(announcement, MACS, st.sampled_from(V6)),
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(AnnounceRequested, ADDRESSES, st.none() | st.frozensets(NAMES)),
    st.builds(WithdrawRequested, ADDRESSES),
    st.builds(HandOverRequested, ADDRESSES),
    st.builds(ReannounceRequested, ADDRESSES),
    st.builds(DefendRequested, ADDRESSES),
    st.builds(WatchRequested, ADDRESSES),
    st.builds(UnwatchRequested, ADDRESSES),
    st.builds(ProbeRequested, ADDRESSES),
    st.builds(FramesReceived, NAMES, st.lists(FRAMES, max_size=3).map(tuple)),
    st.builds(GroupFailed, NAMES, st.sampled_from(V6).map(solicited_node), st.just("No such device")),
    st.builds(SendFailed, NAMES, st.just("No buffer space available")),
    st.builds(SocketFailed, NAMES, st.just("Operation not permitted")),
    st.builds(InterfaceAdded, INTERFACES),
    st.builds(InterfaceChanged, INTERFACES),
    st.builds(InterfaceRemoved, NAMES),
)
PLAYS = st.lists(st.tuples(st.floats(0.0, 20.0), EVENTS), max_size=40)


def play(events: list[tuple[float, Event]]) -> tuple[Responder, float]:
    """Play events with pauses between them, keeping every deadline and checking every effect."""
    responder = Responder(Config(), random.Random(1))
    now = 0.0
    for pause, event in events:
        end = now + pause
        while (deadline := responder.next_deadline()) is not None and deadline <= end:
            now = max(now, deadline)
            check(responder, responder.advance(now))
            assert responder.advance(now) == [], "a second advance at the same time has nothing to do"
        now = end
        check(responder, responder.step(event, now))
    return responder, now


def check(responder: Responder, effects: list[Effect]) -> None:
    """No frame ever leaves that speaks for an address which is not announced on its interface."""
    for effect in effects:
        if isinstance(effect, SendFrame | SendReplies):
            for frame in effect.frames if isinstance(effect, SendReplies) else (effect.frame,):
                mac, address = spoken_for(frame)
                if address is not None:
                    assert effect.interface in responder.interfaces_of(address)
                assert mac == frame[6:12] == responder.interfaces[effect.interface].mac


def spoken_for(octets: bytes) -> tuple[bytes | None, IPv4Address | IPv6Address | None]:
    """Which MAC a frame tells, and for which address; no address in a probe."""
    if octets[12:14] == b"\x86\xdd":
        message = ndp.decode(octets)
        if message.message is ndp.MessageType.SOLICITATION:
            assert message.source_address == ndp.UNSPECIFIED
            return message.source, None
        assert not message.flags & ndp.Flag.ROUTER
        assert message.target == message.source_address
        return message.link_layer, IPv6Address(message.target)
    packet = decode(octets)
    assert len(octets) == 60
    is_probe = packet.sender_address == IPv4Address("0.0.0.0")
    return packet.sender_mac, None if is_probe else packet.sender_address


@given(PLAYS)
def test_never_speaks_for_what_it_does_not_announce(events: list[tuple[float, Event]]) -> None:
    """Any events in any order, any bytes as frames: nothing is raised, and every frame sent is justified."""
    play(events)


@given(PLAYS)
def test_answers_for_exactly_what_it_says_it_announces(events: list[tuple[float, Event]]) -> None:
    """The view for status and the behavior on the wire are the same."""
    responder, now = play(events)
    macs = {interface.mac for interface in responder.interfaces.values()}

    for name in responder.open_interfaces:
        for address in (*V4, *V6):
            asked = question(address) if isinstance(address, IPv4Address) else solicitation(address)
            answers = responder.step(FramesReceived(name, (asked,)), now)
            is_answered = any(isinstance(effect, SendReplies) for effect in answers)
            assert is_answered == (name in responder.interfaces_of(address) and PEER_MAC not in macs)


@given(PLAYS, NAMES, FRAMES)
def test_the_short_way_answers_what_the_long_way_only_answers(
    events: list[tuple[float, Event]], name: str, octets: bytes
) -> None:
    """A frame is answered without an event if and only if nothing but that answer would come of the event."""
    responder, now = play(events)

    answers = responder.answers(name)
    reply = (answers.ndp if octets[12:14] == b"\x86\xdd" else answers.arp)(octets)
    effects = responder.step(FramesReceived(name, (octets,)), now)

    if reply is not None:
        assert effects == [SendReplies(name, (reply,))]
    else:
        assert any(not isinstance(effect, SendReplies) for effect in effects)


@given(PLAYS)
def test_announces_on_all_open_interfaces_that_are_allowed(events: list[tuple[float, Event]]) -> None:
    """Whatever came first, the orders and the interfaces decide."""
    responder, now = play(events)

    responder.step(AnnounceRequested(IPv4Address("192.0.2.10")), now)
    responder.step(AnnounceRequested(IPv4Address("192.0.2.11"), frozenset({"eth1"})), now)

    assert responder.interfaces_of(IPv4Address("192.0.2.10")) == responder.open_interfaces
    assert responder.interfaces_of(IPv4Address("192.0.2.11")) == responder.open_interfaces & {"eth1"}


@given(st.binary(max_size=100))
def test_any_bytes_are_answered_or_counted(octets: bytes) -> None:
    """A frame changes no state, whatever it says."""
    responder = Responder(Config(), random.Random(1))
    interface = Interface(name="eth0", index=2, mac=bytes([2, 0, 0, 0, 0, 1]), is_up=True, has_carrier=True)
    responder.step(InterfaceAdded(interface), 0.0)
    responder.step(AnnounceRequested(IPv4Address("192.0.2.10")), 0.0)
    deadline = responder.next_deadline()

    effects = responder.step(FramesReceived("eth0", (octets,)), 0.0)

    assert effects
    assert responder.next_deadline() == deadline


@given(PLAYS)
def test_is_in_exactly_the_groups_of_what_it_announces(events: list[tuple[float, Event]]) -> None:
    """As the kernel keeps the books: memberships end with the interface, and none is joined twice or forgotten."""
    responder = Responder(Config(), random.Random(1))
    joined: dict[str, set[IPv6Address]] = {}
    now = 0.0
    for pause, event in events:
        now += pause
        if isinstance(event, GroupFailed):
            continue
        if isinstance(event, SocketFailed):
            joined.pop(event.interface, None)
        for effect in (*responder.advance(now), *responder.step(event, now)):
            match effect:
                case OpenInterface(name):
                    joined[name] = set()
                case CloseInterface(name):
                    del joined[name]
                case JoinGroup(name, group):
                    assert group not in joined[name]
                    joined[name].add(group)
                case LeaveGroup(name, group):
                    joined[name].remove(group)
                case _:
                    pass

    assert joined == {
        name: {solicited_node(address) for address in V6 if name in responder.interfaces_of(address)}
        for name in responder.open_interfaces
    }
