"""Rings for simulations, and what must hold in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from membership import Config, Effect, Encryption, Endpoint, Profile, normal
from swimlb.lab.simnet import Conditions, SimNet, crash_bound

PROBES_ALONE = replace(normal(), name="probes-alone", observers=0, probe_interval=0.2, probe_timeout=0.08)
"""SWIM without observers, about as quick as it gets."""

E = TypeVar("E", bound=Effect)


class Ring:
    """`count` members `node-1`, `node-2`, ... that have all joined the first one."""

    def __init__(
        self,
        seed: int,
        count: int,
        *,
        conditions: Conditions | None = None,
        profile: Profile | None = None,
        encryption: Encryption | None = None,
        keep_trace: bool = False,
    ) -> None:
        """A trace is a text line for every event, which costs more than the event."""
        self.profile = profile or normal()
        self.net = SimNet(seed, conditions, keep_trace=keep_trace)
        self.names = [f"node-{number}" for number in range(1, count + 1)]
        for number, name in enumerate(self.names, 1):
            config = Config(
                name=name,
                address=f"192.0.2.{number}",
                profile=self.profile,
                encryption=encryption or Encryption(),
            )
            self.net.add(config, self.seeds if number > 1 else ())
        assert self._run_until_all_see(self.names, 30)

    @property
    def seeds(self) -> tuple[Endpoint, ...]:
        return (Endpoint("192.0.2.1", 7946),)

    def sees(self, name: str) -> set[str]:
        return {member.name for member in self.net.member(name).members()}

    def all_see(self, names: Iterable[str]) -> bool:
        """Every one of them holds exactly these for members."""
        expected = set(names)
        return all(self.sees(name) == expected for name in expected)

    def time_until_all_see(self, names: Iterable[str], within: float) -> float:
        """Seconds until they agree; an assertion fails when it takes longer than `within`."""
        expected, start = list(names), self.net.now
        assert self._run_until_all_see(expected, within), {name: self.sees(name) for name in expected}
        return self.net.now - start

    def _run_until_all_see(self, names: list[str], within: float) -> bool:
        """Looks again only when somebody has told something: every change of a member's list is told."""
        facts_seen = -1

        def is_reached() -> bool:
            nonlocal facts_seen
            if len(self.net.facts) == facts_seen:
                return False
            facts_seen = len(self.net.facts)
            return self.all_see(names)

        return self.net.run_until(is_reached, within)

    def told(self, kind: type[E]) -> list[E]:
        return [fact.effect for fact in self.net.facts if isinstance(fact.effect, kind)]

    def detection_bound(self) -> float:
        """See `crash_bound`."""
        return crash_bound(self.profile, len(self.names))
