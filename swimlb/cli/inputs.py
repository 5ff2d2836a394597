"""What the commands that judge manifests have in common: where they read them, and as whom they judge."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO, cast

import click

from swimlb.cli.namespaces import checked_namespace
from swimlb.config import Options
from swimlb.model import Problem, Severity
from swimlb.sources import SUFFIXES, Manifests, name_of, read_octets, read_paths

_STANDARD_INPUT = "-"
_STANDARD_INPUT_NAME = "<stdin>"
_STANDARD_INPUT_HINT = "Look after the command that writes it."

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
    callback=checked_namespace,
    help="The system namespace, which holds pools, advertisements and peers.",
)
_lb_class_option = click.option(
    "--lb-class", default="", help="Judge the Services of this loadBalancerClass, not those without one."
)


def judging_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options `--namespace` and `--lb-class`; the command gets `namespace` and `lb_class`."""
    return _namespace_option(_lb_class_option(command))


def read_manifests(paths: Iterable[str]) -> Manifests:
    """Everything that `-f` names, in that order; what it names twice once, or each object in it would be there twice."""
    manifests = Manifests()
    for path in dict.fromkeys(paths):
        if not path:
            # The working directory, to a Path: hardly what a variable that is not set was to stand for.
            raise click.UsageError("a PATH is empty; name a file or a directory, or - for standard input")
        manifests += _read_standard_input() if path == _STANDARD_INPUT else _read_path(Path(path))
    return manifests


def _read_path(path: Path) -> Manifests:
    """A speaker may be given an empty directory; who asks about one has named another than he meant."""
    manifests = read_paths([path])
    if manifests == Manifests() and os.path.isdir(path):
        manifests += _nothing(
            name_of(path),
            "holds no manifests",
            f"Name one with files that end in {', '.join(SUFFIXES)}; those further in are not read.",
            Severity.WARNING,
        )
    return manifests


def _read_standard_input() -> Manifests:
    try:
        stdin = cast("TextIO | None", sys.stdin)  # None where it is closed.
        octets = b"" if stdin is None else stdin.buffer.read()
    except OSError as error:
        return _nothing(_STANDARD_INPUT_NAME, f"cannot be read: {error.strerror}", _STANDARD_INPUT_HINT)
    # Told, as the command that was to write it may have failed: nothing of all would be wrong then.
    return (
        read_octets(octets, _STANDARD_INPUT_NAME)
        if octets
        else _nothing(_STANDARD_INPUT_NAME, "is empty", _STANDARD_INPUT_HINT)
    )


def _nothing(name: str, why: str, hint: str, severity: Severity = Severity.ERROR) -> Manifests:
    problem = Problem(severity=severity, object=name, field="", message=why, hint=hint, file=name)
    return Manifests(problems=(problem,))
