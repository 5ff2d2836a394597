"""When each of many things is due."""

from __future__ import annotations

import random

from swimlb.speaker.deadlines import Deadlines


def test_takes_the_earliest_first_and_of_equals_the_first_one_set() -> None:
    """A key that is set again has only its new moment."""
    deadlines: Deadlines[str] = Deadlines()
    for key, due in (("a", 3.0), ("b", 2.0), ("c", 2.0), ("d", 9.0), ("b", 4.0)):
        deadlines.set(key, due)
    deadlines.discard("a")

    assert deadlines.next() == 2.0
    assert deadlines.take(4.0, at_most=10) == ["c", "b"]
    assert (deadlines.next(), len(deadlines)) == (9.0, 1)


def test_what_is_too_much_at_once_stays_due() -> None:
    """So a turn is bounded, and the rest is not forgotten."""
    deadlines: Deadlines[int] = Deadlines()
    for key in range(5):
        deadlines.set(key, float(key))

    assert deadlines.take(9.0, at_most=3) == [0, 1, 2]
    assert deadlines.next() == 3.0
    assert deadlines.take(9.0, at_most=3) == [3, 4]


def test_what_is_set_again_for_ever_takes_no_room() -> None:
    """A claim that is heard again and again moves its deadline again and again."""
    deadlines: Deadlines[int] = Deadlines()
    rng = random.Random(1)

    for number in range(20_000):
        deadlines.set(rng.randrange(10), float(number))

    assert deadlines.entries <= 4 * 10 + 64 + 1
