"""What the API server does not let the controller do is told once, however many Services there are."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

import pytest

from swimlb.config import Options
from swimlb.control import writing
from swimlb.control.election import Election
from swimlb.control.settings import ControlSettings
from swimlb.control.surroundings import Surroundings
from swimlb.control.writing import ServiceCalls
from swimlb.controller import effects as fx
from swimlb.controller import events as ev
from swimlb.controller.records import Condition, ServiceWrite
from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.complaints import TOLD_MAX, Complaints
from swimlb.kube.errors import Invalid
from swimlb.kube.following import Trouble
from swimlb.kube.reflector import Condition as Standing
from swimlb.kube.resources import IP_ADDRESS_POOLS, SERVICES
from swimlb.observe.logs import EventLog
from swimlb.runtime import clock
from tests.unit.swimlb.kube.manifests import service
from tests.unit.swimlb.kube.server import json_answer, refusal, run, serving
from tests.waiting import until

LOG = EventLog(logging.getLogger("swimlb.test"))
REFUSED = (
    'User "system:serviceaccount:metallb-system:swimlb-controller" cannot patch resource "services/status"'
)


def write(name: str) -> fx.Write:
    item = ServiceWrite(
        key=f"default/{name}",
        uid=f"uid-{name}",
        version="1",
        ingress=None,
        pool=None,
        condition=Condition(True, "Assigned", "", ""),
    )
    return fx.Write(item, clock.monotonic() + 60.0)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    return [(record.message, vars(record)["fields"]) for record in caplog.records]


def test_a_lost_permission_is_one_message_for_all_services(caplog: pytest.LogCaptureFixture) -> None:
    """With who lacks what and the way out; and that it is over is another one."""
    caplog.set_level(logging.INFO, "swimlb.test")

    async def play() -> None:
        async with (
            serving(refusal(403, "Forbidden", REFUSED)) as server,
            Client(Access(server=server.url)) as client,
        ):
            calls = ServiceCalls(client, Options(), Complaints(LOG, "controller"))
            for number in range(20):
                assert await calls.perform(write(f"s{number}")) == [ev.WriteRefused(f"default/s{number}")]
            server.script[:] = [json_answer(service("s0"))]
            assert isinstance((await calls.perform(write("s0")))[0], ev.Written)

    run(play())
    (refused, fields), (accepted, _) = told(caplog)
    assert (refused, accepted) == ("write_refused", "write_accepted")
    assert REFUSED in fields["reason"]
    assert "role of the controller" in fields["hint"]


def test_what_is_wrong_with_one_service_is_told_of_that_one(caplog: pytest.LogCaptureFixture) -> None:
    """Others are written meanwhile, and it is not told again for that."""

    async def play() -> None:
        invalid, fine = refusal(422, "Invalid", "status: Invalid value"), json_answer(service("good"))
        async with (
            serving(invalid, fine, invalid, fine, invalid) as server,
            Client(Access(server=server.url)) as client,
        ):
            calls = ServiceCalls(client, Options(), Complaints(LOG, "controller"))
            for name in ("bad", "good", "bad", "good", "bad"):
                await calls.perform(write(name))

    run(play())
    [(_, fields)] = told(caplog)
    assert fields["resource"] == "services/default/bad"


def test_what_is_gone_while_it_is_refused_is_not_remembered_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody says that it is over. What is forgotten too early is told once more."""
    complaints = Complaints(LOG, "controller")
    error = Invalid(422, "Invalid", "no")

    for number in range(TOLD_MAX + 1):
        complaints.refused(f"services/default/s{number}", error)
        complaints.refused(f"services/default/s{number}", error)
    complaints.refused("services/default/s0", error)

    assert len(told(caplog)) == TOLD_MAX + 2


def test_services_that_cannot_be_listed_are_asked_for_less_and_less_often(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new leader needs them all. It is told once that it may not have them, and once that it has."""
    caplog.set_level(logging.INFO, "swimlb.test")
    monkeypatch.setattr(writing, "READ_PAUSE_MIN", 0.01)

    async def play() -> tuple[object, int]:
        forbidden, listed = refusal(403, "Forbidden", "no"), json_answer({"metadata": {}, "items": []})
        async with (
            serving(*[forbidden] * 5, listed) as server,
            Client(Access(server=server.url)) as client,
        ):
            calls = ServiceCalls(client, Options(), Complaints(LOG, "controller"))
            begun = clock.monotonic()
            world = await calls.read_world(lambda: True, random.Random(1))
            assert clock.monotonic() - begun >= 0.5 * 0.01 * (1 + 2 + 4 + 8 + 16)
            return world, len(server.seen)

    assert run(play()) == ((), 6)
    assert [event for event, _ in told(caplog)] == ["write_refused", "write_accepted"]


def test_who_leads_no_more_does_not_go_on_asking() -> None:
    async def play() -> tuple[object, int]:
        async with (
            serving(refusal(403, "Forbidden", "no")) as server,
            Client(Access(server=server.url)) as client,
        ):
            calls = ServiceCalls(client, Options(), Complaints(LOG, "controller"))
            return await calls.read_world(lambda: not server.seen, random.Random(1)), len(server.seen)

    assert run(play()) == (None, 1)


def test_a_lease_that_may_not_be_read_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody would ever lead, and nothing would say why."""

    async def play() -> None:
        async with (
            serving(refusal(403, "Forbidden", "leases is forbidden")) as server,
            Client(Access(server=server.url)) as client,
            asyncio.TaskGroup() as tasks,
        ):
            around = Surroundings(ControlSettings(), client, LOG, random.Random(1))
            around.tasks = tasks
            election = Election(around, "me", lambda _: None)
            election.begin()
            await until(lambda: len(server.seen) >= 2)
            election.close()

    run(play())
    [(event, fields)] = told(caplog)
    assert event == "write_refused"
    assert "leases is forbidden" in fields["reason"]


def test_a_kind_that_several_parts_follow_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Pools are followed for what they say and for what their status shows."""
    caplog.set_level(logging.INFO, "swimlb.test")
    around = Surroundings(
        ControlSettings(), Client(Access(server="http://127.0.0.1:1")), LOG, random.Random(1)
    )
    lost = Standing(IP_ADDRESS_POOLS, Trouble.FORBIDDEN, "no", "let it")

    for one in (lost, lost, Standing(SERVICES, Trouble.FORBIDDEN, "no", "let it")):
        around.tell_condition(one)
    around.tell_condition(Standing(IP_ADDRESS_POOLS, None))
    around.tell_condition(Standing(IP_ADDRESS_POOLS, None))

    assert [(event, fields["resource"]) for event, fields in told(caplog)] == [
        ("cannot_follow", IP_ADDRESS_POOLS.name),
        ("cannot_follow", SERVICES.name),
        ("following", IP_ADDRESS_POOLS.name),
    ]
