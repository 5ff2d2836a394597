"""Batches of nf_tables messages. What the kernel makes of them is in tests/netns/test_daisy_chain.py."""

from __future__ import annotations

import sys

import pytest

from announce.net.netlink import NLM_F_ACK, attributes_in, frames
from announce.net.nftables import FORMER, Family, add_elements, batch, build, interface_index, remove_elements

BEGIN, END, NEW_ELEMENTS, REMOVED_ELEMENTS = 0x10, 0x11, 0xA0C, 0xA0E
HEAD_OCTETS = 4


@pytest.mark.parametrize("family", Family)
def test_a_batch_is_framed_and_acknowledged_once(family: Family) -> None:
    sent = list(frames(batch(build(family), 7)))

    assert [kind for kind, *_ in sent] == [BEGIN, 0xA00, 0xA09, 0xA09, 0xA09, 0xA03, 0xA06, END]
    assert {sequence for _, _, sequence, _ in sent} == {7}
    assert [bool(flags & NLM_F_ACK) for _, flags, _, _ in sent] == [False] * 6 + [True, False]
    assert {payload[0] for kind, _, _, payload in sent if kind not in (BEGIN, END)} == {family}


def test_elements_lead_where_they_are_told() -> None:
    key, gateway = bytes([192, 0, 2, 200]), bytes([192, 0, 2, 7])
    operations = [
        remove_elements(Family.IPV4, FORMER, [key]),
        add_elements(Family.IPV4, FORMER, [(key, gateway)]),
    ]

    _, removed, added, _ = frames(batch(operations, 1))

    assert (removed[0], added[0]) == (REMOVED_ELEMENTS, NEW_ELEMENTS)
    for _, _, _, payload in (removed, added):
        told = attributes_in(payload[HEAD_OCTETS:])
        assert (told[1], told[2]) == (b"swimlb\0", b"former\0")
        (element,) = attributes_in(told[3]).values()
        parts = attributes_in(element)
        assert attributes_in(parts[1])[1] == key
        assert (2 in parts) == (payload is added[3])
    element = attributes_in(attributes_in(added[3][HEAD_OCTETS:])[3])[1]
    assert attributes_in(attributes_in(element)[2])[1] == gateway


def test_an_interface_is_a_number_of_the_host() -> None:
    assert int.from_bytes(interface_index(258), sys.byteorder) == 258
