"""Status objects beside an API server that loses answers, a watch that lags, and others who write: all comes right in the end."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from swimlb.reporting.statuses import (
    Announced,
    Content,
    Create,
    Delete,
    Effect,
    ObjectsSeen,
    Refused,
    SetContent,
    Statuses,
    StatusObject,
    TellAssigned,
    Written,
)

SERVICES = st.sampled_from(["default/a", "default/b"])
CONTENTS = st.sampled_from([None, (), ("eth0",), ("eth0", "eth1")])
OTHERS = st.sampled_from([("node-b", "pod-b"), ("node-a", "pod-before")])
OUTCOMES = st.sampled_from(["done", "lost", "refused"])


class Play(RuleBasedStateMachine):
    """`objects` is what the API server has, `news` what the watch has not said yet."""

    is_exclusive = True

    def __init__(self) -> None:
        super().__init__()
        self.statuses = Statuses("node-a", "pod-a", random.Random(1), is_exclusive=self.is_exclusive)
        self.now = 0.0
        self.objects: dict[str, StatusObject] = {}
        self.news: list[ObjectsSeen] = []
        self.orders: list[Create | SetContent | Delete] = []
        self.wanted: dict[str, Content] = {}
        self.made = self.writes = self.refusals = self.changes = 0
        self.is_synced = False

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, TellAssigned):
                self.orders.append(effect)

    def put(self, one: StatusObject) -> None:
        self.objects[one.name] = one
        self.news.append(ObjectsSeen((one,)))

    def drop(self, name: str) -> None:
        if self.objects.pop(name, None) is not None:
            self.news.append(ObjectsSeen(gone=(name,)))

    def new_name(self) -> str:
        self.made += 1
        return f"l2-{self.made}"

    @rule(service=SERVICES, content=CONTENTS)
    def announces(self, service: str, content: Content | None) -> None:
        if content is None:
            self.wanted.pop(service, None)
        else:
            self.wanted[service] = content
        self.changes += 1
        self.perform(self.statuses.step(Announced({service: content}), self.now))

    @precondition(lambda self: not self.is_synced)
    @rule()
    def syncs(self) -> None:
        self.is_synced, self.news = True, []
        self.perform(self.statuses.step(ObjectsSeen(tuple(self.objects.values())), self.now))

    @precondition(lambda self: self.is_synced and self.news)
    @rule()
    def watch_tells(self) -> None:
        self.perform(self.statuses.step(self.news.pop(0), self.now))

    @rule(service=SERVICES, who=OTHERS, content=CONTENTS)
    def another_makes_one(self, service: str, who: tuple[str, str], content: Content | None) -> None:
        node, owner = who
        self.changes += 1
        self.put(StatusObject(name=self.new_name(), service=service, node=node, owner=owner, content=content))

    @precondition(lambda self: self.objects)
    @rule(data=st.data())
    def another_deletes_one(self, data: st.DataObject) -> None:
        self.changes += 1
        self.drop(data.draw(st.sampled_from(sorted(self.objects))))

    @precondition(lambda self: self.orders)
    @rule(outcome=OUTCOMES)
    def api_server_answers(self, outcome: str) -> None:
        order = self.orders.pop(0)
        made = self.write(order) if outcome != "refused" else None
        if outcome == "done":
            self.perform(self.statuses.step(Written(order.service, made), self.now))
        else:
            self.refusals += 1
            self.perform(self.statuses.step(Refused(order.service), self.now))

    def write(self, order: Create | SetContent | Delete) -> StatusObject | None:
        self.writes += 1
        match order:
            case Create(service):
                made = StatusObject(name=self.new_name(), service=service, node="node-a", owner="pod-a")
                self.put(made)
                return made
            case SetContent(service, name, content):
                if name in self.objects:
                    self.put(
                        StatusObject(
                            name=name, service=service, node="node-a", owner="pod-a", content=content
                        )
                    )
            case Delete(_, name):
                if not self.is_exclusive:
                    assert self.objects.get(name, OWN).owner == "pod-a", "others see to their own"
                self.drop(name)
        return None

    @rule(seconds=st.sampled_from([0.05, 0.5, 5.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.perform(self.statuses.advance(self.now))

    @invariant()
    def at_most_one_write_for_a_service(self) -> None:
        services = [order.service for order in self.orders]
        assert len(services) == len(set(services))

    def teardown(self) -> None:
        """Nothing more is lost, and nobody else writes: soon all is as it should be."""
        before = self.writes
        if not self.is_synced:
            self.syncs()
        self.perform(self.statuses.step(Announced({}), self.now))
        for _ in range(200):
            while self.news or self.orders:
                if self.news:
                    self.watch_tells()
                else:
                    self.api_server_answers("done")
            if self.statuses.is_settled:
                break
            self.time_passes(70.0)

        assert self.statuses.is_settled
        for service in ("default/a", "default/b"):
            of_service = [one for one in self.objects.values() if one.service == service]
            own = [one for one in of_service if one.owner == "pod-a"]
            wanted = self.wanted.get(service)
            assert [one.content for one in own] == ([] if wanted is None else [wanted])
            if self.is_exclusive and wanted is not None:
                assert of_service == own
        assert self.writes - before <= 3 * (self.changes + self.refusals) + 3


OWN = StatusObject(name="", service="", node="node-a", owner="pod-a")


class TogetherPlay(Play):
    """The same, of objects that many nodes have for one Service."""

    is_exclusive = False


TestPlay = Play.TestCase
TestTogetherPlay = TogetherPlay.TestCase
TestPlay.settings = TestTogetherPlay.settings = settings(stateful_step_count=40)
