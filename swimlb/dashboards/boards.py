"""What is shown: six pages, from the whole fleet down to one address. Metrics are those of `docs/reference/metrics.md`."""

from __future__ import annotations

import re
from dataclasses import replace

from swimlb.dashboards.grafana import Board, Panel, Query, Row, Variable

_WINDOW = "$__rate_interval"
_BUILD = "swimlb_build_info"
_NODE = Variable("instance", _BUILD, "instance")
_HERE = 'instance=~"$instance"'

_WHERE = 'cluster=~"$cluster",namespace=~"$namespace"'
_INSTALLATION = (
    Variable("cluster", _BUILD, "cluster"),
    Variable("namespace", _BUILD, "namespace", '{cluster=~"$cluster"}'),
)
"""Series need not have these labels: to choose all is to choose those without."""
_METRIC = re.compile(r"\b(?P<name>(?:metallb|swimlb)_\w+)(?P<selector>\{)?")


def _by_installation(board: Board) -> Board:
    """The same of the clusters and namespaces that are chosen: one Prometheus may have several, whose numbers do not add up."""
    rows = (replace(row, panels=tuple(map(_panel_within, row.panels))) for row in board.rows)
    variables = (replace(one, selector=f"{{{_WHERE}}}") for one in board.variables)
    return replace(board, rows=tuple(rows), variables=(*_INSTALLATION, *variables))


def _panel_within(panel: Panel) -> Panel:
    queries = (replace(query, expression=_METRIC.sub(_within, query.expression)) for query in panel.queries)
    return replace(panel, queries=tuple(queries))


def _within(metric: re.Match[str]) -> str:
    return f"{metric['name']}{{{_WHERE}{',' if metric['selector'] else '}'}"


def _stat(title: str, about: str, expression: str, warns_from: float | None = 1) -> Panel:
    return Panel(title, about, (Query(expression),), kind="stat", width=4, height=4, warns_from=warns_from)


def _quantiles(histogram: str, of: str = "") -> tuple[Query, ...]:
    """`of` selects some of its series."""
    return tuple(
        Query(
            f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket{of}[{_WINDOW}])))",
            f"p{share[2:]:0<2}",
        )
        for share in ("0.5", "0.99")
    )


_MOVES = Panel(
    "Moves by cause",
    "Addresses that changed their node. Planned ones lose nothing; failures and deaf nodes were outages.",
    (Query(f"sum by (cause) (increase(swimlb_moves_total[{_WINDOW}]))", "{{cause}}"),),
)
_TAKEOVER = Panel(
    "From a death to the announcement",
    "How long nodes took to announce what a dead one had. A few milliseconds are good.",
    _quantiles("swimlb_failover_duration_seconds"),
    unit="s",
)

