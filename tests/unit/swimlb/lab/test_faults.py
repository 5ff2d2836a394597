"""The switch's faults as nftables text."""

from __future__ import annotations

import pytest

from swimlb.lab.errors import LabError
from swimlb.lab.faults import check_percent, from_to, gossip_between, parse_groups, ruleset


def test_no_fault_is_a_table_that_drops_nothing() -> None:
    text = ruleset({}, [])

    assert "numgen" not in text
    assert "elements" not in text


def test_loss_is_drawn_once_for_each_direction_in_thousandths() -> None:
    text = ruleset({"node-a": 12.5}, [])

    assert '    iifname "p-node-a" numgen random mod 1000 < 125 counter drop\n' in text
    assert '    oifname "p-node-a" numgen random mod 1000 < 125 counter drop\n' in text


@pytest.mark.parametrize("percent", [99.96, 100])
def test_the_loss_of_everything_is_left_to_no_chance(percent: float) -> None:
    """nftables knows no `mod 1000 < 1000`."""
    text = ruleset({"node-a": percent}, [])

    assert '    iifname "p-node-a" counter drop\n' in text
    assert '    oifname "p-node-a" counter drop\n' in text
    assert "numgen" not in text


def test_a_loss_that_would_be_none_is_refused() -> None:
    with pytest.raises(LabError, match=r"tenths of a percent: 0\.04 is less than one"):
        check_percent(0.04)


def test_a_partition_keeps_each_pair_of_different_groups_apart_both_ways() -> None:
    text = ruleset({}, [["node-a", "node-b"], ["node-c"]])

    assert (
        "elements = { p-node-a . p-node-c, p-node-b . p-node-c, p-node-c . p-node-a, p-node-c . p-node-b };"
        in text
    )


def test_groups_are_read_as_the_command_line_has_them() -> None:
    assert parse_groups("node-a,node-b/node-c") == (("node-a", "node-b"), ("node-c",))
    assert parse_groups("none") == ()


@pytest.mark.parametrize("text", ["", "node-a", "node-a/", "node-a/node-a", "node-a,node-b"])
def test_what_is_no_partition_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="is no partition"):
        parse_groups(text)


@pytest.mark.parametrize("percent", [-1, 100.1, float("nan")])
def test_loss_is_a_percentage(percent: float) -> None:
    with pytest.raises(LabError, match="0 to 100"):
        check_percent(percent)


def test_one_way_is_every_sender_to_every_receiver() -> None:
    assert from_to(["node-a"], ["node-b", "node-c"]) == [
        'iifname "p-node-a" oifname "p-node-b"',
        'iifname "p-node-a" oifname "p-node-c"',
    ]


def test_gossip_is_cut_both_ways_whichever_end_has_the_port() -> None:
    matches = gossip_between([["node-a"], ["node-b"]])

    assert {match.split(" meta")[0] for match in matches} == {
        'iifname "p-node-a" oifname "p-node-b"',
        'iifname "p-node-b" oifname "p-node-a"',
    }
    assert {match.rpartition("th ")[2] for match in matches} == {"sport 7946", "dport 7946"}
    assert len(matches) == 4
