"""The kernel's filter, run by an interpreter of classic BPF."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from announce.l2.arp import Operation
from announce.l2.ndp import announcement
from announce.net.filter import RANGES_MAX, build_arp, build_ndp, merge, pack
from tests.unit.announce.l2.playbook import (
    MAC,
    OTHER_VIP,
    OTHER_VIP6,
    PEER,
    VIP,
    VIP6,
    dad_probe,
    frame,
    question,
    solicitation,
)
from tests.unit.announce.net import bpf


def test_passes_what_asks_for_or_claims_a_wanted_address() -> None:
    """As target and as sender; everything else stays in the kernel."""
    program = build_arp([VIP])

    assert bpf.run(program, question(VIP))
    assert bpf.run(program, frame(Operation.REPLY, VIP, PEER))
    assert not bpf.run(program, question(OTHER_VIP))
    assert not bpf.run(program, frame(Operation.REPLY, OTHER_VIP, PEER))


def test_the_empty_set_passes_nothing() -> None:
    """An interface without addresses costs nothing."""
    assert not bpf.run(build_arp([]), question(VIP))


def test_none_passes_all_arp_and_nothing_else() -> None:
    """The filter that stands while addresses change."""
    program = build_arp(None)

    assert bpf.run(program, question(OTHER_VIP))
    assert not bpf.run(program, question()[:12] + b"\x08\x00" + question()[14:])


@pytest.mark.parametrize("offset", [12, 13, 14, 15, 16, 17, 18, 19])
@pytest.mark.parametrize("addresses", [None, [VIP]], ids=["all", "one"])
def test_drops_what_is_not_arp_for_ipv4_over_ethernet(
    offset: int, addresses: list[IPv4Address] | None
) -> None:
    """The types and lengths of the header, octet by octet."""
    other = bytearray(question(VIP))
    other[offset] ^= 1

    assert not bpf.run(build_arp(addresses), bytes(other))


@pytest.mark.parametrize(
    ("packet_type", "passes"),
    [
        (bpf.HOST, True),
        (bpf.BROADCAST, True),
        (bpf.MULTICAST, True),
        (bpf.OTHER_HOST, False),
        (bpf.OUTGOING, False),
    ],
)
def test_drops_what_is_for_other_hosts(packet_type: int, passes: bool) -> None:
    """The kernel marks frames of unknown VLANs so: an answer to them would go to the wrong network."""
    assert bool(bpf.run(build_arp([VIP]), question(VIP), packet_type)) == passes


@pytest.mark.parametrize("is_all", [True, False])
def test_drops_what_another_interface_has_received(is_all: bool) -> None:
    """The kernel shows a frame of a VLAN to the socket of the parent interface as well, without its tag."""
    arp = build_arp(None if is_all else [VIP], index=2)
    ndp = build_ndp(None if is_all else [VIP6], index=2)

    for program, asked in ((arp, question(VIP)), (ndp, solicitation(VIP6))):
        bpf.check(program)
        assert bpf.run(program, asked, bpf.BROADCAST, index=2)
        assert not bpf.run(program, asked, bpf.BROADCAST, index=7)


def test_drops_a_frame_that_is_cut_off() -> None:
    """The loads go no further than the frame."""
    assert not bpf.run(build_arp([VIP]), question(VIP)[:41])


@pytest.mark.parametrize("addresses", ["0.0.0.0", "255.255.255.255"])
def test_the_ends_of_the_address_space_are_addresses_too(addresses: str) -> None:
    """No boundary falls out of 32 bits."""
    program = build_arp([IPv4Address(addresses)])

    bpf.check(program)
    assert bpf.run(program, question(IPv4Address(addresses)))
    assert not bpf.run(program, question(VIP))


def test_neighboring_addresses_are_one_range() -> None:
    """A pool that is in use from its beginning costs as much as one address."""
    addresses = [VIP + offset for offset in range(200)]

    assert len(build_arp(addresses)) == len(build_arp([VIP]))


def test_beyond_the_cap_the_smallest_gaps_pass_as_well() -> None:
    """More may pass, nothing wanted is lost."""
    values = [10, 12, 20, 22, 100, 101]

    merged = merge(values, ranges_max=3)

    assert merged == [(10, 12), (20, 22), (100, 101)]


def test_the_largest_program_is_one_that_the_kernel_takes() -> None:
    """10,000 scattered addresses: every jump in reach, and within the limit of instructions."""
    addresses = [IPv4Address((198 << 24) + 7 * number) for number in range(10_000)]

    program = build_arp(addresses)

    bpf.check(program)
    assert len(merge(map(int, addresses), RANGES_MAX)) == RANGES_MAX
    assert all(bpf.run(program, question(address)) for address in addresses[::97])
    assert not bpf.run(program, question(IPv4Address("192.0.2.1")))


def test_packs_eight_octets_for_an_instruction() -> None:
    """`struct sock_filter`."""
    program = build_arp([VIP])

    assert len(pack(program)) == 8 * len(program)


class TestNeighborDiscovery:
    def test_passes_what_asks_for_or_claims_a_wanted_address(self) -> None:
        """As target and as source, by the last 32 bits."""
        program = build_ndp([VIP6])

        assert bpf.run(program, solicitation(VIP6))
        assert bpf.run(program, solicitation(VIP6, to_mac=MAC, to=VIP6))
        assert bpf.run(program, dad_probe(VIP6))
        assert bpf.run(program, announcement(MAC, VIP6))
        assert bpf.run(program, solicitation(OTHER_VIP6, sender=VIP6))
        assert not bpf.run(program, solicitation(OTHER_VIP6))
        assert not bpf.run(program, announcement(MAC, OTHER_VIP6))

    @pytest.mark.parametrize("offset", [12, 13, 20, 54])
    @pytest.mark.parametrize("addresses", [None, [VIP6]], ids=["all", "one"])
    def test_drops_other_packets(self, offset: int, addresses: list[IPv6Address] | None) -> None:
        """Other protocols, and other messages of ICMPv6."""
        other = bytearray(solicitation(VIP6))
        other[offset] ^= 0x40

        assert not bpf.run(build_ndp(addresses), bytes(other))

    def test_the_largest_program_is_one_that_the_kernel_takes(self) -> None:
        """10,000 scattered addresses."""
        addresses = [VIP6 + 7 * number for number in range(10_000)]

        program = build_ndp(addresses)

        bpf.check(program)
        assert all(bpf.run(program, solicitation(address)) for address in addresses[::97])
