from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from swimlb.controller import lease as ls
from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.errors import Forbidden, Unavailable
from swimlb.kube.lease import LeaseCalls
from tests.unit.swimlb.kube.server import Seen, json_answer, refusal, run, serving

CONTENT = {
    "metadata": {"name": "l", "namespace": "n", "resourceVersion": "7"},
    "spec": {"holderIdentity": "a", "leaseDurationSeconds": 10, "leaseTransitions": 3},
}
LEASE = ls.Lease(holder="a", term=3, duration=10.0, version="7")


def called(call: Callable[[LeaseCalls], Awaitable[ls.Event]], *script: Any) -> tuple[ls.Event, list[Seen]]:
    async def play() -> tuple[ls.Event, list[Seen]]:
        async with serving(*script) as server, Client(Access(server=server.url), deadline=0.5) as client:
            return await call(LeaseCalls(client, "n", "l")), server.seen

    return run(play())


def test_what_is_there_is_read() -> None:
    assert called(lambda calls: calls.read(), json_answer(CONTENT))[0] == ls.LeaseSeen(LEASE)
    assert called(lambda calls: calls.read(), refusal(404, "NotFound"))[0] == ls.LeaseSeen(None)
    with pytest.raises(Unavailable):
        called(lambda calls: calls.read(), refusal(503, "Unavailable"))
    assert called(lambda calls: calls.read(), json_answer({}))[0] == ls.LeaseSeen(
        ls.Lease(holder="", term=0, duration=1.0)
    )


def test_the_version_that_was_seen_is_written_to_and_no_other() -> None:
    """What others wrote beside, such as labels, stays."""
    event, (seen,) = called(lambda calls: calls.write(LEASE), json_answer(CONTENT))

    body = json.loads(seen.body)
    assert event == ls.LeaseWritten(LEASE)
    assert (seen.method, seen.path) == ("PATCH", "/apis/coordination.k8s.io/v1/namespaces/n/leases/l")
    assert seen.headers["Content-Type"] == "application/merge-patch+json"
    assert body["metadata"] == {"resourceVersion": "7"}
    assert (body["spec"]["holderIdentity"], body["spec"]["leaseTransitions"]) == ("a", 3)


def test_where_there_is_none_it_is_created() -> None:
    new = ls.Lease(holder="a", term=1, duration=10.0)

    _, (seen,) = called(lambda calls: calls.write(new), json_answer(CONTENT, 201))

    assert seen.method == "POST"
    assert "resourceVersion" not in json.loads(seen.body)["metadata"]


@pytest.mark.parametrize("reason", ["Conflict", "AlreadyExists"])
def test_who_comes_too_late_is_refused(reason: str) -> None:
    assert called(lambda calls: calls.write(LEASE), refusal(409, reason))[0] == ls.LeaseWriteRefused()


def test_what_the_operator_has_to_mend_is_not_hidden() -> None:
    with pytest.raises(Forbidden):
        called(lambda calls: calls.write(LEASE), refusal(403, "Forbidden"))
