"""When to list, to watch, and to try again."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from swimlb.kube.following import (
    BACKOFF_FIRST,
    BACKOFF_MAX,
    LIFE_MIN,
    LIST_QUIET_MAX,
    PAGE_SIZE,
    QUIET_MAX,
    WATCH_TIME,
    AbandonList,
    BeginList,
    Close,
    DropSelector,
    Effect,
    Ended,
    EndList,
    Expired,
    Failed,
    Following,
    Heard,
    NotSupported,
    Opened,
    OpenWatch,
    PageRead,
    Phase,
    ReadPage,
    Started,
    TellTrouble,
    Trouble,
)

UNREACHABLE = Failed(Trouble.UNREACHABLE, "no route to host")
FORBIDDEN = Failed(Trouble.FORBIDDEN, "not allowed")


def following(*, has_selector: bool = False) -> Following:
    return Following(random.Random(1), has_selector=has_selector)


def without_watch_list() -> Following:
    """As it is after an API server has refused the watch list."""
    machine = following()
    machine.step(Started(), 0.0)
    assert machine.step(NotSupported("forbidden"), 0.0)[1:] == [BeginList(), ReadPage("", PAGE_SIZE)]
    return machine


def watching() -> Following:
    machine = following()
    machine.step(Started(), 0.0)
    machine.step(Opened(), 0.0)
    machine.step(Heard("7", is_list_end=True), 0.0)
    machine.step(Heard("8"), 0.0)
    return machine


def wait(machine: Following) -> tuple[float, list[Effect]]:
    """When it goes on, and what it does then."""
    assert machine.phase is Phase.WAITING
    deadline = machine.next_deadline()
    assert deadline is not None
    assert machine.advance(deadline - 0.001) == []
    return deadline, machine.advance(deadline)


def watches(effects: list[Effect]) -> list[str]:
    """The versions from which watches are opened."""
    return [effect.version for effect in effects if isinstance(effect, OpenWatch)]


def test_a_watch_begins_with_the_list() -> None:
    machine = following()

    begun = machine.step(Started(), 0.0)

    assert begun[0] == BeginList()
    assert watches(begun) == [""]
    assert machine.step(Opened(), 0.1) == []
    assert machine.step(Heard("5"), 0.1) == []
    assert machine.step(Heard("7", is_list_end=True), 0.1) == [EndList()]
    assert machine.version == "7"


def test_an_api_server_that_does_not_know_that_is_asked_for_pages() -> None:
    machine = without_watch_list()

    assert machine.step(PageRead("7", "more"), 0.1) == [ReadPage("more", PAGE_SIZE)]
    effects = machine.step(PageRead("7", ""), 0.2)

    assert effects[0] == EndList()
    assert watches(effects) == ["7"]
    assert not machine.has_watch_list


def test_a_broken_watch_goes_on_from_the_last_version() -> None:
    machine = watching()
    machine.step(Heard("9"), 5.0)

    assert machine.step(UNREACHABLE, 10.0) == []
    _, effects = wait(machine)

    assert watches(effects) == ["9"]


def test_a_watch_that_ends_as_asked_is_opened_again_at_once() -> None:
    machine = watching()

    assert machine.step(Ended(), 400.0) == []
    deadline, effects = wait(machine)

    assert deadline <= 400.0 + BACKOFF_FIRST
    assert watches(effects) == ["8"]
    assert machine.trouble is None


def test_a_version_that_is_too_old_means_to_list_anew() -> None:
    machine = watching()

    machine.step(Expired(), 10.0)
    deadline, effects = wait(machine)

    assert deadline > 10.0
    assert effects[0] == BeginList()
    assert watches(effects) == [""]


def test_a_list_that_is_too_old_between_its_pages_is_asked_for_as_a_whole_in_the_end() -> None:
    machine = without_watch_list()
    limits: list[int] = []
    now = 0.0
    for _ in range(3):
        machine.step(PageRead("7", "more"), now)
        assert machine.step(Expired(), now) == [AbandonList()]
        now, effects = wait(machine)
        limits += [effect.limit for effect in effects if isinstance(effect, ReadPage)]

    assert limits == [PAGE_SIZE, PAGE_SIZE, 0]


def test_a_silent_connection_is_taken_for_dead_after_two_bookmarks_have_been_missed() -> None:
    machine = watching()
    machine.step(Heard("9"), 50.0)

    assert machine.advance(50.0 + QUIET_MAX - 1.0) == []
    effects = machine.advance(50.0 + QUIET_MAX)

    assert effects == [Close()]
    assert watches(wait(machine)[1]) == ["9"]


def test_a_list_that_stalls_is_begun_anew() -> None:
    machine = following()
    machine.step(Started(), 0.0)
    machine.step(Opened(), 0.0)
    machine.step(Heard("5"), 1.0)

    assert machine.advance(1.0 + LIST_QUIET_MAX) == [Close(), AbandonList()]


def test_a_watch_that_outlives_its_time_is_taken_for_dead() -> None:
    """Bookmarks may come through a proxy that has lost the rest."""
    machine = watching()
    now = 0.0
    while Close() not in machine.advance(now):
        machine.step(Heard("9"), now)
        now += 60.0

    assert now <= WATCH_TIME + 120.0


def test_the_delay_between_attempts_doubles_to_a_limit() -> None:
    machine = following()
    machine.step(Started(), 0.0)
    delays: list[float] = []
    now = 0.0
    for _ in range(10):
        machine.step(UNREACHABLE, now)
        deadline, _ = wait(machine)
        delays.append(deadline - now)
        now = deadline

    assert delays[0] <= 2 * BACKOFF_FIRST
    assert BACKOFF_MAX / 2 <= delays[-1] <= BACKOFF_MAX
    assert all(later > earlier / 2 for earlier, later in pairwise(delays))


@pytest.mark.parametrize("ending", [Ended(), UNREACHABLE])
def test_watches_that_end_as_soon_as_they_are_open_are_tried_ever_more_seldom(
    ending: Ended | Failed,
) -> None:
    machine = watching()
    now = 0.0
    for _ in range(10):
        machine.step(ending, now)
        now, _ = wait(machine)
        machine.step(Opened(), now)

    machine.step(ending, now)
    deadline, _ = wait(machine)
    assert deadline - now >= BACKOFF_MAX / 2
    assert machine.trouble is Trouble.UNREACHABLE


def test_an_api_server_that_says_how_long_to_wait_is_obeyed() -> None:
    """No sooner, and not all at the same moment."""
    deadlines: set[float | None] = set()
    for seed in range(10):
        machine = watching()
        machine.rng.seed(seed)
        machine.step(Failed(Trouble.BUSY, "busy", retry_after=30.0), 10.0)
        deadlines.add(machine.next_deadline())

    assert len(deadlines) == 10
    assert all(deadline is not None and 40.0 <= deadline <= 47.5 for deadline in deadlines)


def test_one_broken_connection_is_not_told_but_two_in_a_row_are_once() -> None:
    machine = watching()
    told: list[Effect] = []
    now = 100.0
    for _ in range(4):
        told += machine.step(UNREACHABLE, now)
        now, _ = wait(machine)

    assert told == [TellTrouble(Trouble.UNREACHABLE, "no route to host")]


def test_that_all_is_well_again_is_told_when_a_watch_has_proved_itself() -> None:
    machine = watching()
    machine.step(FORBIDDEN, 10.0)
    now, _ = wait(machine)
    machine.step(Opened(), now)

    assert machine.next_deadline() == now + LIFE_MIN
    assert machine.advance(now + LIFE_MIN) == [TellTrouble(None)]
    assert machine.advance(now + LIFE_MIN) == []


def test_what_somebody_has_to_mend_is_told_at_once_and_once() -> None:
    machine = following()
    machine.step(Started(), 0.0)

    assert machine.step(FORBIDDEN, 0.0) == [
        AbandonList(),
        TellTrouble(Trouble.FORBIDDEN, "not allowed"),
    ]
    now, _ = wait(machine)
    assert machine.step(FORBIDDEN, now) == [AbandonList()]


def test_a_field_selector_that_is_not_known_is_left_out() -> None:
    """The watch list may have been refused for the selector, so it is tried again."""
    machine = following(has_selector=True)
    machine.step(Started(), 0.0)
    machine.step(NotSupported("field label not supported"), 0.0)

    effects = machine.step(NotSupported("field label not supported"), 0.0)

    assert effects[:3] == [AbandonList(), DropSelector(), BeginList()]
    assert watches(effects) == [""]


def test_what_is_refused_however_it_is_asked_is_told() -> None:
    machine = without_watch_list()

    assert machine.step(NotSupported("no"), 0.0) == [
        AbandonList(),
        TellTrouble(Trouble.REFUSED, "no"),
    ]


def test_lists_that_work_do_not_hide_that_no_watch_does() -> None:
    """A role that may list but not watch: it is told, and not listed again and again."""
    machine = without_watch_list()
    machine.step(PageRead("7", ""), 0.0)

    assert machine.step(FORBIDDEN, 0.0) == [TellTrouble(Trouble.FORBIDDEN, "not allowed")]
    now, effects = wait(machine)
    assert watches(effects) == ["7"]
    machine.step(FORBIDDEN, now)
    assert machine.trouble is Trouble.FORBIDDEN


def test_versions_that_are_always_too_old_are_listed_ever_more_seldom() -> None:
    machine = without_watch_list()
    now = 10.0
    for _ in range(12):
        machine.step(PageRead("9", ""), now)
        machine.step(Expired(), now)
        now, _ = wait(machine)

    machine.step(PageRead("9", ""), now)
    machine.step(Expired(), now)
    deadline, _ = wait(machine)
    assert deadline - now >= BACKOFF_MAX / 2
