from __future__ import annotations

import json
from typing import Any

from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.events import EventWriter, Happening, Subject
from swimlb.kube.resources import SERVICES
from tests.unit.swimlb.kube.server import Seen, json_answer, refusal, run, serving

WEB = Subject(SERVICES, "default", "web", "uid-1")
ASSIGNED = Happening(subject=WEB, type="Normal", reason="IPAllocated", message='Assigned IP ["192.0.2.1"]')


def published(*script: Any, happening: Happening = ASSIGNED) -> list[Seen]:
    async def play() -> list[Seen]:
        async with serving(*script) as server, Client(Access(server=server.url)) as client:
            await EventWriter(client, "swimlb-controller", "pod-1").publish(happening)
            return server.seen

    return run(play())


def test_an_event_is_about_the_service_and_says_who_speaks() -> None:
    (seen,) = published(json_answer({}, 201))

    body = json.loads(seen.body)
    assert (seen.method, seen.path) == ("POST", "/api/v1/namespaces/default/events")
    assert body["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Service",
        "namespace": "default",
        "name": "web",
        "uid": "uid-1",
    }
    assert body["source"] == {"component": "swimlb-controller", "host": "pod-1"}
    assert (body["type"], body["reason"], body["count"]) == ("Normal", "IPAllocated", 1)


def test_the_same_again_is_counted_by_patches_alone() -> None:
    """Reading Events is not among the permissions."""
    seen = published(refusal(409, "AlreadyExists"), json_answer({"count": 4}), json_answer({}))

    assert [one.method for one in seen] == ["POST", "PATCH", "PATCH"]
    assert json.loads(seen[2].body) == {"count": 5}


def test_the_name_tells_what_is_said_about_which_object() -> None:
    other = Happening(subject=WEB, type="Normal", reason="IPAllocated", message="else")
    successor = Happening(
        subject=Subject(SERVICES, "default", "web", "uid-2"),
        type=ASSIGNED.type,
        reason=ASSIGNED.reason,
        message=ASSIGNED.message,
    )

    assert ASSIGNED.name.startswith("web.")
    assert len({ASSIGNED.name, other.name, successor.name}) == 3
