"""The table that sends packets of unknown connections on, against the kernel, with nft(8) as the second opinion."""

from __future__ import annotations

import errno
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from announce.net.daisy_chain import (
    DaisyChain,
    Hop,
    are_connections_picked_up,
    are_connections_tracked,
    gateway_for,
)
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from tests.netns.l2_wire import Cable

MAC, OTHER_MAC = bytes.fromhex("0200000000aa"), bytes.fromhex("0200000000bb")
ONE, TWO, SIX = ip_address("192.0.2.200"), ip_address("192.0.2.201"), ip_address("2001:db8::200")
VIA, OTHER_VIA = ip_address("192.0.2.7"), ip_address("192.0.2.8")
RULE = (
    "ct state new tcp flags ! syn {ip} {limit} > 1 ether saddr != @members "
    "dup to {ip} daddr map @former device {ip} daddr map @interfaces counter packets 0 bytes 0 drop"
)


@pytest.fixture
def namespace(sandbox: Sandbox) -> str:
    return Cable(sandbox).speaker


@pytest.fixture
def index(namespace: str) -> int:
    with namespaces.entered(namespace):
        return socket.if_nametoindex("eth0")


@pytest.fixture
def chain(namespace: str) -> Iterator[DaisyChain]:
    with namespaces.entered(namespace):
        chain = DaisyChain()
    with closing(chain):
        yield chain


def tables(namespace: str) -> str:
    return namespaces.run(namespaces.execute(namespace, "nft", "list", "ruleset"))


def elements(namespace: str, family: str, name: str) -> dict[str, str]:
    """What a map or a set holds; the keys of a set lead to nothing."""
    kind = "set" if name == "members" else "map"
    listed = namespaces.run(namespaces.execute(namespace, "nft", "list", kind, family, "swimlb", name))
    found = re.search(r"elements = \{(.*?)\}", listed, re.DOTALL)
    entries = found[1].split(",") if found else []
    parts = (entry.strip().partition(" : ") for entry in entries)
    return {key: value.strip('"') for key, _, value in parts}


def neighbours(namespace: str) -> Mapping[str, str]:
    listed = namespaces.ip_json(namespace, "-6", "neigh", "show", "nud", "permanent")
    return {one["dst"]: one["lladdr"] for one in listed}


def test_is_as_its_description_says(namespace: str, chain: DaisyChain) -> None:
    listed = tables(namespace)

    for family, limit in (("ip", "ttl"), ("ip6", "hoplimit")):
        table = re.search(rf"table {family} swimlb \{{(.*?)\n\}}", listed, re.DOTALL)
        assert table is not None
        assert "flags owner" in table[1]
        assert "type filter hook prerouting priority mangle; policy accept;" in table[1]
        assert RULE.format(ip=family, limit=limit) in table[1]


def test_leads_to_the_former_host(namespace: str, chain: DaisyChain, index: int) -> None:
    gateway = gateway_for(MAC)
    chain.know_members({MAC, OTHER_MAC})
    chain.change({ONE: Hop(VIA, index), TWO: Hop(VIA, index), SIX: Hop(gateway, index, MAC)})

    assert elements(namespace, "ip", "former") == {str(ONE): str(VIA), str(TWO): str(VIA)}
    assert elements(namespace, "ip", "interfaces") == {str(ONE): "eth0", str(TWO): "eth0"}
    assert elements(namespace, "ip6", "former") == {str(SIX): str(gateway)}
    assert elements(namespace, "ip6", "interfaces") == {str(SIX): "eth0"}
    assert neighbours(namespace) == {str(gateway): MAC.hex(":")}
    for family in ("ip", "ip6"):
        assert elements(namespace, family, "members").keys() == {MAC.hex(":"), OTHER_MAC.hex(":")}


def test_changes_what_is_different(namespace: str, chain: DaisyChain, index: int) -> None:
    chain.know_members({MAC, OTHER_MAC})
    chain.change({ONE: Hop(VIA, index), TWO: Hop(VIA, index), SIX: Hop(gateway_for(MAC), index, MAC)})

    chain.know_members({MAC})
    chain.change({ONE: Hop(OTHER_VIA, index), TWO: Hop(VIA, index), SIX: None})

    assert elements(namespace, "ip", "former") == {str(ONE): str(OTHER_VIA), str(TWO): str(VIA)}
    assert elements(namespace, "ip6", "former") == elements(namespace, "ip6", "interfaces") == {}
    assert neighbours(namespace) == {}
    assert elements(namespace, "ip", "members").keys() == {MAC.hex(":")}


