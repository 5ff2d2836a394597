"""One large ring: what it costs to simulate, and what it costs each member to be in it."""

from __future__ import annotations

import gc
import resource
from dataclasses import dataclass

from membership import MemberFailed, MemberSuspected, Profile
from swimlb.lab.sim.rings import build
from swimlb.lab.simnet.network import Fact
from swimlb.runtime import clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Figures of one run; times are of the computer's clock but where they say otherwise."""

    members: int
    virtual: float
    build_time: float
    run_time: float
    cpu_time: float
    """What the run took of a core; the rest of `run_time` it waited for others on the machine."""
    packets: int
    memory_mib: int
    detected_in: float | None
    """Virtual seconds from the crash until the last survivor knew; None if some did not by the end."""
    false_suspicions: int
    false_deaths: int

    @property
    def packets_each(self) -> float:
        """Packets that a member sends in a virtual second."""
        return self.packets / self.members / self.virtual

    def report(self) -> str:
        detected = (
            "not by all" if self.detected_in is None else f"by all within {self.detected_in:.2f} virtual s"
        )
        return (
            f"{self.members} members for {self.virtual:g} virtual s: {self.cpu_time:.0f} s of one core, {self.run_time:.0f} s by "
            f"the clock, and {self.build_time:.1f} s to build them\n"
            f"{self.packets} packets, {self.cpu_time / self.packets * 1e6:.1f} us each with all that they cause; "
            f"{self.packets_each:.1f} packets/s per member; {self.memory_mib} MiB\n"
            f"a crash halfway was known {detected}; "
            f"{self.false_suspicions} false suspicions, {self.false_deaths} false deaths"
        )


def run(members: int, virtual: float, profile: Profile, *, seed: int, push_pull: bool) -> Scale:
    """One member crashes halfway; all else is calm."""
    # Nothing here becomes garbage in cycles, and looking for it among millions of objects takes half of the time.
    gc.disable()
    try:
        return _run(members, virtual, profile, seed, push_pull)
    finally:
        gc.enable()


def _run(members: int, virtual: float, profile: Profile, seed: int, push_pull: bool) -> Scale:
    started = clock.monotonic()
    net = build(seed, members, profile, push_pull=push_pull)
    net.on_fact = (verdicts := _Verdicts(f"node-{members - 1}")).hear
    built, cpu_before = clock.monotonic(), _cpu_time()
    net.run_for(virtual / 2)
    net.crash(verdicts.victim)
    net.run_for(virtual / 2)
    is_known = verdicts.knowing == members - 1
    return Scale(
        members=members,
        virtual=virtual,
        build_time=built - started,
        run_time=clock.monotonic() - built,
        cpu_time=_cpu_time() - cpu_before,
        packets=net.packets_sent,
        memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        detected_in=verdicts.last - virtual / 2 if is_known else None,
        false_suspicions=verdicts.false_suspicions,
        false_deaths=verdicts.false_deaths,
    )


def _cpu_time() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Verdicts:
    """Counts as it hears: the facts of a large ring are too many to be kept."""

    def __init__(self, victim: str) -> None:
        self.victim = victim
        self.knowing = 0
        self.last = 0.0
        self.false_suspicions = 0
        self.false_deaths = 0

    def hear(self, fact: Fact) -> None:
        match fact.effect:
            case MemberFailed(name=name) if name == self.victim:
                self.knowing += 1
                self.last = fact.time
            case MemberFailed():
                self.false_deaths += 1
            case MemberSuspected(name=name) if name != self.victim:
                self.false_suspicions += 1
            case _:
                pass
