"""When a lab has come to rest: all speakers say the same, and the router's kernel agrees with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from swimlb.lab.status import SpeakerStatus


def disagreements(statuses: Mapping[str, SpeakerStatus | None], *, must_have_services: bool) -> list[str]:
    """What still keeps these speakers from being of one mind, one sentence each; empty when nothing does."""
    silent = [f"{node} does not answer" for node, status in statuses.items() if status is None]
    if silent:
        return silent
    heard = {node: status for node, status in statuses.items() if status is not None}
    found: list[str] = []
    for node, status in heard.items():
        if status.phase in ("starting", "joining"):
            # The others agree on who owns what without it, until in a moment it takes its own.
            found.append(f"{node} is {status.phase}")
        if status.alive_members() != frozenset(heard):
            found.append(f"{node} holds {', '.join(sorted(status.alive_members())) or 'nobody'} for alive")
        if must_have_services and not status.services:
            found.append(f"{node} knows no Services")
        found += [
            f"{node}'s session with {session.address} is {session.state}"
            for session in status.bgp
            if session.state != "established"
        ]
    return found + _owner_disagreements(heard)


def route_disagreements(
    statuses: Mapping[str, SpeakerStatus | None],
    addresses: Mapping[str, str],
    next_hops: Callable[[str], Collection[str]],
) -> list[str]:
    """Where the router's kernel has other next hops than the nodes that advertise a route; node addresses by name."""
    advertisers: dict[str, set[str]] = {}
    for node, status in statuses.items():
        for session in status.bgp if status is not None else ():
            for prefix in session.routes:
                advertisers.setdefault(prefix, set()).add(addresses[node])
    return [
        f"the router's route {prefix} has next hops {', '.join(sorted(actual)) or 'none'} instead of "
        f"{', '.join(sorted(wanted))}"
        for prefix, wanted in sorted(advertisers.items())
        if (actual := set(next_hops(prefix))) != wanted
    ]


def _owner_disagreements(heard: Mapping[str, SpeakerStatus]) -> list[str]:
    found: list[str] = []
    for address in sorted({one.address for status in heard.values() for one in status.l2}):
        owners = {node: status.owner_of(address) for node, status in heard.items()}
        announcers = [
            node
            for node, status in heard.items()
            if any(one.address == address and one.is_announced_here for one in status.l2)
        ]
        if len(set(owners.values())) != 1:
            found.append(
                f"{address} is of {', '.join(f'{owner} for {node}' for node, owner in owners.items())}"
            )
        elif announcers != [next(iter(owners.values()))]:
            found.append(f"{address} is announced by {', '.join(announcers) or 'nobody'}")
    return found
