from __future__ import annotations

import pytest

from membership.config import lan
from membership.suspicion import Suspicion, suspicion_bounds


@pytest.mark.parametrize(
    ("count", "timeouts"),
    [(4, (24.0, 11.381, 4.0)), (20, (31.224, 14.807, 5.204)), (100, (48.0, 22.763, 8.0))],
)
def test_each_accuser_shortens_it(count: int, timeouts: tuple[float, ...]) -> None:
    """The figures of memberlist's LAN profile, for none, one and two confirmers of two."""
    suspicion = Suspicion("node-b", 100.0, *suspicion_bounds(lan(), count))
    found: list[float] = []

    for confirmer in (None, "node-c", "node-d"):
        if confirmer is not None:
            assert suspicion.confirm(confirmer, 100.0)
        suspicion.expect(2)
        found.append(suspicion.deadline - 100.0)

    assert found == [pytest.approx(timeout, abs=0.002) for timeout in timeouts]


def test_a_stall_is_excused_for_as_long_as_it_was_running() -> None:
    """What began with the packet that ended a silence has not waited at all."""
    suspicion = Suspicion("node-b", 10.0, 1.0, 6.0)

    suspicion.delay(5.0, 10.0)
    assert suspicion.deadline == 16.0
    suspicion.delay(5.0, 12.0)
    assert suspicion.deadline == 18.0


def test_nobody_counts_twice() -> None:
    """Neither the first accuser nor a later one."""
    suspicion = Suspicion("node-b", 0.0, 1.0, 6.0)

    assert [suspicion.confirm(name, 0.0) for name in ("node-b", "node-c", "node-c")] == [False, True, False]
    assert suspicion.accusers == ("node-b", "node-c")


def test_it_is_not_waited_for_those_who_cannot_come() -> None:
    """With nobody left to confirm it, the shortest time will do."""
    suspicion = Suspicion("node-b", 0.0, 1.0, 6.0)

    suspicion.expect(0)

    assert suspicion.deadline == 1.0
