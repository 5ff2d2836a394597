"""Alerts and dashboards before Prometheus' own tool: every expression is well-formed, and each alert fires on what it is
for, stays silent otherwise, and has its runbook."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from swimlb.dashboards import BOARDS, Board, with_choices

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/swimlb/files/alerts.yaml"

pytestmark = pytest.mark.interop

WELL = {
    'metallb_k8s_client_config_loaded_bool{instance="a"}': "1x40",
    'metallb_k8s_client_config_stale_bool{instance="a"}': "0x40",
    'metallb_allocator_addresses_total{instance="a",pool="web"}': "100x40",
    'metallb_allocator_addresses_in_use_total{instance="a",pool="web"}': "75x40",
    'metallb_speaker_announced{instance="a",node="a",ip="192.0.2.10",protocol="layer2",service="default/web"}': "1x40",
    'metallb_speaker_announced{instance="a",node="a",ip="192.0.2.10",protocol="layer2",service="default/dns"}': "1x40",
    'metallb_speaker_announced{instance="b",node="b",ip="192.0.2.10",protocol="bgp",service="default/web"}': "1x40",
    'swimlb_l2_unowned_addresses{instance="a"}': "0x40",
    'swimlb_conflicts_total{instance="a",kind="stranger"}': "3x40",
    'swimlb_conflicts_total{instance="a",kind="member"}': "0+1x40",
    'swimlb_failover_duration_seconds_bucket{instance="a",le="0.5"}': "0+2x40",
    'swimlb_failover_duration_seconds_count{instance="a"}': "0+2x40",
    'swimlb_speaker_phase{instance="a",phase="running"}': "1x40",
    'swimlb_speaker_phase{instance="a",phase="joining"}': "0x40",
    'swimlb_gossip_failures_total{instance="a"}': "0x5 1x35",
    'swimlb_gossip_members{instance="a",state="dead"}': "0x5 1x1 0x34",
    'swimlb_gossip_members{instance="a",state="alive"}': "2x5 1x4 2x30",
    'swimlb_gossip_members{instance="b",state="alive"}': "2x5 1x4 2x30",
    'swimlb_gossip_deaf_members{instance="a"}': "0x40",
    'swimlb_gossip_dropped_packets_total{instance="a",reason="malformed"}': "0+1x40",
    'swimlb_gossip_late_runs_total{instance="a"}': "5x40",
    'swimlb_build_info{instance="a"}': "1x40",
    'swimlb_build_info{instance="b"}': "1x40",
    'swimlb_api_requests_total{instance="a"}': "0+1x40",
    'swimlb_api_requests_total{instance="c"}': "0+1x40",
    'swimlb_controller_build_info{instance="c"}': "1x40",
    'swimlb_controller_is_leading{instance="c"}': "1x40",
    'swimlb_controller_is_leading{instance="d"}': "0x40",
    'swimlb_controller_writes_waiting{instance="c"}': "0x10 90x10 0x20",
    'swimlb_controller_writes_in_flight{instance="c"}': "0x10 8x10 0x20",
    'metallb_bgp_session_up{instance="a",peer="192.0.2.1:179"}': "1x40",
    'swimlb_bgp_sessions_lost_total{instance="a",peer="192.0.2.1:179"}': "9x40",
    'metallb_bfd_session_down_events{instance="a",peer="192.0.2.1:179"}': "9x40",
}
"""A fleet that does well, for 10 minutes in steps of 15 s: counters that stand still, and losses that are no faults.

