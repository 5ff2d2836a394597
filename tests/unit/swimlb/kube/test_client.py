"""Calls to the API server: what is sent, what answers become, and what is done when it is busy, silent or suspicious."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from swimlb.kube.access import Access
from swimlb.kube.client import Client, PatchType
from swimlb.kube.credentials import RotatedToken
from swimlb.kube.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from swimlb.kube.resources import IP_ADDRESS_POOLS, NODES, SERVICES
from swimlb.runtime import clock
from tests.unit.swimlb.kube.server import Handler, Seen, json_answer, refusal, run, serving, silence


class Slim(msgspec.Struct):
    metadata: dict[str, Any]


def service(name: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": name}, "spec": {}}


async def seen_by(*script: Handler, call: Any, deadline: float = 5.0) -> tuple[list[Seen], Client]:
    async with serving(*script) as server, Client(Access(server=server.url), deadline=deadline) as client:
        await call(client)
        return server.seen, client


def error_of(*script: Handler, deadline: float = 5.0) -> ApiError:
    async def play() -> ApiError:
        async with serving(*script) as server, Client(Access(server=server.url), deadline=deadline) as client:
            with pytest.raises(ApiError) as caught:
                await client.get(SERVICES, "web", namespace="default")
            return caught.value

    return run(play())


def test_writes_where_the_api_server_has_it_and_says_who_manages_the_fields() -> None:
    async def calls(client: Client) -> None:
        await client.create(SERVICES, service("web"), field_manager="us")
        await client.replace(SERVICES, service("web"), subresource="status")
        await client.patch(SERVICES, "web", {"a": None}, namespace="default")
        await client.patch(SERVICES, "web", [{"op": "test"}], namespace="default", patch_type=PatchType.JSON)
        await client.apply(IP_ADDRESS_POOLS, service("web"), field_manager="us", force=True)
        await client.delete(SERVICES, "web", namespace="default", uid="u", resource_version="7")

    seen, client = run(seen_by(json_answer({}), call=calls))

    path = "/api/v1/namespaces/default/services"
    assert [(one.method, one.path, one.query) for one in seen] == [
        ("POST", path, {"fieldManager": "us"}),
        ("PUT", f"{path}/web/status", {}),
        ("PATCH", f"{path}/web", {}),
        ("PATCH", f"{path}/web", {}),
        (
            "PATCH",
            "/apis/metallb.io/v1beta1/namespaces/default/ipaddresspools/web",
            {"fieldManager": "us", "force": "true"},
        ),
        ("DELETE", f"{path}/web", {}),
    ]
    assert [one.headers["Content-Type"] for one in seen] == [
        "application/json",
        "application/json",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/apply-patch+yaml",
        "application/json",
    ]
    assert json.loads(seen[0].body) == {"apiVersion": "v1", "kind": "Service", **service("web")}
    assert json.loads(seen[4].body)["apiVersion"] == "metallb.io/v1beta1"
    assert json.loads(seen[5].body)["preconditions"] == {"uid": "u", "resourceVersion": "7"}
    assert client.metrics.count(verb="update", resource="services/status", code=200) == 1


def test_a_list_is_read_page_by_page_into_the_fields_that_matter() -> None:
    pages = [
        {"metadata": {"resourceVersion": "9", "continue": "more"}, "items": [service("a")]},
        {"metadata": {"resourceVersion": "9"}, "items": [service("b")]},
    ]

    async def play() -> None:
        async with serving(*map(json_answer, pages)) as server, Client(Access(server=server.url)) as client:
            page = await client.list_all(SERVICES, page_size=1, into=Slim, label_selector="a in (b,c)")

            assert [item.metadata["name"] for item in page.items] == ["a", "b"]
            assert page.resource_version == "9"
            assert server.seen[1].query == {"labelSelector": "a in (b,c)", "limit": "1", "continue": "more"}

    run(play())


def test_a_list_without_items_is_empty() -> None:
    """Go's servers say null for it."""

    async def play() -> None:
        answer = json_answer({"metadata": {"resourceVersion": "9"}, "items": None})
        async with serving(answer) as server, Client(Access(server=server.url)) as client:
            assert (await client.list(NODES)).items == ()

    run(play())


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadRequest", BadRequest),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
        (418, "Teapot", ApiError),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (504, "Timeout", Unavailable),
    ],
)
def test_a_refusal_says_what_kind_it_is(status: int, reason: str, expected: type[ApiError]) -> None:
    error = error_of(refusal(status, reason, "told so"))

    assert type(error) is expected
    assert (error.status, error.reason, error.message) == (status, reason, "told so")


