"""The captured packets of tests/vectors/memberlist, and our own classes for what they say."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from membership.wire.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Message,
    Nack,
    Ping,
    Suspect,
    User,
    encode,
)
from membership.wire.packet import compound, compress
from membership.wire.stream import (
    NodeState,
    PushPull,
    StreamMessage,
    _pack_node,
    encode_push_pull,
    encode_user,
)

VECTORS = Path(__file__).parents[3] / "vectors" / "memberlist"
CAPTURES = ("ml051-plain", "ml051-nocompress", "mixed-022-051", "serf-plain")
WRAPPED_CAPTURES = ("ml022-encv0", "ml051-label", "ml051-label-aes128", "ml051-metallb-key", "serf-encrypted")
"""Those with a key, a label or both."""
FULL_CAPTURES = ("serf-plain-full", "serf-encrypted-full")
"""Every packet of a run, without explanations."""


def load(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def captured(transport: str) -> Iterator[Any]:
    for capture in CAPTURES:
        for packet in load(capture)["packets"]:
            if packet["transport"] == transport:
                yield packet


def octets(hexadecimal: str | None) -> bytes:
    return bytes.fromhex(hexadecimal or "")


def leaves(tree: Any) -> Iterator[Message]:
    """The messages inside all wrappers, in order."""
    if "inner" in tree:
        yield from leaves(tree["inner"])
    elif "parts" in tree:
        for part in tree["parts"]:
            yield from leaves(part)
    else:
        yield message(tree)


def message(tree: Any) -> Message:
    fields = tree.get("fields", {})
    source = (octets(fields.get("SourceAddr")), fields.get("SourcePort", 0), fields.get("SourceNode", ""))
    match tree["name"]:
        case "ping":
            return Ping(fields["SeqNo"], fields["Node"], *source)
        case "indirectPing":
            target = (octets(fields["Target"]), fields["Port"], fields["Node"], fields.get("Nack", False))
            return IndirectPing(fields["SeqNo"], *target, *source)
        case "ackResp":
            return Ack(fields["SeqNo"], octets(fields["Payload"]))
        case "nackResp":
            return Nack(fields["SeqNo"])
        case "suspect":
            return Suspect(fields["Incarnation"], fields["Node"], fields["From"])
        case "dead":
            return Dead(fields["Incarnation"], fields["Node"], fields["From"])
        case "alive":
            return Alive(
                fields["Incarnation"],
                fields["Node"],
                octets(fields["Addr"]),
                fields["Port"],
                octets(fields["Meta"]),
                octets(fields["Vsn"]),
            )
        case "user":
            return User(octets(tree["body"]))
        case name:
            raise AssertionError(name)


def rebuild(tree: Any) -> bytes:
    """The bytes of a packet, made by our encoders from what it says."""
    match tree["name"]:
        case "hasCrc":
            inner = rebuild(tree["inner"])
            return b"\x0c" + zlib.crc32(inner).to_bytes(4, "big") + inner
        case "compress":
            return compress(rebuild_any(tree["inner"]))
        case "compound":
            return compound([rebuild(part) for part in tree["parts"]])
        case _:
            return _with_empty_meta(encode(message(tree)), tree.get("fields", {}))


def _with_empty_meta(encoded: bytes, row: Any) -> bytes:
    """Go has two kinds of no bytes, and a delegate may give the other one; we always send nil."""
    return encoded.replace(b"\xa4Meta\xc0", b"\xa4Meta\xa0") if row.get("Meta") == "" else encoded


def stream_message(tree: Any) -> StreamMessage:
    if "inner" in tree:
        return stream_message(tree["inner"])
    if tree["name"] == "pushPull":
        nodes = tuple(
            NodeState(
                node["Name"],
                octets(node["Addr"]),
                node["Port"],
                octets(node["Meta"]),
                node["Incarnation"],
                node["State"],
                octets(node["Vsn"]),
            )
            for node in tree["nodes"]
        )
        return PushPull(nodes, tree["header"]["Join"], octets(tree["user_state"]))
    decoded = message(tree)
    assert isinstance(decoded, Ping | Ack | User)
    return decoded


def rebuild_any(tree: Any) -> bytes:
    """The same for streams, where push/pull and user messages have their own forms."""
    match tree["name"]:
        case "compress":
            return compress(rebuild_any(tree["inner"]))
        case "pushPull":
            decoded = stream_message(tree)
            assert isinstance(decoded, PushPull)
            encoded = encode_push_pull(decoded.nodes, is_join=decoded.is_join, user_state=decoded.user_state)
            for state, row in zip(decoded.nodes, tree["nodes"], strict=True):
                packed = _pack_node(state)
                encoded = encoded.replace(packed, _with_empty_meta(packed, row))
            return encoded
        case "user" if "header" in tree:
            return encode_user(octets(tree["body"]))
        case _:
            return rebuild(tree)
