"""Interfaces that stand on others: from the kernel's link messages to where addresses are announced.

An upper interface names the lower one in IFLA_LINK (VLAN, macvlan), a lower one its upper in IFLA_MASTER (bridge, bond,
VRF). Only the latter does not speak for itself.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from announce.l2 import AnnounceRequested, CloseInterface, Effect, InterfaceRules, OpenInterface
from announce.net.link_table import LinkTable, difference
from announce.net.rtnetlink import LinkMessage, parse
from tests.unit.announce.l2.playbook import Playbook

UP, BROADCAST, NOARP, BOND_MASTER, BOND_PORT, LOWER_UP = 0x1, 0x2, 0x80, 0x400, 0x800, 0x10000
ETHERNET = UP | BROADCAST | LOWER_UP
VIP = IPv4Address("192.0.2.10")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link_message(
    name: str,
    index: int,
    kind: str = "",
    *,
    link: int | None = None,
    master: int | None = None,
    flags: int = ETHERNET,
) -> bytes:
    """RTM_NEWLINK as Linux writes it, of the attributes those that tell what stands on what."""
    attributes = attribute(3, name.encode() + b"\0") + attribute(1, bytes([2, 0, 0, 0, 0, index]))
    if link is not None:
        attributes += attribute(5, struct.pack("=I", link))
    if master is not None:
        attributes += attribute(10, struct.pack("=I", master))
    info = attribute(1, kind.encode() + b"\0") if kind else b""
    if info:
        attributes += attribute(18, info)
    return struct.pack("=IHHII", 32 + len(attributes), 16, 0, 0, 0) + (
        struct.pack("=BxHiII", 0, 1, index, flags, 0) + attributes
    )


@pytest.mark.parametrize(
    ("message", "suits"),
    [
        (link_message("eth0.7", 3, "vlan", link=2), True),
        (link_message("lan1", 3, "macvlan", link=2), True),
        (link_message("br0", 3, "bridge"), True),
        (link_message("bond0", 3, "bond", flags=ETHERNET | BOND_MASTER), True),
        (link_message("bond0.7", 4, "vlan", link=3), True),
        (link_message("br0.7", 4, "vlan", link=3), True),
        (link_message("eth0", 2, master=3), False),
        (link_message("eth0", 2, master=3, flags=ETHERNET | BOND_PORT), False),
        (link_message("eth0.7", 3, "vlan", link=2, master=4), False),
        (link_message("lan1", 3, "macvlan", link=2, master=4), False),
        (link_message("red", 3, "vrf", flags=UP | NOARP | LOWER_UP), False),
    ],
    ids=[
        "VLAN",
        "macvlan",
        "bridge",
        "bond",
        "VLAN on a bond",
        "VLAN on a bridge",
        "port of a bridge or VRF",
        "port of a bond",
        "VLAN in a bridge",
        "macvlan in a bridge",
        "VRF",
    ],
)
def test_who_speaks(message: bytes, suits: bool) -> None:
    """What stands on another interface speaks for itself; what is a port does not."""
    table = LinkTable()
    (link,) = parse(message)
    assert isinstance(link, LinkMessage)
    table.apply(link)

    interface = table.interface(link.index)

    assert interface is not None
    assert InterfaceRules(()).suits(interface) is suits


class Kernel:
    """Link messages in, and what the responder makes of the differences."""

    def __init__(self) -> None:
        self.table = LinkTable()
        self.play = Playbook()

    def says(self, datagram: bytes) -> list[Effect]:
        effects: list[Effect] = []
        for message in parse(datagram):
            assert isinstance(message, LinkMessage)
            before = self.table.interface(message.index)
            self.table.apply(message)
            for event in difference(before, self.table.interface(message.index)):
                effects += self.play.at(1.0, event)
        return effects


def test_a_bond_and_a_vlan_on_it_speak_and_the_ports_do_not() -> None:
    """One announcement per LAN, whichever port carries it."""
    kernel = Kernel()
    kernel.play.at(0.0, AnnounceRequested(VIP))

    kernel.says(
        link_message("eth0", 2, master=4, flags=ETHERNET | BOND_PORT)
        + link_message("eth1", 3, master=4, flags=ETHERNET | BOND_PORT)
        + link_message("bond0", 4, "bond", flags=ETHERNET | BOND_MASTER)
        + link_message("bond0.7", 5, "vlan", link=4)
    )

    assert kernel.play.responder.interfaces_of(VIP) == {"bond0", "bond0.7"}


def test_a_new_port_falls_silent_and_speaks_again_when_it_has_left() -> None:
    """The kernel tells both by the whole link message, with the attribute and without."""
    kernel = Kernel()
    kernel.play.at(0.0, AnnounceRequested(VIP))
    kernel.says(link_message("eth0", 2))

    enslaved = kernel.says(link_message("eth0", 2, master=4))
    released = kernel.says(link_message("eth0", 2))

    assert enslaved == [CloseInterface("eth0")]
    assert released[0] == OpenInterface("eth0")
    assert kernel.play.responder.interfaces_of(VIP) == {"eth0"}
