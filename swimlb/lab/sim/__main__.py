"""`python -m swimlb.lab.sim`: see --help."""

from __future__ import annotations

import sys

import click

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
