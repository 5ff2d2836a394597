"""Reflectors against a server on loopback that behaves like an API server at its worst."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from swimlb.kube import following
from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.following import Trouble
from swimlb.kube.objects import Metadata
from swimlb.kube.reflector import Condition, Reflector
from swimlb.kube.resources import IP_ADDRESS_POOLS, SERVICES
from swimlb.kube.store import Changes
from tests.unit.swimlb.kube.server import Handler, Server, json_answer, refusal, run, serving

NO_WATCH_LIST = refusal(422, "Invalid", "sendInitialEvents is forbidden for watch")


class Thing(msgspec.Struct):
    metadata: Metadata
    value: int = 0


def thing(name: str, version: int, value: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}, "value": value}


def event(kind: str, content: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": content}).encode() + b"\n"


def bookmark(version: int, *, is_list_end: bool = False) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    if is_list_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return event("BOOKMARK", {"metadata": metadata})


def status_event(code: int, reason: str) -> bytes:
    return event(
        "ERROR", {"kind": "Status", "metadata": {}, "status": "Failure", "code": code, "reason": reason}
    )


def listing(version: int, *things: dict[str, Any], more: str = "") -> Handler:
    return json_answer({"metadata": {"resourceVersion": str(version), "continue": more}, "items": things})


def stream(*pieces: bytes, then: str = "stay") -> Handler:
    """A watch: sends the pieces, then stays open, ends as it should, or breaks in the middle of a chunk."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.01)
        if then == "stay":
            await asyncio.sleep(60.0)
        elif then == "break":
            assert request.transport is not None
            request.transport.write(b"ffff\r\n" + b'{"type":"ADD')
            request.transport.close()
        return response

    return handler


class Copy:
    """What the sink of a reflector was told."""

    def __init__(self, server: Server, reflector: Callable[[Callable[[Changes[int]], None]], Reflector[int]]):
        self.server = server
        self.values: dict[str, int] = {}
        self.batches: list[Changes[int]] = []
        self.conditions: list[Condition] = []
        self.reflector = reflector(self._learn)

    def _learn(self, changes: Changes[int]) -> None:
        self.batches.append(changes)
        self.values |= changes.put
        for key in changes.gone:
            del self.values[key]

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(20.0):
            while not is_so():  # noqa: ASYNC110 (the server's side is looked at, too)
                await asyncio.sleep(0.01)

    async def becomes(self, **values: int) -> None:
        wanted = {f"n/{name}": value for name, value in values.items()}
        await self.until(lambda: self.values == wanted and self.reflector.store.is_synced)


