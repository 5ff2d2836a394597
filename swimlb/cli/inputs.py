"""What the commands that judge manifests have in common: where they read them, and as whom they judge."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from swimlb.config import Options
from swimlb.model import Problem, Severity
from swimlb.sources import Manifests, read_octets, read_paths

_STANDARD_INPUT = "-"
_STANDARD_INPUT_NAME = "<stdin>"

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
        if not path:
            # The working directory, to a Path: hardly what a variable that is not set was to stand for.
            raise click.UsageError("a PATH is empty; name a file or a directory, or - for standard input")
        manifests += _read_standard_input() if path == _STANDARD_INPUT else read_paths([Path(path)])
    return manifests


def _read_standard_input() -> Manifests:
    try:
        # None where it is closed.
        octets = b"" if sys.stdin is None else sys.stdin.buffer.read()  # pyright: ignore[reportUnnecessaryComparison]
    except OSError as error:
        return _nothing(f"cannot be read: {error.strerror}")
    return read_octets(octets, _STANDARD_INPUT_NAME) if octets else _nothing("is empty")


def _nothing(why: str) -> Manifests:
    """Told, as the command that was to write it may have failed: nothing of all would be wrong then."""
    name = _STANDARD_INPUT_NAME
    hint = "Look after the command that writes it."
    problem = Problem(severity=Severity.ERROR, object=name, field="", message=why, hint=hint, file=name)
    return Manifests(problems=(problem,))
