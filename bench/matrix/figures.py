"""Figures of the failover benchmark: what the runs of a cell amount to, which are better, and how they read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, median, stdev

from bench.layer2_report import Found, black_holes, spread
from bench.matrix.judge import Run
from bench.matrix.questions import INTERVAL as ASKED_EVERY
from swimlb.lab.prober import INTERVAL

Runs = Sequence[Found]
_ENDLESS = float("inf")


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is the better the smaller it is."""

    title: str
    value: Callable[[Runs], float | None]
    """To compare by; None: not measured here."""
    text: Callable[[Runs], str]
    resolution: float = 0.0
    """Smaller differences are the measurement's, not the contender's."""
    noise: Callable[[Runs, Runs], float] = lambda _, __: 0.0
    """Such a difference may be chance."""

    def is_better(self, theirs: Runs, ours: Runs) -> bool:
        """Whether these runs of a rival are better than those of ours."""
        if not theirs or not ours:
            return False
        one, other = self.value(theirs), self.value(ours)
        return (
            one is not None
            and other is not None
            and one < other - max(self.resolution, self.noise(theirs, ours))
        )


def _outage(runs: Runs) -> float:
    return _middle([run["outage"] for run in runs])


def _known(runs: Runs, key: str) -> list[float]:
    return [run[key] for run in runs if run[key] is not None]


def _claimed(runs: Runs) -> Runs:
    """Those in which nodes claim addresses, and no router decides."""
    return [run for run in runs if run["two_owners"] is not None]


def _black_holes(runs: Runs) -> float | None:
    seen = _claimed(runs)
    return mean(run["is_black_hole"] for run in seen) if seen else None


def _black_holes_text(runs: Runs) -> str:
    seen = _claimed(runs)
    return black_holes(seen) if seen else "-"


def _two_owners(runs: Runs) -> float | None:
    known = _known(runs, "two_owners")
    return mean(known) if known else None


def _two_owners_text(runs: Runs) -> str:
    known = _known(runs, "two_owners")
    return f"{1000 * median(known):.0f} ({1000 * max(known):.0f})" if known else "-"


def _two_owners_noise(theirs: Runs, ours: Runs) -> float:
    """Twice the standard error of the difference of two means; of a single run, what may pass between two questions."""
    both = [_known(runs, "two_owners") for runs in (theirs, ours)]
    if any(len(known) < 2 for known in both):
        return ASKED_EVERY
    return 2 * sqrt(sum(stdev(known) ** 2 / len(known) for known in both))


def _middle(values: Sequence[float | None]) -> float:
    """The median; None lasted longer than it was watched, and counts as the longest."""
    return median(_ENDLESS if one is None else one for one in values)


def _middle_text(values: Sequence[float | None]) -> str:
    """Median (max) in milliseconds, and how many lasted longer."""
    known = [one for one in values if one is not None]
    endless = len(values) - len(known)
    middle = _middle(values)
    text = "longer" if middle == _ENDLESS else f"{1000 * middle:.0f}"
    most = f" ({1000 * max(known):.0f})" if known else ""
    return text + most + (f", {endless} longer" if endless else "")


def _back_text(runs: Runs) -> str:
    return _middle_text([run["outage_back"] for run in runs])


def _back(runs: Runs) -> float:
    return _middle([run["outage_back"] for run in runs])


def _share(part: str, whole: str) -> Callable[[Runs], float | None]:
    def value(runs: Runs) -> float | None:
        count = sum(run[whole] for run in runs)
        return sum(run[part] for run in runs) / count if count else None

    return value


def _share_noise(part: str, whole: str) -> Callable[[Runs, Runs], float]:
    """Twice the standard error of the difference of two shares."""
    share = _share(part, whole)

    def variance(runs: Runs) -> float:
        value = share(runs) or 0.0
        return value * (1 - value) / max(1, sum(run[whole] for run in runs))

    return lambda theirs, ours: 2 * sqrt(variance(theirs) + variance(ours))


def _share_text(part: str, whole: str) -> Callable[[Runs], str]:
    def text(runs: Runs) -> str:
        count = sum(run[whole] for run in runs)
        return f"{sum(run[part] for run in runs)} of {count}" if count else "-"

    return text


def _outage_text(runs: Runs) -> str:
    middle = _outage(runs)
    return "longer" if middle == _ENDLESS else f"{1000 * middle:.0f}"


OUTAGE = Measure("outage, ms", _outage, spread, INTERVAL)
OUTAGE_IN_SHORT = Measure("outage, ms", _outage, _outage_text, INTERVAL)
MEASURES = (
    OUTAGE,
    Measure("black holes", _black_holes, _black_holes_text),
    Measure("outage at the end, ms", _back, _back_text, INTERVAL),
    Measure("two owners, ms", _two_owners, _two_owners_text, 0.001, _two_owners_noise),
    Measure(
        "false moves",
        lambda runs: mean(run["false_moves"] for run in runs),
        lambda runs: f"{sum(run['false_moves'] for run in runs)} in {len(runs)}",
    ),
    Measure(
        "broken connections",
        _share("broken", "streams"),
        _share_text("broken", "streams"),
        noise=_share_noise("broken", "streams"),
    ),
    Measure(
        "broken, to other nodes",
        _share("broken_elsewhere", "streams_elsewhere"),
        _share_text("broken_elsewhere", "streams_elsewhere"),
        noise=_share_noise("broken_elsewhere", "streams_elsewhere"),
    ),
)


def _takeovers(runs: Runs) -> list[float | None]:
    """None: not all addresses were claimed while it was watched. Nothing, where routers decide."""
    return [run["taken_over_after"] for run in _claimed(runs)]


def _takeover(runs: Runs) -> float | None:
    times = _takeovers(runs)
    return _middle(times) if times else None


def _takeover_text(runs: Runs) -> str:
    times = _takeovers(runs)
    return _middle_text(times) if times else "-"


TAKEN_OVER = Measure("all claimed after, ms", _takeover, _takeover_text, INTERVAL)


@dataclass(frozen=True, slots=True)
class Price:
    """A column of what it costs to do nothing."""

    title: str
    key: str
    digits: int = 0

    def text(self, cost: Found) -> str:
        return f"{cost[self.key]:,.{self.digits}f}"

    def is_better(self, theirs: Found, ours: Found) -> bool:
        """As it is shown: what reads the same is the same."""
        return round(theirs[self.key], self.digits) < round(ours[self.key], self.digits)


PRICES = (
    Price("packets/s", "packets_per_second", 1),
    Price("octets/s", "octets_per_second"),
    Price("CPU, % of a core", "cpu_percent", 2),
    Price("RSS, MiB", "rss_mib", 1),
    Price("PSS, MiB", "pss_mib", 1),
)


def outline(run: Run) -> str:
    """One run, in a line on the terminal."""
    parts = ["longer than the window" if run.outage is None else f"{1000 * run.outage:.0f} ms"]
    if run.is_black_hole:
        parts.append("black hole")
    if run.two_owners:
        parts.append(f"two owners for {1000 * run.two_owners:.0f} ms")
    if run.false_moves:
        parts.append(f"{run.false_moves} false moves")
    parts.append(f"{run.broken} of {run.streams} connections broken")
    if run.streams_elsewhere:
        parts.append(f"{run.broken_elsewhere} of {run.streams_elsewhere} elsewhere")
    return ", ".join(parts)
