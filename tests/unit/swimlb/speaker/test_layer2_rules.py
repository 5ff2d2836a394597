"""Rules of layer 2 that are not about who announces; those stand in test_planner."""

from __future__ import annotations

from dataclasses import replace

from swimlb.model import Endpoints
from swimlb.speaker.inventory import Inventory, Record
from swimlb.speaker.layer2_rules import Layer2Rules
from swimlb.speaker.links import Link, name_id
from swimlb.speaker.presence import Presence
from swimlb.speaker.rules import RuleOptions
from tests.unit.swimlb.speaker.world import ON_LAN, POOL, allocation, inventory

ON_ETH9 = replace(ON_LAN, interfaces=("eth9",))


def with_interface(*names: str) -> Presence:
    links = tuple(Link(name_id(name), b"\x02\0\0\0\0\x01") for name in names)
    return Presence.of(links=links)


def ring(*records: Record, **presences: Presence) -> Inventory:
    """Nobody has any of the advertised interfaces, unless told otherwise."""
    world = inventory(POOL, *records)
    world.presences |= dict.fromkeys(world.presences, with_interface("eth0"))
    world.presences |= {f"node-{name}": presence for name, presence in presences.items()}
    return world


def stranded_owner(world: Inventory) -> str | None:
    return Layer2Rules(world, RuleOptions()).stranded_owner(allocation())


def test_where_no_node_has_the_interface_the_first_in_succession_is_to_say_so() -> None:
    """It would be MetalLB's owner; a node that leaves is not."""
    assert stranded_owner(ring(ON_ETH9)) == "node-c"
    assert stranded_owner(ring(ON_ETH9, c=Presence(is_leaving=True))) == "node-b"


def test_nobody_is_stranded_where_some_node_has_the_interface() -> None:
    """Also one that does not tell its interfaces, and is trusted with all."""
    assert stranded_owner(ring(ON_ETH9, a=with_interface("eth0", "eth9"))) is None
    assert stranded_owner(ring(ON_ETH9, a=Presence())) is None


def test_what_is_withheld_for_another_reason_is_not_stranded() -> None:
    """No endpoint, no advertisement, or no interface at all though none is named."""
    nobody = Endpoints(service="default/web", nodes=frozenset())

    assert stranded_owner(ring(ON_ETH9, nobody)) is None
    assert stranded_owner(ring()) is None
    cut_off = dict.fromkeys("abc", Presence.of(links=()))
    assert stranded_owner(ring(ON_LAN, **cut_off)) is None
