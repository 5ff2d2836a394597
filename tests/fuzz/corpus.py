"""Where the fuzzers start: what real members have said, and what they were tried with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from announce.bfd import ControlPacket, State
from announce.bfd.packet import encode
from announce.bgp.messages import HEADER_OCTETS, MessageType
from tests.fuzz.bfd import bfd_scene
from tests.fuzz.script import blob
from tests.unit.announce.bgp.test_messages import VECTORS
from tests.unit.membership.wire.captures import WRAPPED_CAPTURES, captured, load, octets


def seeds(target: str) -> list[bytes]:
    match target:
        case "packet":
            return [*_captured("udp"), *_requests("udp")]
        case "stream":
            return [*_captured("tcp"), *_requests("tcp")]
        case "lzw":
            return [octets(text) for text in _hexadecimal(load("lzw")) if len(text) < 8192]
        case "sealed":
            return list(_sealed())
        case "machine":
            return [_scene(packet) for packet in [*_captured("udp"), *_requests("udp")]] + [
                _stream_scene(request) for request in [*_captured("tcp"), *_requests("tcp")]
            ]
        case "bfd":
            return list(_bfd())
        case "bgp-message":
            return [bytes((_number_of(golden), *golden[HEADER_OCTETS:])) for _, golden in VECTORS]
        case "bgp-stream":
            return [golden for _, golden in VECTORS]
        case "bgp-peer":
            return [_peer_scene(golden) for _, golden in VECTORS]
        case _:
            raise AssertionError(f"no corpus for {target}")


def _number_of(golden: bytes) -> int:
    """Of the type of the message, as the target counts them."""
    return list(MessageType).index(MessageType(golden[HEADER_OCTETS - 1]))


def _peer_scene(golden: bytes) -> bytes:
    """A session comes up, gets two routes, hears the message, and a while passes."""
    established = bytes((0, 0, 5, 0, 0, 3, 0, 3, 2))
    return established + bytes((0, 11, 2, 0, 1, 2)) + bytes((0, 0)) + blob(golden) + bytes((0, 10, 100))


def _captured(transport: str) -> list[bytes]:
    return [octets(packet["hex"]) for packet in captured(transport)]


def _requests(transport: str) -> list[bytes]:
    return [octets(case["request"]) for case in load("acceptance")[transport].values()]


def _sealed() -> Iterator[bytes]:
    """Each packet as it was captured, and its plaintext; the first octet chooses label and key."""
    for capture in map(load, WRAPPED_CAPTURES):
        is_labelled = bytes((bool(capture["label"]),))
        for packet in capture["packets"]:
            yield is_labelled + octets(packet["hex"])
            if "encryption" in packet:
                yield is_labelled + octets(packet["encryption"]["plaintext"])


def _bfd() -> Iterator[bytes]:
    """Every state and flag, as a peer would say it to us."""
    for state in State:
        for flags in range(8):
            packet = ControlPacket(
                state=state,
                is_poll=bool(flags & 1),
                is_final=bool(flags & 2),
                is_demand=bool(flags & 4),
                detect_multiplier=3,
                my_discriminator=1,
                your_discriminator=1,
                desired_min_tx_us=50_000,
                required_min_rx_us=50_000,
                required_min_echo_rx_us=50_000,
            )
            yield bfd_scene(encode(packet))


def _hexadecimal(tree: Any) -> Iterator[str]:
    """All hexadecimal text in a tree of JSON."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _hexadecimal(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _hexadecimal(value)
    elif isinstance(tree, str) and len(tree) % 2 == 0 and not set(tree) - set("0123456789abcdef"):
        yield tree


def _scene(packet: bytes) -> bytes:
    """A member hears of another, then the packet, then lets a second pass."""
    return bytes((2, 1, 1, 0, 1, 0, 0)) + b"\x00" + blob(packet) + b"\x00" + bytes((5, 50))


def _stream_scene(request: bytes) -> bytes:
    return bytes((6, 0, 7, 0)) + blob(request) + bytes((5, 50))
