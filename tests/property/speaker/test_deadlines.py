"""A heap of deadlines that may be replaced is the same as looking at all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swimlb.speaker.deadlines import Deadlines

KEYS = st.sampled_from("abcd")
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, st.integers(0, 5)),
        st.tuples(st.just("discard"), KEYS, st.just(0)),
        st.tuples(st.just("take"), st.just(""), st.integers(0, 5)),
    ),
    max_size=60,
)


@given(ACTS)
def test_is_what_a_search_of_all_would_find(acts: list[tuple[str, str, int]]) -> None:
    """Whatever is set, set again and discarded."""
    deadlines: Deadlines[str] = Deadlines()
    known: dict[str, float] = {}
    for act, key, moment in acts:
        match act:
            case "set":
                deadlines.set(key, moment)
                known[key] = moment
            case "discard":
                deadlines.discard(key)
                known.pop(key, None)
            case _:
                due = {one for one, at in known.items() if at <= moment}
                taken = deadlines.take(moment, at_most=9)
                assert set(taken) == due
                moments = [known.pop(one) for one in taken]
                assert moments == sorted(moments)
        assert deadlines.next() == min(known.values(), default=None)
        assert len(deadlines) == len(known)
        assert all(one in deadlines for one in known)
