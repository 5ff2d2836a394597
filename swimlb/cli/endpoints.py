"""Options that speakers and controllers have alike: where they answer machines, and whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class EndpointOptions(TypedDict):
    """What a command with `endpoint_options` is called with: the fields of `settings.Endpoints`."""

    metrics_host: str
    metrics_port: int
    are_metrics_encrypted: bool
    metrics_cert_dir: str
    are_scrapers_authorized: bool
    health_host: str
    health_port: int


_PORT = click.IntRange(0, 65535)
_OPTIONS = (
    click.option("--metrics-host", default="127.0.0.1", show_default=True, help="Address of /metrics."),
    click.option(
        "--metrics-port",
        default=0,
        show_default=True,
        type=_PORT,
        help="Port of /metrics, for Prometheus; 0: none.",
    ),
    click.option(
        "--metrics-tls",
        "are_metrics_encrypted",
        is_flag=True,
        help="Serve /metrics by HTTPS, with a certificate of its own if none is given.",
    ),
    click.option(
        "--metrics-cert-dir",
        default="",
        help="Directory with tls.crt and tls.key for /metrics, which are read again when they change.",
    ),
    click.option(
        "--metrics-authorize",
        "are_scrapers_authorized",
        is_flag=True,
        help="Answer /metrics only to who shows a token that the API server lets get it.",
    ),
    click.option(
        "--health-host", default="127.0.0.1", show_default=True, help="Address of /healthz and /readyz."
    ),
    click.option(
        "--health-port",
        default=0,
        show_default=True,
        type=_PORT,
        help="Port of /healthz and /readyz; 0: none.",
    ),
)


def endpoint_options(command: F) -> F:
    """Add them, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
