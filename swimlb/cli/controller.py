"""`swimlb controller`: give Services their addresses, as one of the cluster's replicas."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from swimlb import app
from swimlb.cli.endpoints import EndpointOptions, endpoint_options
from swimlb.control.settings import ControlSettings
from swimlb.observe.logs import LEVELS
from swimlb.runtime.errors import StartRefused
from swimlb.settings import InvalidSettings


@click.command()
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Reach the API server as this file says; without it as a Pod does.",
)
@click.option("--context", default=None, help="Of the kubeconfig; without it the current one.")
@click.option(
    "--namespace",
    default="metallb-system",
    show_default=True,
    envvar="METALLB_NAMESPACE",
    help="Where configuration objects and the Lease live.",
)
@click.option("--pod-name", default="", envvar="METALLB_POD_NAME", help="The Pod that this process runs in.")
@click.option("--lb-class", default="", help="Serve only Services of this loadBalancerClass.")
@click.option(
    "--lease-name",
    default="swimlb-controller",
    show_default=True,
    help="The Lease by which replicas elect who writes.",
)
@click.option(
    "--lease-duration",
    default=10,
    show_default=True,
    type=int,
    metavar="SECONDS",
    help="After a crash another replica takes over this long, and a fifth more, after the last renewal. Where there is no "
    "Lease it waits as long.",
)
@click.option(
    "--quarantine",
    default=60.0,
    show_default=True,
    type=float,
    metavar="SECONDS",
    help="Keep an address that was given back from other Services for so long; 0: not at all.",
)
@endpoint_options
@click.option(
    "--webhook-host",
    default="",
    show_default="all addresses",
    help="Address that the API server asks for admission and conversion at.",
)
@click.option(
    "--webhook-port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of admission and conversion, 9443 in the chart; 0: neither.",
)
@click.option(
    "--webhook-service",
    default="metallb-webhook-service",
    show_default=True,
    help="The Service by which the API server asks: its name is in the certificate.",
)
@click.option(
    "--webhook-secret",
    default="metallb-webhook-cert",
    show_default=True,
    help="The Secret that keeps the certificate of the webhooks.",
)
@click.option("--log-level", default="info", show_default=True, type=click.Choice(LEVELS))
def controller(
    *,
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
    pod_name: str,
    lb_class: str,
    lease_name: str,
    lease_duration: int,
    quarantine: float,
    webhook_host: str,
    webhook_port: int,
    webhook_service: str,
    webhook_secret: str,
    log_level: str,
    **endpoints: Unpack[EndpointOptions],
) -> None:
    """Give Services their addresses until SIGTERM, which lets another replica take over at once."""
    try:
        settings = ControlSettings(
            kubeconfig=kubeconfig,
            context=context,
            namespace=namespace,
            pod=pod_name,
            lb_class=lb_class,
            lease_name=lease_name,
            lease_duration=float(lease_duration),
            quarantine=quarantine,
            webhook_host=webhook_host,
            webhook_port=webhook_port,
            webhook_service=webhook_service,
            webhook_secret=webhook_secret,
            log_level=log_level,
            **endpoints,
        )
        app.run_controller(settings)
    except (InvalidSettings, StartRefused) as error:
        raise click.ClickException(str(error)) from error
