"""What BGPPeers and BFDProfiles ask for, as a real router sees the sessions that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from swimlb.lab.kubernetes.installation import NAMESPACE
from swimlb.lab.router import FAMILIES
from swimlb.lab.waiting import wait_until
from swimlb.runtime import clock
from tests.kube.e2e.api import TIMEOUT, Object
from tests.kube.e2e.bgp.routers import GUEST, NODES_ASN, OTHER_ASN, POLL_INTERVAL, address_of, peer_name
from tests.kube.e2e.bgp.scene import VARIANTS, Scene, of, pools, prefix_of, prefixes_of
from tests.kube.e2e.objects import bgp as advertisement
from tests.kube.e2e.objects import on_node, peer, service

SHOWN_ASN = 64500
SECRET = "hunter2"
each_family = pytest.mark.parametrize("family", FAMILIES)


def name_of(family: str) -> str:
    return peer_name(GUEST.name, family)


def befriend(
    bgp: Scene, family: str, *, asn: int = OTHER_ASN, router: Mapping[str, Any] | None = None, **spec: Any
) -> None:
    """The guest and all nodes are told of each other: it by `router`, they by the BGPPeer's `spec`."""
    settings = {"asn": NODES_ASN, **(router or {})}
    bgp.routers.tell_guest(*bgp.routers.neighbours(family, **settings), asn=asn)
    bgp.apply(peer(name_of(family), GUEST.addresses[family], NODES_ASN, asn, **spec))


def seen(bgp: Scene, family: str) -> list[dict[str, Any]]:
    """The guest's words on each session, once all are up."""
    bgp.routers.wait_for_sessions(family, bgp.nodes, GUEST)
    return [bgp.routers.neighbour(GUEST.name, node, family) for node in bgp.nodes]


@each_family
def test_the_router_sees_the_router_id_of_the_peer(bgp: Scene, family: str) -> None:
    befriend(bgp, family, routerID="192.0.2.250")

    assert [one["remoteRouterId"] for one in seen(bgp, family)] == ["192.0.2.250"] * 3


@each_family
def test_peers_with_graceful_restart_agree_on_it(bgp: Scene, family: str) -> None:
    befriend(bgp, family, router={"helps_restart": True}, enableGracefulRestart=True)

    for one in seen(bgp, family):
        capabilities = one["neighborCapabilities"]
        assert capabilities["gracefulRestart"] == "advertisedAndReceived"
        assert capabilities["gracefulRestartRemoteTimerMsecs"] == 120_000
        assert f"{family}Unicast" in capabilities["addressFamiliesByPeer"]


@each_family
def test_the_router_sees_the_local_asn_alone(bgp: Scene, family: str) -> None:
    befriend(bgp, family, router={"asn": SHOWN_ASN}, localASN=SHOWN_ASN)
    bgp.apply(*pools(family), advertisement(peers=[name_of(family)]))

    prefix = prefix_of(*bgp.serve(service("web", **of(family))))

    assert {one["remoteAs"] for one in seen(bgp, family)} == {SHOWN_ASN}
    paths = bgp.routers.wait_for({prefix: bgp.nodes}, GUEST)[GUEST.name][prefix]
    assert {path.as_path for path in paths.values()} == {(SHOWN_ASN,)}


@each_family
def test_a_password_may_be_in_a_secret(bgp: Scene, family: str) -> None:
    bgp.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "router", "namespace": NAMESPACE},
            "type": "kubernetes.io/basic-auth",
            "stringData": {"password": SECRET},
        }
    )

    befriend(bgp, family, router={"password": SECRET}, passwordSecret={"name": "router"})

    bgp.routers.wait_for_sessions(family, bgp.nodes, GUEST)


# BFD.


def at_the_router(bgp: Scene, variant: str) -> list[dict[str, Any]]:
    """The router's words on each session of BFD, once all are up."""
    hosts = [address_of(node, family) for node in bgp.lab.network.nodes for family in VARIANTS[variant]]

    def up() -> list[dict[str, Any]] | None:
        peers = bgp.routers[GUEST.name].vtysh_json("show bfd peers json")
        found = [one for one in peers if one["peer"] in hosts and one["status"] == "up"]
        return found if len(found) == len(hosts) else None

    return wait_until(
        up,
        timeout=TIMEOUT,
        what="BFD to be up at the router",
        seen=lambda: bgp.routers[GUEST.name].vtysh("show bfd peers"),
        interval=POLL_INTERVAL,
    )


@each_family
def test_bfd_with_the_default_profile_comes_up_at_both_ends(bgp: Scene, family: str) -> None:
    bgp.watch("default", family)

    for one in at_the_router(bgp, family):
        assert (one["remote-receive-interval"], one["remote-transmit-interval"]) == (300, 300)
        assert one["remote-detect-multiplier"] == 3


@pytest.mark.parametrize("variant", VARIANTS)
def test_bfd_has_what_a_full_profile_says(bgp: Scene, variant: str) -> None:
    bgp.watch(
        "full",
        variant,
        receiveInterval=110,
        transmitInterval=120,
        detectMultiplier=37,
        echoInterval=62,
        echoMode=False,
        passiveMode=False,
        minimumTtl=253,
    )

    def have_arrived() -> bool:
        return all(
            (one["remote-receive-interval"], one["remote-transmit-interval"]) == (110, 120)
            and one["remote-detect-multiplier"] == 37
            for one in at_the_router(bgp, variant)
        )

    wait_until(have_arrived, timeout=TIMEOUT, what="the profile at the router", interval=POLL_INTERVAL)