_FLEET = Board(
    "fleet",
    "swimlb / Fleet",
    "Is everything served, by whom, and does anything need a person?",
    (
        Row(
            "Now",
            (
                _stat("Speakers", "That are scraped.", "count(swimlb_build_info)", None),
                _stat("Dead members", "As the ring sees it.", 'max(swimlb_gossip_members{state="dead"})'),
                _stat(
                    "Addresses announced",
                    "On the LAN and by BGP, each counted once.",
                    "count(count by (ip) (metallb_speaker_announced))",
                    None,
                ),
                _stat("Unowned addresses", "Dark on the LAN.", "max(swimlb_l2_unowned_addresses)"),
                _stat(
                    "Two owners",
                    "Addresses that more than one node announces on the LAN.",
                    'count(count by (ip) (count by (ip, node) (metallb_speaker_announced{protocol="layer2"})) > 1) or vector(0)',
                ),
                _stat(
                    "Objects in error",
                    "The last good version is in force.",
                    'max(swimlb_config_problems{severity="error"})',
                ),
            ),
        ),
        Row(
            "Addresses",
            (
                _MOVES,
                _TAKEOVER,
                Panel(
                    "Addresses by node",
                    "On the LAN. MetalLB's election spreads them by hash.",
                    (Query('count by (node) (metallb_speaker_announced{protocol="layer2"})', "{{node}}"),),
                ),
                Panel(
                    "Withheld Services by reason",
                    "OwnedElsewhere is as it should be and left out.",
                    (
                        Query(
                            'max by (by, reason) (swimlb_withheld_services{reason!="OwnedElsewhere"}) or vector(0)',
                            "{{by}} {{reason}}",
                        ),
                    ),
                ),
                Panel(
                    "Conflicts",
                    "Others that claimed our addresses: strangers are for a person to find.",
                    (Query(f"sum by (kind) (increase(swimlb_conflicts_total[{_WINDOW}]))", "{{kind}}"),),
                ),
                Panel(
                    "Pool use",
                    "Share of each pool that Services have.",
                    (
                        Query(
                            "max by (pool) (metallb_allocator_addresses_in_use_total) / max by (pool) (metallb_allocator_addresses_total)",
                            "{{pool}}",
                        ),
                    ),
                    unit="percentunit",
                ),
            ),
        ),
        Row(
            "Routers",
            (
                Panel(
                    "BGP sessions up",
                    "By router, of all nodes.",
                    (Query("sum by (peer) (metallb_bgp_session_up)", "{{peer}}"),),
                ),
                Panel(
                    "Sessions lost",
                    "Each loss moves flows to other nodes.",
                    (
                        Query(
                            f"sum by (peer) (increase(swimlb_bgp_sessions_lost_total[{_WINDOW}]))", "{{peer}}"
                        ),
                    ),
                ),
                Panel(
                    "Members, as each speaker sees them",
                    "One line where all agree.",
                    (Query('swimlb_gossip_members{state="alive"}', "{{instance}}"),),
                ),
            ),
        ),
        Row(
            "Kubernetes",
            (
                Panel(
                    "Replicas of the controller that lead",
                    "One, but for some seconds after a crash. Without Kubernetes there is none.",
                    (Query("sum(swimlb_controller_is_leading) or vector(0)", "leading"),),
                    width=6,
                ),
                Panel(
                    "Services to be written to",
                    "What the controller has decided and Services do not show yet. It should go back to nothing.",
                    (
                        Query("max(swimlb_controller_writes_waiting) or vector(0)", "waiting"),
                        Query("max(swimlb_controller_writes_in_flight) or vector(0)", "in flight"),
                    ),
                    width=6,
                ),
                Panel(
                    "Calls that the API server refused",
                    "Or did not answer (0), a second. 409 are writes that somebody else came before, and are made anew.",
                    (
                        Query(
                            f'sum by (code) (rate(swimlb_api_requests_total{{code!~"2.."}}[{_WINDOW}])) or vector(0)',
                            "{{code}}",
                        ),
                    ),
                    width=6,
                ),
                Panel(
                    "How long calls to the API server take",
                    "p99 by verb, of controller and speakers. Reads and writes of more than a second mean a busy API server.",
                    (
                        Query(
                            f'histogram_quantile(0.99, sum by (le, verb) (rate(swimlb_api_request_duration_seconds_bucket{{verb!="watch"}}[{_WINDOW}]))) or vector(0)',
                            "{{verb}}",
                        ),
                    ),
                    unit="s",
                    width=6,
                ),
            ),
        ),
    ),
)

