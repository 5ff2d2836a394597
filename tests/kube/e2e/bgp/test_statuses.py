"""What speakers tell of BGP: ServiceBGPStatus, and metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from swimlb.lab.router import FAMILIES
from swimlb.lab.waiting import wait_until
from tests.kube.e2e.api import TIMEOUT
from tests.kube.e2e.bgp.routers import GUEST, NODES_ASN, OTHER_ASN, STANDING, peer_name
from tests.kube.e2e.bgp.scene import (
    STANDING_PEERS,
    VARIANTS,
    Scene,
    endpoint,
    of,
    pools,
    prefix_of,
)
from tests.kube.e2e.metrics import POLL_INTERVAL, Expected, scrape, series
from tests.kube.e2e.objects import bfd, on_node, peer, service
from tests.kube.e2e.objects import bgp as advertisement

ALL_PEERS = sorted(one["metadata"]["name"] for one in STANDING_PEERS)
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
            updates = series("metallb_bgp_updates_total", peer=endpoint(place, family))
            assert after[updates] > before[node][updates]

    bgp.api.delete("Service", "web")
    bgp.wait_for_metrics(told_of_sessions(family, 0))
    bgp.wait_for_controller_metrics(told_of_the_pool(family, 0))
    for node in bgp.nodes:
        bgp.wait_for_metrics({announced[node]: None}, node)


def told_of_sessions(family: str, count: int) -> Expected:
    peers = [endpoint(place, family) for place in STANDING]
    return {
        **{series("metallb_bgp_session_up", peer=one): 1.0 for one in peers},
        **{series("metallb_bgp_announced_prefixes_total", peer=one): float(count) for one in peers},
        **{series("metallb_bgp_pending_prefixes_total", peer=one): 0.0 for one in peers},
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
        counted = bgp.routers.neighbour(GUEST.name, node, family)["messageStats"]
        wanted = {
            "opens_sent": counted["opensRecv"],
            "opens_received": counted["opensSent"],
            "updates_total": counted["updatesRecv"],
            "updates_total_received": counted["updatesSent"],
            "notifications_sent": counted["notificationsRecv"],
        }
        bgp.wait_for_metrics(
            {
                series(f"metallb_bgp_{one}", peer=endpoint(GUEST, family)): float(count)
                for one, count in wanted.items()
            },
            node,
        )


@pytest.mark.parametrize(
    ("variant", "said"),
    [("ipv4", {}), ("ipv6", {}), ("dual", {}), ("ipv4", {"echoMode": True})],
    ids=["ipv4", "ipv6", "dual", "echo"],
)
def test_metrics_tell_of_bfd(bgp: Scene, variant: str, said: dict[str, Any]) -> None:
    bgp.watch("profile", variant, **said)

    peers = [endpoint(GUEST, family) for family in VARIANTS[variant]]
    up = {series("metallb_bfd_session_up", peer=one): 1.0 for one in peers}
    events = {series("metallb_bfd_session_up_events", peer=one): 1.0 for one in peers}
    downs = {series("metallb_bfd_session_down_events", peer=one): 0.0 for one in peers}
    bgp.wait_for_metrics(up | events | downs)
    counts = ["control_packet_input", "control_packet_output"]
    counts += ["echo_packet_input", "echo_packet_output"] if said else []
    for node in bgp.nodes:
        wait_until(
            lambda node=node: all(
                scrape(bgp.lab, node)[series(f"metallb_bfd_{count}", peer=one)] > 0
                for count in counts
                for one in peers
            ),
            timeout=TIMEOUT,
            what=f"{node} to count {counts}",
            interval=POLL_INTERVAL,
        )


@each_family
def test_the_configuration_is_stale_where_a_profile_is_missing(bgp: Scene, family: str) -> None:
    """The peer is for two of the nodes, and only these are concerned."""
    stale = series("metallb_k8s_client_config_stale_bool")
    bgp.wait_for_metrics({stale: 0.0})
    concerned = bgp.nodes[:2]

    bgp.apply(
        peer(
            peer_name(GUEST.name, family),
            *(GUEST.addresses[family], NODES_ASN, OTHER_ASN),
            bfdProfile="later",
            nodeSelectors=on_node(*concerned),
        )
    )
    bgp.wait_for_metrics({stale: 1.0}, *concerned)
    bgp.wait_for_metrics({stale: 0.0}, bgp.nodes[2])

    bgp.apply(bfd("later"))
    bgp.wait_for_metrics({stale: 0.0})
