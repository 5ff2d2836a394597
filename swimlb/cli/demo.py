"""`swimlb demo`: the whole product in a minute, on this machine."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, assert_never

import click

from swimlb.lab.endings import ending_signals_raise
from swimlb.lab.errors import LabError
from swimlb.lab.examples import find_examples
from swimlb.lab.sandbox import BASE, Sandbox
from swimlb.runtime import clock

if TYPE_CHECKING:
    from swimlb.lab.lab import Lab
    from swimlb.lab.story import Story
    from swimlb.lab.telling import Said

NAME = "demo"


class Stage(Protocol):
    """Where the play is shown."""

    def tell(self, said: Said) -> None: ...

    def finish(self, story: Story) -> None: ...

    def close(self) -> None:
        """Leave the terminal as it was, however the play went."""
        ...


@click.command()
@click.option(
    "--report",
    default=Path("demo-report.html"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the report, one HTML page.",
)
@click.option(
    "--timeline",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the timeline as an SVG image too.",
)
@click.option(
    "--manifests",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of manifests. Default: the examples that come with swimlb.",
)
@click.option("--base", default=BASE, type=click.Path(path_type=Path), envvar="SWIMLB_LAB_BASE", hidden=True)
@click.option(
    "--keep", is_flag=True, help="Leave the lab running afterwards (`swimlb lab status --name demo`)."
)
def demo(report: Path, timeline: Path | None, manifests: Path | None, base: Path, keep: bool) -> None:
    """Build a cluster, a router and clients in network namespaces, break things, and measure.

    Takes about a minute and needs root. Exit status 0 only if every step held its bound.
    """
    from swimlb.lab.demo import Play
    from swimlb.lab.lab import Lab, check_machine
    from swimlb.lab.report import write_report, write_timeline
    from swimlb.lab.topology import walkthrough

    # What would be found out after the play, or shown as a part of it.
    for option, path in (("--report", report), ("--timeline", timeline)):
        _require_writable(option, path)
    try:
        with ending_signals_raise(), Sandbox.create(NAME, base) as sandbox:
            check_machine()
            lab = Lab(sandbox, walkthrough(), manifests or find_examples(NAME))
            stage = _choose_stage(lab)
            try:
                story = Play(lab, stage.tell).run()
                stage.finish(story)
            finally:
                stage.close()
            if keep:
                sandbox.hand_over()
    except LabError as error:
        raise click.ClickException(str(error)) from error
    write_report(story, report, datetime.fromtimestamp(clock.wall(), UTC).strftime("%Y-%m-%d %H:%M UTC"))
    if timeline is not None:
        write_timeline(story, timeline)
    click.echo(f"The timeline is drawn in {report}.")
    if keep:
        click.echo(
            f"The lab is still up: `swimlb lab status --name {NAME}`, `swimlb lab down --name {NAME}`."
        )
    sys.exit(0 if story.has_held else 1)


def _require_writable(option: str, path: Path | None) -> None:
    if path is None:
        return
    whole = path.absolute()
    there = next(one for one in (whole, *whole.parents) if one.exists())
    if not os.access(there, os.W_OK) or (there != whole and not there.is_dir()):
        raise click.ClickException(f"cannot write {path}: give another place with {option}")


class PlainStage:
    """Lines for pipes and logs."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def tell(self, said: Said) -> None:
        from swimlb.cli.lab_tables import status_tables
        from swimlb.lab.telling import LabShown, Measured, Noted, StepBegan

        match said:
            case StepBegan(number, title):
                lines = [f"== {number}. {title}"]
            case Noted(text):
                lines = [f"   {text}"]
            case LabShown():
                lines = status_tables(self._lab)
            case Measured(fact):
                verdict = "" if not fact.bound else f"  [{'ok' if fact.holds else 'MISSED'}: {fact.bound}]"
                lines = [f"   {fact.what}: {fact.value}{verdict}"]
            case _:
                assert_never(said)
        print(*lines, sep="\n", flush=True)

    def finish(self, story: Story) -> None:
        from swimlb.cli.lab_tables import facts_table, render

        print("== 5. figures", *render([facts_table(story)]), _verdict(story), sep="\n", flush=True)

    def close(self) -> None:
        pass


class TerminalStage:
    """Colours and a spinner, for people."""

    def __init__(self, lab: Lab) -> None:
        from rich.console import Console

        self._lab = lab
        self._console = Console(highlight=False)
        self._status = self._console.status("…")

    def tell(self, said: Said) -> None:
        from rich.markup import escape

        from swimlb.cli.lab_tables import lab_tables
        from swimlb.lab.telling import LabShown, Measured, Noted, StepBegan

        match said:
            case StepBegan(number, title):
                self._console.print(f"\n[bold]{number}. {escape(title)}")
                self._status.update(escape(title))
                self._status.start()
            case Noted(text):
                self._console.print(f"   [dim]{escape(text)}")
            case LabShown():
                self._console.print(*lab_tables(self._lab), sep="\n")
            case Measured(fact):
                verdict = "" if not fact.bound else "[green]✔[/] " if fact.holds else "[red]✘[/] "
                bound = f" [dim]({escape(fact.bound)})" if fact.bound else ""
                self._console.print(f"   {verdict}{escape(fact.what)}: [bold]{escape(fact.value)}[/]{bound}")
            case _:
                assert_never(said)

    def finish(self, story: Story) -> None:
        from swimlb.cli.lab_tables import facts_table

        self._status.stop()
        self._console.print("\n[bold]5. figures")
        self._console.print(facts_table(story))
        self._console.print(f"[bold {'green' if story.has_held else 'red'}]{_verdict(story)}")

    def close(self) -> None:
        self._status.stop()


def _choose_stage(lab: Lab) -> Stage:
    return TerminalStage(lab) if sys.stdout.isatty() else PlainStage(lab)


def _verdict(story: Story) -> str:
    busy = " (the machine was busy: read the figures with care)" if story.is_disturbed else ""
    return ("Every step held its bound." if story.has_held else "Not every step held its bound.") + busy
