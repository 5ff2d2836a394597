"""What counts as a claim of an address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swimlb.lab.measure import Claim
from swimlb.lab.referee import parse_claim

MAC = bytes.fromhex("020000000001")


def arp(operation: int = 1, sender: str = "192.0.2.10", target: str = "192.0.2.10") -> bytes:
    header = b"\xff" * 6 + MAC + bytes.fromhex("0806 0001 0800 06 04") + operation.to_bytes(2, "big")
    return header + MAC + IPv4Address(sender).packed + bytes(6) + IPv4Address(target).packed


@pytest.mark.parametrize(("operation", "is_reply"), [(1, False), (2, True)])
def test_the_sender_of_an_arp_packet_claims_its_address(operation: int, is_reply: bool) -> None:
    claim = parse_claim(arp(operation, target="192.0.2.11"), 1.5, "p-node-a")

    assert claim == Claim(1.5, "p-node-a", "02:00:00:00:00:01", "192.0.2.10", is_reply, "192.0.2.11")


def advertisement(flags: int = 0x60, option: str = "0201", kind: int = 136) -> bytes:
    header = bytes.fromhex("333300000001") + MAC + bytes.fromhex("86dd 60000000 0020 3a ff")
    ends = IPv6Address("fe80::1").packed + IPv6Address("ff02::1").packed
    body = bytes([kind, 0, 0, 0, flags, 0, 0, 0]) + IPv6Address("2001:db8::10").packed
    return header + ends + body + bytes.fromhex(option) + MAC


@pytest.mark.parametrize(("flags", "is_reply"), [(0x20, False), (0x60, True)])
def test_a_neighbor_advertisement_claims_its_target(flags: int, is_reply: bool) -> None:
    claim = parse_claim(advertisement(flags), 1.5, "p-node-a")

    assert claim == Claim(1.5, "p-node-a", "02:00:00:00:00:01", "2001:db8::10", is_reply, "ff02::1")


@pytest.mark.parametrize(
    "frame",
    [advertisement(kind=135), advertisement(option="0101"), advertisement()[:-1]],
    ids=["a solicitation", "no target link-layer address", "cut off"],
)
def test_other_icmpv6_claims_nothing(frame: bytes) -> None:
    assert parse_claim(frame, 1.5, "p-node-a") is None


def test_a_probe_claims_nothing() -> None:
    """RFC 5227: a host that only asks whether an address is free gives none as its own."""
    assert parse_claim(arp(sender="0.0.0.0"), 1.5, "p-node-a") is None


@given(st.binary(max_size=80))
def test_any_other_frame_is_no_claim(frame: bytes) -> None:
    assert parse_claim(frame, 1.5, "p-node-a") is None


@given(st.integers(0, len(arp()) - 1))
def test_a_frame_that_is_cut_off_is_no_claim(length: int) -> None:
    assert parse_claim(arp()[:length], 1.5, "p-node-a") is None
