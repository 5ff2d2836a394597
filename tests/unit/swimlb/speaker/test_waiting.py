"""What waits to be looked at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swimlb.speaker.waiting import Waiting


def filled(count: int) -> Waiting[int]:
    waiting: Waiting[int] = Waiting()
    waiting.add_all(dict.fromkeys(range(count)))
    return waiting


def test_keys_come_in_their_order_and_once() -> None:
    """One that is taken, or given up, and comes again, waits again."""
    waiting = filled(3)
    waiting.add(1)
    waiting.discard(2)

    first = waiting.take()
    waiting.add(first)

    assert [waiting.take() for _ in range(len(waiting))] == [1, first]
    assert not waiting


@given(st.lists(st.tuples(st.sampled_from(["add", "discard", "take"]), st.integers(0, 9))))
def test_whatever_is_done_all_that_waits_is_taken_once(acts: list[tuple[str, int]]) -> None:
    waiting, expected = filled(5), set(range(5))
    for act, key in acts:
        match act:
            case "add":
                waiting.add(key)
                expected.add(key)
            case "discard":
                waiting.discard(key)
                expected.discard(key)
            case _ if waiting:
                expected.remove(waiting.take())
            case _:
                pass
        assert (len(waiting), key in waiting) == (len(expected), key in expected)

    assert sorted(waiting.take() for _ in range(len(waiting))) == sorted(expected)
