"""What speakers tell of BGP: ServiceBGPStatus, and metrics."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from swimlb.lab.router import FAMILIES
from tests.kube.e2e.bgp.routers import GUEST, NODES_ASN, OTHER_ASN, STANDING, peer_name
from tests.kube.e2e.bgp.scene import (
    STANDING_PEERS,
    VARIANTS,
    Scene,
    of,
    pools,
    prefix_of,
    session,
)
from tests.kube.e2e.metrics import Expected, Metrics, series, wait_until_told
from tests.kube.e2e.objects import bfd, on_node, peer, service
from tests.kube.e2e.objects import bgp as advertisement

ALL_PEERS = sorted(one["metadata"]["name"] for one in STANDING_PEERS)
COUNTED = {
    "metallb_bgp_opens_sent": "opensRecv",
    "metallb_bgp_opens_received": "opensSent",
    "metallb_bgp_updates_total": "updatesRecv",
    "metallb_bgp_updates_total_received": "updatesSent",
    "metallb_bgp_notifications_sent": "notificationsRecv",
}
"""Our counters, and the router's for the same."""
EVENTS = ("metallb_bfd_session_up", "metallb_bfd_session_up_events", "metallb_bfd_session_down_events")
CONTROL = ("metallb_bfd_control_packet_input", "metallb_bfd_control_packet_output")
ECHO = ("metallb_bfd_echo_packet_input", "metallb_bfd_echo_packet_output")
each_family = pytest.mark.parametrize("family", FAMILIES)


def wait_for_statuses(bgp: Scene, name: str, nodes: Iterable[str], peers: list[str]) -> None:
    """Until exactly these nodes tell that they advertise the Service to these peers."""
    wanted = sorted((node, peers) for node in nodes)
    bgp.api.wait(
        "ServiceBGPStatus",
        lambda found: (
            sorted((one["status"]["node"], one["status"]["peers"]) for one in found if "status" in one)
            == wanted
        ),
        f"the statuses {wanted}",
        labels=f"metallb.io/service-name={name}",
    )


@each_family
def test_every_node_tells_all_peers_of_a_service(bgp: Scene, family: str) -> None:
    """A peer in the advertisement's list that there is not is left out."""
    bgp.apply(*pools(family), advertisement())
    bgp.serve(service("web", **of(family)))
    wait_for_statuses(bgp, "web", bgp.nodes, ALL_PEERS)

    bgp.apply(advertisement(peers=[*ALL_PEERS[:3], "nobody"]))
    wait_for_statuses(bgp, "web", bgp.nodes, ALL_PEERS[:3])

    [one, *_] = bgp.api.find("ServiceBGPStatus", labels="metallb.io/service-name=web")
    node = one["status"]["node"]
    assert one["metadata"]["labels"] == {
        "metallb.io/node": node,
        "metallb.io/service-name": "web",
        "metallb.io/service-namespace": "default",
    }


@each_family
def test_statuses_follow_peers_nodes_and_services(bgp: Scene, family: str) -> None:
    guest = peer_name(GUEST.name, family)
    bgp.apply(*pools(family), advertisement(), peer(guest, GUEST.addresses[family], NODES_ASN, OTHER_ASN))
    bgp.serve(service("web", **of(family)), service("other", **of(family)))
    wait_for_statuses(bgp, "web", bgp.nodes, sorted([*ALL_PEERS, guest]))

    bgp.api.delete("BGPPeer", guest)
    wait_for_statuses(bgp, "web", bgp.nodes, ALL_PEERS)
    bgp.apply(advertisement(nodeSelectors=on_node(*bgp.nodes[:2])))
    wait_for_statuses(bgp, "web", bgp.nodes[:2], ALL_PEERS)
    bgp.api.delete("Service", "web")
    wait_for_statuses(bgp, "web", (), [])
    wait_for_statuses(bgp, "other", bgp.nodes[:2], ALL_PEERS)


# Metrics.


