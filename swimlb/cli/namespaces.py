"""Names of namespaces on the command line."""

from __future__ import annotations

import re

import click

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def checked_namespace(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """As a callback of an option: the value, if Kubernetes takes it for a name (RFC 1123)."""
    if value is not None and not _DNS_LABEL.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no name of a namespace; write it like metallb-system")
    return value
