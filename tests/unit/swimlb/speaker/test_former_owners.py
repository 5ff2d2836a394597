"""Who is sent the packets of connections that this node does not know."""

from __future__ import annotations

from ipaddress import ip_address

from swimlb.model import IpAddress
from swimlb.speaker.effects import ChainTo, Effect, KnowMember, Solicit, Unwatch, Watch
from swimlb.speaker.former_owners import FormerOwners
from swimlb.speaker.links import Link, name_id
from swimlb.speaker.presence import Presence

ONE, TWO = ip_address("192.0.2.1"), ip_address("2001:db8::2")
LINK = Link(name_id("eth0"), bytes([2, 0, 0, 0, 0, 1]))
HOST = ip_address("192.0.2.101")
PRESENT = Presence(links=(LINK,))


class Kernel:
    """What it knows after all effects."""

    def __init__(self) -> None:
        self.owners = FormerOwners("here", goodbye_max=30.0)
        self.former: dict[str, str] = {}
        self.members: dict[str, tuple[Link, ...]] = {}
        self.watched: set[IpAddress] = set()

    def do(self, effects: list[Effect]) -> list[Effect]:
        for effect in effects:
            match effect:
                case ChainTo(members):
                    told = {str(address): member for address, member in members.items()}
                    self.former = {
                        address: member
                        for address, member in {**self.former, **told}.items()
                        if member is not None
                    }
                case KnowMember(member, links):
                    self.members[member] = links
                case Watch(address):
                    self.watched.add(address)
                case Unwatch(address):
                    self.watched.remove(address)
                case Solicit(address):
                    assert address in self.watched
                case _:
                    raise AssertionError(effect)
        return effects


def kernel(owner: str = "there") -> Kernel:
    """Both addresses are another node's."""
    found = Kernel()
    found.do(found.owners.member_present(owner, PRESENT))
    found.do(found.owners.note_owners({ONE: owner, TWO: owner}))
    return found


def test_is_known_before_the_address_moves_and_after() -> None:
    known = kernel()
    before = dict(known.former)

    assert known.do(known.owners.note_owners({ONE: "here"})) == []
    assert known.former == before == {str(ONE): "there", str(TWO): "there"}
    assert known.members == {"there": (LINK,)}


def test_whoever_owns_it_next_is_the_former_owner_to_be() -> None:
    known = kernel()

    known.do(known.owners.note_owners({ONE: "elsewhere", TWO: None}))

    assert known.former == {str(ONE): "elsewhere"}


def test_nothing_goes_to_the_dead() -> None:
    known = kernel()
    known.do(known.owners.note_owners({ONE: "elsewhere"}))

    known.do(known.owners.member_gone("there", 0.0, has_said_goodbye=False))

    assert known.former == {str(ONE): "elsewhere"}
    assert known.members["there"] == ()


def test_who_has_said_goodbye_has_time_to_come_back() -> None:
    known = kernel()

    assert known.do(known.owners.member_gone("there", 100.0, has_said_goodbye=True)) == []
    assert known.owners.next_deadline() == 130.0
    assert known.do(known.owners.advance(129.9)) == []
    assert len(known.former) == 2

    known.do(known.owners.advance(130.0))
    assert known.former == {}
    assert known.members["there"] == ()
    assert known.owners.next_deadline() is None


def test_who_comes_back_in_time_goes_on_being_sent_to() -> None:
    known = kernel()
    known.do(known.owners.member_gone("there", 100.0, has_said_goodbye=True))

    assert known.do(known.owners.member_present("there", PRESENT)) == []

    assert known.owners.next_deadline() is None
    assert len(known.former) == 2


def test_two_that_leave_are_forgotten_each_in_its_time() -> None:
    known = kernel()
    known.do(known.owners.note_owners({TWO: "elsewhere"}))
    known.do(known.owners.member_gone("there", 100.0, has_said_goodbye=True))
    known.do(known.owners.member_gone("elsewhere", 110.0, has_said_goodbye=True))

    known.do(known.owners.advance(130.0))

    assert known.former == {str(TWO): "elsewhere"}
    assert known.owners.next_deadline() == 140.0


def test_the_deaf_are_sent_nothing_but_stay_known() -> None:
    """What they send on must not be sent back."""
    known = kernel()

    known.do(known.owners.send_nothing_to(["there"]))

    assert known.former == {}
    assert known.members == {"there": (LINK,)}
    known.do(known.owners.note_owners({ONE: "there"}))
    assert known.former == {str(ONE): "there"}


def test_other_interfaces_of_a_member_are_told() -> None:
    known = kernel()
    other = Link(name_id("eth0"), bytes([2, 0, 0, 0, 0, 9]))

    known.do(known.owners.member_present("there", Presence(links=(other,))))

    assert known.members == {"there": (other,)}


def test_who_is_switched_off_after_its_goodbye_is_forgotten() -> None:
    """Its connections are lost: a reset tells the client sooner than silence."""
    known = kernel()
    known.do(known.owners.member_gone("there", 100.0, has_said_goodbye=True, address=HOST))
    known.owners.hear(HOST)
    assert known.watched == {HOST}

    now = 100.0
    while known.former:
        due = known.owners.next_deadline()
        assert due is not None
        now = due
        known.do(known.owners.advance(now))

    assert now < 105.0
    assert known.members["there"] == ()
    assert not known.watched


def test_who_has_had_nothing_is_not_asked() -> None:
    known = kernel()
    known.do(known.owners.note_owners({ONE: None, TWO: None}))

    assert known.do(known.owners.member_gone("there", 100.0, has_said_goodbye=True, address=HOST)) == []


def test_an_address_that_becomes_a_services_is_not_asked_for_any_more() -> None:
    known = kernel()
    known.do(known.owners.member_gone("there", 100.0, has_said_goodbye=True, address=HOST))

    known.do(known.owners.note_owners({HOST: "here"}))

    assert not known.watched
    assert len(known.former) == 2
