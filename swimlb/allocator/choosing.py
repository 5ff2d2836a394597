"""Choosing addresses for one Service: the ones it asks for, or from the pool it asks for, or any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swimlb.allocator.pools import PoolSpace, Space
from swimlb.allocator.refusal import Refused, quoted
from swimlb.model import FamilyPolicy, IpAddress, IpFamily, Service, family_of

_REASON_POOLS_MAX = 8
"""So many pools are told of in a reason one by one: it ends up in an event."""


@dataclass(frozen=True, slots=True)
class Choice:
    addresses: tuple[IpAddress, ...]
    pool: str


def choose(service: Service, space: Space) -> Choice:
    """Addresses that the Service may take; raises Refused with the reason when there are none."""
    if not space.by_name:
        raise Refused("no available IPs: there is no address pool")
    if service.family_policy is FamilyPolicy.REQUIRE_DUAL_STACK and len(service.families) < 2:
        raise Refused("not enough clusterips: RequireDualStack, but the Service has one family")
    if service.requested_addresses:
        return _requested(service, space)
    if service.requested_pool is not None:
        wanted = space.by_name.get(service.requested_pool)
        if wanted is None:
            raise Refused(f'unknown pool "{service.requested_pool}"')
        return _from_pools(service, ((wanted,),), is_automatic=False)
    return _from_pools(service, (space.pinned, space.unpinned), is_automatic=True)


def _from_pools(service: Service, lists: Sequence[Sequence[PoolSpace]], *, is_automatic: bool) -> Choice:
    """From the first list that yields something: pinned pools are exhausted before any other is looked at."""
    refusals: list[str] = []
    for spaces in lists:
        # Where it may have back what it is giving up, its clients need not follow it.
        ordered = sorted(spaces, key=lambda space: not space.is_left_by(service))
        choice = _from_first(service, ordered, is_automatic, refusals)
        if choice is not None:
            return choice
    more = len(refusals) - _REASON_POOLS_MAX
    told = (*refusals[:_REASON_POOLS_MAX], *([f"and {more} more pools"] if more > 0 else []))
    raise Refused(f"no available IPs: {'; '.join(told)}")


def _requested(service: Service, space: Space) -> Choice:
    addresses = service.requested_addresses
    if len({family_of(address) for address in addresses}) != len(addresses):
        raise Refused(f"requested loadBalancer IP(s) {quoted(addresses)} has the same family twice")
    if {family_of(address) for address in addresses} != set(service.families):
        raise Refused(
            f"requested loadBalancer IP(s) {quoted(addresses)} does not match the ipFamily of the service "
            f"({' and '.join(service.families)})"
        )
    of_pool = space.check(service, addresses)
    pool = of_pool.pool.name
    if of_pool.is_over_quota(service, addresses):
        raise Refused(
            f"requested loadBalancer IP(s) {quoted(addresses)}: pool {pool} {_quota(service, of_pool)}"
        )
    if service.requested_pool not in (None, pool):
        raise Refused(
            f"requested loadBalancer IP(s) {quoted(addresses)} is not compatible with requested address pool "
            f"{service.requested_pool}: pool {pool} has them"
        )
    return Choice(addresses, pool)


def _from_first(
    service: Service, spaces: Sequence[PoolSpace], is_automatic: bool, refusals: list[str]
) -> Choice | None:
    """From the first pool that has all families; with PreferDualStack else from the first that has one."""
    usable: list[tuple[PoolSpace, dict[IpFamily, IpAddress]]] = []
    for space in spaces:
        refusal = _exclusion(service, space, is_automatic)
        if refusal is None:
            have = space.usable(service, service.families)
            is_over_quota = space.is_over_quota(service, have.values())
            if len(have) == len(service.families) and not is_over_quota:
                return Choice(_in_order(have), space.pool.name)
            usable.append((space, have))
            refusal = _quota(service, space) if is_over_quota else _shortage(service, space, have)
        refusals.append(f"pool {space.pool.name} {refusal}")
    if service.family_policy is FamilyPolicy.PREFER_DUAL_STACK:
        for family in service.families:
            for space, have in usable:
                if family in have and not space.is_over_quota(service, [have[family]]):
                    return Choice((have[family],), space.pool.name)
    return None


def _in_order(found: dict[IpFamily, IpAddress]) -> tuple[IpAddress, ...]:
    """IPv4 first, whatever the Service's primary family is: the first address elects the node."""
    return tuple(found[family] for family in IpFamily if family in found)


def _exclusion(service: Service, space: PoolSpace, is_automatic: bool) -> str | None:
    if is_automatic and not space.pool.auto_assign:
        return "is only for Services that ask for it (autoAssign is false)"
    if not space.admits(service):
        return "is not for this Service (serviceAllocation)"
    return None


def _quota(service: Service, space: PoolSpace) -> str:
    return (
        f"gives namespace {service.namespace} no more than {space.pool.quota_per_namespace} addresses "
        "(swimlb.io/quota-per-namespace)"
    )


def _shortage(service: Service, space: PoolSpace, have: dict[IpFamily, IpAddress]) -> str:
    lacking = [family for family in service.families if family not in have]
    absent = [family for family in lacking if family not in space.families]
    if absent:
        return f"has no {' and no '.join(absent)} addresses"
    return f"has no {' and no '.join(lacking)} address left"
