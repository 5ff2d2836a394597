"""What the lab's routers answer becomes the same records, whichever router it is. The answers are real ones."""

from __future__ import annotations

import pytest

from swimlb.lab import bird, exabgp, frr_dialect, gobgp
from swimlb.lab.router import Path

BIRD_ROUTES = """\
BIRD 2.0.12 ready.
Table master4:
198.51.100.1/32      unicast [n192_0_2_10 12:14:38.906] * (100) [AS64496i]
\tvia 192.0.2.10 on eth0
\tType: BGP univ
\tBGP.origin: IGP
\tBGP.as_path: 64496
\tBGP.next_hop: 192.0.2.10
\tBGP.med: 20
\tBGP.local_pref: 100
\tBGP.community: (64496,7) (65535,0)
\tBGP.large_community: (64496, 1, 2)
                     unicast [n192_0_2_11 12:14:39.100] s (100) [AS64496i]
\tvia 192.0.2.11 on eth0
\tType: BGP univ
\tBGP.origin: IGP
\tBGP.as_path: 64496
\tBGP.next_hop: 192.0.2.11
\tBGP.local_pref: 100
"""
BIRD_OF_ANOTHER_FAMILY = """\
Table master6:
2001:db8:1::/64      unicast [n192_0_2_10 12:14:38.906 from 192.0.2.10] * (100) [AS64496i]
\tvia 2001:db8::10 on eth0
\tType: BGP univ
\tBGP.origin: IGP
\tBGP.as_path: 64496
\tBGP.next_hop: 2001:db8::10 fe80::1
\tBGP.local_pref: 100
"""
FULL = Path(
    neighbour="192.0.2.10",
    next_hop="192.0.2.10",
    as_path=(64496,),
    med=20,
    local_pref=100,
    communities=frozenset({(64496, 7), (65535, 0)}),
    large_communities=frozenset({(64496, 1, 2)}),
)


def test_bird_lists_the_paths_of_a_prefix_below_each_other() -> None:
    second = Path(
        neighbour="192.0.2.11", next_hop="192.0.2.11", as_path=(64496,), local_pref=100, is_stale=True
    )

    assert bird.read_table(BIRD_ROUTES) == {"198.51.100.1/32": (FULL, second)}


def test_bird_names_the_sender_where_another_forwards() -> None:
    table = bird.read_table(BIRD_OF_ANOTHER_FAMILY)

    assert [(one.neighbour, one.next_hop) for one in table["2001:db8:1::/64"]] == [
        ("192.0.2.10", "2001:db8::10")
    ]


def test_frr_lists_the_prefix_first_and_writes_known_communities_as_words() -> None:
    path = {
        "aspath": {"string": "64496"},
        "origin": "IGP",
        "metric": 20,
        "locPrf": 100,
        "community": {"string": "64496:7 graceful-shutdown"},
        "largeCommunity": {"string": "64496:1:2"},
        "nexthops": [{"ip": "192.0.2.10", "afi": "ipv4", "used": True}],
        "peer": {"peerId": "192.0.2.10", "routerId": "192.0.2.10", "type": "external"},
    }
    own = {
        "aspath": {"string": "Local"},
        "origin": "IGP",
        "local": True,
        "nexthops": [],
        "peer": {"peerId": "0.0.0.0"},
    }

    table = frr_dialect.read_table(
        {
            "198.51.100.1/32": [{"prefix": "198.51.100.1/32", "version": 2}, path],
            "203.0.113.0/24": [{"prefix": "203.0.113.0/24", "version": 1}, own],
        }
    )

    assert table == {"198.51.100.1/32": (FULL,)}


def test_frr_tells_in_its_log_why_a_session_ended() -> None:
    log = (
        'BGP: %NOTIFICATION: received from neighbor 192.0.2.10 6/2 (Cease/Administrative Shutdown) "drained"\n'
        "BGP: %NOTIFICATION: received from neighbor 192.0.2.100 2/2 (OPEN Message Error/Bad Peer AS) 0 bytes\n"
    )

    states = [
        frr_dialect.read_neighbour({"bgpState": "Idle"}, address, log)
        for address in ("192.0.2.10", "192.0.2.100", "192.0.2.1")
    ]

    assert [(one.last_error, one.communication) for one in states] == [
        ("Cease/Administrative Shutdown", "drained"),
        ("OPEN Message Error/Bad Peer AS", ""),
        ("", ""),
    ]


def test_exabgp_forgets_the_routes_of_a_session_that_ended() -> None:
    def event(kind: str, peer: str, **more: object) -> dict[str, object]:
        return {"type": kind, "neighbor": {"address": {"peer": peer}, **more}}

    def announces(peer: str) -> dict[str, object]:
        nlri = {"ipv4 unicast": {peer: [{"nlri": "198.51.100.1/32"}]}}
        attribute = {"origin": "igp", "as-path": [64496]}
        return event("update", peer, message={"update": {"attribute": attribute, "announce": nlri}})

    events = [
        event("state", "192.0.2.10", state="up"),
        announces("192.0.2.10"),
        announces("192.0.2.11"),
        event("state", "192.0.2.10", state="down", reason="peer reset"),
    ]

    assert [one.neighbour for one in exabgp.read_table(events, "ipv4")["198.51.100.1/32"]] == ["192.0.2.11"]
    assert exabgp.read_neighbour(events, "192.0.2.10").last_error == "peer reset"


def test_gobgp_tells_in_its_log_why_a_session_ended() -> None:
    log = (
        'time="…" level=warning msg="received notification" Code=6 Communicated-Reason="drained for good" '
        'Data="[]" Key=192.0.2.10 Subcode=2 Topic=Peer\n'
        'time="…" level=info msg="Peer Down" Key=192.0.2.10 Reason="notification-received code 6(cease) '
        'subcode 2(administrative shutdown)" State=BGP_FSM_ESTABLISHED Topic=Peer\n'
        'time="…" level=info msg="Peer Down" Key=192.0.2.100 Reason=hold-timer-expired Topic=Peer\n'
    )

    state = gobgp.read_neighbour(1, "192.0.2.10", log)

    assert state.last_error == "notification-received code 6(cease) subcode 2(administrative shutdown)"
    assert state.communication == "drained for good"


BFD_OF_BIRD = """\
BIRD 2.0.12 ready.
bfd1:
IP address                Interface  State      Since         Interval  Timeout
192.0.2.10                eth0       Up         14:53:49.234    0.050    0.150
192.0.2.11                eth0       Down       14:53:49.234    1.000    0.000
"""


@pytest.mark.parametrize(
    ("address", "time"), [("192.0.2.10", 0.15), ("192.0.2.11", None), ("192.0.2.1", None)]
)
def test_bird_tells_the_detection_time(address: str, time: float | None) -> None:
    assert bird.read_detection_time(BFD_OF_BIRD, address) == time


def test_frr_tells_what_the_detection_time_is_made_of() -> None:
    """The slower of what it can take and what the other sends, so many times as the other says."""
    up = {
        "peer": "192.0.2.10",
        "status": "up",
        "receive-interval": 50,
        "transmit-interval": 50,
        "detect-multiplier": 5,
        "remote-receive-interval": 10,
        "remote-transmit-interval": 300,
        "remote-detect-multiplier": 3,
    }
    down = up | {"peer": "192.0.2.11", "status": "down"}

    assert frr_dialect.read_detection_time([down, up], "192.0.2.10") == 0.9
    assert frr_dialect.read_detection_time([down, up], "192.0.2.11") is None
