"""The codec against golden bytes, scapy, and what must be refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from announce.bfd import Diagnostic, EchoPacket, PacketError, State, describe
from announce.bfd.packet import ControlPacket, decode, decode_echo, encode, encode_echo

PACKET = ControlPacket(
    state=State.UP,
    diagnostic=Diagnostic.PATH_DOWN,
    is_poll=True,
    is_control_plane_independent=True,
    is_demand=True,
    detect_multiplier=3,
    my_discriminator=0x01020304,
    your_discriminator=0x0A0B0C0D,
    desired_min_tx_us=50_000,
    required_min_rx_us=300_000,
    required_min_echo_rx_us=50_000,
)
# RFC 5880 section 4.1 by hand: version 1 and diagnostic 5; Up, P, C, D; multiplier 3; 24 octets.
OCTETS = bytes.fromhex("25 ea 03 18 01020304 0a0b0c0d 0000c350 000493e0 0000c350")


def test_golden_bytes() -> None:
    assert encode(PACKET) == OCTETS
    assert decode(OCTETS) == PACKET


def test_as_scapy_reads_it() -> None:
    """Scapy's layer shares no code with ours."""
    scapy_bfd: Any = pytest.importorskip("scapy.contrib.bfd")

    for said in (
        PACKET,
        replace(PACKET, is_poll=False, is_final=True, state=State.ADMIN_DOWN, is_demand=False),
    ):
        layer = scapy_bfd.BFD(encode(said))

        flags = {
            "P": said.is_poll,
            "F": said.is_final,
            "C": True,
            "A": False,
            "D": said.is_demand,
            "M": False,
        }
        assert {name: name in str(layer.flags) for name in flags} == flags
        assert (layer.version, layer.diag, layer.sta) == (1, said.diagnostic, said.state)
        assert (layer.detect_mult, layer.len) == (3, 24)
        assert (layer.my_discriminator, layer.your_discriminator) == (0x01020304, 0x0A0B0C0D)
        assert (layer.min_tx_interval, layer.min_rx_interval, layer.echo_rx_interval) == (
            50_000,
            300_000,
            50_000,
        )
        assert decode(bytes(layer)) == said


def changed(position: int, value: int) -> bytes:
    return OCTETS[:position] + bytes([value]) + OCTETS[position + 1 :]


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (OCTETS[:-1], "23 octets are less than a packet"),
        (changed(0, 0x00), "version 0"),
        (changed(0, 0x45), "version 2"),
        (changed(3, 23), "length 23"),
        (changed(3, 25), "length 25 in 24 octets"),
        (changed(1, 0xEE), "authenticated"),
        (changed(2, 0), "detect multiplier 0"),
        (changed(1, 0xEB), "multipoint"),
        (OCTETS[:4] + bytes(4) + OCTETS[8:], "my discriminator 0"),
        (OCTETS[:8] + bytes(4) + OCTETS[12:], "your discriminator 0 in state UP"),
        (changed(1, 0x80)[:8] + bytes(4) + OCTETS[12:], "your discriminator 0 in state INIT"),
    ],
)
def test_refuses_what_must_be_discarded(octets: bytes, why: str) -> None:
    """Section 6.8.6, in its order."""
    with pytest.raises(PacketError, match=why):
        decode(octets)


def test_octets_behind_the_packet_do_not_matter() -> None:
    assert decode(OCTETS + b"\0") == PACKET


def test_echo_packets_come_back_as_they_went() -> None:
    echo = EchoPacket(0x01020304, 1 << 63, 7)

    assert decode_echo(encode_echo(echo)) == echo
    with pytest.raises(PacketError, match="no Echo packet of ours"):
        decode_echo(encode_echo(echo)[:-1])


def test_diagnostics_in_words() -> None:
    assert describe(1) == "control detection time expired"
    assert describe(31) == "diagnostic 31"
