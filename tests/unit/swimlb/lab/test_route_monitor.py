"""The lines of `ip -4 -o monitor route`, as iproute2 6.1 writes them."""

from __future__ import annotations

import pytest

from swimlb.lab.route_monitor import Route, parse_line

BOTH = frozenset({"10.0.0.2", "10.0.0.3"})


@pytest.mark.parametrize(
    ("line", "route"),
    [
        (
            "198.51.100.1 nhid 3 proto bgp \\\tnexthop via 10.0.0.2 dev va weight 1 \\\tnexthop via 10.0.0.3 dev va weight 1 ",
            Route("198.51.100.1/32", "main", BOTH),
        ),
        (
            "198.51.100.1 nhid 1 via 10.0.0.2 dev va proto bgp ",
            Route("198.51.100.1/32", "main", frozenset({"10.0.0.2"})),
        ),
        ("Deleted 198.51.100.2 via 10.0.0.2 dev va ", Route("198.51.100.2/32", "main", frozenset())),
        (
            "198.51.100.0/28 via 10.0.0.2 dev va table 100 ",
            Route("198.51.100.0/28", "100", frozenset({"10.0.0.2"})),
        ),
        (
            "198.51.100.0/28 via inet6 fe80::1 dev va ",
            Route("198.51.100.0/28", "main", frozenset({"fe80::1"})),
        ),
        (
            "local 10.0.0.1 dev va table local proto kernel scope host src 10.0.0.1 ",
            Route("10.0.0.1/32", "local", frozenset()),
        ),
        ("unreachable 198.51.100.3 proto bird ", Route("198.51.100.3/32", "main", frozenset())),
        ("default via 10.0.0.2 dev va ", Route("default", "main", frozenset({"10.0.0.2"}))),
    ],
)
def test_a_line_is_a_route(line: str, route: Route) -> None:
    assert parse_line(line) == route


@pytest.mark.parametrize("line", ["", "\n", "Deleted", "\tnexthop via 10.0.0.2 dev va weight 1"])
def test_other_lines_are_none(line: str) -> None:
    assert parse_line(line) is None
