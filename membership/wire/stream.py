"""What travels on streams: one request and at most one reply per connection, each one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgpack

from membership.errors import DecodeError
from membership.wire.codec import META_OCTETS_MAX, VSN_OCTETS_MAX, Fields, new_unpacker, pack
from membership.wire.messages import Ack, MessageType, Ping, User, decode_ack, decode_ping
from membership.wire.packet import decompress

STREAM_OCTETS_MAX = 8 * 1024 * 1024
"""Compressed or not: the largest table that we hold, with 512 octets a row. memberlist's own limit is 20 MiB, but what
comes in compressed or sealed is decoded in one go, and everything else waits for that.
"""
NODES_MAX = 65_536
_ADDRESS_OCTETS_MAX = 16
_ERROR_OCTETS_MAX = 4096
_HEADER = (b"Nodes", b"UserStateLen", b"Join")
_NODE = (b"Name", b"Addr", b"Port", b"Meta", b"Incarnation", b"State", b"Vsn")
_USER_HEADER = (b"UserMsgLen",)
_ERR = (b"Error",)


@dataclass(frozen=True, slots=True)
class NodeState:
    """One row of a push/pull table. `state`: 0 alive, 1 suspect, 2 dead, 3 left."""

    name: str
    address: bytes
    port: int
    meta: bytes
    incarnation: int
    state: int
    versions: bytes


@dataclass(frozen=True, slots=True)
class PushPull:
    """A member's whole table."""

    nodes: tuple[NodeState, ...]
    is_join: bool
    user_state: bytes = b""


@dataclass(frozen=True, slots=True)
class Err:
    """The other side could not read the request, and says why."""

    text: str


StreamMessage: TypeAlias = Ping | Ack | User | PushPull | Err


def encode_push_pull(nodes: Sequence[NodeState], *, is_join: bool, user_state: bytes = b"") -> bytes:
    header = pack({"Join": is_join, "Nodes": len(nodes), "UserStateLen": len(user_state)})
    return b"\x06" + header + b"".join(map(_pack_node, nodes)) + user_state


def encode_user(payload: bytes) -> bytes:
    return b"\x08" + pack({"UserMsgLen": len(payload)}) + payload


def encode_err(text: str) -> bytes:
    return b"\x0d" + pack({"Error": text})


class StreamDecoder:
    """Takes one direction of a connection as it comes, and gives its one message when that is complete.

    Work done is never repeated when more octets arrive, and no more than the octets received are held.
    """

    def __init__(self, octets_max: int = STREAM_OCTETS_MAX) -> None:
        self._octets_max = octets_max
        self._unpacker: Any = new_unpacker(octets_max)
        self._octets = 0
        self._type: int | None = None
        self._header: Fields | None = None
        self._nodes: list[NodeState] = []

    def feed(self, data: bytes) -> StreamMessage | None:
        """Take octets; None means that the message needs more. Raises DecodeError, and is then spent."""
        self._octets += len(data)
        if self._octets > self._octets_max:
            raise DecodeError("stream-too-long")
        if self._type is None and data:
            self._type, data = data[0], data[1:]
        try:
            self._unpacker.feed(data)
            return None if self._type is None else self._decode(self._type)
        except msgpack.OutOfData:
            return None
        except (ValueError, TypeError, RecursionError, msgpack.BufferFull) as error:
            raise DecodeError("bad-msgpack") from error

    def _decode(self, kind: int) -> StreamMessage | None:
        match kind:
            case MessageType.PING:
                return decode_ping(self._unpacker.unpack())
            case MessageType.ACK:
                return decode_ack(self._unpacker.unpack())
            case MessageType.ERR:
                return Err(Fields(self._unpacker.unpack(), _ERR).text(b"Error", _ERROR_OCTETS_MAX))
            case MessageType.USER:
                return self._decode_user()
            case MessageType.PUSH_PULL:
                return self._decode_push_pull()
            case MessageType.COMPRESS:
                return self._decode_compress()
            case _:
                raise DecodeError("unknown-type")

    def _decode_compress(self) -> StreamMessage:
        inner = decompress(self._unpacker.unpack(), self._octets_max)
        if inner[0] == MessageType.COMPRESS:
            # Nobody sends it; each further layer could expand what the last one did.
            raise DecodeError("nested-too-deeply")
        message = StreamDecoder(self._octets_max).feed(inner)
        if message is None:
            raise DecodeError("message-truncated")
        return message

    def _decode_user(self) -> User | None:
        if self._header is None:
            self._header = Fields(self._unpacker.unpack(), _USER_HEADER)
        payload = self._raw(self._header.integer(b"UserMsgLen", 0, self._octets_max))
        return None if payload is None else User(payload)

    def _decode_push_pull(self) -> PushPull | None:
        if self._header is None:
            self._header = Fields(self._unpacker.unpack(), _HEADER)
        node_count = self._header.integer(b"Nodes", 0, NODES_MAX)
        while len(self._nodes) < node_count:
            self._nodes.append(_decode_node(self._unpacker.unpack()))
        user_state = self._raw(self._header.integer(b"UserStateLen", 0, self._octets_max))
        if user_state is None:
            return None
        return PushPull(tuple(self._nodes), self._header.boolean(b"Join"), user_state)

    def _raw(self, octet_count: int) -> bytes | None:
        """The next `octet_count` octets as they are, once all of them are here."""
        first = 1
        if first + int(self._unpacker.tell()) + octet_count > self._octets:
            return None
        return bytes(self._unpacker.read_bytes(octet_count))


def _pack_node(node: NodeState) -> bytes:
    return pack(
        {
            "Addr": node.address,
            "Incarnation": node.incarnation,
            "Meta": node.meta or None,
            "Name": node.name,
            "Port": node.port,
            "State": node.state,
            "Vsn": node.versions or None,
        }
    )


def _decode_node(value: object) -> NodeState:
    fields = Fields(value, _NODE)
    return NodeState(
        fields.text(b"Name"),
        fields.octets(b"Addr", _ADDRESS_OCTETS_MAX),
        fields.u16(b"Port"),
        fields.octets(b"Meta", META_OCTETS_MAX),
        fields.u32(b"Incarnation"),
        fields.integer(b"State", 0, 3),
        fields.octets(b"Vsn", VSN_OCTETS_MAX),
    )
