"""What the failover benchmark makes of what it saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench.matrix.judge import Seen, count_moves, established, judged, stray_addresses, taken_over
from swimlb.lab.measure import Claim, Connection, Probe, Recording

ADDRESS, OTHER = "198.18.0.1", "198.18.0.2"
A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
BEGUN, ENDED, WELL = 10.0, 16.0, 20.0


def recording(*spells: tuple[str | None, float, float]) -> Recording:
    """Probes every 10 ms, answered by a node, or by nobody, from one moment to another."""
    probes: list[Probe] = []
    for node, begin, end in spells:
        for number in range(round((end - begin) * 100)):
            sent = begin + number / 100
            probes.append(Probe(sent, None if node is None else sent + 0.001, node))
    return Recording(tuple(probes))


def claim(time: float, mac: str, address: str = ADDRESS) -> Claim:
    return Claim(time, "p", mac, address, is_reply=True, target="192.168.3.180")


def stream(
    by: str, error: str | None, *, connected: float = 9.0, ended: float = 12.0, is_stream: bool = True
) -> Connection:
    return Connection(ADDRESS, is_stream, 8.9, connected, ended, by, error)


def seen(
    *recordings: Recording,
    claims: Sequence[Claim] = (),
    connections: Sequence[Connection] = (),
    needed_moves: int = 2,
    is_routed: bool = False,
) -> Seen:
    return Seen(
        begun=BEGUN,
        ended=ENDED,
        well=WELL,
        recordings=dict(zip((ADDRESS, OTHER), recordings, strict=False)),
        lateness=0.002,
        claims=claims,
        connections=connections,
        victim="node-a",
        owners={} if is_routed else {ADDRESS: A, OTHER: B},
        hurt={A},
        needed_moves=needed_moves,
    )


MOVED = recording(("node-a", 9, 10), (None, 10, 10.4), ("node-b", 10.4, 17), ("node-a", 17, 20))


def test_a_move_there_and_back_is_an_outage_and_no_mistake() -> None:
    run = judged(seen(MOVED, claims=[claim(10.38, B), claim(17, A)]))

    assert run.outage == pytest.approx(0.41)
    assert (run.lost, run.is_black_hole) == (40, False)
    assert run.outage_back == 0.0
    assert run.claimed_after == pytest.approx(0.38)
    assert run.taken_over_after == pytest.approx(0.38)
    assert (run.moves, run.false_moves) == (2, 0)


def test_the_client_that_lost_most_counts() -> None:
    longer = recording(("node-a", 9, 10), (None, 10, 12), ("node-b", 12, 20))

    run = judged(seen(MOVED, longer))

    assert run.outage == pytest.approx(2.01)


def test_a_client_that_never_gets_an_answer_again_is_not_out_for_nothing() -> None:
    dark = recording(("node-a", 9, 10), (None, 10, 20))

    run = judged(seen(MOVED, dark))

    assert run.outage is None
    assert run.outage_back is None


def test_darkness_after_a_claim_is_a_black_hole() -> None:
    dark = recording(("node-a", 9, 10), (None, 10, 12), ("node-b", 12, 20))

    assert judged(seen(dark, claims=[claim(10.2, C)])).is_black_hole
    assert not judged(seen(dark, claims=[claim(11.9, C)])).is_black_hole


def test_a_claim_by_who_has_the_address_already_is_no_takeover() -> None:
    run = judged(seen(MOVED, claims=[claim(10.01, A)]))

    assert run.claimed_after is None
    assert run.taken_over_after is None


def test_moves_that_nothing_made_necessary_are_false() -> None:
    """Under loss nobody is hurt, and nothing has to move."""
    run = judged(seen(MOVED, needed_moves=0))

    assert run.false_moves == 2


def test_an_address_of_another_node_that_somebody_takes_is_false_too() -> None:
    run = judged(seen(MOVED, claims=[claim(10.4, B), claim(11, C, OTHER), claim(11.1, C, OTHER)]))

    assert run.false_moves == 1


def test_a_false_claim_that_the_client_follows_is_one_mistake() -> None:
    """Followed or not: the address was never to change hands."""
    calm = recording(("node-a", 9, 20))

    ignored = judged(replace(seen(calm, claims=[claim(11, C)], needed_moves=0), hurt=set()))
    followed = judged(replace(seen(MOVED, claims=[claim(10.4, B)], needed_moves=0), hurt=set()))

    assert (ignored.moves, ignored.false_moves) == (0, 1)
    assert (followed.moves, followed.false_moves) == (2, 2)


def test_two_that_answer_in_turns_own_it_together() -> None:
    turns = [
        claim(11 + number / 20 + later, mac) for number in range(5) for mac, later in ((A, 0), (B, 0.01))
    ]

    run = judged(seen(MOVED, claims=turns))

    assert run.two_owners == pytest.approx(0.2)
    assert judged(seen(MOVED, claims=[claim(9.5, A), claim(10.4, B), claim(17, A)])).two_owners == 0


def test_where_a_router_decides_nobody_owns() -> None:
    run = judged(seen(MOVED, is_routed=True))

    assert run.two_owners is None
    assert run.taken_over_after is None
    assert (run.moves, run.false_moves) == (2, 0)


def test_connections_are_counted_by_the_node_that_they_were_to() -> None:
    connections = [
        stream("node-a", "TimeoutError"),
        stream("node-a", None, ended=20.3),
        stream("node-b", "ConnectionResetError"),
        stream("node-b", "ConnectionResetError", connected=10.5),
        stream("node-b", "ConnectionResetError", connected=9.0, ended=9.5),
        stream("node-b", "TimeoutError", is_stream=False),
    ]

    run = judged(seen(MOVED, connections=connections))

    assert (run.streams, run.broken) == (2, 1)
    assert (run.streams_elsewhere, run.broken_elsewhere) == (1, 1)


def test_only_what_stood_at_the_time_can_break() -> None:
    assert established([stream("node-a", None, connected=11.0)], BEGUN) == []
    assert established([stream("node-a", "TimeoutError", ended=9.9)], BEGUN) == []


def test_probes_lost_one_at_a_time_are_no_moves() -> None:
    probes = [
        Probe(number / 100, None if number % 10 == 5 else number / 100, "node-a") for number in range(99)
    ]

    assert count_moves(Recording(tuple(probes)), 0, 1) == 0
    assert count_moves(MOVED, 9, 16) == 1


def test_a_takeover_is_done_when_the_last_address_is_claimed_by_who_was_not_hurt() -> None:
    owners = {ADDRESS: A, OTHER: A}
    claims = [claim(10.1, A), claim(10.2, B), claim(10.3, A, OTHER)]

    assert taken_over(claims, owners, {A}, BEGUN, ENDED) is None
    assert taken_over([*claims, claim(10.7, C, OTHER)], owners, {A}, BEGUN, ENDED) == pytest.approx(0.7)
    assert taken_over([*claims, claim(16.7, C, OTHER)], owners, {A}, BEGUN, ENDED) is None


def test_an_address_is_a_stray_once_and_only_of_who_was_well() -> None:
    owners = {ADDRESS: A, OTHER: B}

    assert stray_addresses([claim(11, C), claim(11, C, OTHER), claim(12, A, OTHER)], owners, {A}) == {OTHER}
    assert stray_addresses([claim(11, B, OTHER), claim(11, C, "198.18.0.9")], owners, {A}) == frozenset()
