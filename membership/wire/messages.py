"""memberlist's messages, and their bytes.

One frozen class per message. `encode` gives the type octet and the body; `decode` is its inverse for
everything that travels alone in a packet. The wrappers (compound, compress, CRC) are `wire.packet`'s, the
messages that exist on streams only are `wire.stream`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias, assert_never

from membership.errors import DecodeError
from membership.wire.codec import META_OCTETS_MAX, VSN_OCTETS_MAX, Fields, pack, unpack

_ADDRESS_OCTETS_MAX = 16
_PAYLOAD_OCTETS_MAX = 65_535


class MessageType(IntEnum):
    PING = 0
    INDIRECT_PING = 1
    ACK = 2
    SUSPECT = 3
    ALIVE = 4
    DEAD = 5
    PUSH_PULL = 6
    COMPOUND = 7
    USER = 8
    COMPRESS = 9
    ENCRYPT = 10
    NACK = 11
    HAS_CRC = 12
    ERR = 13
    HAS_LABEL = 244


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? `node` may be empty: then whoever has the address answers."""

    sequence: int
    node: str
    source_address: bytes = b""
    source_port: int = 0
    source_node: str = ""


@dataclass(frozen=True, slots=True)
class IndirectPing:
    """Ping `node` for me, and send me an Ack with my sequence number, or a Nack if I asked for one."""

    sequence: int
    target: bytes
    port: int
    node: str
    wants_nack: bool = False
    source_address: bytes = b""
    source_port: int = 0
    source_node: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    sequence: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Nack:
    """The helper is alive, but got no answer from the member it was asked to ping."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Suspect:
    incarnation: int
    node: str
    accuser: str


@dataclass(frozen=True, slots=True)
class Alive:
    incarnation: int
    node: str
    address: bytes
    port: int
    meta: bytes = b""
    versions: bytes = b""


@dataclass(frozen=True, slots=True)
class Dead:
    """`node` is gone; when the accuser is `node` itself, it has left by its own will."""

    incarnation: int
    node: str
    accuser: str


@dataclass(frozen=True, slots=True)
class User:
    """Opaque bytes of the application."""

    payload: bytes


Message: TypeAlias = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | User
"""All that can be a packet, or part of one."""

_PING = (b"SeqNo", b"Node", b"SourceAddr", b"SourcePort", b"SourceNode")
_INDIRECT_PING = (
    *(b"SeqNo", b"Target", b"Port", b"Node", b"Nack"),
    *(b"SourceAddr", b"SourcePort", b"SourceNode"),
)
_ACK = (b"SeqNo", b"Payload")
_ACK_WITHOUT_PAYLOAD = b"\x02" + pack({"Payload": None, "SeqNo": 0})[:-1]
"""All but the number: half of what a ring sends are acks."""
_NACK = (b"SeqNo",)
_ACCUSATION = (b"Incarnation", b"Node", b"From")
_ALIVE = (b"Incarnation", b"Node", b"Addr", b"Port", b"Meta", b"Vsn")


def encode(message: Message) -> bytes:
    match message:
        case Ping():
            return b"\x00" + pack({"Node": message.node, "SeqNo": message.sequence, **_source(message)})
        case IndirectPing():
            return b"\x01" + pack(
                ({"Nack": True} if message.wants_nack else {})
                | {"Node": message.node, "Port": message.port, "SeqNo": message.sequence}
                | _source(message)
                | {"Target": message.target}
            )
        case Ack():
            if not message.payload:
                return _ACK_WITHOUT_PAYLOAD + pack(message.sequence)
            return b"\x02" + pack({"Payload": message.payload, "SeqNo": message.sequence})
        case Suspect():
            return b"\x03" + _pack_accusation(message)
        case Alive():
            return b"\x04" + pack(
                {
                    "Addr": message.address,
                    "Incarnation": message.incarnation,
                    "Meta": message.meta or None,
                    "Node": message.node,
                    "Port": message.port,
                    "Vsn": message.versions or None,
                }
            )
        case Dead():
            return b"\x05" + _pack_accusation(message)
        case User():
            return b"\x08" + message.payload
        case Nack():
            return b"\x0b" + pack({"SeqNo": message.sequence})
        case _:
            assert_never(message)


def decode(data: bytes) -> Message:
    """Decode one message that is not a wrapper, or raise DecodeError."""
    if not data:
        raise DecodeError("empty")
    if data[0] == MessageType.USER:
        return User(data[1:])
    if (decoder := _DECODERS.get(data[0])) is None:
        raise DecodeError("unknown-type")
    return decoder(unpack(data[1:]))


def decode_ping(value: object) -> Ping:
    fields = Fields(value, _PING)
    return Ping(
        fields.u32(b"SeqNo"),
        fields.text(b"Node"),
        fields.octets(b"SourceAddr", _ADDRESS_OCTETS_MAX),
        fields.u16(b"SourcePort"),
        fields.text(b"SourceNode"),
    )


def decode_ack(value: object) -> Ack:
    fields = Fields(value, _ACK)
    return Ack(fields.u32(b"SeqNo"), fields.octets(b"Payload", _PAYLOAD_OCTETS_MAX))


def _source(message: Ping | IndirectPing) -> dict[str, object]:
    """The requester's own address: each field is left out when it is empty."""
    fields: dict[str, object] = {}
    if message.source_address:
        fields["SourceAddr"] = message.source_address
    if message.source_node:
        fields["SourceNode"] = message.source_node
    if message.source_port:
        fields["SourcePort"] = message.source_port
    return fields


def _pack_accusation(message: Suspect | Dead) -> bytes:
    return pack({"From": message.accuser, "Incarnation": message.incarnation, "Node": message.node})


def _decode_indirect_ping(value: object) -> IndirectPing:
    fields = Fields(value, _INDIRECT_PING)
    return IndirectPing(
        fields.u32(b"SeqNo"),
        fields.octets(b"Target", _ADDRESS_OCTETS_MAX),
        fields.u16(b"Port"),
        fields.text(b"Node"),
        fields.boolean(b"Nack"),
        fields.octets(b"SourceAddr", _ADDRESS_OCTETS_MAX),
        fields.u16(b"SourcePort"),
        fields.text(b"SourceNode"),
    )


def _decode_nack(value: object) -> Nack:
    return Nack(Fields(value, _NACK).u32(b"SeqNo"))


def _decode_suspect(value: object) -> Suspect:
    fields = Fields(value, _ACCUSATION)
    return Suspect(fields.u32(b"Incarnation"), fields.text(b"Node"), fields.text(b"From"))


def _decode_dead(value: object) -> Dead:
    fields = Fields(value, _ACCUSATION)
    return Dead(fields.u32(b"Incarnation"), fields.text(b"Node"), fields.text(b"From"))


def _decode_alive(value: object) -> Alive:
    fields = Fields(value, _ALIVE)
    return Alive(
        fields.u32(b"Incarnation"),
        fields.text(b"Node"),
        fields.octets(b"Addr", _ADDRESS_OCTETS_MAX),
        fields.u16(b"Port"),
        fields.octets(b"Meta", META_OCTETS_MAX),
        fields.octets(b"Vsn", VSN_OCTETS_MAX),
    )


_DECODERS: dict[int, Callable[[object], Message]] = {
    MessageType.PING: decode_ping,
    MessageType.INDIRECT_PING: _decode_indirect_ping,
    MessageType.ACK: decode_ack,
    MessageType.SUSPECT: _decode_suspect,
    MessageType.ALIVE: _decode_alive,
    MessageType.DEAD: _decode_dead,
    MessageType.NACK: _decode_nack,
}
