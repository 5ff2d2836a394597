"""What the commands that judge manifests have in common: where they read them, and as whom they judge."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from swimlb.config import Options
from swimlb.sources import Manifests, read_paths, read_text

_STANDARD_INPUT = "-"

paths_option = click.option(
    "-f",
    "--filename",
    "paths",
    metavar="PATH",
    multiple=True,
    required=True,
    help="A manifest, or a directory of manifests; - is standard input. May be given several times.",
)
_namespace_option = click.option(
    "--namespace",
    default=Options().system_namespace,
    show_default=True,
    help="The system namespace, which holds pools, advertisements and peers.",
)
_lb_class_option = click.option(
    "--lb-class", default="", help="Judge the Services of this loadBalancerClass, not those without one."
)


def judging_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options `--namespace` and `--lb-class`; the command gets `namespace` and `lb_class`."""
    return _namespace_option(_lb_class_option(command))


def read_manifests(paths: Iterable[str]) -> Manifests:
    """Everything that `-f` names, in that order."""
    manifests = Manifests()
    for path in paths:
        if path == _STANDARD_INPUT:
            manifests += read_text(sys.stdin.buffer.read().decode("utf-8", errors="replace"), "<stdin>")
        else:
            manifests += read_paths([Path(path)])
    return manifests
