from __future__ import annotations

from random import Random

from membership.members import Record, State, Table
from tests.unit.membership.playbook import VERSIONS, octets


def record(number: int, state: State = State.ALIVE) -> Record:
    return Record(f"node-{number}", octets(number), 7946, b"", VERSIONS, 1, state, changed_at=0.0)


def table(count: int) -> Table:
    made = Table(record(0), Random(1))
    for number in range(1, count + 1):
        made.add(record(number))
    return made


def test_the_probe_order_is_by_chance_and_complete() -> None:
    """Everybody but ourselves once in a round."""
    members = table(20)

    order = [members.next_to_probe() for _ in range(20)]

    numbers = [int(found.name.removeprefix("node-")) for found in order if found is not None]
    assert sorted(numbers) == list(range(1, 21))
    assert numbers != list(range(1, 21))


def test_the_dead_are_not_probed() -> None:
    """Suspects are; when only the dead are left, nobody is."""
    members = table(3)
    for found, state in zip(list(members)[1:], (State.DEAD, State.LEFT, State.SUSPECT), strict=True):
        members.set_state(found, state, 1.0)

    assert members.next_to_probe() is members.get("node-3")
    members.set_state(list(members)[3], State.DEAD, 1.0)
    assert members.next_to_probe() is None


def test_forgets_who_was_dead_for_long() -> None:
    """Never the living, and the counts stay right."""
    members = table(3)
    for number, moment in ((1, 5.0), (2, 50.0)):
        found = members.get(f"node-{number}")
        assert found is not None
        members.set_state(found, State.DEAD, moment)

    assert [found.name for found in members.forget_before(10.0)] == ["node-1"]
    assert [found.name for found in members] == ["node-0", "node-2", "node-3"]
    assert [members.count(state) for state in State] == [2, 0, 1, 0]


def test_knows_where_members_are() -> None:
    """Also after a move; two members at one address both count, and the dead are at none."""
    members = table(2)
    first, second = list(members)[1:]
    here, there = first.endpoint, second.endpoint

    members.move(first, second.octets, second.port)
    assert not members.has_member_at(here)
    members.set_state(second, State.DEAD, 1.0)
    assert members.has_member_at(there)
    members.set_state(first, State.LEFT, 2.0)
    assert not members.has_member_at(there)
    assert [record.name for record in members.gone()] == [second.name, first.name]


def test_every_member_stays_in_the_probe_order_when_some_are_forgotten() -> None:
    """Whoever takes the place of a forgotten one is asked as before."""
    members = table(30)
    for number in (3, 29, 30, 14):
        found = members.get(f"node-{number}")
        assert found is not None
        members.set_state(found, State.DEAD, 1.0)

    members.forget_before(2.0)

    probed = {found.name for _ in range(26) if (found := members.next_to_probe()) is not None}
    assert probed == {record.name for record in members} - {"node-0"}


def test_picks_by_chance_among_the_eligible() -> None:
    """In small tables none is missed; in large ones the time is bounded."""
    small, large = table(5), table(250)

    picked = small.pick(9, lambda found: found.name != "node-3")

    assert {found.name for found in picked} == {"node-1", "node-2", "node-4", "node-5"}
    assert len({found.name for found in large.pick(3, lambda _: True)}) == 3
    assert large.pick(3, lambda _: False) == []
