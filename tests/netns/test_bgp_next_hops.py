"""A dual-stack session over IPv4 while the node's IPv6 address goes, comes and changes: its routes follow it.

So it is at boot, where IPv6 addresses come later, and when a network is renumbered. Until the session ended, routes were
held back, or led to an address that nobody had any more.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from swimlb.lab import namespaces, topology
from swimlb.lab.frr import Frr
from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import ROUTER, walkthrough
from swimlb.lab.waiting import wait_until
from tests.netns.conftest import DUAL_STACK_PREFIX, DUAL_STACK_PREFIX6, ROUTED_DUAL_STACK

NODE = walkthrough(1).nodes[0]
OTHER = "2001:db8:3::1:99"
TIMEOUT = 30.0
PEER = f"""
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {{name: router, namespace: metallb-system}}
spec:
  myASN: {topology.NODES_ASN}
  peerASN: {topology.ROUTER_ASN}
  peerAddress: {ROUTER.address}
  dualStackAddressFamily: true
"""
BGPD = f"""\
router bgp {topology.ROUTER_ASN}
 bgp router-id {ROUTER.address}
 no bgp ebgp-requires-policy
 neighbor {NODE.address} remote-as {topology.NODES_ASN}
 neighbor {NODE.address} passive
 address-family ipv6 unicast
  neighbor {NODE.address} activate
 exit-address-family
"""


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    directory: Path = tmp_path_factory.mktemp("manifests")
    (directory / "peer.yaml").write_text(PEER)
    (directory / "routed.yaml").write_text(ROUTED_DUAL_STACK)
    gateway = Frr(sandbox, ROUTER.name, bgpd_config=BGPD)
    lab = Lab(sandbox, walkthrough(1), directory, gateway=gateway)
    lab.build()
    return lab


def test_routes_follow_the_address_of_their_next_hop(lab: Lab) -> None:
    """In one session, and the routes of the other family stay all the time."""
    _wait_for_next_hop(lab, NODE.address6)
    sessions = _established(lab)

    for command, next_hop in (
        (f"address add {OTHER}/64 dev eth0 nodad", OTHER),
        (f"address del {OTHER}/64 dev eth0", NODE.address6),
        (f"address del {NODE.address6}/64 dev eth0", None),
        (f"address add {NODE.address6}/64 dev eth0 nodad", NODE.address6),
    ):
        namespaces.ip_batch([command], lab.sandbox.namespace(NODE.name))
        _wait_for_next_hop(lab, next_hop)
        assert _next_hop(lab, "ipv4", DUAL_STACK_PREFIX) == NODE.address

    assert _established(lab) == sessions


def _next_hop(lab: Lab, family: str, prefix: str) -> str | None:
    """Of the path at the router; None: there is no path."""
    paths = lab.router.vtysh_json(f"show bgp {family} unicast {prefix} json").get("paths", [])
    hops = [str(ip_address(hop["ip"])) for path in paths for hop in path["nexthops"]]
    return hops[0] if hops else None


def _wait_for_next_hop(lab: Lab, next_hop: str | None) -> None:
    wait_until(
        lambda: _next_hop(lab, "ipv6", DUAL_STACK_PREFIX6) == next_hop,
        timeout=TIMEOUT,
        what=f"the next hop {next_hop} at the router",
        seen=lambda: (lab.router.vtysh("show bgp summary"), lab.status(NODE.name)),
    )


def _established(lab: Lab) -> int:
    (neighbor,) = lab.router.vtysh_json("show bgp neighbors json").values()
    return int(neighbor["connectionsEstablished"])