def test_a_missing_object_is_told_from_a_missing_kind() -> None:
    missing_object = error_of(refusal(404, "NotFound"))
    missing_kind = error_of(json_answer("404 page not found", 404))

    assert isinstance(missing_object, NotFound)
    assert isinstance(missing_kind, NotFound)
    assert (missing_object.is_kind_missing, missing_kind.is_kind_missing) == (False, True)


def test_a_proxy_that_answers_instead_is_quoted() -> None:
    error = error_of(json_answer("<html>Bad Gateway</html>", 502))

    assert isinstance(error, Unavailable)
    assert "Bad Gateway" in error.message


def test_an_answer_that_is_no_json_is_refused() -> None:
    assert isinstance(error_of(json_answer(None)), Unavailable)


def test_waits_as_long_as_a_busy_api_server_asks_and_calls_again() -> None:
    async def call(client: Client) -> None:
        await client.create(SERVICES, service("web"))

    busy = refusal(429, "TooManyRequests", Retry_After="0")
    seen, client = run(seen_by(busy, busy, json_answer({}), call=call))

    assert len(seen) == 3
    assert client.metrics.count(verb="create", code=429) == 2
    assert client.metrics.count(verb="create", code=201) + client.metrics.count(verb="create", code=200) == 1


def test_those_who_were_asked_to_wait_do_not_come_back_all_at_once() -> None:
    """A busy API server tells all nodes the same."""

    async def play() -> list[float]:
        came: list[float] = []

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            came.append(clock.monotonic())
            busy = refusal(429, "TooManyRequests", Retry_After="1")
            return await (busy if len(came) <= 12 else json_answer({}))(request)

        async with serving(answer) as server, Client(Access(server=server.url)) as client:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(12):
                    tasks.create_task(client.get(NODES, "node-a"))
            return came[12:]

    again = run(play())
    assert len(again) == 12
    assert max(again) - min(again) > 0.1


def test_gives_up_at_once_when_it_is_to_wait_past_its_deadline() -> None:
    error = error_of(refusal(429, "TooManyRequests", Retry_After="60"))

    assert isinstance(error, TooManyRequests)
    assert error.retry_after == 60


def test_it_is_busy_and_not_silent_also_where_the_wait_would_just_end_in_time() -> None:
    """Whoever waits a little longer than asked must not take that for an API server that does not answer."""
    busy = refusal(429, "TooManyRequests", Retry_After="1")

    assert isinstance(error_of(busy, silence(), deadline=1.4), TooManyRequests)


def test_an_api_server_that_is_always_busy_ends_the_call() -> None:
    assert isinstance(error_of(refusal(429, "TooManyRequests", Retry_After="0")), TooManyRequests)


def test_silence_ends_at_the_deadline() -> None:
    error = error_of(silence(), deadline=0.2)

    assert isinstance(error, Unavailable)
    assert error.status == 0


def test_nobody_there() -> None:
    async def play() -> None:
        async with Client(Access(server="http://127.0.0.1:1")) as client:
            with pytest.raises(Unavailable):
                await client.get(NODES, "node-a")
            assert client.metrics.count(verb="get", resource="nodes", code=0) == 1

    run(play())


def test_a_token_that_was_rotated_is_read_again_when_the_old_one_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")

    async def rotate(request: Any) -> Any:
        token.write_text("new\n")
        return await refusal(401, "Unauthorized")(request)

    async def play() -> None:
        async with serving(rotate, json_answer({})) as server:
            access = Access(server=server.url, credentials=RotatedToken(token))
            async with Client(access) as client:
                await client.get(NODES, "node-a")

                assert [one.headers["Authorization"] for one in server.seen] == ["Bearer old", "Bearer new"]

    run(play())


def test_a_token_that_nobody_knows_is_tried_twice_only() -> None:
    async def play() -> None:
        async with (
            serving(refusal(401, "Unauthorized")) as server,
            Client(Access(server=server.url)) as client,
        ):
            with pytest.raises(Unauthorized):
                await client.get(NODES, "node-a")
            assert len(server.seen) == 2

    run(play())


@pytest.mark.parametrize(
    ("namespace", "name", "subresource", "path"),
    [
        (None, "", "", "/api/v1/services"),
        ("default", "", "", "/api/v1/namespaces/default/services"),
        ("default", "web", "status", "/api/v1/namespaces/default/services/web/status"),
        ("default", "a/../b", "", "/api/v1/namespaces/default/services/a%2F..%2Fb"),
    ],
)
def test_paths(namespace: str | None, name: str, subresource: str, path: str) -> None:
    assert SERVICES.path(namespace, name, subresource) == path


def test_a_path_within_no_namespace_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        SERVICES.path(None, "web")