@asynccontextmanager
async def reflecting(*script: Handler, **options: Any) -> AsyncGenerator[Copy, None]:
    async with serving(*script) as server, Client(Access(server=server.url)) as client:
        told: list[Condition] = []
        options.setdefault("reduce", lambda content: content.value)  # pyright: ignore[reportUnknownLambdaType]
        copy = Copy(
            server,
            lambda sink: Reflector(
                client,
                options.pop("resource", SERVICES),
                sink=sink,
                into=Thing,
                on_condition=told.append,
                **options,
            ),
        )
        copy.conditions = told
        task = asyncio.create_task(copy.reflector.run())
        try:
            yield copy
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                await task


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delays are tested in virtual time; here they would only take time."""
    monkeypatch.setattr(following, "BACKOFF_FIRST", 0.02)


@pytest.mark.parametrize("end", [status_event(410, "Expired"), b"nonsense\n"], ids=["too old", "nonsense"])
def test_what_came_before_a_stream_broke_is_told_though_nobody_answers_any_more(end: bytes) -> None:
    """All in one piece of the stream; the next list may be long in coming."""

    async def play() -> None:
        script = stream(
            event("ADDED", thing("a", 1, 1)) + bookmark(2, is_list_end=True),
            event("MODIFIED", thing("a", 3, 2)) + event("MODIFIED", thing("a", 4, 3)) + end,
        )
        async with reflecting(script, refusal(503, "Unavailable")) as copy:
            await copy.becomes(a=3)

    run(play())


def test_a_watch_that_begins_with_the_list() -> None:
    async def play() -> None:
        script = stream(
            event("ADDED", thing("a", 5, 1)),
            event("ADDED", thing("b", 6, 2)),
            bookmark(6, is_list_end=True),
            event("MODIFIED", thing("a", 7, 3)),
            event("DELETED", thing("b", 8, 2)),
        )
        async with reflecting(script, namespace="n", label_selector="x=y") as copy:
            await copy.becomes(a=3)

            seen = copy.server.seen[0]
            assert seen.path == "/api/v1/namespaces/n/services"
            assert seen.query.pop("timeoutSeconds")
            assert seen.query == {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "labelSelector": "x=y",
                "sendInitialEvents": "true",
                "resourceVersionMatch": "NotOlderThan",
            }
            first = next(batch for batch in copy.batches if batch.is_synced)
            assert not any(batch.is_synced for batch in copy.batches[: copy.batches.index(first)])

    run(play())


def test_pages_where_the_watch_list_is_not_known() -> None:
    async def play() -> None:
        script = (
            NO_WATCH_LIST,
            listing(9, thing("a", 5, 1), more="more"),
            listing(9, thing("b", 6, 2)),
            stream(event("ADDED", thing("c", 10, 3))),
        )
        async with reflecting(*script) as copy:
            await copy.becomes(a=1, b=2, c=3)

            assert [one.query.get("continue") for one in copy.server.seen[1:3]] == [None, "more"]
            assert copy.server.seen[3].query["resourceVersion"] == "9"

    run(play())


@pytest.mark.parametrize("then", ["end", "break"])
def test_a_watch_that_breaks_goes_on_where_it_was(then: str) -> None:
    async def play() -> None:
        first = stream(
            event("ADDED", thing("a", 5, 1)), bookmark(6, is_list_end=True), bookmark(9), then=then
        )
        second = stream(event("MODIFIED", thing("a", 10, 2)))
        async with reflecting(first, second) as copy:
            await copy.becomes(a=2)

            assert copy.server.seen[1].query["resourceVersion"] == "9"
            assert copy.conditions == []

    run(play())


@pytest.mark.parametrize("is_in_stream", [True, False])
def test_a_version_that_is_too_old_means_to_list_anew(is_in_stream: bool) -> None:
    """What is gone meanwhile is told so, and what is the same is not told again."""

    async def play() -> None:
        first = stream(
            event("ADDED", thing("a", 5, 1)),
            event("ADDED", thing("b", 6, 2)),
            bookmark(6, is_list_end=True),
            *([status_event(410, "Expired")] if is_in_stream else []),
            then="end",
        )
        again = stream(event("ADDED", thing("a", 5, 1)), bookmark(20, is_list_end=True))
        expired = [] if is_in_stream else [refusal(410, "Expired")]
        async with reflecting(first, *expired, again) as copy:
            await copy.becomes(a=1)

            assert copy.batches[-1].gone == ("n/b",)
            assert sum("n/a" in batch.put for batch in copy.batches) == 1

    run(play())


def test_a_list_that_grows_too_old_between_its_pages_is_begun_anew() -> None:
    async def play() -> None:
        script = (
            NO_WATCH_LIST,
            listing(9, thing("a", 5, 1), more="more"),
            refusal(410, "Expired"),
            listing(12, thing("b", 6, 2)),
            stream(),
        )
        async with reflecting(*script) as copy:
            await copy.becomes(b=2)

    run(play())


@pytest.mark.parametrize(
    "fault",
    [
        refusal(500, "InternalError"),
        refusal(429, "TooManyRequests", Retry_After="0"),
        json_answer("<html>bad gateway", 502),
        stream(b'{"type": "ADDED", "object"\n'),
        stream(b"\x00\xff\n"),
        stream(status_event(500, "InternalError")),
        stream(then="break"),
    ],
    ids=["500", "429", "proxy", "half an event", "no text", "error event", "truncated chunk"],
)
def test_faults_are_waited_out(fault: Handler) -> None:
    async def play() -> None:
        good = stream(event("ADDED", thing("a", 5, 1)), bookmark(6, is_list_end=True))
        async with reflecting(fault, fault, good) as copy:
            await copy.becomes(a=1)

            assert len(copy.server.seen) == 3

    run(play())


def test_a_half_open_connection_is_found_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "QUIET_MAX", 0.2)

    async def play() -> None:
        silent = stream(event("ADDED", thing("a", 5, 1)), bookmark(6, is_list_end=True))
        async with reflecting(silent, stream(event("MODIFIED", thing("a", 7, 2)))) as copy:
            await copy.becomes(a=2)

            assert copy.server.seen[1].query["resourceVersion"] == "6"

    run(play())


def test_a_missing_kind_is_told_once_with_what_there_is_and_found_when_it_comes() -> None:
    async def play() -> None:
        missing = json_answer("404 page not found", 404)
        group = json_answer({"versions": [{"version": "v1alpha1"}]})
        good = stream(event("ADDED", thing("a", 5, 1)), bookmark(6, is_list_end=True), bookmark(7))
        async with reflecting(missing, group, missing, missing, good, resource=IP_ADDRESS_POOLS) as copy:
            await copy.becomes(a=1)
            await copy.until(lambda: len(copy.conditions) == 2)

            told, well = copy.conditions
            assert told.trouble is Trouble.KIND_MISSING
            assert told.message.endswith("Of metallb.io it has v1alpha1.")
            assert told.hint.startswith("Install the definition of IPAddressPool in version v1beta1")
            assert well.trouble is None

    run(play())


def test_a_lost_permission_is_told_once_and_leaves_what_was_known() -> None:
    async def play() -> None:
        first = stream(event("ADDED", thing("a", 5, 1)), bookmark(6, is_list_end=True), then="end")
        message = 'services is forbidden: User "x" cannot watch resource "services"'
        forbidden = refusal(403, "Forbidden", message)
        async with reflecting(first, forbidden) as copy:
            await copy.becomes(a=1)
            await copy.until(lambda: len(copy.server.seen) > 4)

            assert [(one.trouble, one.message) for one in copy.conditions] == [(Trouble.FORBIDDEN, message)]
            assert "get, list and watch services" in copy.conditions[0].hint
            assert copy.values == {"n/a": 1}

    run(play())


def test_a_field_selector_that_is_not_known_is_left_out_if_we_can_select_ourselves() -> None:
    async def play() -> None:
        unknown = refusal(400, "BadRequest", 'field label not supported: "spec.type"')
        good = stream(
            event("ADDED", thing("a", 5, 1)), event("ADDED", thing("b", 6, -1)), bookmark(6, is_list_end=True)
        )
        async with reflecting(
            unknown,
            unknown,
            good,
            field_selector="spec.type=LoadBalancer",
            is_selector_optional=True,
            reduce=lambda content: content.value if content.value > 0 else None,  # pyright: ignore[reportUnknownLambdaType]
        ) as copy:
            await copy.becomes(a=1)

            assert "fieldSelector" in copy.server.seen[0].query
            assert "fieldSelector" not in copy.server.seen[2].query

    run(play())


def test_what_is_not_as_its_kind_has_it_is_passed_over() -> None:
    """Of a known object the last good version stays; the others are followed."""

    async def play() -> None:
        bad = {**thing("a", 7), "value": "nonsense"}
        script = (
            stream(
                event("ADDED", thing("a", 5, 1)),
                bookmark(6, is_list_end=True),
                event("MODIFIED", bad),
                event("ADDED", thing("b", 8, 2)),
                status_event(410, "Expired"),
            ),
            stream(
                event("ADDED", bad),
                event("ADDED", thing("b", 8, 2)),
                bookmark(9, is_list_end=True),
                event("ADDED", thing("c", 10, 3)),
            ),
        )
        async with reflecting(*script) as copy:
            await copy.becomes(a=1, b=2, c=3)

            assert copy.reflector.unreadable == 2

    run(play())


def test_a_long_list_leaves_others_their_turns() -> None:
    async def play() -> None:
        events = b"".join(event("ADDED", thing(f"t{number}", number, 1)) for number in range(3000))
        gaps: list[float] = []

        async def measure() -> None:
            loop = asyncio.get_running_loop()
            before = loop.time()
            while True:
                await asyncio.sleep(0)
                gaps.append(loop.time() - before)
                before = loop.time()

        def slow(content: Thing) -> int:
            return sum(range(3000)) * 0 + content.value

        measuring = asyncio.create_task(measure())
        script = stream(events, bookmark(3000, is_list_end=True))
        async with reflecting(script, reduce=slow) as copy:
            await copy.until(lambda: copy.reflector.store.is_synced)
        measuring.cancel()

        assert len(copy.values) == 3000
        # All in one go takes half a second; how long one turn lasts on a busy machine is not for a test to say.
        assert len(gaps) > 20

    run(play())
