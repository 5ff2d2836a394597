"""The Echo function: relied on once it is proven, and then it finds a dead path by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from announce.bfd import ControlPacket, Diagnostic, EchoReceived, Effect, SendEcho, SessionDown, State
from announce.bfd.packet import decode_echo
from tests.unit.announce.bfd.playbook import FAST, Playbook, news, packet, sent, up

ECHO = replace(FAST, echo_interval_us=50_000)


def echoes(effects: list[Effect]) -> list[EchoReceived]:
    return [EchoReceived(decode_echo(effect.payload)) for effect in effects if isinstance(effect, SendEcho)]


def proven() -> Playbook:
    """A session since 0.0 s whose Echo packets come back, and whose slower Control packets are agreed."""
    play = up(ECHO, required_min_echo_rx_us=50_000)
    looped = echoes(play.until(0.05))
    assert looped
    polled = play.at(0.05, *looped)
    assert [(said.is_poll, said.required_min_rx_us) for said in sent(polled)[-1:]] == [(True, 1_000_000)]
    play.hears(0.05, slow(is_final=True))
    return play


def slow(**changes: bool) -> ControlPacket:
    return replace(packet(State.UP, required_min_echo_rx_us=50_000, desired_min_tx_us=1_000_000), **changes)


def test_slows_control_packets_down_while_echo_packets_come_back() -> None:
    """Section 6.8.9: bfd.RequiredMinRxInterval of at least a second, by a Poll Sequence."""
    play = proven()

    status = play.session.status()

    assert status.is_echo_active
    assert status.detection_time is not None
    assert status.detection_time > 2.9
    assert status.downs == 0


def test_lost_echo_packets_end_the_session() -> None:
    play = proven()
    looped = play.until(0.3)
    while not any(isinstance(effect, SessionDown) for effect in looped):
        looped = play.until(play.now + 0.01)

    [end] = [effect for effect in looped if isinstance(effect, SessionDown)]
    assert end.diagnostic == Diagnostic.ECHO_FUNCTION_FAILED
    assert play.now < 0.35
    assert not play.session.status().is_echo_active


def test_echo_packets_that_never_come_back_are_no_broken_path() -> None:
    """Many routers say that they loop them and then do not forward them."""
    play = up(ECHO, required_min_echo_rx_us=50_000)

    effects = play.hears_up(0.0, 1.0, required_min_echo_rx_us=50_000)

    assert len(echoes(effects)) > 15
    assert not any(isinstance(effect, SessionDown) for effect in news(effects))
    assert play.session.status().detection_time == pytest.approx(0.15)


def test_sends_no_echo_packets_to_a_peer_that_does_not_loop_them() -> None:
    """Its Required Min Echo RX Interval is 0, and may become so at any time."""
    play = proven()

    play.hears(0.06, packet(State.UP, required_min_echo_rx_us=0))
    effects = play.hears_up(0.08, 0.5, required_min_echo_rx_us=0, is_final=True)

    assert echoes(effects) == []
    assert play.session.state is State.UP


def test_only_recent_echo_packets_of_its_own_count() -> None:
    play = proven()
    [first, *_] = echoes(play.until(0.11))
    foreign = EchoReceived(replace(first.echo, tag=first.echo.tag ^ 1))
    old = EchoReceived(replace(first.echo, number=(first.echo.number - 5) % (1 << 32)))
    before = play.session.status().echo_received

    play.at(0.11, foreign, old)
    ignored = play.session.status().echo_received
    play.at(0.11, first)

    assert ignored == before
    assert play.session.status().echo_received == before + 1


def test_a_host_that_slept_through_everything_says_one_reason() -> None:
    """Neither Control nor Echo packets were heard for long: what it tells the peer is what it has told BGP."""
    play = proven()

    [end] = [effect for effect in play.session.advance(10.0) if isinstance(effect, SessionDown)]

    assert end.diagnostic == Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
    assert play.session.status().diagnostic == end.diagnostic
