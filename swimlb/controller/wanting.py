"""What the status of a Service should say, what has to be written for that, and what people are told about it."""

from __future__ import annotations

from collections.abc import Iterable

from swimlb.allocator.refusal import quoted
from swimlb.controller.records import (
    Condition,
    IngressEntry,
    Note,
    NoteType,
    Reason,
    ServiceView,
    ServiceWrite,
)
from swimlb.model import Allocation, FamilyPolicy, IpAddress, Pending

_MESSAGE_OCTETS_MAX = 1024
"""What an Event bears."""


def status_write(view: ServiceView, verdict: Allocation | Pending | None) -> ServiceWrite | None:
    """What has to be written so that the Service shows the verdict on it; None: it does already.

    Only what is ours is compared: an ipMode that the API server fills in is no reason to write.
    Without a verdict the Service is not served any more, and the traces of its having been so go.
    """
    if verdict is None:
        return _clearing(view)
    addresses = verdict.addresses if isinstance(verdict, Allocation) else ()
    pool = verdict.pool if isinstance(verdict, Allocation) else None
    condition = _condition(view, verdict)
    is_placed = view.addresses == addresses and view.pool == pool
    if is_placed and _is_told(view.condition, condition):
        return None
    return ServiceWrite(
        key=view.key,
        uid=view.uid,
        version=view.version,
        ingress=None if view.addresses == addresses else _entries(view, addresses),
        pool=pool,
        condition=_since(view, condition),
        notes=tuple(_notes(view, verdict)),
    )


def keeping_write(view: ServiceView, reason: Reason, message: str) -> ServiceWrite | None:
    """Say something about the Service, and leave it what it has."""
    condition = Condition(bool(view.addresses), reason, _cut(message))
    if _is_told(view.condition, condition):
        return None
    is_invalid = reason is Reason.INVALID
    note = _invalid(message) if is_invalid else _warning("AllocationFailed", _failed(view.key, message))
    return _saying(view, condition, (note,))


def fencing_write(view: ServiceView, term: int) -> ServiceWrite:
    """Say something new, whatever was said before, also by a leader of the same term (of a Lease that was deleted)."""
    message = f"the leader of term {term} takes over from version {view.version}"
    return _saying(view, Condition(bool(view.addresses), Reason.TAKEN_OVER, message))


def _saying(view: ServiceView, condition: Condition, notes: tuple[Note, ...] = ()) -> ServiceWrite:
    return ServiceWrite(
        key=view.key,
        uid=view.uid,
        version=view.version,
        ingress=None,
        pool=view.pool,
        condition=_since(view, condition),
        notes=notes,
    )


def _clearing(view: ServiceView) -> ServiceWrite | None:
    if view.pool is None and view.condition is None:
        return None
    return ServiceWrite(
        key=view.key,
        uid=view.uid,
        version=view.version,
        ingress=() if view.addresses else None,
        pool=None,
        condition=None,
    )


def _condition(view: ServiceView, verdict: Allocation | Pending) -> Condition:
    if view.refusal:
        return Condition(isinstance(verdict, Allocation), Reason.INVALID, _cut(view.refusal))
    if isinstance(verdict, Pending):
        return Condition(False, Reason.ALLOCATION_FAILED, _cut(verdict.reason))
    if verdict.reason:
        return Condition(True, Reason.KEPT_FORMER, _cut(verdict.reason))
    return Condition(True, Reason.ASSIGNED, f"{quoted(verdict.addresses)} of pool {verdict.pool}")


def _is_told(told: Condition | None, wanted: Condition) -> bool:
    """That all is well needs no write of its own: what MetalLB served is taken over without any."""
    if told is None:
        return wanted.reason == Reason.ASSIGNED
    return told.essence == wanted.essence


def _since(view: ServiceView, condition: Condition) -> Condition:
    """A condition keeps the time of its last transition while it holds, whatever the reason."""
    before = view.condition
    if before is None or before.is_true != condition.is_true:
        return condition
    return Condition(condition.is_true, condition.reason, condition.message, before.since)


def _entries(view: ServiceView, addresses: Iterable[IpAddress]) -> tuple[IngressEntry, ...]:
    """An address that stays keeps what others wrote beside it."""
    known = {entry.address: entry for entry in view.ingress}
    return tuple(known.get(address, IngressEntry(address)) for address in addresses)


# What people are told, in MetalLB's words


def _notes(view: ServiceView, verdict: Allocation | Pending) -> Iterable[Note]:
    before = view.addresses
    after = verdict.addresses if isinstance(verdict, Allocation) else ()
    for annotation in view.deprecated:
        yield _warning("deprecatedAnnotation", f"Service uses deprecated annotation {annotation}")
    if view.refusal:
        yield _invalid(view.refusal)
    if set(before) - set(after) and not _is_own_wish(view, verdict):
        cause = verdict.reason or f"no pool allows {quoted(before)} for it any more"
        yield _normal(
            "ClearAssignment",
            f'current IP for "{view.key}" not allowed by config, will attempt for new IP assignment: {cause}',
        )
    if before and set(after) > set(before):
        for address in (one for one in after if one not in before):
            yield _normal("IPAllocated", f'Assigned additional IP "{address}"')
    elif after and set(after) != set(before):
        yield _normal("IPAllocated", f"Assigned IP {quoted(after)}")
        if _is_short(verdict):
            yield _normal(
                "AdditionalAssignFailed",
                "cannot assign additional IP in PreferDualStack: no pool has a free address of each family",
            )
    if verdict.reason and not view.refusal:
        yield _failure(view.key, verdict)


def _is_own_wish(view: ServiceView, verdict: Allocation | Pending) -> bool:
    """The Service asked for what it has now, so nobody took anything from it."""
    if isinstance(verdict, Pending):
        return False
    wish = verdict.service
    is_pool_wish = wish.requested_pool == verdict.pool != view.pool
    return is_pool_wish or set(wish.requested_addresses) == set(verdict.addresses)


def _is_short(verdict: Allocation | Pending) -> bool:
    return (
        isinstance(verdict, Allocation)
        and verdict.service.family_policy is FamilyPolicy.PREFER_DUAL_STACK
        and len(verdict.addresses) < len(verdict.service.families)
    )


def _failure(key: str, verdict: Allocation | Pending) -> Note:
    few = "not enough clusterips"
    if verdict.reason.startswith(few):
        return _warning(few, f"Service requires dual stack but {verdict.reason}")
    return _warning("AllocationFailed", _failed(key, verdict.reason))


def _invalid(refusal: str) -> Note:
    return _warning("LoadBalancerFailed", f"invalid requested loadbalancer IPs: {refusal}")


def _failed(key: str, cause: str) -> str:
    return f'Failed to allocate IP for "{key}": {cause}'


def _normal(reason: str, message: str) -> Note:
    return Note(NoteType.NORMAL, reason, _cut(message))


def _warning(reason: str, message: str) -> Note:
    return Note(NoteType.WARNING, reason, _cut(message))


def _cut(text: str) -> str:
    octets = text.encode()
    if len(octets) <= _MESSAGE_OCTETS_MAX:
        return text
    return octets[: _MESSAGE_OCTETS_MAX - 3].decode(errors="ignore") + "..."
