"""Planned moves: a speaker is stopped and started again, one after the other, while clients go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.measure import LATENESS_MAX, Connection
from swimlb.lab.observers import LoadRun, Referee
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import pause
from swimlb.runtime import clock
from tests.netns.conftest import start_lab
from tests.netns.dual import (
    PORT,
    Watch,
    addresses4,
    addresses6,
    find_pair,
    lateness,
    milliseconds,
    owners,
    rest,
    restart_in_turn,
    write_manifests,
)

ADDRESSES = [*addresses4(6), *addresses6(6)]
FINE = 0.002
MOVES = 3
ATTEMPTS_MAX = 4
STREAMS = 200
RATE = 200.0
MOVING_FOR = 0.5
"""Announcements of a move go out this long; a connection that lives then may meet both nodes."""
SEEN_LATE = 0.02
"""The referee reads a claim some time after the client's kernel has acted on it."""


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    manifests = write_manifests(tmp_path_factory.mktemp("manifests"), ADDRESSES)
    return start_lab(sandbox, manifests)


@pytest.fixture
def watch(lab: Lab) -> Iterator[Watch]:
    rest(lab)
    with Watch(lab, find_pair(lab), interval=FINE) as watching:
        yield watching


def test_leaving_and_returning_lose_nothing(
    lab: Lab, watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGTERM, then a start: with a probe every 2 ms for each family not one is lost, there or back.

    A move during which the prober itself was late speaks of the machine, and is done again.
    """
    leaving: list[dict[str, float]] = []
    returning: list[dict[str, float]] = []

    for _ in range(ATTEMPTS_MAX):
        left_at = clock.monotonic()
        lab.stop(watch.pair.node)
        watch.await_successors()
        left = {address: watch.lost_for(address, left_at) for address in watch.pair.addresses}

        returned_at = clock.monotonic()
        lab.start(watch.pair.node)
        rest(lab)
        watch.await_answers_of(watch.pair.node)
        returned = {address: watch.lost_for(address, returned_at) for address in watch.pair.addresses}
        if max(run.lateness(left_at, clock.monotonic()) for run in watch.probes.values()) <= LATENESS_MAX:
            leaving.append(left)
            returning.append(returned)
        if len(leaving) == MOVES:
            break

    with capsys.disabled():
        print(f"\n  {len(leaving)} planned moves: lost for {list(map(milliseconds, leaving))}", end=" ")
        print(f"leaving, {list(map(milliseconds, returning))} returning; {lateness(watch)}", end="")
    assert leaving
    nothing = dict.fromkeys(watch.pair.addresses, 0.0)
    assert leaving == returning == [nothing] * len(leaving)


def test_a_rolling_restart(lab: Lab, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """No connection is refused or unanswered, and no stream of an address that stays where it is breaks.

    In standalone mode a stream ends on the node it was made with, which alone has its state: when the address moves,
    the new owner resets it (RFC 9293 section 3.10.7.1), and so it does with a connection that is caught in the move.
    What can be kept is every other one.
    """
    rest(lab)
    before = owners(lab)
    with Referee(sandbox) as referee:
        with LoadRun(sandbox, ADDRESSES, PORT, streams=STREAMS, rate=RATE) as load:
            pause(2.0)
            took = restart_in_turn(lab)
        connections = load.connections()
        moved_at = moves(lab, referee, before)

    broken = [one for one in connections if one.error is not None]
    never_connected = [one for one in broken if one.connected is None]
    unexplained = [one for one in broken if not any(meets(one, at) for at in moved_at[one.address])]
    streams = [one for one in connections if one.is_stream]
    fresh = [one for one in connections if not one.is_stream]
    kept = [one for one in streams if one.error is None and one.ended - one.begun > took]
    caught = [one for one in fresh if one.error is not None]
    with capsys.disabled():
        print(
            f"\n  rolling restart in {took:.0f} s: {len(fresh)} new connections, {len(never_connected)} not made, "
            f"{len(caught)} caught in a move; {len(kept)} of {STREAMS} streams lived through it, "
            f"{sum(one.error is not None for one in streams)} ended with the move of their address, "
            f"{len(unexplained)} otherwise",
            end="",
        )
    assert owners(lab) == before
    assert len(fresh) >= RATE * took * 0.8
    assert never_connected == []
    assert unexplained == [], {
        one.address: (before[one.address], moved_at[one.address]) for one in unexplained
    }
    assert len(caught) <= len(fresh) / 200


def meets(connection: Connection, moved_at: float) -> bool:
    """Whether a connection was used while its address moved; a stream notices within two of its lines."""
    return connection.begun <= moved_at + MOVING_FOR and connection.ended >= moved_at - SEEN_LATE


def moves(lab: Lab, referee: Referee, owner_before: Mapping[str, str | None]) -> dict[str, list[float]]:
    """When another node than before claimed each address.

    The first owner is not taken from the wire: a client that knows it already gives it no reason to speak.
    """
    found: dict[str, list[float]] = {address: [] for address in owner_before}
    holder = {address: lab.mac(owner) for address, owner in owner_before.items() if owner is not None}
    for claim in referee.claims():
        if claim.address in found and holder.get(claim.address) != claim.mac:
            found[claim.address].append(claim.time)
            holder[claim.address] = claim.mac
    return found
