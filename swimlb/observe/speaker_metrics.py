"""What a speaker tells Prometheus: MetalLB's names where MetalLB has one, so that dashboards go on, and `swimlb_` for the rest.

Made from the facts that *wire* reports (`swimlb.wire.facts`) and what *watch* knows of the configuration. Sets of labels
are bounded by what is configured: Services, addresses, peers, members, reasons. Described in `docs/reference/metrics.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from prometheus_client.core import Metric

from swimlb.observe.families import (
    Value,
    bare_counters,
    by_label,
    counter,
    counters,
    gauge,
    gauges,
    histogram,
)

Fact: TypeAlias = Mapping[str, Any]

_PHASES = ("starting", "joining", "running", "draining", "leaving", "stopped", "silent")
_MEMBER_STATES = ("alive", "suspect", "dead", "left")
_SESSION = ("peer", "bgppeer")
"""Labels of a session with a router: MetalLB's, and the name of the BGPPeer. A node may have several with one address: in
VRFs, on interfaces, from addresses of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the process knows at the moment of a scrape. Nobody changes it afterwards: it goes to another thread."""

    node: str
    version: str
    facts: Mapping[str, Fact]
    """By key; *wire* replaces an entry as a whole, so a copy of the table is enough."""
    services: Mapping[str, tuple[str, ...]]
    """Keys of the Services that have an address, by address."""
    problems: Mapping[str, int] = field(default_factory=dict[str, int])
    """By severity."""
    is_config_loaded: bool = True
    readings: int = 0
    """Of the configuration."""
    failed_readings: int = 0

    def of_kind(self, kind: str) -> list[tuple[str, Fact]]:
        """Names and facts, by name."""
        prefix = f"{kind}/"
        return sorted(
            (key[len(prefix) :], fact) for key, fact in self.facts.items() if key.startswith(prefix)
        )


def speaker_families(snapshot: Snapshot) -> Iterator[Metric]:
    """All families, also those that have nothing to tell at the moment where nothing would be missed."""
    yield gauges("swimlb_build_info", "The release that runs here.", ["version"], [((snapshot.version,), 1)])
    yield from _process(snapshot)
    yield from _configuration(snapshot)
    yield from _addresses(snapshot)
    counts = snapshot.facts.get("counts")
    if counts is not None:
        yield from _moves(counts["moves"])
        if counts["gossip"] is not None:
            yield from _gossip_counts(counts["gossip"])
        yield counters(
            "swimlb_bfd_dropped_packets_total",
            "BFD packets that were discarded.",
            ["reason"],
            by_label(counts["bfd_drops"]),
        )
    yield from _gossip(snapshot)
    peers = snapshot.of_kind("bgp")
    yield from _bgp(peers)
    yield from _bfd(peers)


def _process(snapshot: Snapshot) -> Iterator[Metric]:
    phase = snapshot.facts.get("speaker", {}).get("phase", "starting")
    yield gauges(
        "swimlb_speaker_phase",
        "1 for the phase that the speaker is in.",
        ["phase"],
        [((one,), float(one == phase)) for one in _PHASES],
    )


def _configuration(snapshot: Snapshot) -> Iterator[Metric]:
    errors = snapshot.problems.get("error", 0)
    yield gauge(
        "metallb_k8s_client_config_loaded_bool",
        "1 once a configuration is in force.",
        float(snapshot.is_config_loaded),
    )
    yield gauge(
        "metallb_k8s_client_config_stale_bool",
        "1 while some object is not in force as it was written last.",
        float(errors > 0),
    )
    yield counter(
        "metallb_k8s_client_updates_total", "Readings of the configuration.", float(snapshot.readings)
    )
    yield counter(
        "metallb_k8s_client_update_errors_total",
        "Readings of the configuration that found an object in error.",
        float(snapshot.failed_readings),
    )
    yield gauges(
        "swimlb_config_problems",
        "What is wrong with the configuration at the moment.",
        ["severity"],
        [((severity,), snapshot.problems.get(severity, 0)) for severity in ("error", "warning")],
    )


def _addresses(snapshot: Snapshot) -> Iterator[Metric]:
    held = [(text, fact) for text, fact in snapshot.of_kind("l2") if fact["is_announced_here"]]
    yield gauges(
        "metallb_speaker_announced",
        "1 for each address of a Service that this node announces.",
        ["service", "protocol", "node", "ip"],
        [*_announced_l2(snapshot, held), *_announced_bgp(snapshot)],
    )
    yield gauge(
        "swimlb_l2_unowned_addresses",
        "Addresses on the LAN that no node may announce, as this node sees it.",
        sum(fact["owner"] is None for _, fact in snapshot.of_kind("l2")),
    )
    yield gauges(
        "swimlb_l2_address_in_use",
        "1 for each address that this node does not announce because a stranger has it.",
        ["ip"],
        [((text,), 1) for text, fact in snapshot.of_kind("l2") if fact["in_use_by"] is not None],
    )
    tallies = snapshot.of_kind("tally")
    answered: list[Value] = [((text,), fact["answered"]) for text, fact in tallies]
    yield bare_counters(
        "metallb_layer2_requests_received",
        "ARP requests and neighbor solicitations for it.",
        ["ip"],
        answered,
    )
    yield bare_counters("metallb_layer2_responses_sent", "Answers to them.", ["ip"], answered)
    yield bare_counters(
        "metallb_layer2_gratuitous_sent",
        "Frames that announced it.",
        ["ip"],
        [((text,), fact["announced"]) for text, fact in tallies],
    )
    yield counters(
        "swimlb_l2_dropped_frames_total",
        "ARP and neighbor discovery frames that got no answer.",
        ["reason"],
        by_label(snapshot.facts.get("lan", {}).get("dropped", {})),
    )
    yield gauge(
        "swimlb_l2_chained_addresses",
        "Addresses of which this node knows who had them before, so that connections go on that began there.",
        snapshot.facts.get("lan", {}).get("chained", 0),
    )
    withheld = Counter((fact["by"], fact["reason"]) for _, fact in snapshot.of_kind("withheld"))
    yield gauges(
        "swimlb_withheld_services",
        "Services that this node does not announce, by the way and the reason.",
        ["by", "reason"],
        sorted(withheld.items()),
    )


def _announced_l2(snapshot: Snapshot, held: list[tuple[str, Fact]]) -> Iterator[Value]:
    for text, _ in held:
        for service in snapshot.services.get(text, ()):
            yield (service, "layer2", snapshot.node, text), 1


def _announced_bgp(snapshot: Snapshot) -> Iterator[Value]:
    advertised = {fact["service"] for _, fact in snapshot.of_kind("announced") if fact["by"] == "bgp"}
    for text, services in snapshot.services.items():
        for service in services:
            if service in advertised:
                yield (service, "bgp", snapshot.node, text), 1


def _moves(moves: Fact) -> Iterator[Metric]:
    yield counters(
        "swimlb_moves_total",
        "Addresses that came to this node, by why. The sum over all nodes is the number of moves.",
        ["cause"],
        by_label(moves["causes"]),
    )
    yield counter(
        "swimlb_addresses_withdrawn_total",
        "Addresses of this node that no node announces any more.",
        moves["withdrawn"],
    )
    yield counters(
        "swimlb_conflicts_total",
        "Others that claimed an address of this node, by who and what came of it.",
        ["kind"],
        by_label(moves["conflicts"]),
    )
    yield histogram(
        "swimlb_failover_duration_seconds",
        "From knowing that the owner is dead to the first announcement by this node.",
        moves["takeover_bounds"],
        moves["takeovers"],
        moves["takeover_seconds"],
    )


def _gossip(snapshot: Snapshot) -> Iterator[Metric]:
    members = [fact for _, fact in snapshot.of_kind("member")]
    if members:
        # Who is no member yet, or not heard of, sees nobody: told as a number that would be a ring without members.
        states = Counter(fact["state"] for fact in members)
        yield gauges(
            "swimlb_gossip_members",
            "Members of the ring as this node sees them, itself included.",
            ["state"],
            [((state,), states[state]) for state in _MEMBER_STATES],
        )
        yield gauge(
            "swimlb_gossip_deaf_members",
            "Members that are passed over because they do not answer on the LAN.",
            sum(bool(fact["deaf_to"]) for fact in members),
        )
    gossip = snapshot.facts.get("gossip")
    if gossip is None:
        return
    yield gauge(
        "swimlb_gossip_awareness",
        "Lifeguard's score of this node's own health: 0 is healthy, the more the slower it accuses others.",
        gossip["awareness"],
    )
    yield gauge(
        "swimlb_gossip_lateness_max_seconds",
        "The most by which a timer of this member was late since it joined.",
        gossip["lateness_max"],
    )
    for name, about, key in (
        ("suspicions", "Suspicions of others that this node raised or heard of.", "suspicions"),
        ("failures", "Members that were taken for dead.", "failures"),
        ("refutations", "Accusations against this node that it refuted.", "refutations"),
    ):
        yield counter(f"swimlb_gossip_{name}_total", about, gossip[key])


def _gossip_counts(gossip: Fact) -> Iterator[Metric]:
    yield histogram(
        "swimlb_gossip_rtt_seconds",
        "Round trips of direct probes.",
        gossip["rtt_bounds"],
        gossip["rtts"],
        gossip["rtt_seconds"],
    )
    yield counter(
        "swimlb_gossip_late_runs_total",
        "How often this member ran so late that it excused others for it.",
        gossip["late_runs"],
    )
    for unit, key in (("packets", "packets"), ("bytes", "octets")):
        values = [((way,), gossip[f"{key}_{way}"]) for way in ("received", "sent")]
        yield counters(f"swimlb_gossip_{unit}_total", f"UDP {unit} of gossip.", ["direction"], values)
    yield counters(
        "swimlb_gossip_dropped_packets_total",
        "Packets that were refused.",
        ["reason"],
        by_label(gossip["drops"]),
    )


def _bgp(peers: list[tuple[str, Fact]]) -> Iterator[Metric]:
    """The `peer` of MetalLB's metrics is the router's address and port."""
    sessions = [((fact["address"], name), fact) for name, fact in peers]
    yield gauges(
        "metallb_bgp_session_up",
        "1 while the session is established.",
        _SESSION,
        [(session, float(fact["state"] == "established")) for session, fact in sessions],
    )
    yield gauges(
        "metallb_bgp_announced_prefixes_total",
        "Prefixes that the peer has been told.",
        _SESSION,
        [(session, fact["route_count"]) for session, fact in sessions],
    )
    counted = [(session, fact["counters"]) for session, fact in sessions if fact["counters"] is not None]
    yield gauges(
        "metallb_bgp_pending_prefixes_total",
        "Prefixes that the peer is still to be told of.",
        _SESSION,
        [(session, one["routes_waiting"]) for session, one in counted],
    )
    for name, about, key in (
        ("metallb_bgp_updates_total", "UPDATE messages sent.", "updates_sent"),
        (
            "swimlb_bgp_received_prefixes_total",
            "Prefixes that the peer sent, and were dropped.",
            "routes_received",
        ),
        (
            "swimlb_bgp_notifications_received_total",
            "NOTIFICATION messages received.",
            "notifications_received",
        ),
        ("swimlb_bgp_sessions_established_total", "Sessions that came up.", "sessions_established"),
        ("swimlb_bgp_sessions_lost_total", "Established sessions that ended.", "sessions_lost"),
    ):
        yield counters(name, about, _SESSION, [(session, one[key]) for session, one in counted])
    for name, about, key in (
        ("metallb_bgp_total_sent", "Messages sent.", "messages_sent"),
        ("metallb_bgp_total_received", "Messages received.", "messages_received"),
        ("metallb_bgp_opens_sent", "OPEN messages sent.", "opens_sent"),
        ("metallb_bgp_opens_received", "OPEN messages received.", "opens_received"),
        ("metallb_bgp_updates_total_received", "UPDATE messages received.", "updates_received"),
        ("metallb_bgp_notifications_sent", "NOTIFICATION messages sent.", "notifications_sent"),
        ("metallb_bgp_keepalives_sent", "KEEPALIVE messages sent.", "keepalives_sent"),
        ("metallb_bgp_keepalives_received", "KEEPALIVE messages received.", "keepalives_received"),
    ):
        yield bare_counters(name, about, _SESSION, [(session, one[key]) for session, one in counted])


def _bfd(peers: list[tuple[str, Fact]]) -> Iterator[Metric]:
    watches = [((fact["address"], name), fact["bfd"]) for name, fact in peers if fact["bfd"] is not None]
    yield gauges(
        "metallb_bfd_session_up",
        "1 while BFD hears the router, and the router us.",
        _SESSION,
        [(session, float(one["state"] == "up")) for session, one in watches],
    )
    yield gauges(
        "swimlb_bfd_detection_time_seconds",
        "Silence of the router after which BFD says that it is down.",
        _SESSION,
        [(session, one["detection_time"] or 0.0) for session, one in watches],
    )
    for name, about, key in (
        ("metallb_bfd_control_packet_output", "Control packets sent.", "packets_sent"),
        ("metallb_bfd_control_packet_input", "Control packets received.", "packets_received"),
        ("metallb_bfd_echo_packet_output", "Echo packets sent.", "echo_sent"),
        ("metallb_bfd_echo_packet_input", "Echo packets that came back.", "echo_received"),
        ("metallb_bfd_session_up_events", "Times that the session came up.", "ups"),
        ("metallb_bfd_session_down_events", "Times that the session went down.", "downs"),
    ):
        yield bare_counters(name, about, _SESSION, [(session, one[key]) for session, one in watches])
