"""`swimlb speaker`: run this node's speaker, on a directory of manifests or on a Kubernetes cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

import click

from swimlb import app
from swimlb.cli.endpoints import EndpointOptions, endpoint_options
from swimlb.observe.logs import LEVELS
from swimlb.settings import DATA_PATHS, InvalidSettings, Settings

SECRET_DIRECTORY_VARIABLE = "METALLB_ML_SECRET_KEY_PATH"  # noqa: S105 (the name of a variable)
"""Where MetalLB's `memberlist` Secret is mounted: a directory with the file `secretkey`."""


@click.command()
@click.option(
    "--node-name",
    required=True,
    envvar=["SWIMLB_NODE_NAME", "METALLB_NODE_NAME"],
    help="Name of this node, unique in the ring; in Kubernetes that of its Node.",
)
@click.option(
    "--manifests",
    default=None,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory with the manifests; every node has the same.",
)
@click.option(
    "--kubernetes", is_flag=True, help="Serve what stands in Kubernetes; without --kubeconfig as its Pod."
)
@click.option(
    "--kubeconfig",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="How to reach the API server from outside of the cluster.",
)
@click.option("--context", default=None, help="Of the kubeconfig; the current one if not given.")
@click.option(
    "--pod-name",
    default=None,
    envvar="METALLB_POD_NAME",
    help="This speaker's Pod, with which what it writes goes away.",
)
@click.option(
    "--member-labels",
    "--ml-labels",
    default="",
    envvar="METALLB_ML_LABELS",
    metavar="SELECTOR[;SELECTOR...]",
    help="Gossip with the running Pods that one of these label selectors selects.",
)
@click.option(
    "--drain-on",
    multiple=True,
    metavar="MARK",
    help="Give all addresses up while this Node has the mark: annotation:KEY, label:KEY=VALUE, taint:KEY.",
)
@click.option(
    "--state-dir",
    default="",
    help="Where the last good state is kept, for a start while the API server is away; the run directory if not given.",
)
@click.option(
    "--bind-address",
    "--ml-bindaddr",
    required=True,
    envvar=["SWIMLB_BIND_ADDRESS", "METALLB_ML_BIND_ADDR"],
    help="Address of this node that the other speakers reach it at.",
)
@click.option(
    "--bind-port",
    "--ml-bindport",
    default=7946,
    show_default=True,
    envvar=["SWIMLB_BIND_PORT", "METALLB_ML_BIND_PORT"],
    type=click.IntRange(1, 65535),
    help="Gossip, UDP and TCP.",
)
@click.option(
    "--join",
    default="",
    help="Other speakers, HOST or HOST:PORT, separated by commas; names are looked up again all the time.",
)
@click.option(
    "--gossip-secret-file",
    "gossip_secret_files",
    multiple=True,
    metavar="FILE",
    help="Encrypt gossip by the secret in this file (MetalLB's `secretkey`, byte for byte). A further one is only read by.",
)
@click.option(
    "--gossip-key-derivation",
    default="metallb",
    show_default=True,
    type=click.Choice(["metallb", "metallb-0.13", "sha256"]),
    help="How the secret becomes a key; what the other two make of it is understood, too.",
)
@click.option(
    "--gossip-plaintext",
    default="refuse",
    show_default=True,
    type=click.Choice(["refuse", "accept", "send"]),
    help="With a secret: while a ring goes from plaintext to encryption.",
)
@click.option(
    "--gossip-label", default="", help="Name of the ring, if several share a network; MetalLB has none."
)
@click.option("--run-dir", default="/run/swimlb", show_default=True, help="Where the status socket lies.")
@click.option(
    "--profile", default="normal", show_default=True, type=click.Choice(["normal", "fast", "lan", "wan"])
)
@click.option("--lb-class", default=None, help="Serve only Services of this loadBalancerClass.")
@click.option(
    "--namespace",
    default="metallb-system",
    show_default=True,
    envvar="METALLB_NAMESPACE",
    help="Where configuration objects live.",
)
@click.option("--ignore-exclude-lb", is_flag=True, help="Announce from nodes labelled to be excluded, too.")
@click.option(
    "--subnet",
    default="prefer",
    show_default=True,
    type=click.Choice(["prefer", "require", "ignore"]),
    help="Announce an address from nodes that have its subnet: if there are any, only, or as MetalLB does.",
)
@click.option(
    "--data-path",
    default=None,
    show_default="local with --manifests, forward with --kubernetes, where kube-proxy sees to it",
    type=click.Choice(DATA_PATHS),
    help="Put addresses on `lo`, for services of this host; or leave their traffic to the host's own routes and rules.",
)
@click.option(
    "--probe/--no-probe",
    default=True,
    show_default=True,
    help="Ask on the LAN, before an address is first announced, whether a stranger has it.",
)
@click.option(
    "--hearing-check/--no-hearing-check",
    default=True,
    show_default=True,
    help="Ask other nodes for their addresses on the LAN now and then, and pass over those that do not hear it.",
)
@click.option(
    "--keep-connections/--no-keep-connections",
    default=None,
    show_default="keep with --kubernetes",
    help="Send what belongs to connections that are open when an address moves on to the node where they began.",
)
@click.option(
    "--refresh-interval",
    default=60.0,
    show_default=True,
    type=float,
    metavar="SECONDS",
    help="Announce each address on the LAN again about this often, so that switches do not forget; 0: never.",
)
@endpoint_options
@click.option("--log-level", default="info", show_default=True, type=click.Choice(LEVELS))
def speaker(
    *,
    node_name: str,
    manifests: Path | None,
    kubernetes: bool,
    kubeconfig: Path | None,
    context: str | None,
    pod_name: str | None,
    member_labels: str,
    drain_on: tuple[str, ...],
    state_dir: str,
    bind_address: str,
    bind_port: int,
    join: str,
    gossip_secret_files: tuple[str, ...],
    gossip_key_derivation: str,
    gossip_plaintext: str,
    gossip_label: str,
    run_dir: str,
    profile: str,
    lb_class: str | None,
    namespace: str,
    ignore_exclude_lb: bool,
    subnet: str,
    data_path: str | None,
    probe: bool,
    hearing_check: bool,
    keep_connections: bool | None,
    refresh_interval: float,
    log_level: str,
    **endpoints: Unpack[EndpointOptions],
) -> None:
    """Run this node's speaker until it gets SIGTERM, which makes it hand everything over first."""
    if os.geteuid() != 0:
        raise click.ClickException("the speaker needs raw sockets and netlink; run it as root")
    if (manifests is not None) == kubernetes:
        raise click.UsageError(
            "say where the Services are: in --manifests DIRECTORY, or in --kubernetes; not in both"
        )
    if kubernetes and not gossip_secret_files and (directory := os.environ.get(SECRET_DIRECTORY_VARIABLE)):
        gossip_secret_files = (str(Path(directory) / "secretkey"),)
    try:
        settings = Settings(
            node=node_name,
            manifests="" if manifests is None else str(manifests.resolve()),
            kubeconfig=None if kubeconfig is None else str(kubeconfig.resolve()),
            kube_context=context,
            pod_name=pod_name if kubernetes else None,
            member_labels=member_labels if kubernetes else "",
            drain_on=drain_on,
            state_dir=state_dir,
            bind_address=bind_address,
            bind_port=bind_port,
            join=tuple(part.strip() for part in join.split(",") if part.strip()),
            gossip_secret_files=tuple(str(Path(file).absolute()) for file in gossip_secret_files),
            gossip_key_derivation=gossip_key_derivation,
            gossip_plaintext=gossip_plaintext,
            gossip_label=gossip_label,
            run_dir=run_dir,
            profile=profile,
            lb_class=lb_class,
            system_namespace=namespace,
            is_exclude_label_ignored=ignore_exclude_lb,
            subnet=subnet,
            data_path=data_path or ("forward" if kubernetes else "local"),
            is_probing=probe,
            is_hearing_checked=hearing_check,
            keeps_connections=kubernetes if keep_connections is None else keep_connections,
            refresh_interval=refresh_interval,
            log_level=log_level,
            **endpoints,
        )
    except InvalidSettings as error:
        raise click.ClickException(str(error)) from error
    app.run_speaker(settings)
