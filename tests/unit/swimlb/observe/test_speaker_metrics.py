"""What Prometheus reads of a speaker: read back by prometheus-client's own parser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from swimlb.allocator import PoolCounts
from swimlb.kube.metrics import CallMetrics
from swimlb.observe.api_metrics import api_families
from swimlb.observe.controller_metrics import Standing, controller_families
from swimlb.observe.endpoint import exposition
from swimlb.observe.pool_metrics import pool_families
from swimlb.observe.speaker_metrics import Snapshot, speaker_families

ROOT = Path(__file__).parents[4]

BGP: dict[str, Any] = {
    "address": "192.0.2.1:179",
    "state": "established",
    "route_count": 3,
    "counters": {
        "routes_waiting": 1,
        "routes_received": 7,
        "updates_sent": 2,
        "messages_sent": 10,
        "messages_received": 11,
        "opens_sent": 3,
        "opens_received": 2,
        "updates_received": 4,
        "notifications_sent": 1,
        "notifications_received": 0,
        "keepalives_sent": 5,
        "keepalives_received": 6,
        "sessions_established": 2,
        "sessions_lost": 1,
    },
    "bfd": {
        "state": "up",
        "detection_time": 0.15,
        "packets_sent": 100,
        "packets_received": 99,
        "echo_sent": 0,
        "echo_received": 0,
        "ups": 2,
        "downs": 1,
    },
}
MOVES: dict[str, Any] = {
    "causes": {"failure": 2, "planned": 0},
    "withdrawn": 1,
    "conflicts": {"stranger": 4},
    "takeovers": [1, 1, 0],
    "takeover_bounds": [0.01, 0.1],
    "takeover_seconds": 0.035,
}
GOSSIP: dict[str, Any] = {
    "rtts": [5, 1],
    "rtt_bounds": [0.001],
    "rtt_seconds": 0.012,
    "late_runs": 3,
    "packets_received": 40,
    "octets_received": 4000,
    "packets_sent": 41,
    "octets_sent": 4100,
    "drops": {"malformed": 2},
}


def scraped(snapshot: Snapshot) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """By name and labels; the text is well-formed, and no series is there twice."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(exposition(speaker_families(snapshot)).decode()):
        assert family.documentation
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def snapshot(**facts: Any) -> Snapshot:
    table = {key.replace("__", "/"): fact for key, fact in facts.items()}
    return Snapshot(node="node-a", version="1.2.3", facts=table, services={})


EVERYTHING: dict[str, Any] = {
    "bgp/router": BGP,
    "counts": {"moves": MOVES, "gossip": GOSSIP, "bfd_drops": {}},
    "gossip": {"awareness": 0, "lateness_max": 0.0, "suspicions": 0, "failures": 0, "refutations": 0},
    "member/node-a": {"state": "alive", "deaf_to": []},
}


def test_the_reference_lists_every_metric() -> None:
    """By the name that Prometheus stores, and no other."""
    snapshot = Snapshot(node="node-a", version="1", facts=EVERYTHING, services={})
    standing = Standing(
        is_configured=True, is_stale=False, is_leading=True, writes_in_flight=0, writes_waiting=0
    )
    told = [
        *speaker_families(snapshot),
        *pool_families([]),
        *controller_families(standing),
        *api_families(CallMetrics()),
    ]
    reference = (ROOT / "docs/reference/metrics.md").read_text()

    documented = set(re.findall(r"^\| `((?:metallb|swimlb)_\w+)`", reference, re.MULTILINE))

    assert documented == {family.name + "_total" * (family.type == "counter") for family in told}


def labelled(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))


def test_metrics_are_there_before_wire_has_reported() -> None:
    """A speaker that starts can be scraped, and says that it does."""
    found = scraped(snapshot())

    assert found[labelled("swimlb_speaker_phase", phase="starting")] == 1
    assert found[labelled("swimlb_build_info", version="1.2.3")] == 1


def test_who_is_no_member_tells_of_none() -> None:
    """A speaker that starts, or a *wire* that is silent: with 0 alive they would disagree with all others, as if the ring were split."""
    member = {"state": "alive", "deaf_to": []}
    alive, deaf = labelled("swimlb_gossip_members", state="alive"), labelled("swimlb_gossip_deaf_members")

    without, within = scraped(snapshot()), scraped(snapshot(member__a=member, member__b=member))

    assert not {alive, deaf} & without.keys()
    assert (within[alive], within[deaf]) == (2, 0)


