"""What speakers tell each other in their gossip meta."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from swimlb.speaker.links import Link, Reach, name_id
from swimlb.speaker.presence import META_OCTETS_MAX, UNANSWERING_MAX, UNREADY_MAX, Presence


def test_tells_that_it_leaves_and_what_it_cannot_serve() -> None:
    """Both survive the way through the meta."""
    told = Presence.of(is_leaving=True, unready_services=["default/web"])

    heard = Presence.decode(told.encode())

    assert heard == told
    assert heard.is_leaving
    assert not heard.is_ready_for("default/web")
    assert heard.is_ready_for("default/other")


def test_is_ready_for_nothing_when_too_much_is_unready() -> None:
    """The list has a cap, and a node over it takes no traffic rather than some it cannot serve."""
    told = Presence.of(is_leaving=False, unready_services=[f"default/{n}" for n in range(UNREADY_MAX + 1)])

    heard = Presence.decode(told.encode())

    assert not heard.is_ready_for("default/anything")


@given(st.integers(0, UNREADY_MAX), st.booleans())
def test_fits_the_limit_of_memberlist(unready: int, is_leaving: bool) -> None:
    """Whatever it says."""
    presence = Presence.of(is_leaving=is_leaving, unready_services=[f"ns/{n}" for n in range(unready)])

    assert len(presence.encode()) <= META_OCTETS_MAX
    assert Presence.decode(presence.encode()) == presence


@given(st.integers(0, UNREADY_MAX), st.integers(0, UNANSWERING_MAX + 2), st.integers(0, 12))
def test_tells_who_does_not_answer(unready: int, unanswering: int, links: int) -> None:
    """In the meta of memberlist's size, whatever else there is to tell."""
    presence = Presence.of(
        links=tuple(
            Link(name_id(f"eth{number}"), bytes(6), (ip_network("192.0.2.0/24"),)) for number in range(links)
        ),
        unready_services=[f"ns/{number}" for number in range(unready)],
        unanswering=[f"node-{number}" for number in range(unanswering)],
    )

    assert len(presence.encode()) <= META_OCTETS_MAX
    assert Presence.decode(presence.encode()) == presence
    assert presence.is_hearing_checked
    assert len(presence.unanswering) == min(unanswering, UNANSWERING_MAX)


def test_older_speakers_take_it_for_services_that_nobody_has() -> None:
    """They read groups of four octets, and no other member changes for them."""
    links = (Link(name_id("eth0"), bytes(6)),)
    presence = Presence.of(links=links, unready_services=["default/web"], unanswering=["node-b", "node-c"])
    meta = bytearray(presence.encode())
    meta[4] &= ~0x20  # As they do, not knowing the flag.

    read = Presence.decode(bytes(meta))

    assert read.links == links
    assert not read.is_ready_for("default/web")
    assert read.is_ready_for("default/other")


@given(st.binary(max_size=600))
def test_reads_any_meta(meta: bytes) -> None:
    """Members of another make are present, staying, and ready."""
    presence = Presence.decode(meta)

    if not meta.startswith(b"slb1"):
        assert presence == Presence()


def test_tells_its_links() -> None:
    """With their MACs, names and networks; no link at all is told too."""
    links = (Link(name_id("eth0"), bytes(6), (ip_network("192.0.2.0/24"),)),)

    told = Presence.decode(Presence.of(links=links, unready_services=["default/web"]).encode())
    cut_off = Presence.decode(Presence.of(links=()).encode())

    assert told.links == links
    assert not told.is_cut_off
    assert not told.is_ready_for("default/web")
    assert told.reach([ip_address("192.0.2.10")], None) is Reach.ON_SUBNET
    assert told.reach([ip_address("198.51.100.1")], None) is Reach.OFF_SUBNET
    assert cut_off.is_cut_off


def test_is_trusted_with_any_address_when_it_does_not_tell_all() -> None:
    """Members of another make say nothing, and very many interfaces do not fit."""
    many = tuple(Link(name_id(f"eth{number}"), bytes(6)) for number in range(100))

    told = Presence.decode(Presence.of(links=many).encode())

    assert len(told.encode()) <= META_OCTETS_MAX
    assert told.links
    assert not told.are_links_complete
    assert told.reach([ip_address("192.0.2.10")], frozenset({"eth99"})) is Reach.ON_SUBNET
    assert Presence.decode(b"").reach([ip_address("192.0.2.10")], None) is Reach.ON_SUBNET
