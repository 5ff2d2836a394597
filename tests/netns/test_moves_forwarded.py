"""A rolling restart of all speakers where nodes only carry the traffic on: not one connection fails.

    inside ──► the node that has the address now ──► server, which has all of them on its `lo`
       ▲                                               │
       └────────────── direct server return ───────────┘

The state of a connection lies on the server, so it is the same one whichever node the client's frames go to.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from swimlb.lab import namespaces, topology
from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, SWITCH, Host, walkthrough
from swimlb.lab.waiting import wait_until
from tests.netns.dual import PORT, addresses4, addresses6, owners, rest, restart_under_load, write_manifests

ADDRESSES = [*addresses4(6), *addresses6(6)]
SERVER = Host("server", "192.168.3.50")
STREAMS = 200
RATE = 200.0
FORWARDING = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/eth0/send_redirects": "0",
    "net/ipv6/conf/all/forwarding": "1",
}
# IPv6 has no setting that keeps a router from sending redirects. A client that believed them would go past the nodes.
UNMOVED = {
    "net/ipv6/conf/all/accept_redirects": "0",
    "net/ipv6/conf/eth0/accept_redirects": "0",
}


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Three nodes with routes to the server instead of workloads, which they check there."""
    check = f"tcp://{SERVER.address}:{PORT}"
    manifests = write_manifests(tmp_path_factory.mktemp("manifests"), ADDRESSES, check)
    lab = Lab(sandbox, walkthrough(3), manifests, options=("--data-path", "forward"))
    lab.build()
    add_server(sandbox)
    routes = [f"route add {address} via {gateway_for(address)}" for address in ADDRESSES]
    for node in lab.network.nodes:
        lab.stop_backend(node.name)
        namespace = sandbox.namespace(node.name)
        namespaces.set_sysctls(namespace, FORWARDING)
        namespaces.ip_batch(routes, namespace)
    namespaces.set_sysctls(sandbox.namespace(INSIDE.name), UNMOVED)
    rest(lab)
    wait_until(
        lambda: all(owners(lab).get(address) for address in ADDRESSES),
        timeout=20,
        what="the server to be found ready, and every address to have an owner",
        seen=lambda: owners(lab),
    )
    rest(lab)
    return lab


def add_server(sandbox: Sandbox) -> None:
    """A host on the LAN that takes packets for all addresses, and claims none of them."""
    sandbox.add_namespaces(SERVER.name)
    server = sandbox.namespace(SERVER.name)
    namespaces.set_sysctls(server, namespaces.LONG_UP_SYSCTLS)
    namespaces.plug_in(sandbox.namespace(SWITCH), {SERVER.port: server})
    topology.configure_host(sandbox, SERVER)
    namespaces.set_sysctls(server, namespaces.NODE_SYSCTLS)
    namespaces.ip_batch([f"address add {address} dev lo" for address in ADDRESSES], server)
    options = ("--name", SERVER.name, "--port", str(PORT))
    sandbox.start_module("workload", "swimlb.lab.backend", *options, namespace=SERVER.name)


def gateway_for(address: str) -> str:
    return SERVER.address6 if ":" in address else SERVER.address


def test_nothing_fails_while_every_speaker_is_restarted(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Streams live on and new connections are made while every address moves away and back, for IPv4 and IPv6."""
    before = owners(lab)
    carried_before = carried_on(lab)
    seen = restart_under_load(lab, ADDRESSES, streams=STREAMS, rate=RATE)

    with capsys.disabled():
        print(
            f"\n  rolling restart in {seen.took:.0f} s, traffic carried on: {len(seen.broken)} of {len(seen.streams)} "
            f"streams and {len(seen.fresh)} new connections failed",
            end="",
        )
    assert seen.broken == []
    seen.check(STREAMS, RATE, SERVER.name)
    assert owners(lab) == before
    assert all(carried > carried_before[where] for where, carried in carried_on(lab).items()), (
        "the traffic went through the nodes, all of them, by both families"
    )


def test_no_address_is_put_on_lo(lab: Lab, sandbox: Sandbox) -> None:
    """Or the host would take for itself what it is to carry on; what an earlier life put there goes."""
    node = lab.network.nodes[0].name
    lab.stop(node)
    namespace = sandbox.namespace(node)
    namespaces.ip_batch(
        [f"address add {ADDRESSES[0]}/32 dev lo label lo:slb", f"address add {ADDRESSES[-1]} dev lo"],
        namespace,
    )
    lab.start(node)
    rest(lab)

    held = [
        one["local"]
        for link in namespaces.ip_json(namespace, "address", "show", "lo")
        for one in link["addr_info"]
    ]

    assert ADDRESSES[0] not in held
    assert ADDRESSES[-1] in held, "what an administrator has put there is left alone"
    namespaces.ip_batch([f"address del {ADDRESSES[-1]} dev lo"], namespace)


def carried_on(lab: Lab) -> dict[tuple[str, str], int]:
    """How many packets each node has forwarded, by node and family."""
    found: dict[tuple[str, str], int] = {}
    for node in lab.network.nodes:
        names, values = grep(lab.sandbox.run(node.name, "cat", "/proc/net/snmp").splitlines(), "Ip:")
        found[node.name, "IPv4"] = int(values.split()[names.split().index("ForwDatagrams")])
        (line,) = grep(
            lab.sandbox.run(node.name, "cat", "/proc/net/snmp6").splitlines(), "Ip6OutForwDatagrams"
        )
        found[node.name, "IPv6"] = int(line.split()[1])
    return found


def grep(lines: Iterable[str], prefix: str) -> list[str]:
    return [line for line in lines if line.startswith(prefix)]
