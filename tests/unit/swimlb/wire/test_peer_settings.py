"""A BGPPeer as the session's core and the sockets get it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from announce import bfd, bgp
from announce.net.tcp_options import AoKeyIds
from swimlb.model import AoAlgorithm, BfdProfile, BgpPeer, DynamicAsn, Opening, Role, TcpAo
from swimlb.wire.peer_settings import admission, bfd_config, session_config, socket_options

ROUTER = IPv4Address("192.0.2.1")
PEER = BgpPeer(name="tor", my_asn=64496, peer_asn=64497, peer_address=ROUTER)


def config(**changes: object) -> bgp.PeerConfig:
    peer = replace(PEER, **changes)  # type: ignore[arg-type]
    return session_config(peer, peer.peer_address or IPv6Address("fe80::1%eth1"), "node-a")


@pytest.mark.parametrize(
    ("changes", "families"),
    [
        ({}, (bgp.IPV4_UNICAST,)),
        ({"peer_address": IPv6Address("2001:db8::1")}, (bgp.IPV6_UNICAST,)),
        ({"is_dual_stack": True}, (bgp.IPV4_UNICAST, bgp.IPV6_UNICAST)),
        ({"peer_address": None, "interface": "eth1"}, (bgp.IPV4_UNICAST, bgp.IPV6_UNICAST)),
    ],
)
def test_families_are_as_in_metallb(changes: dict[str, object], families: tuple[bgp.Family, ...]) -> None:
    assert config(**changes).families == families


def test_the_as_is_a_number_or_a_rule() -> None:
    assert config().peer_asn == 64497
    assert config(peer_asn=None, dynamic_asn=DynamicAsn.EXTERNAL).peer_asn is bgp.DynamicAsn.EXTERNAL
    assert config(local_asn=64500).local_asn == 64500


@pytest.mark.parametrize("role", Role)
def test_every_role_is_known(role: Role) -> None:
    found = config(role=role).role
    assert found is not None
    assert found.name == role.name


def test_timers_and_limits() -> None:
    assert config(connect_time=7).connect_retry == (7.0,)
    assert config(prefixes_max=10).received_prefixes_max == 10
    assert (config().shutdown_wait, config(shutdown_wait=2.0).shutdown_wait) == (0.5, 2.0)
    assert config(hold_time=0, keepalive_time=0).keepalive_time is None
    assert (config().restart_time, config(has_graceful_restart=True).restart_time) == (0, 120)
    assert config(has_graceful_restart=True, restart_time=60).restart_time == 60


def test_what_is_asked_of_the_router_and_kept_of_it() -> None:
    assert not config().is_role_strict
    assert not config().keeps_received
    assert config(role=Role.PEER, is_role_strict=True).is_role_strict
    assert config(keeps_received=True).keeps_received


@pytest.mark.parametrize(
    ("algorithm", "kernels"),
    [(AoAlgorithm.HMAC_SHA_1, "hmac(sha1)"), (AoAlgorithm.AES_128_CMAC, "cmac(aes128)")],
)
def test_a_key_of_tcp_ao_is_the_same_whoever_calls(algorithm: AoAlgorithm, kernels: str) -> None:
    peer = replace(PEER, password="secret", ao=TcpAo(1, 2, algorithm), opening=Opening.BOTH)
    expected = AoKeyIds(send_id=1, receive_id=2, algorithm=kernels)

    admitted = admission(peer, ROUTER)

    assert admitted is not None
    assert (socket_options(peer).ao, admitted.ao) == (expected, expected)
    assert socket_options(PEER).ao is None


def test_only_a_first_session_with_graceful_restart_may_follow_another_process() -> None:
    for has_it in (True, False):
        peer = replace(PEER, has_graceful_restart=has_it)
        assert session_config(peer, ROUTER, "node-a", is_restarting=True).is_restarting is has_it


def test_who_may_call() -> None:
    active, passive, both = (config(opening=opening) for opening in Opening)
    assert [(one.is_active, one.is_listening) for one in (active, passive, both)] == [
        (True, False),
        (False, True),
        (True, True),
    ]
    assert admission(PEER, ROUTER) is None
    found = admission(replace(PEER, opening=Opening.BOTH, password="secret", vrf="red"), ROUTER)
    assert found is not None
    assert (found.peer, found.password, found.vrf) == (ROUTER, "secret", "red")


def test_the_interface_or_the_vrf_is_the_device() -> None:
    assert socket_options(replace(PEER, vrf="red")).device == "red"
    assert socket_options(replace(PEER, interface="eth1", vrf="red")).device == "eth1"
    assert socket_options(replace(PEER, hops_max=1)).ttl_min == 255


def watch(
    *, is_internal: bool = False, is_on_link: bool = True, **changes: object
) -> bfd.SessionConfig | None:
    profile = BfdProfile(name="echo", has_echo=True, echo_interval_ms=60, minimum_ttl=250)
    peer = replace(PEER, **{"bfd": profile, **changes})  # type: ignore[arg-type]
    address = peer.peer_address or IPv6Address("fe80::1%eth1")
    return bfd_config(peer, address, is_internal=is_internal, is_on_link=is_on_link)


def test_bfd_watches_only_peers_with_a_profile() -> None:
    assert watch(bfd=None) is None


@pytest.mark.parametrize(
    ("changes", "is_multihop", "echo_us"),
    [
        ({}, False, 60_000),
        ({"ebgp_multihop": True}, True, None),
        ({"is_internal": True, "is_on_link": False}, True, None),
        ({"is_internal": True}, False, 60_000),
        ({"hops_max": 3, "is_on_link": False}, True, None),
        ({"hops_max": 3}, False, 60_000),
        ({"hops_max": 1, "is_on_link": False}, False, 60_000),
        ({"peer_address": IPv6Address("2001:db8::1")}, False, None),
        (
            {"peer_address": None, "interface": "eth1", "is_internal": True, "is_on_link": False},
            False,
            None,
        ),
    ],
)
def test_bfd_goes_by_the_way_to_the_peer(
    changes: dict[str, Any], is_multihop: bool, echo_us: int | None
) -> None:
    """An internal peer may be behind routers, as one that GTSM allows so many hops, and none of them loops Echo packets."""
    found = watch(**changes)

    assert found is not None
    assert (found.is_multihop, found.timing.echo_interval_us) == (is_multihop, echo_us)
    assert (found.minimum_ttl, found.timing.desired_min_tx_us) == (250, 300_000)
