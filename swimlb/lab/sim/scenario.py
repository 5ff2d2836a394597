"""A ring's life with all that goes wrong in it, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from membership import Config, Endpoint, LeaveRequested, MetaChanged, State
from swimlb.lab.simnet.auditor import Auditor, Violation
from swimlb.lab.simnet.bounds import TOLERANCES, pace, profiles
from swimlb.lab.simnet.network import SimNet
from swimlb.lab.simnet.trace import digest
from swimlb.lab.simnet.wire import Conditions

_ACTS = (4, 9)
_MEMBERS = (2, 3, 3, 4, 5, 5, 6, 7, 8, 10, 12, 16)
_RATES = (0.99, 1.01)
"""Far beyond what quartz does: 50 parts in a million would be much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one run."""

    seed: int
    members: int
    profile: str
    duration: float
    packets: int
    false_deaths: int
    settled_in: float
    violations: tuple[Violation, ...]
    trace: tuple[str, ...]
    digest: str


def play(
    seed: int, members: int | None = None, profile: str | None = None, *, trace: bool = False
) -> Outcome:
    """One life, from its seed alone: what is not given is drawn, too."""
    return Scenario(seed, members, profile, trace=trace).play()


class Scenario:
    """Builds the ring, plays the acts, and lets it settle."""

    def __init__(self, seed: int, members: int | None, profile: str | None, *, trace: bool) -> None:
        self._rng = Random(seed)
        choice = self._rng.choice
        drawn_members, drawn_profile = choice(_MEMBERS), choice([*profiles()] + ["normal"] * 3)
        self._seed = seed
        self.profile_name = profile or drawn_profile
        self._profile = profiles()[self.profile_name]
        self._tolerance = TOLERANCES[self.profile_name]
        self._names = [f"node-{number}" for number in range(1, (members or drawn_members) + 1)]
        self._net = SimNet(seed, keep_trace=trace)
        self._pace = pace(self._profile)
        """Slow profiles live slowly."""

    def play(self) -> Outcome:
        self._build()
        auditor = Auditor(self._net, self._profile, self._tolerance)
        self._net.conditions = self._draw_conditions()
        for _ in range(self._rng.randint(*_ACTS)):
            self._rest(0.3, 4)
            self._rng.choice(self._possible_acts())()
        self._rest(1, 4)
        settled_in = auditor.settle()
        trace = tuple(self._net.trace or ())
        return Outcome(
            seed=self._seed,
            members=len(self._names),
            profile=self.profile_name,
            duration=self._net.now,
            packets=self._net.packets_sent,
            false_deaths=auditor.false_deaths,
            settled_in=settled_in,
            violations=tuple(auditor.violations),
            trace=trace,
            digest=digest(trace),
        )

    def _build(self) -> None:
        for number, name in enumerate(self._names, 1):
            address = f"192.0.2.{number}" if number < 255 else f"198.51.{number >> 8}.{number & 255}"
            config = Config(name=name, address=address, profile=self._profile)
            rate = self._rng.uniform(*_RATES)
            self._net.add(config, self._seeds() if number > 1 else (), clock_rate=rate)

        def has_joined() -> bool:
            return all(len(self._net.member(name).members()) == len(self._names) for name in self._names)

        for _ in range(60):
            self._rest(1, 1)
            if has_joined():
                return
        raise AssertionError("the ring has not come together")

    def _draw_conditions(self) -> Conditions:
        """One trouble or none: what a profile tolerates it need not tolerate all at once."""
        draw = self._rng.uniform
        return self._rng.choice(
            (
                Conditions(),
                Conditions(latency=(0.0001, draw(0.001, 0.02) * min(1.0, self._pace))),
                Conditions(loss=draw(0.0, self._tolerance.loss), duplication=draw(0, 0.1)),
                Conditions(reordering=draw(0, 0.2), duplication=draw(0, 0.2)),
                Conditions(jitter=draw(0, 0.05) * self._profile.probe_timeout),
            )
        )

    def _possible_acts(self) -> list[Callable[[], None]]:
        acts = [self._stall, self._stall_long, self._change_meta, self._cut_one_way, self._part]
        if len(self._up()) > 2:
            acts += [self._crash, self._crash_half, self._leave]
        if self._down():
            acts += [self._restart, self._restart, self._revive]
        return acts

    # Acts

    def _crash(self) -> None:
        self._net.crash(self._rng.choice(self._up()))

    def _crash_half(self) -> None:
        for name in self._rng.sample(self._up(), len(self._up()) // 2):
            self._net.crash(name)

    def _leave(self) -> None:
        name = self._rng.choice(self._up())
        self._net.tell(name, LeaveRequested())
        self._rest(1, 2)
        self._net.crash(name)

    def _restart(self) -> None:
        self._net.restart(self._rng.choice(self._down()), self._seeds())

    def _revive(self) -> None:
        # A machine that said goodbye before is not the one that was only moved.
        name = self._rng.choice(self._down())
        if self._net.member(name).local.state == State.LEFT:
            self._net.restart(name, self._seeds())
        else:
            self._net.revive(name)

    def _stall(self) -> None:
        self._net.pause(self._rng.choice(self._up()), self._rng.uniform(0.1, 1.0) * self._tolerance.stall)
        self._rest(2, 4)

    def _stall_long(self) -> None:
        self._net.pause(self._rng.choice(self._up()), self._rng.uniform(2, 10) * self._tolerance.stall)

    def _change_meta(self) -> None:
        self._net.tell(self._rng.choice(self._up()), MetaChanged(self._rng.randbytes(8)))

    def _cut_one_way(self) -> None:
        sender, receiver = self._rng.sample(self._names, 2)
        self._net.cut(sender, receiver)
        self._rest(1, 10)
        self._net.heal()

    def _part(self) -> None:
        names = self._rng.sample(self._names, len(self._names))
        split = self._rng.randint(1, len(names) - 1)
        self._net.partition(names[:split], names[split:])
        self._rest(0.5, 15)
        self._net.heal()

    def _rest(self, shortest: float, longest: float) -> None:
        self._net.run_for(self._rng.uniform(shortest, longest) * self._pace)

    def _seeds(self) -> tuple[Endpoint, ...]:
        return tuple(self._net.host(name).endpoint for name in self._net.names()[:3])

    def _up(self) -> list[str]:
        return self._net.names_up()

    def _down(self) -> list[str]:
        up = set(self._net.names_up())
        return [name for name in self._names if name not in up]
