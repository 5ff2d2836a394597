"""`swimlb check`: all that is wrong with manifests, without a cluster.

It runs the code that speakers and the controller run, so what it accepts is what they put in force.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import click

from swimlb.allocator import allocate
from swimlb.cli.inputs import judging_options, paths_option, read_manifests
from swimlb.config import Options, Ref, Resolved, resolve
from swimlb.model import Problem, Severity


@click.command()
@paths_option
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Exit with status 1 on warnings too.")
@judging_options
def check(paths: Sequence[str], output: str, strict: bool, namespace: str, lb_class: str) -> None:
    """Tell what is wrong with manifests, and the way out.

    The exit status is 1 if anything is in error, which means not in force.
    """
    manifests = read_manifests(paths)
    options = Options(system_namespace=namespace, lb_class=lb_class)
    resolved = resolve(manifests.documents, source_problems=manifests.problems, options=options)
    problems = (*resolved.problems, *pending_problems(resolved))
    if output == "json":
        click.echo(json.dumps({"problems": [asdict(problem) for problem in problems]}, indent=2))
    else:
        print_problems(problems)
        click.echo(_summary(len(manifests.documents), problems), err=True)
    if any(strict or problem.severity is Severity.ERROR for problem in problems):
        sys.exit(1)


def pending_problems(resolved: Resolved) -> Iterable[Problem]:
    """A Service that gets no address is well-formed, but surely not what was meant."""
    for pending in allocate(resolved.configuration).pending:
        service = pending.service
        kept = resolved.kept[Ref("Service", service.namespace, service.name)]
        yield Problem(
            severity=Severity.WARNING,
            object=f"Service/{service.key}",
            field="",
            message=f"gets no address: {pending.reason}",
            hint="Ask for something else, or make room in a pool.",
            file=kept.file,
            line=kept.line,
        )


def print_problems(problems: Sequence[Problem]) -> None:
    colors = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
    for problem in problems:
        where = ":".join(str(part) for part in (problem.file, problem.line) if part is not None)
        severity = click.style(problem.severity.value, fg=colors[problem.severity], bold=True)
        # A problem of a whole file names it once.
        names = [name for name in (problem.object, problem.field) if name and name != problem.file]
        told = f"{' '.join(names)}: {problem.message}" if names else problem.message
        click.echo(
            f"{where}: {severity}: {told} — {problem.hint}"
            if where
            else f"{severity}: {told} — {problem.hint}"
        )


def _summary(objects: int, problems: Sequence[Problem]) -> str:
    count = Counter(problem.severity for problem in problems)
    counted = ((objects, "object"), (count[Severity.ERROR], "error"), (count[Severity.WARNING], "warning"))
    return ", ".join(f"{number} {noun}" if number == 1 else f"{number} {noun}s" for number, noun in counted)
