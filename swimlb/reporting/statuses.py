"""The objects that say which node announces a Service: as they should be, as they are, and what is to be written next.

For each Service this node announces there is one object of its own; which of the two kinds is all the same here:

    ServiceL2Status     one node announces: its speaker also deletes what others, or its own predecessor, left for the Service
    ServiceBGPStatus    many nodes do: each sees to its own objects, of which there may be several by a lost answer

A speaker that no longer announces deletes its own only. An object names its node and Service for good (they are immutable),
so it is made and deleted, never handed on; its content is written in a second step, since status is a subresource. An object
of another Pod is not our own, though it names this node: it goes with its Pod at a time we do not know.

What is written next for a Service is a pure function of both sides, so it does not matter what was lost, came late, or was done
by others. At most one write for a Service is under way; a change of owner costs the new one three of them, and the old one
none or one. Whoever finds an object of its own deleted by somebody else, who means to announce the Service as well, waits a
while longer each time, so that two owners do not write in turn for ever.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from swimlb.runtime.outbox import Discard, Done, Dropped, Failed, Outbox, Pace, Put, Send

Content: TypeAlias = tuple[str, ...]
"""Sorted names, of interfaces or of peers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusObject:
    """One object as the API server has it."""

    name: str
    service: str
    """Key `namespace/name`, by the object's labels."""
    node: str
    """By the labels, too: the status may not have been written yet."""
    owner: str
    """UID of the Pod that owns it; empty: none does."""
    content: Content | None = None
    """None: the status has not been written yet."""


# What happened


@dataclass(frozen=True, slots=True)
class Announced:
    """What this node announces is different for these Services; None: it does not announce it any more.

    The first time: it announces nothing else.
    """

    changes: Mapping[str, Content | None]


