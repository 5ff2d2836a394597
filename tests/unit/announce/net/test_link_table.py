"""From netlink messages to events about interfaces."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface

from announce.l2 import Interface, InterfaceAdded, InterfaceChanged, InterfaceRemoved
from announce.net.link_table import LinkTable, difference
from announce.net.rtnetlink import AddressMessage, LinkFlag, LinkMessage

MAC = bytes.fromhex("020000000001")
LINK = LinkMessage(
    is_removal=False,
    index=2,
    name="eth0",
    flags=LinkFlag.UP | LinkFlag.BROADCAST | LinkFlag.RUNNING,
    mac=MAC,
    master=None,
)
ADDRESS = AddressMessage(
    is_removal=False, index=2, address=IPv4Interface("192.0.2.1/24"), label="eth0", protocol=0
)
INTERFACE = Interface(name="eth0", index=2, mac=MAC, is_up=True, has_carrier=False)


def test_joins_a_link_and_its_addresses() -> None:
    """Sorted by family and value, so that the order of messages makes no difference."""
    table = LinkTable()
    table.apply(replace(ADDRESS, address=IPv6Interface("2001:db8::1/64")))
    table.apply(replace(ADDRESS, address=IPv4Interface("192.0.2.9/24")))
    table.apply(ADDRESS)
    table.apply(LINK)

    assert table.interface(2) == replace(
        INTERFACE,
        addresses=(
            IPv4Interface("192.0.2.1/24"),
            IPv4Interface("192.0.2.9/24"),
            IPv6Interface("2001:db8::1/64"),
        ),
    )


def test_reads_the_flags() -> None:
    """What the responder asks about an interface."""
    table = LinkTable()
    table.apply(replace(LINK, flags=LinkFlag.LOOPBACK | LinkFlag.NOARP | LinkFlag.LOWER_UP, master=7))

    assert table.interface(2) == replace(
        INTERFACE,
        is_up=False,
        has_carrier=True,
        is_loopback=True,
        is_noarp=True,
        can_broadcast=False,
        master=7,
    )


def test_forgets_what_is_removed() -> None:
    """An address, then the link; what is not known is removed without complaint."""
    table = LinkTable()
    for message in (LINK, ADDRESS, replace(ADDRESS, is_removal=True), replace(ADDRESS, is_removal=True)):
        table.apply(message)
    without_address = table.interface(2)

    table.apply(replace(LINK, is_removal=True))

    assert without_address == INTERFACE
    assert table.interface(2) is None


def test_leaves_service_addresses_out() -> None:
    """They are ours by protocol, or on an old kernel by label."""
    table = LinkTable()
    table.apply(LINK)

    table.apply(replace(ADDRESS, protocol=0x5B))
    table.apply(replace(ADDRESS, label="lo:slb"))

    assert table.interface(2) == INTERFACE


def test_leaves_tentative_addresses_out() -> None:
    """Until the kernel says that they are nobody else's, which it does by the same message without the flag."""
    table = LinkTable()
    table.apply(LINK)
    table.apply(ADDRESS)
    tentative = replace(ADDRESS, address=IPv6Interface("2001:db8::1/64"), is_tentative=True)

    table.apply(tentative)
    before = table.interface(2)
    table.apply(replace(tentative, is_tentative=False))

    assert before == replace(INTERFACE, addresses=(ADDRESS.address,))
    assert table.interface(2) == replace(INTERFACE, addresses=(ADDRESS.address, tentative.address))


def test_leaves_ipv6_out_while_the_link_local_address_is_tentative() -> None:
    """The kernel has no address yet to ask for neighbors from."""
    table = LinkTable()
    table.apply(LINK)
    table.apply(ADDRESS)
    table.apply(replace(ADDRESS, address=IPv6Interface("2001:db8::1/64")))
    link_local = replace(ADDRESS, address=IPv6Interface("fe80::1/64"), is_tentative=True)

    table.apply(link_local)
    before = table.interface(2)
    table.apply(replace(link_local, is_removal=True))
    without = table.interface(2)
    table.apply(replace(link_local, is_tentative=False))
    after = table.interface(2)

    assert before == replace(INTERFACE, addresses=(ADDRESS.address,))
    assert without == replace(INTERFACE, addresses=(ADDRESS.address, IPv6Interface("2001:db8::1/64")))
    assert after is not None
    assert link_local.address in after.addresses


def test_tells_what_happened_to_an_interface() -> None:
    """A rename is a removal and an addition, because everyone knows interfaces by name."""
    renamed = replace(INTERFACE, name="lan0")
    changed = replace(INTERFACE, is_up=False)

    assert difference(None, INTERFACE) == [InterfaceAdded(INTERFACE)]
    assert difference(INTERFACE, INTERFACE) == []
    assert difference(INTERFACE, changed) == [InterfaceChanged(changed)]
    assert difference(INTERFACE, renamed) == [InterfaceRemoved("eth0"), InterfaceAdded(renamed)]
    assert difference(INTERFACE, None) == [InterfaceRemoved("eth0")]
