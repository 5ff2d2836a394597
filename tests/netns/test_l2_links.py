"""The netlink client against the kernel, with iproute2 as the second opinion."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_interface

import pytest

from announce.l2 import Interface, InterfaceAdded, InterfaceChanged, InterfaceEvent, InterfaceRemoved
from announce.net.addresses import LocalAddresses
from announce.net.links import LinkMonitor
from announce.net.sysctls import check_sysctls
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from tests.netns.l2_wire import Cable, run, until

pytestmark = pytest.mark.netns

VIP, VIP6 = IPv4Address("192.0.2.10"), IPv6Address("2001:db8::10")
OTHER, REMOVED = IPv4Address("192.0.2.11"), IPv4Address("192.0.2.12")


@pytest.fixture
def cable(sandbox: Sandbox) -> Cable:
    return Cable(sandbox)


class Mirror:
    """What one knows who only listens to the monitor's events."""

    def __init__(self) -> None:
        self.interfaces: dict[str, Interface] = {}

    def hear(self, event: InterfaceEvent) -> None:
        match event:
            case InterfaceAdded(interface):
                assert interface.name not in self.interfaces
                self.interfaces[interface.name] = interface
            case InterfaceChanged(interface):
                assert self.interfaces[interface.name] != interface
                self.interfaces[interface.name] = interface
            case InterfaceRemoved(name):
                del self.interfaces[name]


def iproute2(namespace: str) -> dict[str, Interface]:
    """The same, as `ip -j address` tells it."""
    found: dict[str, Interface] = {}
    entries = namespaces.ip_json(namespace, "address", "show")
    indexes = {entry["ifname"]: entry["ifindex"] for entry in entries}
    for entry in entries:
        flags = entry["flags"]
        addresses = [ip_interface(f"{one['local']}/{one['prefixlen']}") for one in entry["addr_info"]]
        found[entry["ifname"]] = Interface(
            name=entry["ifname"],
            index=entry["ifindex"],
            mac=bytes.fromhex(entry["address"].replace(":", "")),
            is_up="UP" in flags,
            has_carrier="LOWER_UP" in flags,
            is_loopback="LOOPBACK" in flags,
            is_noarp="NOARP" in flags,
            can_broadcast="BROADCAST" in flags,
            master=indexes[entry["master"]] if "master" in entry else None,
            addresses=tuple(sorted(addresses, key=lambda address: (address.version, address))),
        )
    return found


def watching(cable: Cable, change: Callable[[Mirror], None]) -> None:
    """Start a monitor, change something, and wait until the monitor and iproute2 agree."""

    async def play() -> None:
        mirror = Mirror()
        monitor = LinkMonitor(mirror.hear)
        with namespaces.entered(cable.speaker):
            monitor.start()
        try:
            change(mirror)
            await until(
                lambda: mirror.interfaces == iproute2(cable.speaker), "the monitor to agree with iproute2"
            )
        finally:
            monitor.close()

    run(play())


def test_knows_the_interfaces_when_it_has_started(cable: Cable) -> None:
    """No event loop has to turn before the first decision can be made."""

    def at_once(mirror: Mirror) -> None:
        assert mirror.interfaces == iproute2(cable.speaker)
        assert "eth0" in mirror.interfaces

    # An IPv6 address that is being probed would change in between.
    namespaces.ip_batch(["link set eth0 addrgenmode none", "address flush dev eth0"], cable.speaker)
    watching(cable, at_once)


