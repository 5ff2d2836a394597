"""An outage is read off a recording without flattering anybody."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path

import pytest

from swimlb.lab.measure import (
    PATIENCE,
    Claim,
    Connection,
    Outage,
    Probe,
    Recording,
    RecordingReader,
    Spell,
    claimants,
    doubled_for,
    longest_outage,
    outages,
    overlap,
    read_connections,
    spells,
)


def answered(*times: float, by: str = "node-a") -> list[Probe]:
    return [Probe(time, time + 0.001, by) for time in times]


def lost(*times: float) -> list[Probe]:
    return [Probe(time, None, None) for time in times]


def test_an_outage_spans_from_the_last_answered_probe_to_the_first_one_answered_again() -> None:
    probes = [*answered(1.0, 1.005), *lost(1.010, 1.015), *answered(1.020, by="node-b")]

    found = outages(probes)

    assert found == [
        Outage(last_answered=1.005, first_lost=1.010, ended=1.020, lost=2, before="node-a", after="node-b")
    ]
    assert found[0].duration == pytest.approx(0.015)
    assert found[0].lost_for == pytest.approx(0.010)


def test_an_answer_that_comes_after_the_patience_counts_as_lost() -> None:
    """The kernel queued it while it resolved the neighbour: the client was without service all the while."""
    late = Probe(1.005, 1.005 + PATIENCE + 0.001, "node-b")

    found = outages([*answered(1.0), late, *answered(1.010)])

    assert [one.lost for one in found] == [1]


def test_an_outage_that_outlasts_the_recording_is_open_and_no_shorter_than_what_was_seen() -> None:
    found = outages([*answered(1.0), *lost(1.005, 3.0)])

    assert [(one.is_open, one.duration) for one in found] == [(True, pytest.approx(2.0))]


def test_probes_lost_from_the_start_are_an_outage_too() -> None:
    found = outages([*lost(1.0, 1.5), *answered(2.0)])

    assert found == [
        Outage(last_answered=1.0, first_lost=1.0, ended=2.0, lost=2, before=None, after="node-a")
    ]


def test_one_lost_probe_between_answers_of_one_node_is_a_stray() -> None:
    probes = [*answered(1.0), *lost(1.005), *answered(1.010)]
    handover = [*answered(1.0), *lost(1.005), *answered(1.010, by="node-b")]

    assert [one.is_stray for one in outages(probes)] == [True]
    assert [one.is_stray for one in outages(handover)] == [False]


def test_the_longest_outage_is_found_by_its_duration_and_not_by_the_number_of_probes() -> None:
    probes = [*answered(1.0), *lost(1.1, 1.2, 1.3), *answered(1.4), *lost(2.0), *answered(4.0)]

    longest = longest_outage(probes)

    assert longest is not None
    assert (longest.first_lost, longest.lost) == (2.0, 1)
    assert longest_outage(answered(1.0, 2.0)) is None


def test_spells_join_what_one_node_answered_and_leave_strays_out() -> None:
    probes = [
        *answered(1.0),
        *lost(1.1),
        *answered(1.2, 1.3),
        *lost(1.4, 1.5),
        *answered(1.6, 1.7, by="node-b"),
    ]

    assert spells(probes) == [Spell("node-a", 1.0, 1.4), Spell(None, 1.4, 1.6), Spell("node-b", 1.6, 1.7)]


def test_claimants_are_counted_once_for_each_mac_within_the_window() -> None:
    def claim(time: float, mac: str, address: str = "192.0.2.10") -> Claim:
        return Claim(time, "p-node-a", mac, address, is_reply=False, target=address)

    claims = [
        claim(0.9, "02:00:00:00:00:09"),
        claim(1.0, "02:00:00:00:00:01"),
        claim(1.5, "02:00:00:00:00:01"),
        claim(1.6, "02:00:00:00:00:02", "192.0.2.11"),
        claim(2.0, "02:00:00:00:00:03"),
    ]

    assert claimants(claims, "192.0.2.10", 1.0, 2.0) == ("02:00:00:00:00:01", "02:00:00:00:00:03")


def test_a_recording_is_read_while_it_is_written(tmp_path: Path) -> None:
    """Lines come in the order of answers; the last may be half there; the worst lateness is kept."""
    path = tmp_path / "prober.jsonl"
    lines = [json.dumps([1.005, 1.006, "node-a", 0.001]), json.dumps([1.0, None, None, 0.030]), "[1.010, 1."]
    path.write_text("\n".join(lines))

    recording = RecordingReader(path).read()

    assert recording == Recording((Probe(1.0, None, None), Probe(1.005, 1.006, "node-a")), lateness_max=0.030)
    assert recording.is_disturbed


def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    """A minute's probes take longer to read than it is until the next question."""
    path = tmp_path / "probes"
    path.write_text('[1.005, 1.006, "node-a", 0.001]\n[1.0, null, nu')
    reader = RecordingReader(path)
    first = reader.read()
    path.write_text('[9.005, 9.006, "node-z", 9.001]\n[1.0, null, null, 0.030]\n[1.01, null, n')

    second = reader.read()

    answer = Probe(1.005, 1.006, "node-a")
    assert first == Recording((answer,), lateness_max=0.001)
    assert second == Recording((Probe(1.0, None, None), answer), lateness_max=0.030)
    assert reader.read() == second


def test_answers_are_counted_by_node() -> None:
    recording = Recording((*answered(1.0, 2.0), *lost(3.0), *answered(4.0, by="node-b")))

    assert recording.answers_by_node() == {"node-a": 2, "node-b": 1}


def claim(time: float, mac: str, address: str = "192.0.2.10") -> Claim:
    return Claim(time, "p-node-a", mac, address, False, address)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ([claim(1.0, "old"), claim(2.0, "new"), claim(3.0, "new")], 0.0),
        ([claim(1.0, "old"), claim(2.0, "new"), claim(2.5, "old"), claim(3.0, "new")], 0.5),
        ([claim(2.0, "new"), claim(2.5, "old", "192.0.2.11")], 0.0),
        ([claim(1.0, "old"), claim(2.0, "old")], 0.0),
        ([claim(2.0, "new"), claim(9.5, "old")], 0.0),
    ],
    ids=["a clean move", "the old owner claims on", "another address", "it never came", "after the window"],
)
def test_an_overlap_is_what_others_claim_after_the_winner_has_begun(
    claims: list[Claim], expected: float
) -> None:
    assert overlap(claims, "192.0.2.10", "new", 0.0, 9.0) == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ([claim(1.0, "a"), claim(2.0, "b"), claim(2.25, "a")], 0.25),
        ([claim(1.0, "a"), claim(2.0, "b"), claim(2.25, "a"), claim(2.75, "b")], 0.75),
        ([claim(1.0, "a"), claim(2.0, "b"), claim(2.25, "b")], 0.0),
        ([claim(1.0, "a"), claim(2.0, "b"), claim(8.0, "a")], 0.0),
    ],
    ids=["a rival between two claims", "a quarrel", "a move", "a move and the return"],
)
def test_two_who_claim_in_turns_are_told_from_moves(claims: list[Claim], expected: float) -> None:
    assert doubled_for(claims, "192.0.2.10", 0.0, 9.0) == expected


def test_connections_are_read_while_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    whole = Connection("192.0.2.10", False, 1.0, 1.001, 1.002, "node-a", None)
    path.write_text(json.dumps(list(astuple(whole))) + '\n["192.0.2.11", tr')

    assert read_connections(path) == (whole,)
