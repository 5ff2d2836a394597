"""How the mirror follows a table: what is said to the kernel, in an order that it takes."""

from __future__ import annotations

import json

import pytest

from swimlb.lab.resilient import Mirror, NextHop, Resilience, read_routes

PREFIX = "198.51.100.1/32"
A, B, C = (NextHop(f"192.0.2.{number}", "eth0") for number in (10, 11, 12))
TYPE = "type resilient buckets 1024 idle_timer 60 unbalanced_timer 0 proto 196"


def mirror() -> Mirror:
    return Mirror(Resilience(buckets=1024, idle_timer=60))


def test_a_route_becomes_one_with_a_group() -> None:
    lines = mirror().follow({PREFIX: frozenset({A, B})})

    assert lines == [
        "nexthop add id 196001 via 192.0.2.10 dev eth0 proto 196",
        "nexthop add id 196002 via 192.0.2.11 dev eth0 proto 196",
        f"nexthop replace id 196003 group 196001/196002 {TYPE}",
        f"route replace {PREFIX} nhid 196003 proto 196",
    ]


def test_one_that_leaves_changes_the_group_and_not_the_route() -> None:
    play = mirror()
    play.follow({PREFIX: frozenset({A, B, C})})

    lines = play.follow({PREFIX: frozenset({A, C})})

    assert lines == [f"nexthop replace id 196004 group 196001/196003 {TYPE}", "nexthop del id 196002"]


def test_one_that_returns_is_a_new_next_hop_of_the_same_group() -> None:
    play = mirror()
    play.follow({PREFIX: frozenset({A, B})})
    play.follow({PREFIX: frozenset({A})})

    lines = play.follow({PREFIX: frozenset({A, B})})

    assert lines == [
        "nexthop add id 196004 via 192.0.2.11 dev eth0 proto 196",
        f"nexthop replace id 196003 group 196001/196004 {TYPE}",
    ]


@pytest.mark.parametrize("left", [{}, {PREFIX: frozenset[NextHop]()}], ids=["gone", "leads nowhere"])
def test_a_route_without_next_hops_goes(left: dict[str, frozenset[NextHop]]) -> None:
    play = mirror()
    play.follow({PREFIX: frozenset({A})})

    lines = play.follow(left)

    assert lines == [f"route del {PREFIX} proto 196", "nexthop del id 196002", "nexthop del id 196001"]
    assert play.follow(left) == []


def test_what_is_the_same_is_left_alone() -> None:
    play = mirror()
    play.follow({PREFIX: frozenset({A, B})})

    lines = play.follow({PREFIX: frozenset({B, A}), "198.51.100.2/32": frozenset({A})})

    assert lines == [
        f"nexthop replace id 196004 group 196001 {TYPE}",
        "route replace 198.51.100.2/32 nhid 196004 proto 196",
    ]


def test_routes_are_read_from_what_ip_tells() -> None:
    told = [
        {"dst": "198.51.100.1", "nexthops": [{"gateway": "192.0.2.10", "dev": "eth0"}]},
        {"dst": "198.51.100.0/28", "gateway": "192.0.2.11", "dev": "eth0", "flags": []},
        {"type": "unreachable", "dst": "198.51.100.3", "flags": []},
    ]

    assert read_routes(json.dumps(told)) == {
        PREFIX: frozenset({A}),
        "198.51.100.0/28": frozenset({B}),
        "198.51.100.3/32": frozenset(),
    }


def test_what_no_kernel_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 65535 buckets, not 100000"):
        Resilience(buckets=100_000, idle_timer=60)
