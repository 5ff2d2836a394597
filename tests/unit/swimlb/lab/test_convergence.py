"""A lab is at rest when nobody says otherwise."""

from __future__ import annotations

from dataclasses import replace

from swimlb.lab.convergence import disagreements, route_disagreements
from swimlb.lab.status import BgpSession, Layer2, Member, Processes, Service, SpeakerStatus

ADDRESSES = {"node-a": "198.51.100.1", "node-b": "198.51.100.2"}
ROUTE = "192.0.2.64/32"


def speaker(node: str) -> SpeakerStatus:
    return SpeakerStatus(
        node,
        Processes(1, 2, 3),
        members=tuple(Member(name, address, "alive", 1) for name, address in ADDRESSES.items()),
        services=(Service("default", "web", ("192.0.2.10",), "allocated", "pool"),),
        l2=(Layer2("192.0.2.10", "node-a", is_announced_here=node == "node-a"),),
        bgp=(BgpSession("router", "198.51.100.254", "established", (ROUTE,)),),
    )


def lab(**changes: SpeakerStatus | None) -> dict[str, SpeakerStatus | None]:
    return {"node-a": speaker("node-a"), "node-b": speaker("node-b")} | changes


def sentences(statuses: dict[str, SpeakerStatus | None]) -> list[str]:
    return disagreements(statuses, must_have_services=True)


def test_speakers_that_say_the_same_are_at_rest() -> None:
    assert sentences(lab()) == []


def test_a_speaker_that_does_not_answer_is_not() -> None:
    assert sentences(lab() | {"node-b": None}) == ["node-b does not answer"]


def test_a_speaker_that_is_joining_is_not() -> None:
    """All agree on who owns what, but not for long."""
    assert sentences(lab() | {"node-b": replace(speaker("node-b"), phase="joining")}) == ["node-b is joining"]


def test_everyone_must_hold_everyone_for_alive() -> None:
    suspecting = replace(
        speaker("node-b"),
        members=(
            Member("node-a", "198.51.100.1", "suspect", 1),
            Member("node-b", "198.51.100.2", "alive", 1),
        ),
    )

    assert sentences(lab() | {"node-b": suspecting}) == ["node-b holds node-b for alive"]


def test_each_must_know_services_and_have_its_sessions() -> None:
    young = replace(speaker("node-b"), services=(), bgp=(BgpSession("router", "198.51.100.254", "opensent"),))

    assert sentences(lab() | {"node-b": young}) == [
        "node-b knows no Services",
        "node-b's session with 198.51.100.254 is opensent",
    ]


def test_an_address_has_one_owner_for_all_who_alone_announces_it() -> None:
    usurper = replace(speaker("node-b"), l2=(Layer2("192.0.2.10", "node-b", is_announced_here=True),))
    doubled = replace(speaker("node-b"), l2=(Layer2("192.0.2.10", "node-a", is_announced_here=True),))

    assert sentences(lab() | {"node-b": usurper}) == ["192.0.2.10 is of node-a for node-a, node-b for node-b"]
    assert sentences(lab() | {"node-b": doubled}) == ["192.0.2.10 is announced by node-a, node-b"]


def test_the_router_has_the_next_hops_that_advertise() -> None:
    hops = {ROUTE: ("198.51.100.1", "198.51.100.2")}

    assert route_disagreements(lab(), ADDRESSES, lambda prefix: hops[prefix]) == []
    assert route_disagreements(lab(), ADDRESSES, lambda _: ()) == [
        "the router's route 192.0.2.64/32 has next hops none instead of 198.51.100.1, 198.51.100.2"
    ]
