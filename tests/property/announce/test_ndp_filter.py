"""The kernel's filter for neighbor discovery never loses a wanted frame."""

from __future__ import annotations

from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from announce.l2.ndp import announcement
from announce.net.filter import build_ndp
from tests.unit.announce.l2.playbook import MAC, PEER6, VIP6, solicitation
from tests.unit.announce.net import bpf

ADDRESSES = st.one_of(
    st.integers(0, 64).map(lambda offset: VIP6 + offset),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.sampled_from([0, 2**32 - 1, 2**128 - 1]).map(IPv6Address),
)
SETS = st.frozensets(ADDRESSES, max_size=60)


@given(SETS, ADDRESSES, ADDRESSES)
def test_passes_exactly_the_wanted_endings(
    wanted: frozenset[IPv6Address], source: IPv6Address, target: IPv6Address
) -> None:
    """Up to the cap the program decides as the set does, by the last 32 bits of target and source."""
    program = build_ndp(wanted)
    endings = {address.packed[12:] for address in wanted}

    bpf.check(program)
    passes = bool(bpf.run(program, solicitation(target, sender=source)))
    assert passes == (source.packed[12:] in endings or target.packed[12:] in endings)


@given(SETS.filter(bool), st.integers(1, 5), st.data())
def test_never_loses_a_wanted_frame_however_coarse(
    wanted: frozenset[IPv6Address], ranges_max: int, data: st.DataObject
) -> None:
    """Beyond the cap more may pass, never fewer."""
    address = data.draw(st.sampled_from(sorted(wanted)))

    program = build_ndp(wanted, ranges_max)

    bpf.check(program)
    assert bpf.run(program, solicitation(address))
    assert bpf.run(program, solicitation(PEER6, sender=address))
    assert bpf.run(program, announcement(MAC, address))


@given(SETS, st.binary(max_size=100), st.integers(0, 7))
def test_any_bytes_end_in_a_verdict(wanted: frozenset[IPv6Address], octets: bytes, packet_type: int) -> None:
    """And what is no neighbor discovery never passes."""
    passes = bpf.run(build_ndp(wanted), octets, packet_type)

    assert not passes or (octets[12:14], octets[20], octets[54] in (135, 136)) == (b"\x86\xdd", 58, True)