def test_announced_addresses_carry_metallbs_labels() -> None:
    """One series for each Service of a shared address, and for each way."""
    facts = {
        "l2/192.0.2.10": {"owner": "node-a", "is_announced_here": True, "in_use_by": None},
        "l2/192.0.2.11": {
            "owner": "node-a",
            "is_announced_here": False,
            "in_use_by": {"mac": "02:00:00:00:00:01"},
        },
        "announced/default/web/bgp": {"service": "default/web", "by": "bgp", "peers": ["router"]},
        "tally/192.0.2.10": {"answered": 5, "announced": 8},
        "withheld/default/other/l2": {"service": "default/other", "by": "l2", "reason": "no ready endpoint"},
    }
    services = {"192.0.2.10": ("default/web", "default/dns"), "192.0.2.11": ("default/other",)}

    found = scraped(Snapshot(node="node-a", version="1", facts=facts, services=services))

    series = {labels["service"] + labels["protocol"]: labels["ip"] for labels in announced(found)}
    assert series == {
        "default/weblayer2": "192.0.2.10",
        "default/dnslayer2": "192.0.2.10",
        "default/webbgp": "192.0.2.10",
    }
    assert found[labelled("metallb_layer2_requests_received", ip="192.0.2.10")] == 5
    assert found[labelled("metallb_layer2_responses_sent", ip="192.0.2.10")] == 5
    assert found[labelled("metallb_layer2_gratuitous_sent", ip="192.0.2.10")] == 8
    assert found[labelled("swimlb_l2_address_in_use", ip="192.0.2.11")] == 1
    assert found[labelled("swimlb_withheld_services", by="l2", reason="no ready endpoint")] == 1


def announced(found: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> list[dict[str, str]]:
    return [dict(labels) for name, labels in found if name == "metallb_speaker_announced"]


def test_histograms_are_cumulative() -> None:
    """As Prometheus wants them, though they are counted by bucket."""
    found = scraped(snapshot(counts={"moves": MOVES, "gossip": GOSSIP, "bfd_drops": {"bad length": 3}}))

    name = "swimlb_failover_duration_seconds"
    assert [found[labelled(f"{name}_bucket", le=bound)] for bound in ("0.01", "0.1", "+Inf")] == [1, 2, 2]
    assert found[labelled(f"{name}_sum")] == 0.035
    assert found[labelled("swimlb_moves_total", cause="failure")] == 2
    assert found[labelled("swimlb_conflicts_total", kind="stranger")] == 4
    assert found[labelled("swimlb_gossip_rtt_seconds_count")] == 6
    assert found[labelled("swimlb_gossip_bytes_total", direction="sent")] == 4100
    assert found[labelled("swimlb_bfd_dropped_packets_total", reason="bad length")] == 3


def test_gossip_is_counted_only_once_the_node_has_joined() -> None:
    """Before that there is nothing to count."""
    found = scraped(snapshot(counts={"moves": MOVES, "gossip": None, "bfd_drops": {}}))

    assert labelled("swimlb_gossip_rtt_seconds_count") not in found
    assert labelled("swimlb_addresses_withdrawn_total") in found


def test_sessions_with_routers_are_told_by_address_and_port() -> None:
    """As MetalLB's native mode has it, and by the name of the BGPPeer."""
    found = scraped(snapshot(bgp__router=BGP))

    peer = {"peer": "192.0.2.1:179", "bgppeer": "router"}
    assert found[labelled("metallb_bgp_session_up", **peer)] == 1
    assert found[labelled("metallb_bgp_announced_prefixes_total", **peer)] == 3
    assert found[labelled("metallb_bgp_updates_total", **peer)] == 2
    assert found[labelled("metallb_bgp_opens_sent", **peer)] == 3
    assert found[labelled("metallb_bgp_updates_total_received", **peer)] == 4
    assert found[labelled("swimlb_bgp_sessions_lost_total", **peer)] == 1
    assert found[labelled("metallb_bfd_session_up", **peer)] == 1
    assert found[labelled("metallb_bfd_session_down_events", **peer)] == 1


def test_sessions_with_one_address_are_told_apart() -> None:
    """In two VRFs, say: of series that are alike Prometheus keeps one, and the other session would be lost without an alert."""
    found = scraped(
        snapshot(bgp__red=BGP, bgp__blue=BGP | {"state": "idle", "bfd": {**BGP["bfd"], "state": "down"}})
    )

    peer = "192.0.2.1:179"
    for metric in ("metallb_bgp_session_up", "metallb_bfd_session_up"):
        assert found[labelled(metric, peer=peer, bgppeer="red")] == 1
        assert found[labelled(metric, peer=peer, bgppeer="blue")] == 0


@pytest.mark.parametrize(("errors", "is_stale"), [(0, 0.0), (2, 1.0)])
def test_the_configuration_is_stale_while_an_object_is_in_error(errors: int, is_stale: float) -> None:
    """What it said before is in force."""
    found = scraped(
        Snapshot(node="node-a", version="1", facts={}, services={}, problems={"error": errors, "warning": 3})
    )

    assert found[labelled("metallb_k8s_client_config_stale_bool")] == is_stale
    assert found[labelled("swimlb_config_problems", severity="warning")] == 3


def test_pools_tell_how_full_they_are() -> None:
    """Both families, and their sum."""
    families = pool_families([PoolCounts("web", 2, 6, 1, 3)])

    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(exposition(families).decode())
        for sample in family.samples
    }

    assert found["metallb_allocator_addresses_total"] == 12
    assert found["metallb_allocator_addresses_in_use_total"] == 3
    assert found["metallb_allocator_ipv4_addresses_total"] == 8
    assert found["metallb_allocator_ipv6_addresses_in_use_total"] == 1
