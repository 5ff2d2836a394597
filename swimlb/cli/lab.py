"""`swimlb lab`: a cluster, a router and clients in network namespaces on this machine, and faults to try on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from swimlb.lab import faults, namespaces
from swimlb.lab.endings import ending_signals_raise
from swimlb.lab.errors import LabError
from swimlb.lab.examples import find_examples
from swimlb.lab.kubernetes.plan import is_kubernetes_lab
from swimlb.lab.lab import Lab
from swimlb.lab.sandbox import BASE, Sandbox
from swimlb.lab.topology import OUTSIDE, walkthrough

DEFAULT_NAME = "default"
DEFAULT_MANIFESTS = "demo"

Command = TypeVar("Command", bound=Callable[..., Any])


class LabGroup(click.Group):
    """Turns a lab's failure into one line and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with ending_signals_raise():
                return super().invoke(ctx)
        except LabError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LabGroup)
def lab() -> None:
    """Play with a whole cluster in network namespaces on this machine (needs root).

    Hosts are the nodes (master-01, worker-01, …), `router` (a real FRR), `inside` (a client on the LAN) and
    `outside` (a client behind the router).
    """


def _which_lab(command: Command) -> Command:
    """The options that say which lab is meant."""
    command = click.option("--name", default=DEFAULT_NAME, show_default=True, help="Which lab.")(command)
    return click.option(
        "--base", default=BASE, type=click.Path(path_type=Path), envvar="SWIMLB_LAB_BASE", hidden=True
    )(command)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("only root may touch the lab: run this with sudo")


def _attach(name: str, base: Path) -> Lab:
    _require_root()
    if is_kubernetes_lab(name, base):
        from swimlb.lab.kubernetes.lab import KubernetesLab  # It brings in an HTTP client and certificates.

        return KubernetesLab.attach(name, base)
    return Lab.attach(name, base)


@contextmanager
def _attached_alone(name: str, base: Path) -> Generator[Lab]:
    """For commands that change the lab's record."""
    _require_root()
    with Sandbox.alone(name, base):
        yield _attach(name, base)


@lab.command()
@click.option("--nodes", default=3, show_default=True, help="How many nodes run a speaker.")
@click.option(
    "--manifests",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of manifests; edits take effect while the lab runs. Default: the demo's.",
)
@click.option(
    "--kubernetes",
    "is_kubernetes",
    is_flag=True,
    help="With a real API server, kube-proxy and Pods: see `swimlb lab kubectl`. Build its programs with `make kube-tools`.",
)
@_which_lab
def up(nodes: int, manifests: Path | None, is_kubernetes: bool, name: str, base: Path) -> None:
    """Build a lab and leave it running."""
    if is_kubernetes:
        _kubernetes_up(nodes, manifests, name, base)
        return
    network = walkthrough(nodes)
    with Sandbox.create(name, base) as sandbox:
        built = Lab(sandbox, network, manifests or find_examples(DEFAULT_MANIFESTS))
        built.build()
        built.wait_until_joined()
        sandbox.hand_over()
    click.echo(
        f"{nodes} speakers have joined; logs are in {sandbox.home}. Look around with `swimlb lab status`."
    )


def _kubernetes_up(nodes: int, manifests: Path | None, name: str, base: Path) -> None:
    from swimlb.lab.kubernetes.lab import KubernetesLab, network

    with Sandbox.create(name, base) as sandbox:
        built = KubernetesLab(sandbox, network(nodes))
        built.build()
        built.wait_until_joined()
        if manifests is not None:
            built.kubectl.apply(manifests)
        sandbox.hand_over()
    click.echo(
        f"{nodes} nodes are ready; logs are in {sandbox.home}. Look around with `swimlb lab status` and "
        "`swimlb lab kubectl get nodes,pods,services -A`."
    )


@lab.command(
    # Options behind the first word are kubectl's, which knows a `--name` of its own (`expose`).
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="[--name LAB]",
)
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
@_which_lab
def kubectl(arguments: tuple[str, ...], name: str, base: Path) -> None:
    """Run kubectl as the administrator of the lab's cluster: `swimlb lab kubectl apply -f examples/walkthrough/nginx.yaml`."""
    from swimlb.lab.kubernetes.lab import KubernetesLab

    _require_root()
    argv = KubernetesLab.attach(name, base).kubectl.argv(*arguments)
    os.execvp(argv[0], argv)


@lab.command()
@_which_lab
def down(name: str, base: Path) -> None:
    """Remove a lab: its processes, namespaces and files."""
    _require_root()
    Sandbox.attach(name, base).close()


@lab.command()
@_which_lab
def status(name: str, base: Path) -> None:
    """Show members, Services, owners of addresses, BGP sessions and the router's routes."""
    from swimlb.cli.lab_tables import status_tables  # Rich takes a while to import, and only this needs it.

    attached = _attach(name, base)
    for line in status_tables(attached):
        click.echo(line)


@lab.command(name="exec", context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@_which_lab
def execute(host: str, command: tuple[str, ...], name: str, base: Path) -> None:
    """Run a command inside a host: `swimlb lab exec inside -- curl http://192.168.3.170:8080`."""
    attached = _attach(name, base)
    hosts = [one.name for one in (*attached.network.on_the_switch, OUTSIDE)]
    if host not in hosts:
        raise LabError(f"there is no `{host}` in the lab: it has {', '.join(hosts)}")
    namespaces.require_tool("ip")
    argv = namespaces.execute(attached.sandbox.namespace(host), *command)
    os.execvp(argv[0], argv)


@lab.command()
@click.argument("host")
@_which_lab
def cut(host: str, name: str, base: Path) -> None:
    """Break the cable between a host and the switch."""
    _attach(name, base).cut(host)


@lab.command()
@click.argument("host")
@_which_lab
def heal(host: str, name: str, base: Path) -> None:
    """Mend what `cut` broke."""
    _attach(name, base).heal(host)


@lab.command()
@click.argument("node")
@_which_lab
def kill(node: str, name: str, base: Path) -> None:
    """SIGKILL a node's speaker, all its processes at once."""
    _attach(name, base).kill(node)


@lab.command()
@click.argument("node")
@_which_lab
def stop(node: str, name: str, base: Path) -> None:
    """SIGTERM a node's speaker, and wait until it has handed over and ended."""
    _attach(name, base).stop(node)


@lab.command()
@click.argument("node")
@_which_lab
def start(node: str, name: str, base: Path) -> None:
    """Start a node's speaker again."""
    with _attached_alone(name, base) as attached:
        attached.start(node)


@lab.command()
@click.argument("host")
@click.argument("percent", type=float)
@_which_lab
def loss(host: str, percent: float, name: str, base: Path) -> None:
    """Lose PERCENT of the frames from and to a host; 0 ends it."""
    with _attached_alone(name, base) as attached:
        attached.lose(host, percent)


@lab.command()
@click.argument("groups")
@_which_lab
def partition(groups: str, name: str, base: Path) -> None:
    """Keep groups of hosts apart: `worker-01,worker-02/master-01`. `none` ends it."""
    apart = faults.parse_groups(groups)
    with _attached_alone(name, base) as attached:
        attached.part(apart)
