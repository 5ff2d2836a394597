"""BFD and a peer that says anything at any time: no exception, no lost deadline, no flood."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from announce.bfd import (
    ControlPacket,
    EchoPacket,
    EchoReceived,
    Effect,
    Event,
    PacketError,
    PacketReceived,
    Retimed,
    SendEcho,
    SendPacket,
    Session,
    SessionConfig,
    SessionDown,
    SessionUp,
    Started,
    State,
    Stopped,
    StopRequested,
    Timing,
)
from announce.bfd.packet import PACKET_OCTETS, decode, decode_echo, encode

MINE = 7
intervals = st.sampled_from([0, 1, 10_000, 50_000, 300_000, 1_000_000, (1 << 32) - 1])
timings = st.builds(
    Timing,
    desired_min_tx_us=st.sampled_from([50_000, 300_000, 60_000_000]),
    required_min_rx_us=st.sampled_from([50_000, 300_000]),
    detect_multiplier=st.sampled_from([1, 3, 255]),
    echo_interval_us=st.sampled_from([None, 50_000]),
)
packets = st.builds(
    ControlPacket,
    state=st.sampled_from(State),
    diagnostic=st.integers(0, 31),
    is_poll=st.booleans(),
    is_final=st.booleans(),
    is_control_plane_independent=st.booleans(),
    is_demand=st.booleans(),
    detect_multiplier=st.sampled_from([1, 3, 255]),
    my_discriminator=st.sampled_from([1, 2]),
    your_discriminator=st.just(MINE),
    desired_min_tx_us=intervals,
    required_min_rx_us=intervals,
    required_min_echo_rx_us=intervals,
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(PacketReceived, packets),
    st.builds(PacketReceived, packets),
    st.builds(PacketReceived, packets),
    st.just(Started()),
    st.builds(Retimed, timings),
    st.builds(EchoReceived, st.builds(EchoPacket, st.just(MINE), st.integers(0, 9), st.integers(0, 9))),
    st.just(StopRequested()),
)
pauses = st.sampled_from([0.0, 0.0, 0.01, 0.05, 0.2, 1.0, 100.0])
LEGAL = {
    (State.DOWN, State.INIT),
    (State.DOWN, State.UP),
    (State.INIT, State.UP),
    (State.INIT, State.DOWN),
    (State.UP, State.DOWN),
    (State.DOWN, State.ADMIN_DOWN),
    (State.INIT, State.ADMIN_DOWN),
    (State.UP, State.ADMIN_DOWN),
}


@given(st.one_of(st.binary(max_size=60), packets.map(encode)))
def test_any_octets_are_a_packet_or_refused(octets: bytes) -> None:
    """And what is a packet says the same when it is written again."""
    try:
        packet = decode(octets)
    except PacketError:
        return

    assert encode(packet)[:3] + encode(packet)[4:] == octets[:3] + octets[4:PACKET_OCTETS]
    assert decode(encode(packet)) == packet


@given(packets)
def test_what_is_written_is_read(packet: ControlPacket) -> None:
    assert decode(encode(packet)) == packet


@given(st.binary(max_size=40))
def test_any_octets_are_an_echo_packet_or_refused(octets: bytes) -> None:
    try:
        decode_echo(octets)
    except PacketError:
        assert len(octets) != 16


class Ledger:
    """Holds what a session does to the rules that hold whatever happens."""

    def __init__(self) -> None:
        self.is_up = False
        self.is_stopped = False

    def check(self, effects: list[Effect], before: State, after: State, *, event: Event | None) -> None:
        assert not self.is_stopped or effects == [], "an effect after Stopped"
        assert before is after or (before, after) in LEGAL
        said = [decode(effect.payload) for effect in effects if isinstance(effect, SendPacket)]
        finals = [packet for packet in said if packet.is_final]
        assert len(said) - len(finals) <= 1, "a turn has one packet to send, besides the answer to a Poll"
        is_asked = isinstance(event, PacketReceived) and event.packet.is_poll
        assert len(finals) <= is_asked
        for packet in said:
            assert not (packet.is_poll and packet.is_final)
            assert not packet.is_poll or packet.state is State.UP
            assert packet.state is State.UP or packet.desired_min_tx_us >= 1_000_000
            assert (packet.my_discriminator, packet.state) == (MINE, after)
        for effect in effects:
            match effect:
                case SessionUp():
                    assert not self.is_up
                    self.is_up = True
                case SessionDown():
                    assert self.is_up
                    self.is_up = False
                case Stopped():
                    self.is_stopped = True
                case _:
                    pass


@settings(max_examples=300)
@given(
    st.lists(st.tuples(pauses, events), max_size=40), timings, st.booleans(), st.booleans(), st.integers(0, 9)
)
def test_any_event_in_any_state_is_handled(
    script: list[tuple[float, Event]], timing: Timing, is_passive: bool, is_prompt: bool, seed: int
) -> None:
    """Also when the driver is late, and looks at deadlines only before the next event."""
    config = SessionConfig(peer_address=IPv4Address("192.0.2.1"), is_passive=is_passive, timing=timing)
    session, ledger, now = Session(config, MINE, random.Random(seed)), Ledger(), 0.0

    for pause, event in [(0.0, Started()), *script]:
        end = now + pause
        for _ in range(30 if is_prompt else 1):
            deadline = session.next_deadline()
            if deadline is None or deadline > end:
                break
            now = max(now, deadline) if is_prompt else end
            _turn(session, None, now, ledger)
            after = session.next_deadline()
            assert after is None or after > now, "advance leaves nothing that is due"
        now = end
        if not is_prompt:
            _turn(session, None, now, ledger)
        _turn(session, event, now, ledger)

        assert (session.state is State.UP) <= ledger.is_up


def _turn(session: Session, event: Event | None, now: float, ledger: Ledger) -> None:
    before = session.state
    effects = session.advance(now) if event is None else session.step(event, now)
    ledger.check(effects, before, session.state, event=event)


@settings(max_examples=50)
@given(timings, st.integers(1, 255), intervals, intervals)
def test_never_sends_sooner_than_the_peer_can_take(
    timing: Timing, multiplier: int, desired_us: int, required_us: int
) -> None:
    """But for what is news, the pauses are between 75 and 100 % of the agreed interval (section 6.8.7)."""
    peer = ControlPacket(
        state=State.INIT,
        detect_multiplier=255,
        my_discriminator=1,
        your_discriminator=MINE,
        desired_min_tx_us=1_000_000,
        required_min_rx_us=required_us,
    )
    config = SessionConfig(
        peer_address=IPv4Address("192.0.2.1"), timing=replace(timing, detect_multiplier=multiplier)
    )
    session = Session(config, MINE, random.Random(desired_us))
    session.step(Started(), 0.0)
    session.step(PacketReceived(peer), 0.0)
    session.step(PacketReceived(replace(peer, state=State.UP, is_final=True)), 0.0)
    interval = max(timing.desired_min_tx_us, required_us) / 1e6
    last, pauses_seen = 0.0, list[float]()

    while (now := session.next_deadline()) is not None and now < 200.0 and len(pauses_seen) < 20:
        effects = session.advance(now)
        assert not any(isinstance(effect, SendEcho) for effect in effects), "the peer loops none"
        if any(isinstance(effect, SendPacket) for effect in effects):
            pauses_seen.append(now - last)
            last = now

    most = 0.9 if multiplier == 1 else 1.0
    assert all(0.75 * interval - 1e-6 <= pause <= most * interval + 1e-6 for pause in pauses_seen)
    assert (pauses_seen == []) is (required_us == 0 or interval > 200.0)