_SPEAKER = Board(
    "node",
    "swimlb / Node",
    "One speaker: its phase, what it announces, how it feels.",
    (
        Row(
            "State",
            (
                Panel(
                    "Phase",
                    "A node that serves is running.",
                    (Query(f"swimlb_speaker_phase{{{_HERE}}} == 1", "{{instance}} {{phase}}"),),
                    kind="state-timeline",
                    width=12,
                ),
                Panel(
                    "What it announces",
                    "Each Service with its address and the way.",
                    (Query(f"metallb_speaker_announced{{{_HERE}}}"),),
                    kind="table",
                    width=12,
                ),
            ),
        ),
        Row(
            "Layer 2",
            (
                Panel(
                    "Answers",
                    "ARP requests and neighbor solicitations answered.",
                    (
                        Query(
                            f"sum by (instance) (rate(metallb_layer2_responses_sent{{{_HERE}}}[{_WINDOW}]))",
                            "{{instance}}",
                        ),
                    ),
                    unit="pps",
                ),
                Panel(
                    "Announcements",
                    "Frames sent unasked: bursts after moves, and the slow refresh.",
                    (
                        Query(
                            f"sum by (instance) (rate(metallb_layer2_gratuitous_sent{{{_HERE}}}[{_WINDOW}]))",
                            "{{instance}}",
                        ),
                    ),
                    unit="pps",
                ),
                Panel(
                    "Frames without an answer",
                    "By reason.",
                    (
                        Query(
                            f"sum by (reason) (rate(swimlb_l2_dropped_frames_total{{{_HERE}}}[{_WINDOW}])) or vector(0)",
                            "{{reason}}",
                        ),
                    ),
                    unit="pps",
                ),
            ),
        ),
        Row(
            "Configuration",
            (
                Panel(
                    "Problems",
                    "Errors keep an object's last good version in force.",
                    (Query(f"swimlb_config_problems{{{_HERE}}}", "{{instance}} {{severity}}"),),
                ),
                Panel(
                    "Readings",
                    "And those that found an object in error.",
                    (
                        Query(f"sum(rate(metallb_k8s_client_updates_total{{{_HERE}}}[{_WINDOW}]))", "read"),
                        Query(
                            f"sum(rate(metallb_k8s_client_update_errors_total{{{_HERE}}}[{_WINDOW}]))",
                            "in error",
                        ),
                    ),
                    unit="ops",
                ),
                Panel(
                    "Withheld Services",
                    "Why this node does not announce them.",
                    (
                        Query(
                            f"sum by (by, reason) (swimlb_withheld_services{{{_HERE}}}) or vector(0)",
                            "{{by}} {{reason}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
    (_NODE,),
)

_IP = 'ip=~"$ip"'
_ADDRESS = Board(
    "address",
    "swimlb / Address",
    "One address: who has it, since when, and who asks for it.",
    (
        Row(
            "Owner",
            (
                Panel(
                    "Who announces it",
                    "On the LAN one node at a time; by BGP all that may serve.",
                    (Query(f"metallb_speaker_announced{{{_IP}}}", "{{protocol}} {{node}} {{service}}"),),
                    kind="state-timeline",
                    width=16,
                ),
                _stat(
                    "Owners on the LAN",
                    "More than one is a conflict; of several addresses the one with the most.",
                    f'max(count by (ip) (count by (ip, node) (metallb_speaker_announced{{protocol="layer2",{_IP}}}))) or vector(0)',
                    2,
                ),
                _stat(
                    "A stranger has it",
                    "Nodes that hold back because of it.",
                    f"count(swimlb_l2_address_in_use{{{_IP}}}) or vector(0)",
                ),
            ),
        ),
        Row(
            "On the LAN",
            (
                Panel(
                    "Questions for it",
                    "By the node that answers.",
                    (
                        Query(
                            f"sum by (ip, instance) (rate(metallb_layer2_requests_received{{{_IP}}}[{_WINDOW}]))",
                            "{{ip}} {{instance}}",
                        ),
                    ),
                    unit="pps",
                    width=12,
                ),
                Panel(
                    "Announcements of it",
                    "By node: a burst where it goes, and the slow refresh.",
                    (
                        Query(
                            f"sum by (ip, instance) (rate(metallb_layer2_gratuitous_sent{{{_IP}}}[{_WINDOW}]))",
                            "{{ip}} {{instance}}",
                        ),
                    ),
                    unit="pps",
                    width=12,
                ),
            ),
        ),
    ),
    (Variable("ip", "metallb_speaker_announced", "ip"),),
)

_PEER = 'peer=~"$peer"'
_ROUTERS = Board(
    "routers",
    "swimlb / BGP and BFD",
    "Sessions with routers, and what goes over them.",
    (
        Row(
            "Sessions",
            (
                Panel(
                    "BGP sessions",
                    "1 while established.",
                    (Query(f"metallb_bgp_session_up{{{_PEER}}}", "{{instance}} {{peer}}"),),
                    kind="state-timeline",
                    width=12,
                ),
                Panel(
                    "Sessions that came up and were lost",
                    "A loss without a fault of a router or a cable is worth a look at the log.",
                    (
                        Query(
                            f"sum by (peer) (increase(swimlb_bgp_sessions_established_total{{{_PEER}}}[{_WINDOW}]))",
                            "{{peer}} up",
                        ),
                        Query(
                            f"sum by (peer) (increase(swimlb_bgp_sessions_lost_total{{{_PEER}}}[{_WINDOW}]))",
                            "{{peer}} lost",
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
        Row(
            "Routes and messages",
            (
                Panel(
                    "Prefixes told",
                    "By node and router.",
                    (Query(f"metallb_bgp_announced_prefixes_total{{{_PEER}}}", "{{instance}} {{peer}}"),),
                ),
                Panel(
                    "Prefixes waiting",
                    "A router that does not read keeps them.",
                    (Query(f"metallb_bgp_pending_prefixes_total{{{_PEER}}}", "{{instance}} {{peer}}"),),
                ),
                Panel(
                    "Prefixes received",
                    "They are counted and dropped.",
                    (
                        Query(
                            f"sum by (peer) (rate(swimlb_bgp_received_prefixes_total{{{_PEER}}}[{_WINDOW}]))",
                            "{{peer}}",
                        ),
                    ),
                    unit="ops",
                ),
                Panel(
                    "Messages",
                    "Sent, received, and UPDATEs among those sent.",
                    (
                        Query(
                            f"sum by (peer) (rate(metallb_bgp_total_sent{{{_PEER}}}[{_WINDOW}]))",
                            "{{peer}} sent",
                        ),
                        Query(
                            f"sum by (peer) (rate(metallb_bgp_total_received{{{_PEER}}}[{_WINDOW}]))",
                            "{{peer}} received",
                        ),
                        Query(
                            f"sum by (peer) (rate(metallb_bgp_updates_total{{{_PEER}}}[{_WINDOW}]))",
                            "{{peer}} updates",
                        ),
                    ),
                    unit="ops",
                    width=24,
                ),
            ),
        ),
        Row(
            "BFD",
            (
                Panel(
                    "BFD sessions",
                    "1 while both sides hear each other.",
                    (Query(f"metallb_bfd_session_up{{{_PEER}}}", "{{instance}} {{peer}}"),),
                    kind="state-timeline",
                ),
                Panel(
                    "Times that BFD went down",
                    "Each ends the BGP session, too.",
                    (
                        Query(
                            f"sum by (instance, peer) (increase(metallb_bfd_session_down_events{{{_PEER}}}[{_WINDOW}]))",
                            "{{instance}} {{peer}}",
                        ),
                    ),
                ),
                Panel(
                    "Detection time",
                    "Silence after which a router is down.",
                    (Query(f"swimlb_bfd_detection_time_seconds{{{_PEER}}}", "{{instance}} {{peer}}"),),
                    unit="s",
                ),
            ),
        ),
    ),
    (Variable("peer", "metallb_bgp_session_up", "peer"),),
)

_POOL = 'pool=~"$pool"'
_POOLS = Board(
    "pools",
    "swimlb / Pools",
    "How full they are, and for how long they last.",
    (
        Row(
            "Use",
            tuple(
                Panel(
                    f"{family or 'All'} addresses in use",
                    "And how many there are.",
                    (
                        Query(
                            f"max by (pool) (metallb_allocator_{infix}addresses_in_use_total{{{_POOL}}})",
                            "{{pool}} in use",
                        ),
                        Query(
                            f"max by (pool) (metallb_allocator_{infix}addresses_total{{{_POOL}}})",
                            "{{pool}} in all",
                        ),
                    ),
                )
                for family, infix in (("", ""), ("IPv4", "ipv4_"), ("IPv6", "ipv6_"))
            ),
        ),
        Row(
            "Outlook",
            (
                Panel(
                    "Share in use",
                    "Alerts come at 75, 85 and 95 %.",
                    (
                        Query(
                            f"max by (pool) (metallb_allocator_addresses_in_use_total{{{_POOL}}}) / max by (pool) (metallb_allocator_addresses_total{{{_POOL}}})",
                            "{{pool}}",
                        ),
                    ),
                    unit="percentunit",
                    width=12,
                ),
                Panel(
                    "Change within a day",
                    "Addresses that come into use, or go out of it, within 24 hours if it goes on as in the last 6.",
                    (
                        Query(
                            f"86400 * max by (pool) (deriv(metallb_allocator_addresses_in_use_total{{{_POOL}}}[6h]))",
                            "{{pool}}",
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
    ),
    (Variable("pool", "metallb_allocator_addresses_total", "pool"),),
)

_GOSSIP = Board(
    "gossip",
    "swimlb / Gossip",
    "Whether speakers hear each other, and how fast.",
    (
        Row(
            "The ring",
            (
                Panel(
                    "Members by state",
                    "As each speaker sees them: all should agree.",
                    (Query(f"swimlb_gossip_members{{{_HERE}}}", "{{instance}} {{state}}"),),
                    width=12,
                ),
                Panel(
                    "Round trips",
                    "Of direct probes.",
                    _quantiles("swimlb_gossip_rtt_seconds", f"{{{_HERE}}}"),
                    unit="s",
                    width=12,
                ),
                Panel(
                    "Suspicions, failures and refutations",
                    "A refutation is a false alarm that was cleared in time.",
                    tuple(
                        Query(f"sum(increase(swimlb_gossip_{name}_total{{{_HERE}}}[{_WINDOW}]))", name)
                        for name in ("suspicions", "failures", "refutations")
                    ),
                ),
                Panel(
                    "Awareness",
                    "Lifeguard's score: 0 is healthy, a node with more accuses others more slowly.",
                    (Query(f"swimlb_gossip_awareness{{{_HERE}}}", "{{instance}}"),),
                ),
                Panel(
                    "Deaf members",
                    "That do not answer on the LAN.",
                    (Query(f"swimlb_gossip_deaf_members{{{_HERE}}}", "{{instance}}"),),
                ),
            ),
        ),
        Row(
            "Time and packets",
            (
                Panel(
                    "Late runs",
                    "How often a speaker ran so late that it excused others for it.",
                    (
                        Query(
                            f"sum by (instance) (increase(swimlb_gossip_late_runs_total{{{_HERE}}}[{_WINDOW}]))",
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel(
                    "Greatest lateness",
                    "Since the speaker joined.",
                    (Query(f"swimlb_gossip_lateness_max_seconds{{{_HERE}}}", "{{instance}}"),),
                    unit="s",
                ),
                Panel(
                    "Refused packets",
                    "By reason.",
                    (
                        Query(
                            f"sum by (reason) (rate(swimlb_gossip_dropped_packets_total{{{_HERE}}}[{_WINDOW}])) or vector(0)",
                            "{{reason}}",
                        ),
                    ),
                    unit="pps",
                ),
                Panel(
                    "Packets",
                    "UDP, both ways.",
                    (
                        Query(
                            f"sum by (direction) (rate(swimlb_gossip_packets_total{{{_HERE}}}[{_WINDOW}]))",
                            "{{direction}}",
                        ),
                    ),
                    unit="pps",
                    width=12,
                ),
                Panel(
                    "Bytes",
                    "UDP, both ways.",
                    (
                        Query(
                            f"sum by (direction) (rate(swimlb_gossip_bytes_total{{{_HERE}}}[{_WINDOW}]))",
                            "{{direction}}",
                        ),
                    ),
                    unit="Bps",
                    width=12,
                ),
            ),
        ),
    ),
    (_NODE,),
)

BOARDS = tuple(map(_by_installation, (_FLEET, _SPEAKER, _ADDRESS, _ROUTERS, _POOLS, _GOSSIP)))
