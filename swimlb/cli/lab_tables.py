"""The tables of `swimlb lab status` and of the demo: what a lab's speakers and its router say, for people."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from swimlb.cli.tables import table
from swimlb.lab.lab import Lab
from swimlb.lab.status import SpeakerStatus
from swimlb.lab.story import Story

_WIDTH_UNSEEN = 110
"""Of tables that go to a file or a pipe."""


def status_tables(lab: Lab) -> list[str]:
    """Everything about the lab as lines of text."""
    return render(lab_tables(lab))


def lab_tables(lab: Lab) -> list[Table]:
    """Everything about the lab, for a console."""
    statuses = lab.statuses()
    known = [one for one in statuses.values() if one is not None]
    tables = [_members(lab, statuses)]
    if known:
        tables += [_services(known[0]), _addresses(lab, known), _sessions(lab, known), _routes(lab, known)]
        tables += [_problems(known)]
    return [one for one in tables if one.row_count]


def facts_table(story: Story) -> Table:
    """The figures of a demo."""
    rows = [
        (
            str(fact.step),
            fact.what,
            fact.value,
            fact.bound,
            ("held" if fact.holds else "MISSED") if fact.bound else "",
        )
        for fact in story.facts
    ]
    return table("Figures", ("step", "what", "measured", "bound", ""), rows)


def render(tables: Iterable[Table]) -> list[str]:
    """Tables as plain lines, without colours, as wide as the terminal if they go to one."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_UNSEEN
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as captured:
        for one in tables:
            console.print(one)
    return captured.get().splitlines()


def _members(lab: Lab, statuses: dict[str, SpeakerStatus | None]) -> Table:
    rows = [
        (
            node.name,
            node.address,
            lab.mac(node.name),
            "does not answer"
            if (one := statuses[node.name]) is None
            else ", ".join(sorted(one.alive_members())),
        )
        for node in lab.network.nodes
    ]
    return table("Members", ("node", "address", "MAC", "its speaker holds for alive"), rows)


def _services(status: SpeakerStatus) -> Table:
    rows = [
        (f"{one.namespace}/{one.name}", ", ".join(one.addresses), one.pool or "", one.state, one.reason or "")
        for one in status.services
    ]
    return table("Services", ("service", "address", "pool", "state", "reason"), rows)


def _addresses(lab: Lab, statuses: Sequence[SpeakerStatus]) -> Table:
    def announcers(address: str) -> str:
        names = [
            one.node
            for one in statuses
            for here in one.l2
            if here.address == address and here.is_announced_here
        ]
        return ", ".join(names) or "nobody"

    rows = [
        (one.address, one.owner or "nobody", lab.mac(one.owner) if one.owner else "", announcers(one.address))
        for one in statuses[0].l2
    ]
    return table("L2 addresses", ("address", "owner", "its MAC", "announced by"), rows)


def _sessions(lab: Lab, statuses: Sequence[SpeakerStatus]) -> Table:
    at_router = lab.router.sessions()
    addresses = {node.name: node.address for node in lab.network.nodes}
    rows = [
        (
            status.node,
            one.peer,
            one.state,
            at_router[addresses[status.node]].state if addresses[status.node] in at_router else "none",
            ", ".join(one.routes),
        )
        for status in statuses
        for one in status.bgp
    ]
    return table("BGP sessions", ("node", "peer", "state", "at the router", "routes"), rows)


def _routes(lab: Lab, statuses: Sequence[SpeakerStatus]) -> Table:
    prefixes = sorted({route for status in statuses for one in status.bgp for route in one.routes})
    rows = [(prefix, ", ".join(lab.router.next_hops(prefix)) or "no route") for prefix in prefixes]
    return table("The router's kernel routes", ("prefix", "next hops"), rows)


def _problems(statuses: Sequence[SpeakerStatus]) -> Table:
    rows = {
        (one.severity, one.object, one.field, one.message, one.hint)
        for status in statuses
        for one in status.problems
    }
    return table("Problems", ("severity", "object", "field", "problem", "way out"), sorted(rows))
