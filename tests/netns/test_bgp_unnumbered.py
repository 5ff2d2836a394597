"""A peer that names an interface and no address: router and node find each other by router advertisements.

The session runs between link-local addresses, and IPv4 prefixes have an IPv6 next hop (RFC 8950), which the router's
kernel forwards by.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import pytest

from swimlb.lab import namespaces, topology
from swimlb.lab.frr import Frr
from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.status import BgpSession
from swimlb.lab.topology import OUTSIDE, ROUTER, walkthrough
from swimlb.lab.waiting import wait_until
from tests.netns.conftest import DUAL_STACK_PREFIX, DUAL_STACK_PREFIX6, ROUTED_DUAL_STACK

NODE = "master-01"
PREFIX, PREFIX_V6 = DUAL_STACK_PREFIX, DUAL_STACK_PREFIX6
ADDRESS, PORT = PREFIX.removesuffix("/32"), 8080
TIMEOUT = 45.0
"""From nothing to a session, on a machine that is busy with other things, too."""
PEER = f"""
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {{name: router, namespace: metallb-system}}
spec: {{myASN: {topology.NODES_ASN}, peerASN: {topology.ROUTER_ASN}, interface: eth0, bfdProfile: fast}}
---
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {{name: fast, namespace: metallb-system}}
spec: {{receiveInterval: 300, transmitInterval: 300}}
"""
BGPD = f"""\
router bgp {topology.ROUTER_ASN}
 bgp router-id {ROUTER.address}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 timers bgp 1 3
 neighbor eth0 interface remote-as {topology.NODES_ASN}
 neighbor eth0 bfd
 address-family ipv4 unicast
  neighbor eth0 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor eth0 activate
 exit-address-family
"""


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """One node: the router's own rule is one unnumbered neighbour on an interface."""
    directory = tmp_path_factory.mktemp("manifests")
    (directory / "peer.yaml").write_text(PEER)
    (directory / "routed.yaml").write_text(ROUTED_DUAL_STACK)
    gateway = Frr(sandbox, ROUTER.name, bgpd_config=BGPD, bfdd_config="")
    lab = Lab(sandbox, walkthrough(1), directory, gateway=gateway)
    lab.build()
    return lab


def test_both_families_arrive_over_the_link_local_session(lab: Lab) -> None:
    session = _wait_for_session(lab)

    paths = {prefix: _wait_for_path(lab, family, prefix) for family, prefix in _BOTH}

    node = _link_local(lab, NODE)
    assert session.address == f"[{_link_local(lab, ROUTER.name)}%eth0]:179"
    assert set(session.routes) == set(paths)
    for path in paths.values():
        assert node in {IPv6Address(hop["ip"]) for hop in path["nexthops"] if hop["afi"] == "ipv6"}
        assert path["path"] == str(topology.NODES_ASN)


def test_bfd_watches_the_link_local_path(lab: Lab) -> None:
    """Both sides find each other on the addresses that BGP found."""
    _wait_for_session(lab)

    peers = wait_until(
        lambda: [one for one in lab.router.vtysh_json("show bfd peers json") if one["status"] == "up"],
        timeout=TIMEOUT,
        what="BFD at the router",
        seen=lambda: lab.router.vtysh("show bfd peers"),
    )

    assert [(one["interface"], one["peer"][:6], one["multihop"]) for one in peers] == [
        ("eth0", "fe80::", False)
    ]


def test_clients_are_served_through_the_ipv6_next_hop(lab: Lab) -> None:
    _wait_for_session(lab)
    _wait_for_path(lab, "ipv4", PREFIX)

    (route,) = wait_until(
        lambda: namespaces.ip_json(lab.sandbox.namespace(ROUTER.name), "route", "show", "exact", PREFIX),
        timeout=TIMEOUT,
        what="the kernel's route",
    )

    assert route["via"] == {"family": "inet6", "host": str(_link_local(lab, NODE))}
    response = lab.get(ADDRESS, PORT, client=OUTSIDE)
    assert (response.status, response.text) == (200, NODE)


def test_the_session_comes_back_when_the_router_does(lab: Lab) -> None:
    _wait_for_session(lab)

    lab.router.kill()
    wait_until(lambda: _session(lab) is None, timeout=TIMEOUT, what="the session to end")
    lab.router.start()

    _wait_for_session(lab)
    for family, prefix in _BOTH:
        _wait_for_path(lab, family, prefix)


def test_a_peer_that_does_not_call_takes_the_connection_of_the_found_router(lab: Lab) -> None:
    """The router calls from its link-local address, which the kernel tells without the link."""
    _wait_for_session(lab)
    passive = (
        "metadata: {name: router, namespace: metallb-system, annotations: {swimlb.io/connection: passive}}"
    )
    (lab.manifests / "peer.yaml").write_text(
        PEER.replace("metadata: {name: router, namespace: metallb-system}", passive)
    )

    lab.router.kill()
    wait_until(lambda: _session(lab) is None, timeout=TIMEOUT, what="the session to end")
    lab.router.start()

    _wait_for_session(lab)
    (neighbor,) = lab.router.vtysh_json("show bgp neighbors json").values()
    assert neighbor["portForeign"] == 179


_BOTH = (("ipv4", PREFIX), ("ipv6", PREFIX_V6))


def _session(lab: Lab) -> BgpSession | None:
    status = lab.status(NODE)
    if status is None:
        return None
    return next((one for one in status.bgp if one.state == "established"), None)


def _wait_for_session(lab: Lab) -> BgpSession:
    found = wait_until(
        lambda: _session(lab), timeout=TIMEOUT, what="the session", seen=lambda: lab.status(NODE)
    )
    assert found is not None
    return found


def _wait_for_path(lab: Lab, family: str, prefix: str) -> dict[str, Any]:
    def path() -> dict[str, Any] | None:
        paths = lab.router.vtysh_json(f"show bgp {family} unicast {prefix} json").get("paths", [])
        return {"path": paths[0]["aspath"]["string"], **paths[0]} if paths else None

    found = wait_until(path, timeout=TIMEOUT, what=f"the router to have {prefix}", seen=lambda: _session(lab))
    assert found is not None
    return found


def _link_local(lab: Lab, host: str) -> IPv6Address:
    (link,) = namespaces.ip_json(
        lab.sandbox.namespace(host), "-6", "addr", "show", "dev", "eth0", "scope", "link"
    )
    (address,) = [one["local"] for one in link["addr_info"] if "local" in one]
    return IPv6Address(address)
