"""Which Services fail for want of an interface, and how often that is told."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from swimlb.model import IpAddress
from swimlb.reporting.failures import SERVICES_AT_ONCE, Config, Failures, TellFailed, ViewChanged, Withheld

WEB, ADDRESSES = "default/web", (ip_address("192.0.2.10"), ip_address("2001:db8::10"))
SETTLED = Config().settle
TOLD = [TellFailed(WEB, address) for address in ADDRESSES]


class Verdict:
    """What is found for the Services that are asked about."""

    def __init__(self, **failing: tuple[IpAddress, ...]) -> None:
        self.failing = {f"default/{name}": addresses for name, addresses in failing.items()}

    def __call__(self, services: Iterable[str]) -> dict[str, tuple[IpAddress, ...]]:
        return {service: self.failing[service] for service in services if service in self.failing}


def test_tells_each_address_once_after_a_moment() -> None:
    """A change of the view is judged anew, and what is known is not said again."""
    failures = Failures(Verdict(web=ADDRESSES))

    assert failures.step(Withheld({WEB: True}), 0.0) == []
    assert failures.next_deadline() == SETTLED
    assert failures.advance(SETTLED / 2) == []
    assert failures.advance(SETTLED) == TOLD
    assert failures.next_deadline() is None

    failures.step(ViewChanged(), 10.0)
    assert failures.advance(10.0 + SETTLED) == []


def test_is_silent_where_another_node_announces_or_speaks() -> None:
    """Until it is for this node: the one that spoke has gone."""
    verdict = Verdict()
    failures = Failures(verdict)
    failures.step(Withheld({WEB: True}), 0.0)
    assert failures.advance(SETTLED) == []

    verdict.failing = {WEB: ADDRESSES}
    failures.step(ViewChanged(), 10.0)

    assert failures.advance(10.0 + SETTLED) == TOLD


def test_tells_again_what_has_been_well_meanwhile() -> None:
    """Whether this node got an interface, or another one did."""
    verdict = Verdict(web=ADDRESSES)
    failures = Failures(verdict)
    failures.step(Withheld({WEB: True}), 0.0)
    failures.advance(SETTLED)

    failures.step(Withheld({WEB: False}), 10.0)
    assert failures.next_deadline() is None
    failures.step(Withheld({WEB: True}), 20.0)
    assert failures.advance(20.0 + SETTLED) == TOLD

    verdict.failing = {}
    failures.step(ViewChanged(), 30.0)
    assert failures.advance(30.0 + SETTLED) == []
    verdict.failing = {WEB: ADDRESSES}
    failures.step(ViewChanged(), 40.0)
    assert failures.advance(40.0 + SETTLED) == TOLD


def test_changes_without_end_put_nothing_off_for_ever() -> None:
    """A cluster in which something changes all the time is judged all the same."""
    failures = Failures(Verdict(web=ADDRESSES))
    failures.step(Withheld({WEB: True}), 0.0)

    failures.step(ViewChanged(), SETTLED * 0.9)

    assert failures.advance(SETTLED) == TOLD


def test_many_services_take_several_turns() -> None:
    """Each of which is short; all of them come."""
    count = 2 * SERVICES_AT_ONCE + 1
    verdict = Verdict(**{f"web-{number}": ADDRESSES[:1] for number in range(count)})
    failures = Failures(verdict)
    failures.step(Withheld(dict.fromkeys(verdict.failing, True)), 0.0)

    turns = [len(failures.advance(SETTLED)) for _ in range(3)]

    assert turns == [SERVICES_AT_ONCE, SERVICES_AT_ONCE, 1]
    assert failures.next_deadline() is None
