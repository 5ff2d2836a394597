"""Who may read /metrics: what the API server is asked, how often, and what its silence means."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.observe import scrapers
from swimlb.observe.endpoint import Bearer
from swimlb.observe.logs import EventLog
from swimlb.observe.scrapers import TOKENS_MAX, Scrapers
from tests.unit.swimlb.kube.server import Handler, Server, json_answer, refusal, run, serving

LOG = EventLog(logging.getLogger(__name__))
USER = {"username": "prometheus", "uid": "7", "groups": ["watchers"], "extra": {"node": ["node-a"]}}


def token_of(user: dict[str, Any] | None) -> Handler:
    return json_answer({"status": {"authenticated": user is not None, "user": user or {}}}, 201)


def may(is_allowed: bool) -> Handler:
    return json_answer({"status": {"allowed": is_allowed}}, 201)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def asking(*script: Handler) -> AsyncGenerator[tuple[Scrapers, Clock, Server], None]:
    clock = Clock()
    async with serving(*script) as server, Client(Access(server=server.url)) as client:
        yield Scrapers(client, LOG, clock), clock, server


def test_asks_whose_the_token_is_and_what_they_may() -> None:
    async def story() -> None:
        async with asking(token_of(USER), may(True)) as (scrapers, _, server):
            assert await scrapers.bearer_of("secret") is Bearer.ADMITTED

            token, access = (json.loads(one.body)["spec"] for one in server.seen)
            assert [one.path for one in server.seen] == [
                "/apis/authentication.k8s.io/v1/tokenreviews",
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            ]
            assert token == {"token": "secret"}
            assert access == {
                "user": "prometheus",
                "uid": "7",
                "groups": ["watchers"],
                "extra": {"node": ["node-a"]},
                "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
            }

    run(story())


@pytest.mark.parametrize(
    ("script", "bearer"),
    [
        ((token_of(None),), Bearer.UNKNOWN),
        ((token_of(USER), may(False)), Bearer.REFUSED),
        ((refusal(403, "Forbidden"),), Bearer.UNDECIDED),
        ((json_answer({}, 201),), Bearer.UNKNOWN),
        ((token_of(USER), json_answer({}, 201)), Bearer.REFUSED),
    ],
)
def test_nobody_else_is_admitted(script: tuple[Handler, ...], bearer: Bearer) -> None:
    async def story() -> Bearer:
        async with asking(*script) as (scrapers, _, _):
            return await scrapers.bearer_of("secret")

    assert run(story()) is bearer


def test_remembers_the_answer_for_a_while() -> None:
    async def story() -> None:
        script = (token_of(USER), may(True), token_of(USER), may(False), token_of(USER), may(True))
        async with asking(*script) as (asked, clock, server):
            assert await asked.bearer_of("secret") is Bearer.ADMITTED
            clock.now += scrapers.ADMITTED_FOR - 1
            assert await asked.bearer_of("secret") is Bearer.ADMITTED
            assert len(server.seen) == 2

            clock.now += 1
            assert await asked.bearer_of("secret") is Bearer.REFUSED
            clock.now += scrapers.REFUSED_FOR - 1
            assert await asked.bearer_of("secret") is Bearer.REFUSED
            assert len(server.seen) == 4

            clock.now += 1
            assert await asked.bearer_of("secret") is Bearer.ADMITTED

    run(story())


def test_who_was_admitted_stays_so_while_the_api_server_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """For an hour; strangers are told to come again."""

    async def story() -> None:
        async with asking(token_of(USER), may(True), refusal(500, "InternalError")) as (asked, clock, _):
            assert await asked.bearer_of("known") is Bearer.ADMITTED

            clock.now += scrapers.STALE_MAX - 1
            assert await asked.bearer_of("known") is Bearer.ADMITTED
            assert await asked.bearer_of("stranger") is Bearer.UNDECIDED

            clock.now += 1
            assert await asked.bearer_of("known") is Bearer.UNDECIDED

    run(story())
    assert caplog.messages.count("scrapers_unknown") == 1


def test_who_makes_tokens_up_takes_neither_memory_nor_the_api_server() -> None:
    async def story() -> None:
        begun = asyncio.Event()

        async def slow(request: Any) -> Any:
            await begun.wait()
            return await token_of(None)(request)

        async with asking(slow) as (asked, _, server):
            many = [asyncio.create_task(asked.bearer_of(f"token-{number}")) for number in range(10)]
            await asyncio.sleep(0)
            begun.set()
            bearers = await asyncio.gather(*many)
            assert bearers.count(Bearer.UNDECIDED) == 10 - scrapers.QUESTIONS_MAX

            for number in range(scrapers.TOKENS_MAX + 1):
                await asked.bearer_of(f"more-{number}")
            known = len(server.seen)
            await asked.bearer_of(f"more-{scrapers.TOKENS_MAX}")
            assert len(server.seen) == known
            await asked.bearer_of("more-0")
            assert len(server.seen) == known + 1

    run(story())


def test_who_makes_tokens_up_does_not_make_others_forgotten() -> None:
    """Prometheus would be asked about again, among all of those, and refused while the API server has no time."""

    async def story() -> None:
        async with asking(token_of(USER), may(True), token_of(None)) as (scrapers, clock, server):
            assert await scrapers.bearer_of("good") is Bearer.ADMITTED
            for number in range(2 * TOKENS_MAX):
                assert await scrapers.bearer_of(f"made up {number}") is Bearer.UNKNOWN

            server.script[:] = [refusal(503, "Unavailable")]
            clock.now += 120.0
            assert await scrapers.bearer_of("good") is Bearer.ADMITTED

    run(story())