@each_family
def test_metrics_tell_of_sessions_prefixes_and_addresses(bgp: Scene, family: str) -> None:
    bgp.apply(*pools(family), advertisement())
    before = bgp.wait_for_metrics(told_of_sessions(family, 0))
    bgp.wait_for_controller_metrics(told_of_the_pool(family, 0))

    (address,) = bgp.serve(service("web", **of(family)))

    announced = {
        node: series(
            "metallb_speaker_announced", service="default/web", protocol="bgp", node=node, ip=address
        )
        for node in bgp.nodes
    }
    bgp.wait_for_metrics(told_of_sessions(family, 1))
    bgp.wait_for_controller_metrics(told_of_the_pool(family, 1))
    for node in bgp.nodes:
        after = bgp.wait_for_metrics({announced[node]: 1.0}, node)[node]
        for place in STANDING:
            updates = series("metallb_bgp_updates_total", **session(place, family))
            assert after[updates] > before[node][updates]

    bgp.api.delete("Service", "web")
    bgp.wait_for_metrics(told_of_sessions(family, 0))
    bgp.wait_for_controller_metrics(told_of_the_pool(family, 0))
    for node in bgp.nodes:
        bgp.wait_for_metrics({announced[node]: None}, node)


def told_of_sessions(family: str, count: int) -> Expected:
    sessions = [session(place, family) for place in STANDING]
    return {
        **{series("metallb_bgp_session_up", **one): 1.0 for one in sessions},
        **{series("metallb_bgp_announced_prefixes_total", **one): float(count) for one in sessions},
        **{series("metallb_bgp_pending_prefixes_total", **one): 0.0 for one in sessions},
    }


def told_of_the_pool(family: str, count: int) -> Expected:
    names = ("metallb_allocator_addresses", f"metallb_allocator_{family}_addresses")
    return {
        **{series(f"{name}_total", pool="first"): 16.0 for name in names},
        **{series(f"{name}_in_use_total", pool="first"): float(count) for name in names},
    }


@each_family
def test_messages_are_counted_as_the_router_counts_them(bgp: Scene, family: str) -> None:
    """Of a session that is new, so that both have counted from its beginning."""
    name = peer_name(GUEST.name, family)
    bgp.routers.tell_guest(*bgp.routers.neighbours(family))
    bgp.apply(peer(name, GUEST.addresses[family], NODES_ASN, OTHER_ASN))
    bgp.apply(*pools(family), advertisement(peers=[name]))

    prefix = prefix_of(*bgp.serve(service("web", **of(family))))

    bgp.routers.wait_for({prefix: bgp.nodes}, GUEST)
    for node in bgp.nodes:
        wait_until_told(bgp.lab, node, COUNTED, partial(agree, bgp, node, family))


def agree(bgp: Scene, node: str, family: str, told: Metrics) -> bool:
    """The node and the guest have counted the same."""
    counted = bgp.routers.neighbour(GUEST.name, node, family)["messageStats"]
    at = session(GUEST, family)
    return all(told.get(series(ours, **at)) == counted[theirs] for ours, theirs in COUNTED.items())


@pytest.mark.parametrize(
    ("variant", "said"),
    [("ipv4", {}), ("ipv6", {}), ("dual", {}), ("ipv4", {"echoMode": True})],
    ids=["ipv4", "ipv6", "dual", "echo"],
)
def test_metrics_tell_of_bfd(bgp: Scene, variant: str, said: dict[str, Any]) -> None:
    bgp.watch("profile", variant, **said)

    counts = CONTROL + (ECHO if said else ())
    for node in bgp.nodes:
        for family in VARIANTS[variant]:
            wait_until_told(bgp.lab, node, (*EVENTS, *counts), partial(is_watching, family, counts))


def is_watching(family: str, counts: Iterable[str], told: Metrics) -> bool:
    """The session with the guest is up, and there are packets of each kind."""
    at = session(GUEST, family)
    up, ups, downs = (told.get(series(name, **at), 0.0) for name in EVENTS)
    # A machine with other work may have let it flap.
    return up == 1 and ups == downs + 1 and all(told.get(series(name, **at), 0.0) > 0 for name in counts)


@each_family
def test_the_configuration_is_stale_where_a_profile_is_missing(bgp: Scene, family: str) -> None:
    """The peer is for two of the nodes, and only these are concerned."""
    stale = series("metallb_k8s_client_config_stale_bool")
    readings = series("metallb_k8s_client_updates_total")
    *concerned, other = bgp.nodes
    before = bgp.wait_for_metrics({stale: 0.0})[other][readings]

    bgp.apply(
        peer(
            peer_name(GUEST.name, family),
            *(GUEST.addresses[family], NODES_ASN, OTHER_ASN),
            bfdProfile="later",
            nodeSelectors=on_node(*concerned),
        )
    )
    bgp.wait_for_metrics({stale: 1.0}, *concerned)
    told = wait_until_told(bgp.lab, other, [readings[0]], lambda told: told[readings] > before)
    assert told[stale] == 0

    bgp.apply(bfd("later"))
    bgp.wait_for_metrics({stale: 0.0})
