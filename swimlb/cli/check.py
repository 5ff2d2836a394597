"""`swimlb check`: all that is wrong with manifests, without a cluster.

It runs the code that speakers and the controller run, so what it accepts is what they put in force.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

from swimlb.allocator import allocate
from swimlb.cli.inputs import judging_options, paths_option, read_manifests
from swimlb.cli.problems import print_json, print_problems, print_table, summary
from swimlb.config import Options, Ref, Resolved, resolve
from swimlb.model import Problem, Severity


@click.command()
@paths_option
@click.option(
    "-o", "--output", type=click.Choice(["text", "table", "json"]), default="text", show_default=True
)
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
    show = {"text": print_problems, "table": print_table, "json": print_json}[output]
    show(problems)
    if output != "json":
        click.echo(summary(len(manifests.documents), problems), err=True)
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
