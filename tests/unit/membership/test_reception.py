"""Does anybody hear us?"""

from __future__ import annotations

from random import Random

from membership import Config, HeardAgain, NotHeard, Profile, lan, normal
from membership.members import Record, State, Table
from membership.pace import Pace
from membership.reception import Reception

PATIENCE = 2 * normal().observe_silence


def reception(profile: Profile | None = None) -> Reception:
    config = Config(name="node-a", address="192.0.2.1", profile=profile or normal())
    local = Record("node-a", config.octets, 7946, b"", config.versions, 1, State.ALIVE, changed_at=0.0)
    return Reception(Pace(config, Table(local, Random(1))))


def not_heard() -> Reception:
    """Since 10.0 + PATIENCE."""
    mute = reception()
    mute.hear(10.0)
    mute.accused("node-b", 10.0)
    mute.hear(10.5)
    assert mute.review(10.0 + PATIENCE) == (NotHeard("node-b"), PATIENCE)
    return mute


def test_is_not_heard_when_it_is_accused_and_nobody_answers_for_a_while() -> None:
    """Until then it is in question, which is enough to accuse nobody."""
    mute = reception()
    mute.hear(10.0)
    mute.accused("node-b", 10.0)
    mute.accused("node-c", 10.5)
    mute.hear(10.5)

    assert mute.is_in_question
    assert mute.review(10.5) == (None, 0.0)
    assert mute.next_deadline() == 10.0 + PATIENCE
    assert mute.review(10.0 + PATIENCE) == (NotHeard("node-b"), PATIENCE)


def test_is_heard_when_anybody_answers() -> None:
    """An accusation by mistake is nothing, however many there are."""
    heard = reception()
    for moment in range(10, 20):
        heard.hear(float(moment))
        heard.accused("node-b", float(moment))
        heard.answered()

        assert not heard.is_in_question
        assert heard.review(moment + 0.9) == (None, 0.0)


def test_is_not_in_question_when_it_hears_nobody() -> None:
    """That is something else: see `isolation`."""
    alone = reception()
    alone.hear(10.0)
    alone.accused("node-b", 10.0)

    assert alone.review(12.0) == (None, 0.0)
    assert not alone.is_in_question
    assert alone.next_deadline() is None


def test_the_time_of_the_others_stands_still() -> None:
    """What they owe is put off by as much as passes."""
    mute = not_heard()

    mute.hear(11.0)
    assert mute.review(11.0) == (None, 11.0 - (10.0 + PATIENCE))
    assert mute.review(11.5) == (None, 0.5)


def test_a_few_answers_end_it() -> None:
    """One may have slipped through."""
    mute = not_heard()

    for moment in (11.0, 12.0):
        mute.hear(moment)
        mute.answered()
        change, _ = mute.review(moment)
        assert change is None
    mute.hear(13.0)
    mute.answered()
    change, _ = mute.review(13.0)

    assert change == HeardAgain(13.0 - (10.0 + PATIENCE))
    assert not mute.is_in_question


def test_it_ends_when_nobody_is_left() -> None:
    """Whoever lost this member would ask for it; and its deadline says when to look."""
    mute = not_heard()

    due = mute.next_deadline()
    assert due is not None
    assert due == 10.5 + 5 * normal().reconnect_interval
    change, _ = mute.review(due)

    assert isinstance(change, HeardAgain)


def test_waits_longer_where_members_ask_seldom() -> None:
    """At memberlist's pace an answer a second is all there is."""
    patient = reception(lan())
    patient.hear(10.0)
    patient.accused("node-b", 10.0)
    patient.hear(12.5)

    assert patient.review(12.9) == (None, 0.0)
    assert patient.review(13.0) == (NotHeard("node-b"), 3 * lan().probe_interval)
