"""The checkers themselves: each invariant, broken on purpose, is found broken."""

from __future__ import annotations

from membership import LeaveRequested, MetaChanged, PacketReceived, Profile, fast
from membership.wire.messages import Dead, encode
from swimlb.lab.simnet import Auditor, Conditions, Tolerance
from tests.simulation.rings import Ring

TOLERANCE = Tolerance(stall=0.3, loss=0.2)


def audited(ring: Ring, *, profile: Profile | None = None, tolerance: Tolerance = TOLERANCE) -> Auditor:
    return Auditor(ring.net, profile or ring.profile, tolerance)


def broken(auditor: Auditor) -> set[str]:
    return {violation.invariant for violation in auditor.violations}


def test_a_ring_that_keeps_its_promises_is_not_blamed() -> None:
    """Through a crash, a return and a partition."""
    ring = Ring(1, 5)
    auditor = audited(ring)

    ring.net.crash("node-5")
    ring.net.run_for(5)
    ring.net.restart("node-5", ring.seeds)
    ring.net.run_for(3)
    ring.net.partition(ring.names[:2], ring.names[2:])
    ring.net.run_for(10)
    settled_in = auditor.settle()

    assert auditor.violations == []
    assert auditor.false_deaths == 6 + 6
    assert 0 < settled_in < 10


def test_finds_a_crash_that_is_known_too_late() -> None:
    """Measured with the bound of a faster profile."""
    ring = Ring(1, 3)
    auditor = audited(ring, profile=fast())

    ring.net.crash("node-3")
    ring.net.run_for(2)

    assert broken(auditor) == {"completeness"}


def test_finds_a_false_death() -> None:
    """Of a member that stops for longer than the ring bears, but not longer than we say it does."""
    ring = Ring(1, 3)
    auditor = audited(ring, tolerance=Tolerance(stall=60, loss=0.2))

    ring.net.pause("node-3", 10)
    ring.net.run_for(5)

    assert broken(auditor) == {"accuracy"}
    assert auditor.false_deaths == 2


def test_finds_an_incarnation_that_goes_back() -> None:
    """A member that begins anew, and whose memory the checker believes it still has."""
    ring = Ring(1, 3)
    auditor = audited(ring)
    ring.net.tell("node-2", MetaChanged(b"second"))
    ring.net.run_for(1)

    ring.net.crash("node-2")
    ring.net.restart("node-2")
    ring.net.host("node-2").generation -= 1
    auditor.audit()

    assert broken(auditor) == {"incarnations"}


def test_finds_views_that_stay_apart() -> None:
    """A member that has said goodbye and yet goes on is there for itself only."""
    ring = Ring(1, 3)
    auditor = audited(ring)
    ring.net.tell("node-2", LeaveRequested())

    settled_in = auditor.settle()

    assert broken(auditor) == {"convergence"}
    assert settled_in == float("inf")


def test_finds_a_queue_that_overflows() -> None:
    """More members than the ring has ever had."""
    ring = Ring(1, 3)
    auditor = audited(ring)

    forged = Ring(2, 4).net.member("node-4")
    ring.net.host("node-2").memberlist = forged
    auditor.audit()

    assert "queues" in broken(auditor)


def test_a_lie_about_a_death_is_a_false_death() -> None:
    """Loss beyond the tolerance excuses; anything within does not."""
    ring = Ring(1, 4, conditions=Conditions(loss=0.1))
    auditor = audited(ring)
    lie = encode(Dead(1, "node-3", "node-4"))

    ring.net.tell("node-1", PacketReceived(ring.seeds[0], lie))

    assert broken(auditor) == {"accuracy"}