def test_holds_thousands(namespace: str, chain: DaisyChain, index: int) -> None:
    many4 = {IPv4Address("198.18.0.0") + number: Hop(VIA, index) for number in range(3000)}
    many6 = {
        IPv6Address("2001:db8:1::") + number: Hop(gateway_for(MAC), index, MAC) for number in range(3000)
    }

    chain.change({**many4, **many6})
    chain.change(dict.fromkeys(list(many4)[:2000]))

    assert elements(namespace, "ip", "former").keys() == {str(one) for one in list(many4)[2000:]}
    assert elements(namespace, "ip6", "former").keys() == {str(one) for one in many6}


def test_nobody_else_may_touch_it(namespace: str, chain: DaisyChain, index: int) -> None:
    """A firewall that begins anew with an empty set of rules would end all connections that are sent on."""
    chain.change({ONE: Hop(VIA, index)})

    namespaces.run(namespaces.execute(namespace, "nft", "flush", "ruleset"))

    assert elements(namespace, "ip", "former") == {str(ONE): str(VIA)}
    with namespaces.entered(namespace), pytest.raises(OSError, match="nf_tables") as refusal:
        DaisyChain()
    assert refusal.value.errno in (errno.EEXIST, errno.EPERM)
    assert elements(namespace, "ip", "former") == {str(ONE): str(VIA)}


def test_leaves_nothing(namespace: str, chain: DaisyChain, index: int) -> None:
    chain.change({SIX: Hop(gateway_for(MAC), index, MAC)})

    chain.close()

    assert "swimlb" not in tables(namespace)
    assert neighbours(namespace) == {}


def test_removes_what_an_earlier_life_has_left(namespace: str, index: int) -> None:
    """One that was killed: its table goes with it, its neighbours stay. Those of an administrator are left alone."""
    fixed = "fe80::5b:1"
    add = ("ip", "-6", "neigh", "add", fixed, "lladdr", MAC.hex(":"), "dev", "eth0")
    namespaces.run(namespaces.execute(namespace, *add))
    hops = f"{{IPv6Address('{SIX}'): Hop(gateway_for(mac), {index}, mac)}}"
    killed = (
        "import os, signal; from ipaddress import IPv6Address; "
        "from announce.net.daisy_chain import DaisyChain, Hop, gateway_for; "
        f"mac = bytes.fromhex('{MAC.hex()}'); DaisyChain().change({hops}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    life = subprocess.run(
        namespaces.execute(namespace, sys.executable, "-c", killed), check=False, timeout=10.0
    )
    before = neighbours(namespace)

    with namespaces.entered(namespace):
        chain = DaisyChain()
    with closing(chain):
        after = neighbours(namespace)

    assert life.returncode == -signal.SIGKILL
    assert before == {fixed: MAC.hex(":"), str(gateway_for(MAC)): MAC.hex(":")}
    assert after == {fixed: MAC.hex(":")}


def test_what_fails_is_told_and_changes_nothing(namespace: str, chain: DaisyChain, index: int) -> None:
    chain.change({ONE: Hop(VIA, index)})
    with pytest.raises(OSError, match="neighbour"):
        chain.change({ONE: Hop(OTHER_VIA, index), SIX: Hop(gateway_for(MAC), 999, MAC)})

    assert elements(namespace, "ip", "former") == {str(ONE): str(VIA)}
    chain.change({ONE: Hop(OTHER_VIA, index)})
    assert elements(namespace, "ip", "former") == {str(ONE): str(OTHER_VIA)}


def test_knows_whether_connections_are_tracked(namespace: str) -> None:
    """Not by a mere table with rules, but by the connections that there are."""
    with namespaces.entered(namespace):
        before = are_connections_tracked()
        chain = DaisyChain()
        with (
            closing(chain),
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()),
        ):
            after = are_connections_tracked()

    assert (before, after) == (False, True)


def test_knows_whether_connections_are_picked_up(namespace: str, chain: DaisyChain) -> None:
    found: list[bool] = []
    for setting in ("0", "1"):
        namespaces.set_sysctls(namespace, {"net/netfilter/nf_conntrack_tcp_loose": setting})
        with namespaces.entered(namespace):
            found.append(are_connections_picked_up())

    assert found == [False, True]
