"""The codec of neighbor discovery against captured bytes and against scapy."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    in6_chksum,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from announce.l2 import ndp
from announce.l2.effects import DropReason
from announce.l2.errors import MalformedFrame
from announce.l2.ndp import (
    ALL_NODES,
    Flag,
    MessageType,
    NdpFrame,
    announcement,
    decode,
    encode,
    group_mac,
    probe,
    reply,
    reply_template,
    solicited_node,
)
from tests.unit.announce.l2.playbook import MAC, PEER6, PEER_MAC, VIP6, solicitation

GROUP = solicited_node(VIP6)


def asked(
    *layers: Packet,
    hlim: int = 255,
    code: int = 0,
    src: str = str(PEER6),
    dst: str = str(GROUP),
    target: str = str(VIP6),
) -> bytes:
    """A solicitation as scapy writes it."""
    packet = (
        Ether(src="02:00:00:00:00:aa", dst=group_mac(GROUP.packed).hex(":"))
        / IPv6(src=src, dst=dst, hlim=hlim)
        / ICMPv6ND_NS(tgt=target, code=code)
    )
    for layer in layers:
        packet /= layer
    return bytes(packet)


def test_reads_a_solicitation_that_scapy_wrote() -> None:
    """An independent implementation's frame is understood field by field, and our own is the same."""
    written = asked(ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:aa"))

    heard = decode(written)

    assert heard == NdpFrame(
        destination=group_mac(GROUP.packed),
        source=PEER_MAC,
        source_address=PEER6.packed,
        destination_address=GROUP.packed,
        message=MessageType.SOLICITATION,
        flags=Flag(0),
        target=VIP6.packed,
        link_layer=PEER_MAC,
    )
    assert encode(heard) == written == solicitation()


def test_reads_an_advertisement_that_scapy_wrote() -> None:
    """With its flags, and with the MAC that it tells."""
    written = bytes(
        Ether(src="02:00:00:00:00:aa", dst="02:00:00:00:00:01")
        / IPv6(src=str(VIP6), dst=str(PEER6), hlim=255)
        / ICMPv6ND_NA(tgt=str(VIP6), R=1, S=1, O=0)
        / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:bb")
    )

    heard = decode(written)

    assert heard.message is MessageType.ADVERTISEMENT
    assert heard.flags == Flag.ROUTER | Flag.SOLICITED
    assert (heard.target, heard.link_layer) == (VIP6.packed, bytes.fromhex("0200000000bb"))
    assert encode(heard) == written


def test_scapy_reads_the_announcement() -> None:
    """To all nodes, unsolicited, overriding, no router, with our MAC, and from the address itself."""
    read = Ether(announcement(MAC, VIP6))

    assert (read.dst, read.src) == ("33:33:00:00:00:01", "02:00:00:00:00:01")
    assert (read[IPv6].src, read[IPv6].dst, read[IPv6].hlim) == (str(VIP6), "ff02::1", 255)
    assert (read[ICMPv6ND_NA].R, read[ICMPv6ND_NA].S, read[ICMPv6ND_NA].O) == (0, 0, 1)
    assert read[ICMPv6ND_NA].tgt == str(VIP6)
    assert read[ICMPv6NDOptDstLLAddr].lladdr == "02:00:00:00:00:01"
    assert is_checksum_right(read)


def test_scapy_reads_the_reply() -> None:
    """To the neighbor alone, solicited, overriding, no router, with our MAC."""
    read = Ether(reply(reply_template(MAC, VIP6), PEER_MAC, PEER6.packed))

    assert (read.dst, read.src) == ("02:00:00:00:00:aa", "02:00:00:00:00:01")
    assert (read[IPv6].src, read[IPv6].dst, read[IPv6].hlim) == (str(VIP6), str(PEER6), 255)
    assert (read[ICMPv6ND_NA].R, read[ICMPv6ND_NA].S, read[ICMPv6ND_NA].O) == (0, 1, 1)
    assert read[ICMPv6NDOptDstLLAddr].lladdr == "02:00:00:00:00:01"
    assert is_checksum_right(read)


def test_scapy_reads_the_probe() -> None:
    """From nobody and without a MAC, so that no neighbor learns anything from it."""
    read = Ether(probe(MAC, VIP6))

    assert read.dst == group_mac(GROUP.packed).hex(":")
    assert (read[IPv6].src, read[IPv6].dst) == ("::", str(GROUP))
    assert read[ICMPv6ND_NS].tgt == str(VIP6)
    assert not read.haslayer(ICMPv6NDOptSrcLLAddr)
    assert is_checksum_right(read)


def test_scapy_reads_the_solicitation() -> None:
    """From our link-local address, with our MAC, to the group of the target."""
    read = Ether(ndp.solicitation(MAC, PEER6, VIP6))

    assert read.dst == group_mac(GROUP.packed).hex(":")
    assert (read[IPv6].src, read[IPv6].dst, read[IPv6].hlim) == (str(PEER6), str(GROUP), 255)
    assert read[ICMPv6ND_NS].tgt == str(VIP6)
    assert read[ICMPv6NDOptSrcLLAddr].lladdr == "02:00:00:00:00:01"
    assert is_checksum_right(read)


@pytest.mark.parametrize("last", range(0, 0x10000, 251))
def test_a_template_and_the_codec_write_the_same_reply(last: int) -> None:
    """The short way to a reply gives what the long way gives, whatever the checksum."""
    neighbor = IPv6Address("2001:db8::") + last

    short_way = reply(reply_template(MAC, VIP6), PEER_MAC, neighbor.packed)

    assert short_way == encode(
        NdpFrame(
            destination=PEER_MAC,
            source=MAC,
            source_address=VIP6.packed,
            destination_address=neighbor.packed,
            message=MessageType.ADVERTISEMENT,
            flags=Flag.SOLICITED | Flag.OVERRIDE,
            target=VIP6.packed,
            link_layer=MAC,
        )
    )


def test_solicited_node_groups_are_those_of_rfc_4291() -> None:
    """The example of section 2.7.1, and its Ethernet address."""
    group = solicited_node(IPv6Address("4037::01:800:200e:8c6c"))

    assert group == IPv6Address("ff02::1:ff0e:8c6c")
    assert group_mac(group.packed) == bytes.fromhex("3333ff0e8c6c")


def test_other_options_are_read_over() -> None:
    """A nonce (RFC 7527), or what nobody has thought of yet, long or short."""
    nonce = ICMPv6NDOptUnknown(type=14, len=1, data=b"\1\2\3\4\5\6")
    unknown = ICMPv6NDOptUnknown(type=253, len=3, data=bytes(22))

    heard = decode(asked(nonce, unknown, ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:aa")))

    assert heard.link_layer == PEER_MAC


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (asked(hlim=254), DropReason.HOP_LIMIT),
        (asked(code=1), DropReason.CODE),
        (asked(target="ff02::1"), DropReason.TARGET),
        (asked(src="ff02::1"), DropReason.SOURCE),
        (asked(src="::", dst="ff02::1"), DropReason.SOURCE),
        (asked(ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:aa"), src="::"), DropReason.SOURCE),
        (asked(ICMPv6NDOptUnknown(type=1, len=0, data=bytes(6))), DropReason.OPTION),
        (asked(ICMPv6NDOptUnknown(type=1, len=2, data=bytes(14))), DropReason.OPTION),
        (asked(ICMPv6NDOptUnknown(type=253, len=9, data=bytes(6))), DropReason.OPTION),
        (asked(ICMPv6NDOptSrcLLAddr(lladdr="00:00:00:00:00:00")), DropReason.SENDER_MAC),
        (asked(ICMPv6NDOptSrcLLAddr(lladdr="01:00:00:00:00:aa")), DropReason.SENDER_MAC),
        (asked()[:-1], DropReason.TRUNCATED),
        (asked()[:60], DropReason.TRUNCATED),
        (asked()[:-1] + b"\x00", DropReason.CHECKSUM),
        (asked()[:20] + b"\x11" + asked()[21:], DropReason.NOT_NDP),
        (asked()[:54] + b"\x80" + asked()[55:], DropReason.NOT_NDP),
        (b"", DropReason.NOT_NDP),
        (
            encode(
                NdpFrame(
                    group_mac(ALL_NODES),
                    MAC,
                    VIP6.packed,
                    ALL_NODES,
                    MessageType.ADVERTISEMENT,
                    Flag.SOLICITED,
                    VIP6.packed,
                    MAC,
                )
            ),
            DropReason.SOLICITED_FLAG,
        ),
    ],
)
def test_refuses_what_rfc_4861_says_to_discard(frame: bytes, reason: DropReason) -> None:
    """Sections 7.1.1 and 7.1.2, each rule, and what is no neighbor discovery at all."""
    with pytest.raises(MalformedFrame) as refused:
        decode(frame)

    assert refused.value.reason is reason


def test_padding_behind_the_packet_is_no_option() -> None:
    """The length of the packet counts, not that of the frame."""
    assert decode(asked() + bytes(20)) == decode(asked())


def is_checksum_right(read: Packet) -> bool:
    """As scapy computes it."""
    message = bytes(read[IPv6].payload)
    return in6_chksum(58, read[IPv6], message) in (0, 0xFFFF)
