from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from membership.wire.messages import Ping, encode
from membership.wire.ping import PingForm

NAMES = st.text(min_size=1, max_size=300)
SEQUENCES = st.integers(0, 0xFFFF_FFFF)


@given(
    sender=st.tuples(st.sampled_from((bytes((192, 0, 2, 1)), bytes(16))), st.integers(1, 0xFFFF), NAMES),
    asked=st.lists(st.tuples(SEQUENCES, NAMES | st.just("")), min_size=1),
)
def test_the_form_gives_the_same_bytes_as_the_message(
    sender: tuple[bytes, int, str], asked: list[tuple[int, str]]
) -> None:
    """For every sender, number and name, also when the sender's name looks like the fields of a ping."""
    form = PingForm(*sender)

    assert [form.encode(*question) for question in asked] == [
        encode(Ping(*question, *sender)) for question in asked
    ]


def test_a_sender_whose_name_looks_like_a_field() -> None:
    """What the form cuts in two is found from the front."""
    form = PingForm(bytes((192, 0, 2, 1)), 7946, "\u0004Node SeqNo")

    assert form.encode(70_000, "node-b") == encode(
        Ping(70_000, "node-b", bytes((192, 0, 2, 1)), 7946, "\u0004Node SeqNo")
    )
