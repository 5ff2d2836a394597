"""`python -m swimlb.lab.sim`: see --help."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import click

from swimlb.lab.sim.curves import SIZES, Detection, FalseDeaths, measure_detection, measure_false_deaths
from swimlb.lab.sim.publish import insert, write
from swimlb.lab.sim.scale import run as measure_scale
from swimlb.lab.sim.scenario import Outcome, play
from swimlb.lab.simnet.bounds import profiles
from swimlb.runtime import clock


@click.group(invoke_without_command=True)
@click.option("--seed", type=int, help="Play this life only; --seeds plays many.")
@click.option("--seeds", type=click.IntRange(1), default=200, show_default=True, help="Play this many lives.")
@click.option(
    "--members", type=click.IntRange(2, 250), help="Size of the ring. Default: drawn from the seed."
)
@click.option("--profile", type=click.Choice(list(profiles())), help="Default: drawn from the seed.")
@click.option("--trace", is_flag=True, help="Print all that happens to the members, and all they tell.")
@click.pass_context
def main(
    context: click.Context,
    seed: int | None,
    seeds: int,
    members: int | None,
    profile: str | None,
    trace: bool,
) -> None:
    """Play lives of a ring with faults drawn from a seed, and check what must hold. Exit status 1 if it does not."""
    if context.invoked_subcommand is not None:
        return
    started = clock.monotonic()
    violated: list[int] = []
    outcomes: list[Outcome] = []
    for number in range(1, seeds + 1) if seed is None else [seed]:
        outcome = play(number, members, profile, trace=trace)
        outcomes.append(outcome)
        if outcome.violations:
            violated.append(number)
        if outcome.violations or seed is not None:
            _show(outcome)
    click.echo(
        f"{len(outcomes)} lives of {sum(outcome.members for outcome in outcomes)} members, "
        f"{sum(outcome.duration for outcome in outcomes):.0f} virtual seconds, "
        f"{sum(outcome.packets for outcome in outcomes)} packets in {clock.monotonic() - started:.1f} s; "
        f"{len(violated)} with violations"
    )
    if violated:
        click.echo("Replay: python -m swimlb.lab.sim --trace --seed " + " or ".join(map(str, violated)))
        sys.exit(1)


@main.command()
@click.option("--members", type=click.IntRange(3, 60_000), default=10_000, show_default=True)
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="Virtual time.")
@click.option("--profile", type=click.Choice(list(profiles())), default="normal", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--push-pull", is_flag=True, help="Exchange whole tables, too: most of the work, and no news in it."
)
def scale(members: int, seconds: float, profile: str, seed: int, push_pull: bool) -> None:
    """Run a large ring that begins whole, crash a member halfway, and tell what it took."""
    click.echo(measure_scale(members, seconds, profiles()[profile], seed=seed, push_pull=push_pull).report())


@main.command()
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="For the drawings."
)
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Put the tables in here, between the markers.",
)
@click.option("--profile", "chosen", type=click.Choice(list(profiles())), multiple=True, help="Default: all.")
@click.option("--members-max", type=int, default=SIZES[-1], show_default=True, help="Leave out larger rings.")
@click.option(
    "--effort", type=click.FloatRange(0, 1), default=1, show_default=True, help="Part of the runs made."
)
def curves(
    output: Path, document: Path | None, chosen: tuple[str, ...], members_max: int, effort: float
) -> None:
    """Measure each profile in rings of 3 to 10,000 members, and draw it."""
    # What lives here lives long and makes no cycles worth looking for often.
    gc.set_threshold(200_000, 50, 100)
    sizes = [size for size in SIZES if size <= members_max]
    detections: list[Detection] = []
    deaths: list[FalseDeaths] = []
    for name, profile in profiles().items():
        if name in (chosen or profiles()):
            started = clock.monotonic()
            detections += measure_detection(name, profile, sizes, effort)
            deaths += measure_false_deaths(name, profile, sizes, effort)
            click.echo(f"{name}: {clock.monotonic() - started:.0f} s")
    for path in write(output, detections, deaths):
        click.echo(path)
    if document is not None:
        insert(document, detections, deaths)


def _show(outcome: Outcome) -> None:
    for line in outcome.trace:
        click.echo(line)
    click.echo(
        f"seed {outcome.seed}: {outcome.members} members, {outcome.profile}, {outcome.duration:.1f} virtual seconds, "
        f"{outcome.packets} packets, agreed {outcome.settled_in:.1f} s after the last trouble"
        + (f", trace {outcome.digest}" if outcome.trace else "")
    )
    for violation in outcome.violations:
        click.echo(f"  {violation}")


if __name__ == "__main__":
    main(prog_name="python -m swimlb.lab.sim")
