"""The ARP codec against captured bytes and against scapy."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from scapy.layers.l2 import ARP, Ether

from announce.l2.arp import (
    REQUEST,
    ArpFrame,
    Operation,
    announcement,
    decode,
    encode,
    peek,
    reply,
    reply_template,
)
from announce.l2.effects import DropReason
from announce.l2.errors import MalformedFrame
from tests.unit.announce.l2.playbook import MAC, PEER, PEER_MAC, VIP, question


def test_announces_with_the_bytes_that_metallb_sends() -> None:
    """The gratuitous request is byte for byte MetalLB's, and the reply differs only in its operation."""
    metallb = bytes.fromhex(
        "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c0a801f0 ffffffffffff c0a801f0"
    ) + bytes(18)

    request, reply = announcement(MAC, IPv4Address("192.168.1.240"))

    assert request == metallb
    assert reply == metallb[:21] + b"\x02" + metallb[22:]


def test_reads_a_request_that_scapy_wrote() -> None:
    """An independent implementation's frame is understood field by field."""
    written = bytes(
        Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:aa")
        / ARP(op="who-has", hwsrc="02:00:00:00:00:aa", psrc="192.0.2.99", pdst="192.0.2.10")
    )

    packet = decode(written)

    assert packet == ArpFrame(
        destination=b"\xff" * 6,
        source=PEER_MAC,
        operation=Operation.REQUEST,
        sender_mac=PEER_MAC,
        sender_address=PEER,
        target_mac=bytes(6),
        target_address=VIP,
    )


def test_scapy_reads_the_reply() -> None:
    """The reply goes to the sender's hardware address in the payload, and fills Ethernet's minimum."""
    answered = reply(reply_template(MAC, VIP), PEER_MAC, PEER.packed)

    read = Ether(answered)
    assert len(answered) == 60
    assert (read.dst, read.src) == ("02:00:00:00:00:aa", "02:00:00:00:00:01")
    assert (read[ARP].op, read[ARP].hwsrc, read[ARP].psrc) == (2, "02:00:00:00:00:01", "192.0.2.10")
    assert (read[ARP].hwdst, read[ARP].pdst) == ("02:00:00:00:00:aa", "192.0.2.99")


def test_a_template_and_the_codec_write_the_same_reply() -> None:
    """The short way to a reply gives what the long way gives."""
    long_way = encode(
        ArpFrame(
            destination=PEER_MAC,
            source=MAC,
            operation=Operation.REPLY,
            sender_mac=MAC,
            sender_address=VIP,
            target_mac=PEER_MAC,
            target_address=PEER,
        )
    )

    assert reply(reply_template(MAC, VIP), PEER_MAC, PEER.packed) == long_way


@pytest.mark.parametrize(
    ("offset", "octets", "reason"),
    [
        (12, "8100", DropReason.NOT_ARP),
        (14, "0006", DropReason.HARDWARE_TYPE),
        (16, "86dd", DropReason.PROTOCOL_TYPE),
        (18, "08", DropReason.ADDRESS_LENGTH),
        (19, "10", DropReason.ADDRESS_LENGTH),
        (20, "0003", DropReason.OPERATION),
        (20, "0000", DropReason.OPERATION),
        (22, "000000000000", DropReason.SENDER_MAC),
        (22, "ffffffffffff", DropReason.SENDER_MAC),
        (22, "01005e000001", DropReason.SENDER_MAC),
    ],
)
def test_refuses_what_is_not_arp_for_ipv4(offset: int, octets: str, reason: DropReason) -> None:
    """Each field that must have a certain value has a reason of its own."""
    damage = bytes.fromhex(octets)
    damaged = question()[:offset] + damage + question()[offset + len(damage) :]

    with pytest.raises(MalformedFrame) as refused:
        decode(damaged)

    assert refused.value.reason == reason


def test_peeks_at_what_a_reply_is_made_of() -> None:
    """42 octets are enough, padding or not; of fewer nothing is told."""
    told = (b"\xff" * 6, REQUEST, PEER_MAC, PEER.packed, VIP.packed)

    assert peek(question()) == peek(question()[:42]) == told
    assert peek(question()[:41]) == (b"",) * 5


def test_refuses_a_frame_that_is_cut_off() -> None:
    """41 octets are one too few; 42 are enough, padding or not."""
    with pytest.raises(MalformedFrame) as refused:
        decode(question()[:41])

    assert refused.value.reason == DropReason.TRUNCATED
    assert decode(question()[:42]) == decode(question())