One that died was back within a minute.
"""

IN_USE = 'metallb_allocator_addresses_in_use_total{instance="a",pool="web"}'

FAULTS: dict[str, dict[str, str]] = {
    "MetalLBConfigNotLoaded": {'metallb_k8s_client_config_loaded_bool{instance="a"}': "0x40"},
    "MetalLBStaleConfig": {'metallb_k8s_client_config_stale_bool{instance="a"}': "1x40"},
    "MetalLBAddressPoolExhausted": {IN_USE: "100x40"},
    "MetalLBAddressPoolUsage75Percent": {IN_USE: "76x40"},
    "MetalLBAddressPoolUsage85Percent": {IN_USE: "86x40"},
    "MetalLBAddressPoolUsage95Percent": {IN_USE: "96x40"},
    "SwimlbTwoOwners": {
        'metallb_speaker_announced{instance="b",node="b",ip="192.0.2.10",protocol="layer2",service="default/web"}': "1x40"
    },
    "SwimlbAddressUnowned": {'swimlb_l2_unowned_addresses{instance="a"}': "1x40"},
    "SwimlbAddressInUse": {'swimlb_l2_address_in_use{instance="a",ip="192.0.2.11"}': "1x40"},
    "SwimlbAddressConflict": {'swimlb_conflicts_total{instance="a",kind="stranger"}': "0x30 1x10"},
    "SwimlbSlowFailover": {'swimlb_failover_duration_seconds_count{instance="a"}': "0+3x40"},
    "SwimlbSpeakerNotServing": {
        'swimlb_speaker_phase{instance="a",phase="running"}': "0x40",
        'swimlb_speaker_phase{instance="a",phase="joining"}': "1x40",
    },
    "SwimlbSpeakersAbsent": {f'swimlb_build_info{{instance="{name}"}}': "1x5 stale" for name in "ab"},
    "SwimlbMemberDead": {
        'swimlb_gossip_members{instance="a",state="alive"}': "3x5 2x35",
        'swimlb_gossip_members{instance="b",state="alive"}': "3x5 2x35",
    },
    "SwimlbRingSplit": {'swimlb_gossip_members{instance="b",state="alive"}': "1x40"},
    "SwimlbMemberDeaf": {'swimlb_gossip_deaf_members{instance="a"}': "1x40"},
    "SwimlbGossipRefused": {
        'swimlb_gossip_dropped_packets_total{instance="a",reason="malformed"}': "0+15x40"
    },
    "SwimlbRunningLate": {'swimlb_gossip_late_runs_total{instance="a"}': "0+1x40"},
    "SwimlbNobodyLeads": {'swimlb_controller_is_leading{instance="c"}': "0x40"},
    "SwimlbControllerAbsent": {'swimlb_controller_build_info{instance="c"}': "1x5 stale"},
    "SwimlbWritesWaiting": {
        'swimlb_controller_writes_waiting{instance="c"}': "1 0 1 1 0 1x40",
        'swimlb_controller_writes_in_flight{instance="c"}': "0 1 0 0 1 0x40",
    },
    "MetalLBBGPSessionDown": {'metallb_bgp_session_up{instance="a",peer="192.0.2.1:179"}': "0x40"},
    "SwimlbBGPSessionFlapping": {
        'swimlb_bgp_sessions_lost_total{instance="a",peer="192.0.2.1:179"}': "0x10 1x10 2x10 3x10"
    },
    "SwimlbBFDSessionFlapping": {
        'metallb_bfd_session_down_events{instance="a",peer="192.0.2.1:179"}': "0x10 1x10 2x10 3x10"
    },
}
"""What is different of each, by its alert."""

ALSO = {
    "MetalLBAddressPoolExhausted": {75, 85, 95},
    "MetalLBAddressPoolUsage85Percent": {75},
    "MetalLBAddressPoolUsage95Percent": {75, 85},
}
"""Pools that are fuller are also as full as less full ones."""


def rules() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule["alert"] for rule in rules()]


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def judge(series: dict[str, str], firing: set[str], directory: Path) -> None:
    """After 10 minutes these alerts fire, each once, and no others. promtool compares labels, too: what it fires is read back."""
    expected = {
        f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > 0 or vector(0)': int(alert in firing)
        for alert in ALERTS
    }
    evaluate(series, expected, directory)


def evaluate(
    series: dict[str, str],
    expected: Mapping[str, float],
    directory: Path,
    *,
    step: int = 15,
    minutes: int = 10,
) -> None:
    """At the end each expression has this value. `step`: seconds between two values of a series."""
    case = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": expression,
                        "eval_time": f"{minutes}m",
                        "exp_samples": [{"labels": "{}", "value": value}],
                    }
                    for expression, value in expected.items()
                ],
            }
        ],
    }
    path = directory / "case.yaml"
    path.write_text(yaml.safe_dump(case))
    promtool("test", "rules", path)


def test_the_rules_are_well_formed() -> None:
    """As Prometheus sees it."""
    promtool("check", "rules", RULES)


@pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])
def test_every_panel_asks_in_promql(board: Board, tmp_path: Path) -> None:
    """As rules, the expressions of a dashboard come before Prometheus' own parser."""
    asked = [query.expression for panel in board.panels() for query in panel.queries]
    path = tmp_path / "asked.yaml"
    recorded = [
        {"record": f"panel:{number}", "expr": with_choices(expression, "1m")}
        for number, expression in enumerate(asked)
    ]
    path.write_text(yaml.safe_dump({"groups": [{"name": board.name, "rules": recorded}]}))

    promtool("check", "rules", path)