@dataclass(frozen=True, slots=True)
class ObjectsSeen:
    """The API server has these now, and no longer those of these names. The first time: it has nothing else."""

    objects: tuple[StatusObject, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What was ordered for a Service has been done; `made` is the object that came of a Create."""

    service: str
    made: StatusObject | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It may or may not have been done, and is to be tried again."""

    service: str
    retry_after: float | None = None


Event: TypeAlias = Announced | ObjectsSeen | Written | Refused

# What is to be done


@dataclass(frozen=True, slots=True)
class Create:
    """An object for this Service and this node, still without a content."""

    service: str


@dataclass(frozen=True, slots=True)
class SetContent:
    service: str
    name: str
    content: Content


@dataclass(frozen=True, slots=True)
class Delete:
    """One that is gone already is as good as deleted."""

    service: str
    name: str


@dataclass(frozen=True, slots=True)
class TellAssigned:
    """This node has begun to announce the Service: once each time, and not after a restart of this process alone."""

    service: str


Effect: TypeAlias = Create | SetContent | Delete | TellAssigned


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    settle: float = 0.3
    """Seconds for which a change waits for the next one: in a failover of many, or a flap, the last one counts."""
    patience: float = 2.0
    """Seconds before another's object is deleted: in a handover the next owner may be the first to know that it is."""
    patience_at_start: float = 5.0
    """Seconds before own objects are deleted when both sides are known for the first time: a node that has just started asks
    on the LAN for its addresses before it announces them."""
    contest_min: float = 1.0
    contest_max: float = 60.0
    """How long to wait before an object is made again that somebody else has deleted, the first time and at most."""


@dataclass(slots=True)
class _Contest:
    """Somebody else deletes what is made here."""

    wait: float
    until: float


@dataclass(slots=True)
class _Known:
    """The objects, found by name and by Service."""

    by_name: dict[str, StatusObject] = field(default_factory=dict[str, StatusObject])
    by_service: dict[str, dict[str, StatusObject]] = field(default_factory=dict[str, dict[str, StatusObject]])

    def put(self, one: StatusObject) -> None:
        self.by_name[one.name] = one
        self.by_service.setdefault(one.service, {})[one.name] = one

    def pop(self, name: str) -> StatusObject | None:
        one = self.by_name.pop(name, None)
        if one is not None:
            of_service = self.by_service[one.service]
            del of_service[name]
            if not of_service:
                del self.by_service[one.service]
        return one

    def of(self, service: str) -> Iterable[StatusObject]:
        return self.by_service.get(service, {}).values()


class Statuses:
    """Keeps the objects of one kind."""

    def __init__(
        self,
        node: str,
        owner: str,
        rng: random.Random,
        *,
        is_exclusive: bool,
        config: Config | None = None,
        pace: Pace | None = None,
    ) -> None:
        """`owner` is the UID of this speaker's Pod. `is_exclusive`: one node announces a Service, so one object is enough."""
        self._node = node
        self._owner = owner
        self._is_exclusive = is_exclusive
        self._config = config or Config()
        self._wanted: dict[str, Content] = {}
        self._known = _Known()
        self._awaited: set[type[Event]] = {Announced, ObjectsSeen}
        """Before both sides are known, nothing is written: it would be made twice, or deleted wrongly."""
        self._told: set[str] = set()
        """Services of which it was told that this node announces them."""
        self._contests: dict[str, _Contest] = {}
        self._under_way: dict[str, Create | SetContent | Delete] = {}
        self._outbox: Outbox[str, None] = Outbox(rng, pace)

    @property
    def is_settled(self) -> bool:
        """Nothing is to be written, and nothing is on its way."""
        return not (self._outbox.waiting or self._outbox.in_flight)

    @property
    def wanted(self) -> int:
        """How many Services this node announces."""
        return len(self._wanted)

    def step(self, event: Event, now: float) -> list[Effect]:
        match event:
            case Announced(changes):
                return self._announced(changes, now)
            case ObjectsSeen(objects, gone):
                return self._seen(objects, gone, now)
            case Written(service, made):
                return self._written(service, made, now)
            case Refused(service, retry_after):
                self._under_way.pop(service, None)
                return self._perform(self._outbox.step(Failed(service, retry_after), now), now)
            case _:
                assert_never(event)

    def advance(self, now: float) -> list[Effect]:
        return self._perform(self._outbox.advance(now), now)

    def next_deadline(self) -> float | None:
        return self._outbox.next_deadline()

    # What is known

    def _announced(self, changes: Mapping[str, Content | None], now: float) -> list[Effect]:
        effects: list[Effect] = []
        for service, content in changes.items():
            if content is None:
                self._wanted.pop(service, None)
                self._contests.pop(service, None)
                self._told.discard(service)
            else:
                self._wanted[service] = content
            effects += self._look_at(service, now + self._config.settle, now)
        return effects + self._begin(Announced, now)

    def _seen(self, objects: tuple[StatusObject, ...], gone: tuple[str, ...], now: float) -> list[Effect]:
        touched: dict[str, None] = {}
        for one in objects:
            self._known.put(one)
            touched[one.service] = None
        for name in gone:
            lost = self._known.pop(name)
            if lost is None:
                continue
            touched[lost.service] = None
            if self._is_own(lost) and lost.service in self._wanted:
                self._contest(lost.service, now)
        effects = [effect for service in touched for effect in self._look_at(service, now, now)]
        return effects + self._begin(ObjectsSeen, now)

    def _begin(self, known: type[Event], now: float) -> list[Effect]:
        """One side is known now; when it is the second one, all is looked at."""
        if known not in self._awaited:
            return []
        self._awaited.remove(known)
        if self._awaited:
            return []
        effects: list[Effect] = []
        for service in dict.fromkeys([*self._wanted, *self._known.by_service]):
            is_wanted = service in self._wanted
            due = now if is_wanted else now + self._config.patience_at_start
            effects += self._look_at(service, due, now)
        return effects

    def _written(self, service: str, made: StatusObject | None, now: float) -> list[Effect]:
        done = self._under_way.pop(service, None)
        match done:
            case Create():
                assert made is not None, "a Create makes an object"
                self._known.put(made)
            case SetContent(_, name, content) if (one := self._known.by_name.get(name)) is not None:
                self._known.put(_with(one, content))
            case Delete(_, name):
                self._known.pop(name)
            case _:
                pass
        effects = self._perform(self._outbox.step(Done(service), now), now)
        return effects + self._look_at(service, now, now)

    def _contest(self, service: str, now: float) -> None:
        config, known = self._config, self._contests.get(service)
        is_lately = known is not None and now - known.until <= config.contest_max
        wait = (
            min(known.wait * 2, config.contest_max) if known is not None and is_lately else config.contest_min
        )
        self._contests[service] = _Contest(wait, now + wait)

    # What is to be done about it

    def _look_at(self, service: str, due: float, now: float) -> list[Effect]:
        if self._awaited:
            return []
        if service in self._wanted and any(map(self._is_own, self._known.of(service))):
            # Whoever made it, an earlier life of this process, has told of it.
            self._told.add(service)
        step = self._next_step(service)
        if step is None:
            return self._perform(self._outbox.step(Discard(service), now), now)
        contest = self._contests.get(service)
        if contest is not None and isinstance(step, Create):
            due = max(due, contest.until)
        if isinstance(step, Delete) and not self._is_own(self._known.by_name[step.name]):
            due = max(due, now + self._config.patience)
        return self._perform(self._outbox.step(Put(service, None, due), now), now)

    def _perform(self, sends: list[Send[str, None]], now: float) -> list[Effect]:
        effects: list[Effect] = []
        while sends:
            service = sends.pop(0).key
            step = self._next_step(service)
            if step is None:
                # Somebody else has seen to it meanwhile.
                sends += self._outbox.step(Dropped(service), now)
                continue
            if isinstance(step, Create) and service not in self._told:
                self._told.add(service)
                effects.append(TellAssigned(service))
            self._under_way[service] = step
            effects.append(step)
        return effects

    def _next_step(self, service: str) -> Create | SetContent | Delete | None:
        """Of what is between how it should be and how it is."""
        content = self._wanted.get(service)
        objects = sorted(self._known.of(service), key=lambda one: one.name)
        own = [one for one in objects if self._is_own(one)]
        if content is None:
            return Delete(service, own[0].name) if own else None
        if not own:
            return Create(service)
        kept = next((one for one in own if one.content == content), own[0])
        if kept.content != content:
            return SetContent(service, kept.name, content)
        others = objects if self._is_exclusive else own
        return next((Delete(service, one.name) for one in others if one is not kept), None)

    def _is_own(self, one: StatusObject) -> bool:
        return one.node == self._node and one.owner == self._owner


def _with(one: StatusObject, content: Content) -> StatusObject:
    return StatusObject(name=one.name, service=one.service, node=one.node, owner=one.owner, content=content)
