from __future__ import annotations

import pytest

from membership.circle import Circle


def circle(count: int, dead: frozenset[str] = frozenset()) -> tuple[list[str], Circle]:
    names = [f"node-{number}" for number in range(count)]
    return names, Circle(names, lambda name: name not in dead)


@pytest.mark.parametrize(("count", "observers"), [(1, 0), (2, 1), (3, 2), (4, 3), (5, 3), (20, 3), (100, 3)])
def test_everybody_has_observers_and_nobody_more_than_its_share(count: int, observers: int) -> None:
    """Three others where there are three; and each observes as many as observe it."""
    names, made = circle(count)

    for name in names:
        assert len(set(made.observers_of(name, 3)) - {name}) == observers
        assert len(made.charges_of(name, 3)) == observers


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 13])
def test_charges_are_the_inverse_of_observers(count: int) -> None:
    """Also while some are suspect, and so observe nobody."""
    for suspects in range(count - 1):
        names, made = circle(count, frozenset(f"node-{number}" for number in range(suspects)))
        for observer in names[suspects:]:
            charges = [name for name in names if observer in made.observers_of(name, 3)]
            assert sorted(made.charges_of(observer, 3)) == sorted(charges)


def test_two_members_share_at_most_one_observer() -> None:
    """From seven members on: an observer that is out of order is one voice against anybody, and not two."""
    names, made = circle(7)

    observers = [set(made.observers_of(name, 3)) for name in names]

    shared = {len(one & other) for one in observers for other in observers if one is not other}
    assert shared == {1}


def test_a_suspect_is_replaced_and_the_others_stay() -> None:
    """So that the votes of those who have accused already still count."""
    _, calm = circle(20)
    first, *others = calm.observers_of("node-7", 3)

    _, troubled = circle(20, frozenset((first,)))

    assert set(others) < set(troubled.observers_of("node-7", 3))
    assert first not in troubled.observers_of("node-7", 3)


def test_a_newcomer_changes_few() -> None:
    """The observers of its neighbours, and no others."""
    names, made = circle(100)
    before = {name: made.observers_of(name, 3) for name in names}

    made.add("node-new")

    assert sum(made.observers_of(name, 3) != before[name] for name in names) <= 4
    made.remove("node-new")
    assert {name: made.observers_of(name, 3) for name in names} == before


def test_forks_go_their_own_ways() -> None:
    """What changes in one of them does not in the other."""
    names, one = circle(10)
    other = one.fork(lambda name: True)

    other.remove("node-3")
    one.add("node-x")

    assert len(one) == 11
    assert len(other) == 9
    assert "node-3" in {seen for name in names for seen in one.observers_of(name, 3)}