def test_bfd_with_echo_mode_has_its_packets_back(bgp: Scene) -> None:
    bgp.watch("echo", "ipv4", echoMode=True, echoInterval=100)
    bgp.wait_for_session(
        name_of("ipv4"),
        lambda one: one["bfd"]["is_echo_active"] and one["bfd"]["echo_received"] > 0,
        "Echo packets to come back",
    )

    assert len(at_the_router(bgp, "ipv4")) == 3


# Timers.


@each_family
def test_what_the_peer_says_arrives_at_the_router(bgp: Scene, family: str) -> None:
    """Where FRR would have it in its configuration, it is agreed on, and told by both sides."""
    befriend(
        bgp,
        family,
        router={"multihop": 3},
        holdTime="12s",
        keepaliveTime="4s",
        connectTime="5s",
        ebgpMultiHop=True,
    )

    for one in seen(bgp, family):
        assert one["bgpTimerHoldTimeMsecs"] == 12_000
        assert one["remoteAs"] == NODES_ASN
    for node in bgp.nodes:
        session = bgp.session(node, name_of(family))["session"]
        assert session["hold_time"] == 12
        assert session["families"] == [f"{family} unicast"]


@each_family
def test_changed_timers_are_agreed_on_after_a_reset(bgp: Scene, family: str) -> None:
    befriend(bgp, family, holdTime="12s", keepaliveTime="4s")
    assert {one["bgpTimerHoldTimeMsecs"] for one in seen(bgp, family)} == {12_000}

    change = {"spec": {"holdTime": "24s", "keepaliveTime": "8s"}}
    bgp.api.patch("BGPPeer", name_of(family), change)

    def hold_times() -> set[int]:
        """After a reset; the first one may come before the change is known."""
        bgp.routers[GUEST.name].vtysh("clear bgp *")
        return {one["bgpTimerHoldTimeMsecs"] for one in seen(bgp, family)}

    wait_until(lambda: hold_times() == {24_000}, timeout=TIMEOUT, what="the new hold time")


@each_family
def test_the_connect_time_is_the_time_to_the_next_attempt(bgp: Scene, family: str) -> None:
    befriend(bgp, family, connectTime="3s")
    bgp.routers.wait_for_sessions(family, bgp.nodes, GUEST)

    begun = clock.monotonic()
    bgp.routers[GUEST.name].vtysh("clear bgp *")
    bgp.routers.wait_for_sessions(family, (), GUEST)
    bgp.routers.wait_for_sessions(family, bgp.nodes, GUEST)

    # Shortened by a quarter at most; without it the first attempt comes after a second.
    assert 2.0 < clock.monotonic() - begun < 6.0


# AS numbers as they come.


def of_any_asn(family: str, how: str) -> Object:
    one = peer(name_of(family), GUEST.addresses[family], NODES_ASN, dynamicASN=how)
    return {**one, "spec": {key: value for key, value in one["spec"].items() if key != "peerASN"}}


@each_family
@pytest.mark.parametrize(("how", "asn"), [("internal", NODES_ASN), ("external", OTHER_ASN)])
def test_a_dynamic_as_that_fits_pairs(bgp: Scene, family: str, how: str, asn: int) -> None:
    bgp.routers.tell_guest(*bgp.routers.neighbours(family), asn=asn)
    bgp.apply(*pools(family), of_any_asn(family, how), advertisement(peers=[name_of(family)]))

    prefixes = prefixes_of(bgp.serve(service("web", **of(family))))

    bgp.routers.wait_for(dict.fromkeys(prefixes, bgp.nodes), GUEST)


@each_family
@pytest.mark.parametrize(("how", "asn"), [("internal", OTHER_ASN), ("external", NODES_ASN)])
def test_a_dynamic_as_of_the_other_kind_does_not_pair(bgp: Scene, family: str, how: str, asn: int) -> None:
    bgp.routers.tell_guest(*bgp.routers.neighbours(family), asn=asn)
    bgp.apply(of_any_asn(family, how))

    bgp.wait_for_session(
        name_of(family), lambda one: f"AS {asn}" in (one.get("last_error") or ""), "all nodes to say why not"
    )

    assert bgp.routers.established(GUEST.name, family) == set()


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_unnumbered_peer_needs_no_bfd(bgp: Scene, variant: str) -> None:
    """A router has one unnumbered neighbour on a link, so this is one node's."""
    node = bgp.nodes[0]
    activated = [
        line
        for family in FAMILIES
        for line in (f"address-family {family} unicast", "neighbor eth0 activate", "exit-address-family")
    ]
    bgp.routers.tell_guest(lines=[f"neighbor eth0 interface remote-as {NODES_ASN}", *activated])
    unnumbered = peer("unnumbered", "", NODES_ASN, OTHER_ASN, interface="eth0", nodeSelectors=on_node(node))
    spec = {key: value for key, value in unnumbered["spec"].items() if key != "peerAddress"}
    bgp.apply(*pools(variant), {**unnumbered, "spec": spec}, advertisement(peers=["unnumbered"]))

    prefixes = prefixes_of(bgp.serve(service("web", **of(variant)), families=len(VARIANTS[variant])))

    wait_until(
        lambda: set(bgp.routers.table(GUEST.name)) == set(prefixes),
        timeout=TIMEOUT,
        what="the guest to have both prefixes",
        seen=lambda: (bgp.routers.table(GUEST.name), bgp.session(node, "unnumbered")),
        interval=POLL_INTERVAL,
    )
    bgp.wait_for_session(
        "unnumbered",
        lambda one: one.get("address", "").endswith("%eth0]:179"),
        "the session to be between link-local addresses",
        node,
    )
