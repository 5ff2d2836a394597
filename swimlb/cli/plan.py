"""`swimlb plan`: what would be allocated and announced, by whom, and what moves if nodes go or come."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from swimlb.cli.inputs import judging_options, paths_option, read_manifests

if TYPE_CHECKING:
    from swimlb.config import Document, Resolved
    from swimlb.model import IpAddress, Problem
    from swimlb.planning import Outlook

ELECTIONS = ("metallb",)
"""Names of strategies; the only one so far is MetalLB's."""


@click.command()
@paths_option
@click.option("--down", multiple=True, metavar="NODE", help="As if this node were dead. Repeatable.")
@click.option("--drain", multiple=True, metavar="NODE", help="As if this node were leaving. Repeatable.")
@click.option(
    "--add-node",
    "added",
    multiple=True,
    metavar="NAME=IP",
    help="As if there were this node, too. Repeatable.",
)
@click.option("--election", type=click.Choice(ELECTIONS), default=ELECTIONS[0], show_default=True)
@judging_options
@click.option(
    "--ignore-exclude-lb",
    is_flag=True,
    help="Nodes labelled node.kubernetes.io/exclude-from-external-load-balancers announce, too.",
)
@click.option(
    "--strict-endpoints",
    is_flag=True,
    help="A Service without an EndpointSlice has no endpoint, rather than one on every node.",
)
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)
@click.option("--graph", is_flag=True, help="Draw it instead: an SVG picture on standard output.")
def plan(
    paths: Sequence[str],
    down: Sequence[str],
    drain: Sequence[str],
    added: Sequence[str],
    election: str,
    namespace: str,
    lb_class: str,
    ignore_exclude_lb: bool,
    strict_endpoints: bool,
    output: str,
    graph: bool,
) -> None:
    """Show what manifests would come to: addresses, their owners, routes, and what is withheld and why.

    Nothing is asked of a cluster: nodes are those whose Node objects are among the manifests. With --down, --drain or
    --add-node it shows things as they would be then, and which addresses move. The exit status is 0 also where an object
    is in error: everything else is planned (`swimlb check` judges). It is 1 where something could not be read, so that
    the plan is of less than was asked for. Of a Secret that is not among the manifests it is assumed that it is there.
    """
    from swimlb.cli.check import pending_problems
    from swimlb.cli.problems import print_problems
    from swimlb.config import Options, resolve
    from swimlb.model import Severity
    from swimlb.planning import InvalidWhatIf, WhatIf, document, look_ahead
    from swimlb.planning.fleet import Rules

    manifests = read_manifests(paths)
    options = Options(system_namespace=namespace, lb_class=lb_class, are_secrets_apart=True)
    resolved = resolve(manifests.documents, source_problems=manifests.problems, options=options)
    new = [_new_node(text) for text in added]
    what_if = WhatIf(down=frozenset(down), drained=frozenset(drain), added=tuple(node.name for node in new))
    rules = Rules(is_exclude_label_ignored=ignore_exclude_lb, are_endpoints_strict=strict_endpoints)
    then = resolved
    if new:
        documents = (*manifests.documents, *(node.document for node in new))
        then = resolve(documents, source_problems=manifests.problems, options=options)
    try:
        _check_addresses(new, resolved)
        outlook = look_ahead(resolved, what_if, rules, enlarged=then)
    except InvalidWhatIf as error:
        raise click.UsageError(str(error)) from error
    problems = [*then.problems, *pending_problems(then)]
    if manifests.documents or not manifests.problems:
        problems += _lack_of_nodes(then)
    if graph:
        from swimlb.planning.drawing import draw

        click.echo(draw(outlook), nl=False)
        print_problems(problems, err=True)
    elif output == "table":
        _print(outlook, problems)
    else:
        _dump(document(outlook, problems), output)
    if any(problem.severity is Severity.ERROR for problem in manifests.problems):
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class _NewNode:
    name: str
    address: IpAddress

    @property
    def document(self) -> Document:
        from swimlb.config import Document
        from swimlb.planning.what_if import HOSTNAME_LABEL

        return Document(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": self.name, "labels": {HOSTNAME_LABEL: self.name}},
                "status": {"addresses": [{"type": "InternalIP", "address": str(self.address)}]},
            }
        )


