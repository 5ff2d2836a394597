"""`swimlb router-config`: what the routers have to be told, written in their own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import click

from swimlb.cli.inputs import judging_options, paths_option, read_manifests
from swimlb.config import Options, Resolved, resolve
from swimlb.config.declared import DeclaredNode
from swimlb.model import IpAddress
from swimlb.routerconfig import DIALECTS, CannotTell, routers, write


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
    help="A node that has no Node object with addresses. Repeatable.",
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

    A password is not printed: the word PASSWORD stands in its place.
    """
    resolved = resolve(
        read_manifests(paths).documents, options=Options(system_namespace=namespace, lb_class=lb_class)
    )
    try:
        found = routers(resolved.configuration, _addresses(resolved, nodes), asn=router_asn)
    except CannotTell as error:
        raise click.ClickException(str(error)) from error
    chosen = [one for one in found if router is None or one.address == _address(router)]
    if not chosen:
        raise click.ClickException("no node has a session with such a router; leave out --router to see all")
    comment = "!" if dialect in ("frr", "ios-xe", "nxos", "eos") else "#"
    for one in chosen:
        if len(chosen) > 1:
            click.echo(f"{comment} Router {one.address or 'of the interfaces below'}, AS {one.asn}")
        click.echo(write(one, dialect), nl=False)


def _addresses(resolved: Resolved, nodes: Sequence[str]) -> Mapping[str, tuple[IpAddress, ...]]:
    found = {
        kept.record.node.name: kept.record.addresses
        for kept in resolved.kept.values()
        if isinstance(kept.record, DeclaredNode) and kept.record.addresses
    }
    for text in nodes:
        name, separator, address = text.partition("=")
        if not (name and separator):
            raise click.ClickException(f"--node {text}: write NAME=ADDRESS")
        found[name] = (*found.get(name, ()), _address(address))
    return found


def _address(text: str) -> IpAddress:
    try:
        return ip_address(text)
    except ValueError as error:
        raise click.ClickException(f"{text!r} is not an IP address; write it like 192.0.2.10") from error
