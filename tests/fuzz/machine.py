"""A whole member under a script of whatever can happen to it, as bytes."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from membership import (
    CloseStream,
    Config,
    Effect,
    Endpoint,
    Event,
    JoinRequested,
    Memberlist,
    MetaChanged,
    OpenStream,
    PacketDropped,
    PacketReceived,
    PacketUnsendable,
    SendPacket,
    Started,
    State,
    StreamAccepted,
    StreamEnded,
    StreamFailed,
    StreamReceived,
    normal,
)
from membership.errors import DecodeError
from membership.wire.messages import Alive, Dead, Message, Ping, Suspect, encode
from membership.wire.packet import decode_packet
from tests.fuzz.script import Script

_TURNS_MAX = 200
_MEMBERS_MAX = 8
_NAMES = tuple(f"node-{letter}" for letter in "abcdefghijkl")
"""More than there is room for."""
_WAITING_MAX = 2048
"""Far more than a scene of so few turns has any need of, and a bound for what its end would cost."""
_PROFILE = replace(normal(), members_max=_MEMBERS_MAX, gossip_to_the_dead_time=2.0)
_VERSIONS = bytes((1, 5, 2, 0, 0, 0))
_DATAGRAM_OCTETS_MAX = 1405
"""The profile's 1400, and the CRC that memberlist does not count either."""


class Scene:
    """Plays a script, and checks after every turn what must always hold."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._member = Memberlist(Config(name="node-a", address="192.0.2.1", profile=_PROFILE), Random(1))
        self._now = 0.0
        self._streams: list[int] = []
        self._last_accepted = 0
        self._settle(self._member.step(Started(), 0.0))

    def play(self) -> None:
        for _ in range(_TURNS_MAX):
            if self._script.is_over:
                return
            self._turn()

    def _turn(self) -> None:
        match self._script.number(12):
            case 0 | 1:
                self._hear(self._script.blob())
            case 2 | 3 | 4:
                self._hear(encode(self._message()))
            case 5:
                self._let_time_pass(self._script.number(256) / 50)
            case 6:
                self._last_accepted -= 1
                self._streams.append(self._last_accepted)
                self._step(StreamAccepted(self._last_accepted, self._endpoint()))
            case 7 | 8 if self._streams:
                self._step(StreamReceived(self._stream(), self._script.blob()))
            case 9 if self._streams:
                stream = self._stream()
                self._streams.remove(stream)
                self._step(StreamEnded(stream) if self._script.number(2) else StreamFailed(stream, "timeout"))
            case 10:
                self._step(JoinRequested((self._endpoint(),)))
            case _:
                self._step(
                    MetaChanged(self._script.octets(self._script.number(256)))
                    if self._script.number(2)
                    else PacketUnsendable(self._endpoint(), "EHOSTUNREACH")
                )

    def _hear(self, payload: bytes) -> None:
        before = self._member.known()
        effects = self._step(PacketReceived(self._endpoint(), payload))
        contents = decode_packet(payload)
        if contents and all(isinstance(item, DecodeError) for item in contents):
            assert self._member.known() == before, "what is refused changes nothing"
            assert sum(isinstance(effect, PacketDropped) for effect in effects) == len(contents)

    def _let_time_pass(self, duration: float) -> None:
        end = self._now + duration
        while (due := self._member.next_deadline()) is not None and due <= end:
            assert due > self._now or self._member.advance(due) is not None
            self._now = max(self._now, due)
            self._settle(self._member.advance(self._now))
        self._now = end

    def _step(self, event: Event) -> list[Effect]:
        return self._settle(self._member.step(event, self._now))

    def _settle(self, effects: list[Effect]) -> list[Effect]:
        for effect in effects:
            match effect:
                case OpenStream(stream):
                    self._streams.append(stream)
                case CloseStream(stream) if stream in self._streams:
                    self._streams.remove(stream)
                case SendPacket(_, payload):
                    assert len(payload) <= _DATAGRAM_OCTETS_MAX
                    assert not any(isinstance(item, DecodeError) for item in decode_packet(payload))
                case _:
                    pass
        known, depths = self._member.known(), self._member.depths()
        assert len(known) == depths.table <= _MEMBERS_MAX
        assert depths.broadcasts <= len(_NAMES), "news of one name replaces older news"
        assert depths.suspicions < _MEMBERS_MAX
        assert depths.streams == len(self._streams)
        assert depths.probes + depths.relays + depths.reconnects <= _WAITING_MAX
        assert len({member.name for member in known}) == len(known)
        assert self._member.local.state is State.ALIVE
        assert self._member.next_deadline() is not None
        return effects

    def _message(self) -> Message:
        name, incarnation = self._name(), self._script.number(8)
        match self._script.number(4):
            case 0:
                address = bytes((192, 0, 2, 1 + self._script.number(12)))
                meta = self._script.octets(self._script.number(32))
                return Alive(incarnation, name, address, 7946, meta, _VERSIONS)
            case 1:
                return Suspect(incarnation, name, self._name())
            case 2:
                return Dead(incarnation, name, self._name())
            case _:
                return Ping(self._script.u32(), name)

    def _name(self) -> str:
        return _NAMES[self._script.number(len(_NAMES))]

    def _endpoint(self) -> Endpoint:
        return Endpoint(f"192.0.2.{2 + self._script.number(12)}", 7946)

    def _stream(self) -> int:
        return self._streams[self._script.number(len(self._streams))]


def machine(data: bytes) -> None:
    """Nothing is raised, nothing grows, and nobody but the member itself ends its life."""
    Scene(Script(data)).play()