@pytest.mark.parametrize(
    "commands",
    [
        ["address add 192.0.2.77/24 dev eth0"],
        ["address del 192.0.2.1/24 dev eth0"],
        ["address add 2001:db8::1/64 dev eth0 nodad"],
        ["address add 198.51.100.1 peer 198.51.100.2 dev eth0"],
        ["link set eth0 address 02:00:00:00:00:55"],
        ["link set eth0 down"],
        ["link set eth0 down", "link set eth0 name lan0"],
        ["link set eth0 arp off"],
        ["link add br0 type bridge", "link set br0 up", "link set eth0 master br0"],
        ["link add br0 type bridge", "link set eth0 master br0", "link set eth0 nomaster"],
        ["link del eth0"],
    ],
    ids=" | ".join,
)
def test_follows_every_change(cable: Cable, commands: list[str]) -> None:
    """After each change the events add up to what iproute2 sees."""
    watching(cable, lambda _: namespaces.ip_batch(commands, cable.speaker))


def test_a_name_goes_from_one_interface_to_another(cable: Cable) -> None:
    """At once, as when a host's interfaces are given new names at boot; whichever of the two is the older one."""
    namespaces.ip_batch(["link add new0 type bridge", "link set eth0 down"], cable.speaker)
    away = ["link set eth0 name lan0", "link set new0 name eth0"]
    back = ["link set eth0 name new0", "link set lan0 name eth0"]

    watching(cable, lambda _: namespaces.ip_batch(away, cable.speaker))
    watching(cable, lambda _: namespaces.ip_batch(back, cable.speaker))


def test_survives_more_changes_than_its_buffer_holds(cable: Cable) -> None:
    """The kernel drops messages and says so (ENOBUFS): everything is read anew, and told as one difference."""
    commands = ["address add 198.51.100.1/32 dev eth0", "address del 198.51.100.1/32 dev eth0"] * 3000

    async def play() -> None:
        mirror = Mirror()
        monitor = LinkMonitor(mirror.hear)
        with namespaces.entered(cable.speaker):
            monitor.start()
        try:
            dumps_before = monitor._sequence
            # The loop stands still meanwhile, so nothing is read.
            namespaces.ip_batch([*commands, "link set eth0 address 02:00:00:00:00:55"], cable.speaker)
            await until(
                lambda: mirror.interfaces == iproute2(cable.speaker), "the monitor to agree with iproute2"
            )
            assert monitor._sequence > dumps_before
        finally:
            monitor.close()

    run(play())


def test_losing_the_carrier_is_told(cable: Cable) -> None:
    """The other end of the cable goes down."""
    watching(cable, lambda _: namespaces.ip_batch(["link set eth0 down"], cable.client))


def addresses_on_lo(namespace: str) -> dict[str, dict[str, object]]:
    (loopback,) = namespaces.ip_json(namespace, "address", "show", "dev", "lo")
    return {one["local"]: one for one in loopback["addr_info"]}


def local_addresses(cable: Cable) -> LocalAddresses:
    with namespaces.entered(cable.speaker):
        return LocalAddresses()


def test_puts_an_address_on_lo_and_removes_it(cable: Cable) -> None:
    """Of either family; doing it twice is harmless."""
    with local_addresses(cable) as local:
        for address in (VIP, VIP6, VIP, VIP6):
            local.add(address)
        present = addresses_on_lo(cable.speaker)
        owned = local.owned_addresses()
        for address in (VIP, VIP6, VIP, VIP6):
            local.remove(address)

    assert {str(VIP), str(VIP6)} <= present.keys()
    assert (present[str(VIP)]["prefixlen"], present[str(VIP)]["scope"]) == (32, "host")
    assert (present[str(VIP6)]["prefixlen"], present[str(VIP6)]["deprecated"]) == (128, True)
    assert owned == {VIP, VIP6}
    assert addresses_on_lo(cable.speaker).keys() == {"127.0.0.1", "::1"}


def local_routes(namespace: str) -> list[str]:
    answer = namespaces.run(namespaces.execute(namespace, "ip", "-6", "route", "show", "table", "local"))
    return [line for line in answer.splitlines() if str(VIP6) in line]


