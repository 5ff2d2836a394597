from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from swimlb.controller.records import Condition, IngressEntry, Reason, ServiceView
from swimlb.controller.wanting import status_write
from swimlb.model import Allocation, FamilyPolicy, IpFamily, Pending, Service

V4, OTHER, V6 = ip_address("192.0.2.1"), ip_address("192.0.2.2"), ip_address("2001:db8::1")
SERVICE = Service(namespace="default", name="web")
VIEW = ServiceView(key="default/web", uid="u", version="5", service=SERVICE)
HOLDER = replace(VIEW, ingress=(IngressEntry(V4, '{"ip":"192.0.2.1","ipMode":"VIP"}'),), pool="lab")


def allocation(*addresses: str, reason: str = "", service: Service = SERVICE) -> Allocation:
    return Allocation(
        service=service, addresses=tuple(ip_address(one) for one in addresses), pool="lab", reason=reason
    )


def notes(view: ServiceView, verdict: Allocation | Pending) -> list[tuple[str, str]]:
    write = status_write(view, verdict)
    assert write is not None
    return [(note.reason, note.message) for note in write.notes]


def test_what_is_shown_as_it_should_be_needs_no_write() -> None:
    assert status_write(HOLDER, allocation("192.0.2.1")) is None
    hostname = replace(HOLDER, ingress=(*HOLDER.ingress, IngressEntry(None, '{"hostname":"x"}')))
    assert status_write(hostname, allocation("192.0.2.1")) is None


def test_a_second_address_leaves_the_entry_of_the_first_as_it_came() -> None:
    write = status_write(HOLDER, allocation("192.0.2.1", "2001:db8::1"))

    assert write is not None
    assert write.ingress == (HOLDER.ingress[0], IngressEntry(V6))
    assert notes(HOLDER, allocation("192.0.2.1", "2001:db8::1")) == [
        ("IPAllocated", 'Assigned additional IP "2001:db8::1"')
    ]

    # IPv4 stands first, also where it came second.
    of_ipv6 = replace(VIEW, ingress=(IngressEntry(V6, '{"ip":"2001:db8::1"}'),), pool="lab")
    assert notes(of_ipv6, allocation("192.0.2.1", "2001:db8::1")) == [
        ("IPAllocated", 'Assigned additional IP "192.0.2.1"')
    ]


def test_an_address_that_no_pool_allows_any_more_is_told_as_cleared() -> None:
    told = notes(HOLDER, allocation("192.0.2.2"))

    assert [reason for reason, _ in told] == ["ClearAssignment", "IPAllocated"]
    assert told[0][1].startswith(
        'current IP for "default/web" not allowed by config, will attempt for new IP assignment: '
    )


def test_an_address_that_was_asked_for_clears_nothing() -> None:
    wish = replace(SERVICE, requested_addresses=(OTHER,))

    assert notes(HOLDER, allocation("192.0.2.2", service=wish)) == [
        ("IPAllocated", 'Assigned IP ["192.0.2.2"]')
    ]


def test_a_pool_that_was_asked_for_before_is_no_reason_for_the_loss() -> None:
    wish = replace(SERVICE, requested_pool="lab")
    moved = allocation("192.0.2.2", service=wish)

    assert [reason for reason, _ in notes(HOLDER, moved)] == ["ClearAssignment", "IPAllocated"]
    assert [reason for reason, _ in notes(replace(HOLDER, pool="other"), moved)] == ["IPAllocated"]


def test_a_wish_that_cannot_be_met_is_a_reason_and_takes_nothing() -> None:
    write = status_write(HOLDER, allocation("192.0.2.1", reason="keeps what it has: no"))

    assert write is not None
    assert write.ingress is None
    assert write.condition is not None
    assert (write.condition.is_true, write.condition.reason) == (True, Reason.KEPT_FORMER)


def test_metallbs_reasons_for_a_lack() -> None:
    few = Pending(service=SERVICE, reason="not enough clusterips: RequireDualStack, but one family")

    assert notes(VIEW, few)[0][0] == "not enough clusterips"
    assert notes(VIEW, Pending(service=SERVICE, reason="no available IPs")) == [
        ("AllocationFailed", 'Failed to allocate IP for "default/web": no available IPs')
    ]


def test_one_family_of_two_is_told() -> None:
    both = replace(
        SERVICE, family_policy=FamilyPolicy.PREFER_DUAL_STACK, families=(IpFamily.IPV4, IpFamily.IPV6)
    )

    assert [reason for reason, _ in notes(VIEW, allocation("192.0.2.1", service=both))] == [
        "IPAllocated",
        "AdditionalAssignFailed",
    ]


def test_deprecated_annotations_are_told_with_a_write() -> None:
    old = replace(VIEW, deprecated=("metallb.universe.tf/address-pool",))

    assert notes(old, allocation("192.0.2.1"))[0] == (
        "deprecatedAnnotation",
        "Service uses deprecated annotation metallb.universe.tf/address-pool",
    )


def test_a_condition_keeps_its_time_while_it_holds() -> None:
    waiting = replace(VIEW, condition=Condition(False, Reason.ALLOCATION_FAILED, "old", "then"))

    still = status_write(waiting, Pending(service=SERVICE, reason="new"))
    served = status_write(waiting, allocation("192.0.2.1"))

    assert still is not None
    assert served is not None
    assert still.condition == Condition(False, Reason.ALLOCATION_FAILED, "new", "then")
    assert served.condition is not None
    assert served.condition.since == ""


def test_what_is_told_is_not_endless() -> None:
    write = status_write(VIEW, Pending(service=SERVICE, reason="ä" * 5000))

    assert write is not None
    assert write.condition is not None
    assert all(len(note.message.encode()) <= 1024 for note in write.notes)
    assert len(write.condition.message.encode()) <= 1024
