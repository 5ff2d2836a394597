"""The verdict on members that do not answer on the LAN: the same for all who know the same."""

from __future__ import annotations

from swimlb.speaker.deafness import accusers, address_to_ask, deaf_members
from swimlb.speaker.presence import Presence

NAMES = ("node-a", "node-b", "node-c", "node-d", "node-e")


def ring(size: int, **unanswering: list[str]) -> dict[str, Presence]:
    """`a=["node-c"]`: node-a gets no answer from node-c."""
    return {name: Presence.of(unanswering=unanswering.get(name[-1], ())) for name in NAMES[:size]}


def test_two_must_agree() -> None:
    """Also in a ring of three, where there are no more than two others."""
    for size in (3, 4, 5):
        assert deaf_members(ring(size, a=["node-c"])) == {}
        assert deaf_members(ring(size, a=["node-c"], b=["node-c"])) == {"node-c": ("node-a", "node-b")}


def test_one_is_enough_where_there_is_no_other() -> None:
    """Unless each says it of the other: then it is what lies between them."""
    assert deaf_members(ring(2, a=["node-b"])) == {"node-b": ("node-a",)}
    assert deaf_members(ring(2, a=["node-b"], b=["node-a"])) == {}
    assert deaf_members(ring(1)) == {}


def test_half_of_the_members_may_be_deaf_but_not_more() -> None:
    """Then it is the LAN that is ill."""
    two = {"a": ["node-d", "node-e"], "b": ["node-d", "node-e"]}
    three = {"a": ["node-c", "node-d", "node-e"], "b": ["node-c", "node-d", "node-e"]}

    assert deaf_members(ring(5, **two)).keys() == {"node-d", "node-e"}
    assert deaf_members(ring(5, **three)) == {}


def test_counts_for_nothing_beside_members_that_do_not_know_of_it() -> None:
    """They would go on electing the deaf one."""
    presences = ring(5, a=["node-c"], b=["node-c"])

    assert deaf_members({**presences, "node-e": Presence()}) == {}


def test_what_is_told_survives_the_meta() -> None:
    """The verdict is computed from what others say."""
    presences = ring(5, a=["node-c"], b=["node-c"])

    heard = {name: Presence.decode(one.encode()) for name, one in presences.items()}

    assert deaf_members(heard) == deaf_members(presences)
    assert accusers("node-c", heard) == ("node-a", "node-b")


def test_the_addresses_to_ask_for_are_of_link_local_kind_and_ones_own() -> None:
    """No Service and no router has such."""
    for version in (4, 6):
        addresses = {address_to_ask(name, version) for name in NAMES}
        assert len(addresses) == len(NAMES)
        assert all(address.is_link_local and address.version == version for address in addresses)
