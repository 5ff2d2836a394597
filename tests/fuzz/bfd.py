"""A BFD session whose peer, or whoever pretends to be it, is a fuzzer."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address
from random import Random

from announce.bfd import (
    Arrival,
    Demultiplexer,
    EchoReceived,
    Effect,
    PacketError,
    PacketReceived,
    Retimed,
    SendPacket,
    Session,
    SessionConfig,
    Started,
    State,
    StopRequested,
    Timing,
)
from announce.bfd.packet import decode, decode_echo
from tests.fuzz.script import Script, blob

_PEER = IPv4Address("192.0.2.1")
_TURNS_MAX = 200
_INTERVALS_US = (50_000, 300_000, 1_000_000, 60_000_000)


def bfd(data: bytes) -> None:
    """Nothing is raised, one event is answered by at most two packets, and time always goes on."""
    script = Script(data)
    demultiplexer = Demultiplexer(Random(1))
    echo_interval_us = 50_000 if script.number(2) else None
    config = SessionConfig(
        peer_address=_PEER,
        is_passive=bool(script.number(2)),
        timing=Timing(echo_interval_us=echo_interval_us),
    )
    session, now = Session(config, demultiplexer.add(config), Random(1)), 0.0
    _check(session.step(Started(), now))
    for _ in range(_TURNS_MAX):
        if script.is_over:
            return
        match script.number(8):
            case 0 | 1 | 2:
                payload = bytearray(script.blob())
                if script.number(2):
                    # A fuzzer would need long to guess what a peer is told.
                    payload[4:12] = b"\0\0\0\1" + session.discriminator.to_bytes(4, "big")
                arrival = Arrival(
                    peer_address=_PEER, interface="eth0", ttl=255 - script.number(2), is_multihop=False
                )
                with suppress(PacketError):
                    found, packet = demultiplexer.accept(bytes(payload), arrival)
                    assert found == session.discriminator
                    _check(session.step(PacketReceived(packet), now))
            case 3:
                with suppress(PacketError):
                    _check(session.step(EchoReceived(decode_echo(script.blob())), now))
            case 4:
                interval_us = _INTERVALS_US[script.number(4)]
                timing = Timing(desired_min_tx_us=interval_us, detect_multiplier=1 + script.number(255))
                _check(session.step(Retimed(timing), now))
            case 5:
                _check(session.step(StopRequested(), now))
            case _:
                now = _pass(session, now, script.number(256) / 50)


def _pass(session: Session, now: float, duration: float) -> float:
    end = now + duration
    while (due := session.next_deadline()) is not None and due <= end:
        now = max(now, due)
        _check(session.advance(now))
        after = session.next_deadline()
        assert after is None or after > now, "a deadline that does not pass"
    return end


def _check(effects: list[Effect]) -> None:
    said = [decode(effect.payload) for effect in effects if isinstance(effect, SendPacket)]
    assert len(said) <= 2
    assert all(packet.state is State.UP or packet.desired_min_tx_us >= 1_000_000 for packet in said)


def bfd_scene(packet: bytes) -> bytes:
    """The packet, made to be the peer's, and a second of silence."""
    return bytes((1, 0, 0)) + blob(packet) + bytes((1, 0, 6, 50))
