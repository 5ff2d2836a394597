"""Router solicitations and advertisements: what is believed, and what not."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from announce.discovery import (
    MalformedMessage,
    MessageType,
    decode,
    encode_advertisement,
    encode_solicitation,
)

ROUTER = IPv6Address("fe80::1")
MAC = bytes.fromhex("020000000001")
ADVERTISEMENT = bytes.fromhex("86000000 40000708 0000000000000000 0101020000000001")
SOLICITATION = bytes.fromhex("85000000 00000000 0101020000000001")


def test_knows_the_two() -> None:
    assert decode(ADVERTISEMENT, ROUTER, 255) is MessageType.ADVERTISEMENT
    assert decode(SOLICITATION, ROUTER, 255) is MessageType.SOLICITATION
    assert decode(SOLICITATION[:8], IPv6Address("::"), 255) is MessageType.SOLICITATION


@pytest.mark.parametrize(
    ("message", "source", "hop_limit"),
    [
        pytest.param(ADVERTISEMENT, ROUTER, 254, id="from another link"),
        pytest.param(ADVERTISEMENT, IPv6Address("2001:db8::1"), 255, id="not link-local"),
        pytest.param(ADVERTISEMENT[:15], ROUTER, 255, id="cut off"),
        pytest.param(b"\x86\x01" + ADVERTISEMENT[2:], ROUTER, 255, id="code"),
        pytest.param(b"\x87" + ADVERTISEMENT[1:], ROUTER, 255, id="another type"),
        pytest.param(ADVERTISEMENT[:16] + bytes(8), ROUTER, 255, id="option of no length"),
        pytest.param(ADVERTISEMENT[:16] + b"\1\2" + MAC, ROUTER, 255, id="option longer than the message"),
        pytest.param(ADVERTISEMENT + b"\1", ROUTER, 255, id="half an option"),
        pytest.param(SOLICITATION[:7], ROUTER, 255, id="solicitation cut off"),
        pytest.param(b"", ROUTER, 255, id="empty"),
    ],
)
def test_what_is_not_valid_is_not_believed(message: bytes, source: IPv6Address, hop_limit: int) -> None:
    with pytest.raises(MalformedMessage):
        decode(message, source, hop_limit)


def test_says_that_this_node_is_here_and_no_router() -> None:
    """All fields of the advertisement but the type are 0, so nobody takes a default route or a prefix from it."""
    assert encode_advertisement(MAC) == b"\x86" + bytes(15) + b"\1\1" + MAC
    assert encode_advertisement(b"") == b"\x86" + bytes(15)
    assert encode_solicitation(MAC) == SOLICITATION


@given(st.binary(max_size=64), st.sampled_from([0, 64, 255]))
def test_any_bytes_are_judged(message: bytes, hop_limit: int) -> None:
    """They are one of the two, or refused."""
    try:
        kind = decode(message, ROUTER, hop_limit)
    except MalformedMessage:
        return
    assert hop_limit == 255
    assert message[0] == kind
