"""Holds a simulated ring to what must be true all along, whatever is done to it.

- Completeness: every crash is known to all the living within the bound computed from the profile.
- Accuracy: nobody is declared dead but for what is beyond the profile's tolerance.
- Incarnations never go back, in no view.
- Queues and tables stay within their limits.
- Convergence: when nothing goes wrong any more, all agree on who is there and on what each says of itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from membership import Member, MemberFailed, Profile, QueueDepths, State
from swimlb.lab.simnet.bounds import Tolerance, aftermath, crash_bound, disturbed_bound, healing_bound
from swimlb.lab.simnet.network import Fact, Incident, IncidentKind, SimNet
from swimlb.lab.simnet.wire import Conditions

_JUST_AFTER = 1e-3
_STREAMS_MAX = 256
_RELAYS_MAX = 1024
_PROBES_MAX = 64
_REMEMBERED_MAX = 64 + 256


@dataclass(frozen=True, slots=True)
class Violation:
    time: float
    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.time:.3f} s: {self.invariant}: {self.text}"


@dataclass(slots=True)
class _Crash:
    time: float
    is_plain: bool
    """Nothing else has gone wrong shortly before, nor since."""


class Auditor:
    """Watches one network from now on. Breaches are collected in `violations`, each of them once."""

    def __init__(self, net: SimNet, profile: Profile, tolerance: Tolerance) -> None:
        self.violations: list[Violation] = []
        self.false_deaths = 0
        """Verdicts about the living, whether they were to be tolerated or not."""
        self._net = net
        self._profile = profile
        self._tolerance = tolerance
        self._crashes: dict[str, _Crash] = {}
        self._excused: dict[str, float] = {}
        """Until when the death of a living member may be announced."""
        self._disturbed_until = 0.0
        self._last_incident = -inf
        self._is_partitioned = False
        self._is_link_cut = False
        self._seen: dict[tuple[str, int], dict[str, Member]] = {}
        self._breaches: set[tuple[str, ...]] = set()
        self._remember = net.on_fact
        net.on_fact = self._hear
        net.on_incident = self._note
        net.agenda.every(profile.probe_interval, self.audit)

    def audit(self) -> None:
        """Look at every living member now. It also happens by itself, all along."""
        for name in self._net.names_up():
            host = self._net.host(name)
            if host.is_paused:
                continue
            known = {member.name: member for member in host.memberlist.known()}
            self._check_incarnations(name, host.generation, known)
            self._check_completeness(name, known)
            self._check_queues(name, host.memberlist.depths())

    def settle(self) -> float:
        """End all troubles, and see that the views converge. How long that took; `inf` if they did not."""
        if self._is_partitioned or self._is_link_cut:
            self._net.heal()
        self._net.conditions = Conditions()
        started = self._net.now
        pauses = max((self._net.host(name).resumes_at for name in self._net.names_up()), default=0.0)
        self._net.run_for(max(0.0, pauses - started))
        bound, interval = healing_bound(self._profile, self._members), self._profile.probe_interval
        for _ in range(int(bound / interval) + 1):
            self._net.run_for(interval)
            if self._disagreement() is None:
                return self._net.now - started
        self._breach("convergence", self._disagreement() or "", f"after {bound:.1f} s of calm")
        return inf

    # What is told and done

    def _hear(self, fact: Fact) -> None:
        self._remember(fact)
        if not isinstance(fact.effect, MemberFailed):
            return
        name = fact.effect.name
        if name not in self._net.names_up():
            return
        self.false_deaths += 1
        if not self._is_excused(name):
            text = f"{fact.member} holds {name} for dead, accused by {', '.join(fact.effect.accusers)}"
            self._breach("accuracy", text, key=(fact.member, name))

    def _note(self, incident: Incident) -> None:
        now, name = incident.time, incident.member
        patience = aftermath(self._profile, self._members)
        is_calm = now - self._last_incident > patience and not self._is_rough()
        for crash in self._crashes.values():
            crash.is_plain = False
        self._last_incident = now
        match incident.kind:
            case IncidentKind.CRASH:
                self._crashes[name] = _Crash(now, is_calm and not self._crashes)
                deadline = now + crash_bound(self._profile, self._members)
                self._net.agenda.at(deadline + _JUST_AFTER, self.audit)
            case IncidentKind.RESTART | IncidentKind.REVIVAL:
                del self._crashes[name]
                # What was said of its earlier life may still be on its way.
                self._excused[name] = now + patience
                self._disturbed_until = max(self._disturbed_until, now)
            case IncidentKind.PAUSE:
                end = now + incident.duration
                self._disturbed_until = max(self._disturbed_until, end)
                if incident.duration > self._tolerance.stall or self._is_rough():
                    self._excused[name] = max(self._excused.get(name, 0.0), end + patience)
            case IncidentKind.CUT if name:
                self._is_link_cut = True
            case IncidentKind.CUT:
                self._is_partitioned = True
            case IncidentKind.HEAL:
                if self._is_partitioned:
                    self._disturbed_until = max(self._disturbed_until, now)
                    self._excused |= dict.fromkeys(self._net.names(), now + patience)
                self._is_partitioned = self._is_link_cut = False

    def _is_rough(self) -> bool:
        """Is the network itself a trouble already, so that a stall besides would be a second one?"""
        conditions = self._net.conditions
        return bool(conditions.loss or conditions.jitter or conditions.reordering)

    def _is_excused(self, name: str) -> bool:
        if self._is_partitioned or self._net.now <= self._excused.get(name, 0.0):
            return True
        if self._net.conditions.loss > self._tolerance.loss:
            return True
        # Round a broken link there must be helpers with good ones.
        return self._is_link_cut and (len(self._net.names_up()) < 4 or self._is_rough())

    # What must hold

    @property
    def _members(self) -> int:
        return len(self._net.names())

    def _check_incarnations(self, viewer: str, generation: int, known: dict[str, Member]) -> None:
        before = self._seen.get((viewer, generation), {})
        for name, member in known.items():
            last = before.get(name)
            if last is not None and member.incarnation < last.incarnation:
                text = f"{viewer} has {name} at {member.incarnation}, after {last.incarnation}"
                self._breach("incarnations", text, key=(viewer, name))
        for name, last in before.items():
            if name not in known and last.state in (State.ALIVE, State.SUSPECT):
                self._breach(
                    "incarnations", f"{viewer} forgot {name}, which was a member", key=(viewer, name)
                )
        self._seen[viewer, generation] = known

    def _check_completeness(self, viewer: str, known: dict[str, Member]) -> None:
        if self._is_partitioned:
            return
        for name, crash in self._crashes.items():
            bound = crash_bound if crash.is_plain else disturbed_bound
            deadline = max(crash.time, self._disturbed_until) + bound(self._profile, self._members)
            member = known.get(name)
            if (
                self._net.now > deadline
                and member is not None
                and member.state in (State.ALIVE, State.SUSPECT)
            ):
                text = f"{viewer} still holds {name} for {member.state.name}, which crashed at {crash.time:.3f} s"
                self._breach("completeness", text, key=(viewer, name))

    def _check_queues(self, viewer: str, depths: QueueDepths) -> None:
        limits = (
            ("table", depths.table, self._members),
            ("broadcasts", depths.broadcasts, depths.table),
            ("suspicions", depths.suspicions, depths.table),
            ("probes", depths.probes, _PROBES_MAX),
            ("relays", depths.relays, _RELAYS_MAX),
            ("streams", depths.streams, _STREAMS_MAX),
            ("reconnects", depths.reconnects, _REMEMBERED_MAX + depths.table),
        )
        for queue, depth, limit in limits:
            if depth > limit:
                self._breach("queues", f"{viewer} has {depth} {queue}, above {limit}", key=(viewer, queue))

    def _disagreement(self) -> str | None:
        up = self._net.names_up()
        truth = {name: self._net.member(name).local for name in up}
        for viewer in up:
            view = {member.name: member for member in self._net.member(viewer).members()}
            if view != truth:
                wrong = [name for name in view.keys() | truth.keys() if view.get(name) != truth.get(name)]
                return f"{viewer} is wrong about {', '.join(sorted(wrong))}"
        return None

    def _breach(self, invariant: str, *text: str, key: tuple[str, ...] = ()) -> None:
        if (invariant, *key) not in self._breaches:
            self._breaches.add((invariant, *key))
            self.violations.append(Violation(self._net.now, invariant, " ".join(text)))