def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    """Members that settle among themselves, failovers that are fast, and one stray packet in a while are no faults."""
    judge(WELL, set(), tmp_path)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_on_its_fault_alone(alert: str, tmp_path: Path) -> None:
    """The same fleet with one fault: that alert, and no other one."""
    others = {f"MetalLBAddressPoolUsage{percent}Percent" for percent in ALSO.get(alert, ())}

    judge(WELL | FAULTS[alert], {alert} | others, tmp_path)


def test_parts_of_one_size_are_a_split(tmp_path: Path) -> None:
    """All see the same number, and Prometheus sees more."""
    a, b = (f'swimlb_gossip_members{{instance="{name}",state="alive"}}' for name in "ab")

    judge(WELL | {a: "1x40", b: "1x40"}, {"SwimlbRingSplit"}, tmp_path)


def test_a_speaker_that_does_not_serve_is_no_split(tmp_path: Path) -> None:
    """As long as it is no member, or its *wire* is not heard, it does not tell how many there are; the others miss it."""
    a, b = (f'swimlb_gossip_members{{instance="{name}",state="alive"}}' for name in "ab")
    silent = {
        'swimlb_speaker_phase{instance="b",phase="running"}': "1x10 0x30",
        'swimlb_speaker_phase{instance="b",phase="silent"}': "0x10 1x30",
    }

    judge(
        WELL | silent | {a: "2x10 1x30", b: "2x10 stale"},
        {"SwimlbSpeakerNotServing", "SwimlbMemberDead"},
        tmp_path,
    )


def test_nodes_that_leave_are_no_split(tmp_path: Path) -> None:
    """Their speakers are not scraped any more."""
    a, b, c = (f'swimlb_gossip_members{{instance="{name}",state="alive"}}' for name in "abc")

    judge(WELL | {a: "3x34 2x5", b: "3x34 2x5", c: "3x34 stale"}, set(), tmp_path)


def test_speakers_that_restart_one_after_the_other_are_no_split(tmp_path: Path) -> None:
    """As at an upgrade: at any moment somebody misses somebody, but nobody does all the time."""
    a, b = (f'swimlb_gossip_members{{instance="{name}",state="alive"}}' for name in "ab")

    judge(WELL | {a: "2 1 " * 20, b: "1 2 " * 20}, set(), tmp_path)


@pytest.mark.parametrize("is_named_anew", [False, True], ids=["by address", "by Pod"])
@pytest.mark.parametrize("interval", [15, 60])
@pytest.mark.parametrize("nodes", [3, 10, 40])
def test_an_upgrade_is_no_split_however_seldom_it_is_looked_at(
    nodes: int, interval: int, is_named_anew: bool, tmp_path: Path
) -> None:
    """Seen once a minute, one speaker may have missed somebody whenever it was seen, and another one nobody."""
    fired = 'count_over_time(ALERTS{alertname="SwimlbRingSplit",alertstate="firing"}[1h])'
    series = upgrade(nodes, interval, Random(f"{nodes} {interval}"), is_named_anew=is_named_anew)

    evaluate(series, {f"sum({fired}) or vector(0)": 0}, tmp_path, step=5, minutes=30)


