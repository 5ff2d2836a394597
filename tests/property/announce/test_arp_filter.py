"""The kernel's filter never loses a wanted frame, and within its cap passes nothing else."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from announce.l2.arp import Operation
from announce.net.filter import build_arp
from tests.unit.announce.l2.playbook import frame
from tests.unit.announce.net import bpf

CLOSE = st.integers(0xC0000200, 0xC0000240)
ANY = st.integers(0, 0xFFFFFFFF)
ADDRESSES = st.builds(IPv4Address, st.one_of(CLOSE, ANY, st.sampled_from([0, 0xFFFFFFFF])))
SETS = st.frozensets(ADDRESSES, max_size=60)


@given(SETS, ADDRESSES, ADDRESSES, st.sampled_from(Operation))
def test_passes_exactly_the_wanted_addresses(
    wanted: frozenset[IPv4Address], sender: IPv4Address, target: IPv4Address, operation: Operation
) -> None:
    """Up to the cap the program decides as the set does, for neighbors of its members too."""
    program = build_arp(wanted)

    bpf.check(program)
    passes = bool(bpf.run(program, frame(operation, sender, target)))
    assert passes == (sender in wanted or target in wanted)


@given(SETS.filter(bool), st.integers(1, 5), st.data())
def test_never_loses_a_wanted_frame_however_coarse(
    wanted: frozenset[IPv4Address], ranges_max: int, data: st.DataObject
) -> None:
    """Beyond the cap more may pass, never fewer."""
    address = data.draw(st.sampled_from(sorted(wanted)))
    other = data.draw(ADDRESSES)

    program = build_arp(wanted, ranges_max)

    bpf.check(program)
    assert bpf.run(program, frame(Operation.REQUEST, other, address))
    assert bpf.run(program, frame(Operation.REPLY, address, other))


@given(SETS, st.binary(max_size=80), st.integers(0, 7))
def test_any_bytes_end_in_a_verdict(wanted: frozenset[IPv4Address], octets: bytes, packet_type: int) -> None:
    """And what is no ARP never passes."""
    passes = bpf.run(build_arp(wanted), octets, packet_type)

    assert not passes or octets[12:14] == b"\x08\x06"