def test_packets_for_an_ipv6_address_are_taken_at_once(cable: Cable) -> None:
    """Not when the kernel's worker has come to it: one in ten came too late."""
    with namespaces.entered(cable.speaker):
        here = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with here, client, local_addresses(cable) as local:
        here.bind(("::", 0))
        here.settimeout(1.0)
        port = here.getsockname()[1]
        for number in range(200):
            local.add(VIP6)
            client.sendto(str(number).encode(), (str(VIP6), port))
            assert here.recv(10) == str(number).encode()
            local.remove(VIP6)

    assert local_routes(cable.speaker) == []


def test_a_restarted_speaker_finds_what_it_left(cable: Cable) -> None:
    """And can remove it."""
    with local_addresses(cable) as first:
        first.add(VIP)
        first.add(VIP6)

    with local_addresses(cable) as second:
        found = second.owned_addresses()
        for address in found:
            second.remove(address)

    assert found == {VIP, VIP6}
    assert addresses_on_lo(cable.speaker).keys() == {"127.0.0.1", "::1"}


def test_never_removes_what_an_administrator_put_there(cable: Cable) -> None:
    """Such an address serves as well, and stays when we are done."""
    namespaces.ip_batch([f"address add {VIP}/32 dev lo", f"address add {VIP6}/128 dev lo"], cable.speaker)

    with local_addresses(cable) as local:
        for address in (VIP, VIP6):
            local.add(address)
            local.remove(address)
        assert local.owned_addresses() == frozenset()

    assert {str(VIP), str(VIP6)} <= addresses_on_lo(cable.speaker).keys()


def test_an_address_that_someone_removed_is_no_error(cable: Cable) -> None:
    """What is to be gone is gone."""
    with local_addresses(cable) as local:
        local.add(VIP)
        namespaces.ip_batch([f"address del {VIP}/32 dev lo"], cable.speaker)

        local.remove(VIP)

        assert local.owned_addresses() == frozenset()


def test_what_someone_else_has_taken_away_is_lost_and_can_be_added_anew(cable: Cable) -> None:
    """Also what an administrator had put there before."""
    namespaces.ip_batch([f"address add {OTHER}/32 dev lo"], cable.speaker)
    with local_addresses(cable) as local:
        for address in (VIP, VIP6, OTHER, REMOVED):
            local.add(address)
        local.remove(REMOVED)
        assert local.forget_lost() == []

        namespaces.run(namespaces.execute(cable.speaker, "ip", "address", "flush", "dev", "lo"))
        lost = local.forget_lost()
        for address in lost:
            local.add(address)

        assert lost == [VIP, OTHER, VIP6]
        assert {str(VIP), str(VIP6), str(OTHER)} == addresses_on_lo(cable.speaker).keys()
        assert local.owned_addresses() == {VIP, VIP6, OTHER}


def test_a_refusal_names_the_address(cable: Cable) -> None:
    """A group is no address that a host can have."""
    with local_addresses(cable) as local, pytest.raises(OSError, match="cannot add ff02::1: "):
        local.add(IPv6Address("ff02::1"))


def test_finds_the_settings_of_the_kernel(cable: Cable) -> None:
    """The lab's nodes are set as they should be, its clients are not."""
    with namespaces.entered(cable.speaker):
        of_speaker = check_sysctls("eth0")
    with namespaces.entered(cable.client):
        of_client = check_sysctls("eth0")

    assert of_speaker == []
    assert [finding.setting for finding in of_client] == ["arp_ignore", "arp_announce"]


def test_agrees_with_iproute2_on_this_very_machine() -> None:
    """Whatever interfaces the host has."""

    async def play() -> Mirror:
        mirror = Mirror()
        monitor = LinkMonitor(mirror.hear)
        monitor.start()
        monitor.close()
        return mirror

    names = subprocess.run(
        ["ip", "-br", "link"], capture_output=True, text=True, check=True, timeout=10
    ).stdout.splitlines()

    assert run(play()).interfaces.keys() == {line.split()[0].partition("@")[0] for line in names}