def _new_node(text: str) -> _NewNode:
    from swimlb.config import Mistake, parse_address

    name, _, address = text.partition("=")
    try:
        if not name:
            raise Mistake("", "")
        return _NewNode(name, parse_address(address))
    except Mistake as error:
        raise click.UsageError(
            f"--add-node: {text!r} is not NAME=IP; write it like node-d=192.0.2.14"
        ) from error


def _check_addresses(new: Sequence[_NewNode], resolved: Resolved) -> None:
    from swimlb.config.declared import DeclaredNode
    from swimlb.planning import InvalidWhatIf

    taken = {
        address: kept.record.node.name
        for kept in resolved.kept.values()
        if isinstance(kept.record, DeclaredNode)
        for address in kept.record.addresses
    }
    for node in new:
        other = taken.setdefault(node.address, node.name)
        if other != node.name:
            raise InvalidWhatIf(
                "--add-node", f"node {other} has the address {node.address} already", "choose another address"
            )


def _lack_of_nodes(resolved: Resolved) -> Iterator[Problem]:
    from swimlb.model import Problem, Severity

    if not resolved.configuration.nodes:
        yield Problem(
            severity=Severity.WARNING,
            object="Node",
            field="",
            message="there is no Node among the objects, so nobody announces anything",
            hint="Add them (`kubectl get nodes -o yaml`), or make some up by --add-node NAME=IP.",
        )


def _dump(told: dict[str, Any], output: str) -> None:
    if output == "json":
        click.echo(json.dumps(told, indent=2))
        return
    import yaml

    yaml.safe_dump(told, sys.stdout, sort_keys=False, allow_unicode=True)


def _print(outlook: Outlook, problems: Sequence[Problem]) -> None:
    from rich.console import Console

    from swimlb.cli.tables import table

    console = Console()

    def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        if rows:
            console.print(table(title, columns, rows))

    services = outlook.services
    show(
        "Services",
        ["service", "state", "addresses", "pool", "reason"],
        [[one.key, one.state, " ".join(map(str, one.addresses)), one.pool, one.reason] for one in services],
    )
    show(
        "On the LAN",
        ["service", "address", "owner", "then", "interfaces"],
        [
            [
                one.key,
                entry.address,
                entry.node,
                " ".join(entry.candidates[1:]),
                "all" if entry.interfaces is None else " ".join(entry.interfaces),
            ]
            for one in services
            for entry in one.l2
        ],
    )
    show(
        "By BGP",
        ["service", "prefix", "peer", "nodes", "local preference", "communities"],
        [
            [
                one.key,
                entry.prefix,
                entry.peer,
                " ".join(entry.nodes),
                entry.local_pref,
                " ".join((*entry.communities, *entry.large_communities)),
            ]
            for one in services
            for entry in one.bgp
        ],
    )
    show(
        "Withheld",
        ["service", "by", "node", "reason"],
        [
            [one.key, entry.by, entry.node or "all", entry.reason]
            for one in services
            for entry in one.withheld
        ],
    )
    show(
        "Pools",
        ["pool", "IPv4 in use", "IPv4 free", "IPv6 in use", "IPv6 free"],
        [
            [one.pool, one.assigned_ipv4, one.available_ipv4, one.assigned_ipv6, one.available_ipv6]
            for one in outlook.pools
        ],
    )
    if outlook.moves is not None:
        show(
            "Moves",
            ["address", "from", "to", "service"],
            [
                [one.address, one.source or "nobody", one.target or "nobody", one.service]
                for one in outlook.moves
            ],
        )
        if not outlook.moves:
            console.print("Nothing moves.")
    from swimlb.cli.problems import print_problems

    print_problems(problems)