def upgrade(nodes: int, interval: int, rng: Random, *, is_named_anew: bool) -> dict[str, str]:
    """What speakers say of 30 minutes, in steps of 5 s. From the second minute on one after the other is away for 5 or 10 s, every 10 to 20 s."""
    slots = 30 * 12
    away: dict[int, int] = {}
    begin = 24
    for node in range(nodes):
        away |= dict.fromkeys(range(begin, begin + rng.choice((1, 2))), node)
        begin += rng.choice((2, 3, 4))
    series: dict[str, str] = {}
    for node in range(nodes):
        first = rng.randrange(interval // 5)
        seen = range(first, slots, interval // 5)
        back = max(slot for slot, gone in away.items() if gone == node)
        said = {slot: str(nodes - (slot in away)) for slot in seen if away.get(slot) != node}
        lives = ("old", "new") if is_named_anew else ("",)
        for life in lives:
            values = [
                said[slot] if slot in said and life != ("new" if slot < back else "old") else "_"
                for slot in range(slots)
            ]
            if life == "old":
                values[min(slot for slot in seen if slot >= back)] = "stale"
            series[f'swimlb_gossip_members{{instance="{node}",pod="{node}{life}",state="alive"}}'] = " ".join(
                values
            )
    return series


@pytest.mark.parametrize("sizes", [(6, 4), (2, 1), (4, 4, 2), (9, 1)])
def test_a_ring_in_parts_is_a_split(sizes: tuple[int, ...], tmp_path: Path) -> None:
    said = [size for size in sizes for _ in range(size)]
    series = {
        f'swimlb_gossip_members{{instance="{node}",state="alive"}}': f"{len(said)}x20 {size}x20"
        for node, size in enumerate(said)
    }
    alive = {name: values for name, values in WELL.items() if "swimlb_gossip_" not in name}

    judge(alive | series, {"SwimlbRingSplit"}, tmp_path)


def test_speakers_that_do_not_agree_for_long_are_a_split(tmp_path: Path) -> None:
    """Of one part Prometheus sees no more than one speaker, and so cannot tell how large the ring is."""
    alive = {name: values for name, values in WELL.items() if "swimlb_gossip_" not in name}
    series = {
        f'swimlb_gossip_members{{instance="{node}",state="alive"}}': f"{size}x60"
        for node, size in enumerate((6, 6, 6, 4))
    }

    fires = {'sum(ALERTS{alertname="SwimlbRingSplit",alertstate="firing"}) or vector(0)': 1}
    evaluate(alive | series, fires, tmp_path, minutes=12)


def test_nodes_that_come_one_after_the_other_are_no_split(tmp_path: Path) -> None:
    """Each count is as old as the last scrape, so they differ as long as the ring grows."""
    a, b = (f'swimlb_gossip_members{{instance="{name}",state="alive"}}' for name in "ab")

    judge(WELL | {a: "2+1x40", b: "2 2+1x39"}, set(), tmp_path)


def test_an_address_that_has_moved_is_not_two_nodes_until_both_are_scraped(tmp_path: Path) -> None:
    """Scraped once a minute, a node that died is seen to announce for up to so long after another one has taken over."""
    taken_over = {
        'metallb_speaker_announced{instance="b",node="b",ip="192.0.2.10",protocol="layer2",service="default/web"}': "_x35 1x5"
    }

    judge(WELL | taken_over, set(), tmp_path)


def of_cluster(cluster: str, series: Mapping[str, str]) -> dict[str, str]:
    """The same series with the label that a Prometheus of several clusters gives them, and with nodes of its own."""
    return {
        name.replace("{", f'{{cluster="{cluster}",').replace('node="', f'node="{cluster}-'): values
        for name, values in series.items()
    }


LARGER = WELL | {
    'swimlb_gossip_members{instance="a",state="alive"}': "5x40",
    'swimlb_gossip_members{instance="b",state="alive"}': "5x40",
}


def test_many_fast_failovers_make_no_slow_one(tmp_path: Path) -> None:
    """One was slow long ago, so that the two counters differ. Not scraped at the beginning of the window, they are guessed there."""
    counted = {
        'swimlb_failover_duration_seconds_count{instance="a"}': "_ 2x20 202x20",
        'swimlb_failover_duration_seconds_bucket{instance="a",le="0.5"}': "_ 1x20 201x20",
    }

    judge(WELL | counted, set(), tmp_path)


def test_a_count_that_is_just_borne_is_not_rounded_up(tmp_path: Path) -> None:
    """Scraped once a minute, and not at the ends of the window, between which an increase is drawn on."""
    counted = {
        'swimlb_bgp_sessions_lost_total{instance="a",peer="192.0.2.1:179"}': (9, 10, 11),
        'metallb_bfd_session_down_events{instance="a",peer="192.0.2.1:179"}': (9, 10, 11),
        'swimlb_gossip_late_runs_total{instance="a"}': (9, 10, 12),
    }
    scraped = {
        name: " ".join(f"_ {value} _ _" for value in (first, first, then, then, *[last] * 6, last))
        for name, (first, then, last) in counted.items()
    }

    judge(WELL | scraped, set(), tmp_path)


def test_speakers_without_an_api_server_miss_no_controller(tmp_path: Path) -> None:
    """On hosts, configured by files."""
    controllers = ("swimlb_controller_", "swimlb_api_")
    on_hosts = {name: values for name, values in WELL.items() if not name.startswith(controllers)}

    judge(on_hosts, set(), tmp_path)


def test_clusters_of_one_prometheus_are_not_compared(tmp_path: Path) -> None:
    """They may differ in size, and use the same addresses, for their Pods and for their Services."""
    judge(of_cluster("east", LARGER) | of_cluster("west", WELL), set(), tmp_path)


@pytest.mark.parametrize("alert", ALERTS)
def test_a_cluster_that_does_well_hides_no_fault_of_another(alert: str, tmp_path: Path) -> None:
    others = {f"MetalLBAddressPoolUsage{percent}Percent" for percent in ALSO.get(alert, ())}

    judge(of_cluster("east", LARGER) | of_cluster("west", WELL | FAULTS[alert]), {alert} | others, tmp_path)


def test_a_pool_is_told_of_once_however_many_know_of_it(tmp_path: Path) -> None:
    """Two replicas of the controller, or without Kubernetes all speakers."""
    full = WELL | FAULTS["MetalLBAddressPoolExhausted"]
    of_another = {
        name.replace('instance="a"', 'instance="d"'): values
        for name, values in full.items()
        if name.startswith("metallb_allocator_")
    }
    usage = {f"MetalLBAddressPoolUsage{percent}Percent" for percent in (75, 85, 95)}

    judge(full | of_another, {"MetalLBAddressPoolExhausted"} | usage, tmp_path)


@pytest.mark.parametrize("rule", rules(), ids=ALERTS)
def test_each_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """Its runbook exists, and people are told what it is about before they open it."""
    annotations = rule["annotations"]

    assert (ROOT / annotations["runbook"]).is_file()
    assert annotations["summary"]
    assert annotations["description"]
    assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.parametrize("rule", rules(), ids=ALERTS)
def test_each_alert_asks_for_metrics_that_there_are(rule: dict[str, Any]) -> None:
    """A rule on a metric that nobody tells never fires, and nobody notices."""
    reference = (ROOT / "docs/reference/metrics.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)`", reference, re.MULTILINE))

    asked = set(re.findall(r"\b(?:metallb|swimlb)_\w+", rule["expr"]))

    assert asked
    assert {re.sub("_(?:count|sum|bucket)$", "", name) for name in asked} <= documented
