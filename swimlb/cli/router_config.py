"""`swimlb router-config`: what the routers have to be told, written in their own words."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import click

from swimlb.cli.inputs import judging_options, paths_option, read_manifests
from swimlb.cli.problems import print_problems
from swimlb.config import Mistake, Options, Resolved, parse_address, resolve
from swimlb.config.declared import DeclaredNode
from swimlb.model import Configuration, IpAddress, Problem, Severity
from swimlb.routerconfig import DIALECTS, CannotTell, Router, left_out, routers, unsaid, write


@click.command("router-config")
@paths_option
@click.option(
    "--for", "dialect", required=True, type=click.Choice(list(DIALECTS)), help="The kind of router."
)
@click.option(
    "--node",
    "nodes",
    multiple=True,
    metavar="NAME=ADDRESS",
    help="A node that has no Node object, or another address than that of its Node. Repeatable.",
)
@click.option("--router", default=None, metavar="ADDRESS", help="Only the router at this address.")
@click.option(
    "--router-asn", default=None, type=click.IntRange(1, 2**32 - 1), help="For peers with a dynamic AS."
)
@judging_options
def router_config(
    paths: Sequence[str],
    dialect: str,
    nodes: Sequence[str],
    router: str | None,
    router_asn: int | None,
    namespace: str,
    lb_class: str,
) -> None:
    """Print the routers' side of the BGP sessions: neighbors, filters, ECMP, BFD, graceful restart.

    A password is not printed: the word PASSWORD stands in its place. Errors in manifests go to standard error: what they
    are about is not in force, and not printed, and the exit status is 1.
    """
    manifests = read_manifests(paths)
    resolved = resolve(
        manifests.documents,
        source_problems=manifests.problems,
        options=Options(system_namespace=namespace, lb_class=lb_class, are_secrets_apart=True),
    )
    addresses = _addresses(resolved, nodes)
    configuration = (
        resolved.configuration
        if router is None
        else _only(_address("--router", router), resolved.configuration)
    )
    errors = [problem for problem in resolved.problems if problem.severity is Severity.ERROR]
    print_problems([*errors, *_unknown_nodes(configuration, addresses)], err=True)
    if errors and not manifests.documents:
        sys.exit(1)
    try:
        found = routers(configuration, addresses, asn=router_asn)
        texts = [write(one, dialect) for one in found]
    except CannotTell as error:
        raise click.ClickException(str(error)) from error
    if not found:
        raise click.ClickException("no node has a session with a router")
    print_problems([problem for one in found for problem in _unsaid(one, dialect, namespace)], err=True)
    comment = "!" if dialect in ("frr", "ios-xe", "nxos", "eos") else "#"
    for one, text in zip(found, texts, strict=True):
        if len(found) > 1:
            click.echo(f"{comment} Router {one}")
        click.echo(text, nl=False)
    if errors:
        sys.exit(1)


def _only(router: IpAddress, configuration: Configuration) -> Configuration:
    peers = tuple(peer for peer in configuration.bgp_peers if peer.peer_address == router)
    if not peers:
        raise click.ClickException(f"no BGPPeer has the address {router}; leave out --router to see all")
    return replace(configuration, bgp_peers=peers)


def _unknown_nodes(
    configuration: Configuration, addresses: Mapping[str, tuple[IpAddress, ...]]
) -> Iterator[Problem]:
    for peer, node in left_out(configuration, addresses):
        assert peer.peer_address is not None, "on an interface a node needs no address"
        yield Problem(
            severity=Severity.WARNING,
            object=f"Node/{node}",
            field="",
            message=f"has no IPv{peer.peer_address.version} address, so that BGPPeer {peer.name} is printed without it",
            hint=f"Give it: --node {node}=ADDRESS.",
        )


def _unsaid(router: Router, dialect: str, namespace: str) -> Iterator[Problem]:
    for peer, need in unsaid(router, dialect):
        yield Problem(
            severity=Severity.WARNING,
            object=f"BGPPeer/{namespace}/{peer.name}",
            field="",
            message=f"{need}, which is not printed",
            hint="See to it at the router.",
        )


def _addresses(resolved: Resolved, nodes: Sequence[str]) -> Mapping[str, tuple[IpAddress, ...]]:
    found = {
        kept.record.node.name: kept.record.addresses
        for kept in resolved.kept.values()
        if isinstance(kept.record, DeclaredNode) and kept.record.addresses
    }
    given: dict[str, tuple[IpAddress, ...]] = {}
    for text in nodes:
        name, separator, address = text.partition("=")
        if not (name and separator):
            raise click.UsageError(f"--node: {text!r} is not NAME=ADDRESS; write it like node-d=192.0.2.14")
        given[name] = (*given.get(name, ()), _address("--node", address))
    return {name: (*given.get(name, ()), *found.get(name, ())) for name in {**found, **given}}


def _address(option: str, text: str) -> IpAddress:
    try:
        return parse_address(text)
    except Mistake as mistake:
        raise click.UsageError(f"{option}: {mistake.message}; {mistake.hint}") from mistake
