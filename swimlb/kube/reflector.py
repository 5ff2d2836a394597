"""Keeps a copy of one kind of object, for as long as it runs: the shell around `following` and `store`."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, assert_never

import aiohttp
import msgspec

from swimlb.kube import following
from swimlb.kube.client import Client
from swimlb.kube.errors import (
    ApiError,
    BadRequest,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    error_of_status,
)
from swimlb.kube.following import Following, Trouble
from swimlb.kube.lines import Lines, LineTooLong
from swimlb.kube.objects import LIST_END, Identity, StatusEvent, event_decoder, identity_of, object_decoder
from swimlb.kube.resources import Resource
from swimlb.kube.store import Changes, Store
from swimlb.runtime import clock

T = TypeVar("T")

TURN_MAX = 0.005
"""Seconds of decoding after which others of this process have their turn."""

PAGE_DEADLINE = 30.0
"""For one page of a list, of an API server that is slow."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How it stands with following a kind of object. Told when it changes, and not again."""

    resource: Resource
    trouble: Trouble | None
    """None: all is well."""
    message: str = ""
    """What is wrong, in the API server's words."""
    hint: str = ""
    """The way out."""


class Reflector(Generic[T]):
    """Follows one resource and tells `sink` what has changed, in batches.

    Each object is decoded as `into` (a msgspec type with `metadata: Metadata`, or dict), then `reduce` makes of it the
    value that is kept, or None if it is of no interest. A version that is known is not reduced again, and a value that
    equals the one before is no news. Batches before the end of the first list have `is_synced` False.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        reduce: Callable[[Any], T | None],
        sink: Callable[[Changes[T]], None],
        *,
        into: Any = dict,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        is_selector_optional: bool = False,
        on_condition: Callable[[Condition], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`is_selector_optional`: `reduce` says the same as the field selector, which old API servers may not know."""
        self.resource = resource
        self.store: Store[T] = Store()
        self.condition = Condition(resource, None)
        self.unreadable = 0
        """Objects that are not as their kind has them, and were passed over."""
        self.lists = 0
        """Lists that were begun: the first, and one whenever what happened meanwhile is not to be had any more."""
        self._client = client
        self._reduce = reduce
        self._sink = sink
        self._on_condition = on_condition
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._following = Following(rng or random.Random(), has_selector=is_selector_optional)
        self._events = event_decoder(into)
        self._objects = object_decoder(into)
        self._activity: following.ReadPage | following.OpenWatch | None = None
        self._turn_ends = 0.0

    @property
    def values(self) -> dict[str, T]:
        """All that is known, by key. Not to be changed."""
        return self.store.values

    async def run(self) -> None:
        """Until cancelled."""
        await self._happened(following.Started())
        while True:
            activity, self._activity = self._activity, None
            match activity:
                case following.ReadPage():
                    await self._read_page(activity)
                case following.OpenWatch():
                    await self._watch(activity)
                case None:
                    deadline = self._following.next_deadline()
                    assert deadline is not None, "nothing is done, and nothing is waited for"
                    await asyncio.sleep(max(0.0, deadline - clock.monotonic()))
                    await self._perform(self._following.advance(clock.monotonic()))

    async def _happened(self, event: following.Event) -> None:
        await self._perform(self._following.step(event, clock.monotonic()))

    async def _perform(self, effects: list[following.Effect]) -> None:
        for effect in effects:
            match effect:
                case following.ReadPage() | following.OpenWatch():
                    self._activity = effect
                case following.BeginList():
                    self.lists += 1
                    self.store.begin_list()
                case following.EndList():
                    self.store.end_list()
                    self._deliver()
                case following.AbandonList():
                    self.store.abandon_list()
                case following.DropSelector():
                    self._field_selector = None
                case following.TellTrouble():
                    await self._tell(effect)
                case following.Close():
                    pass  # The machine waits now, so that who reads the stream leaves it.
                case _:
                    assert_never(effect)

    # Reading

    async def _read_page(self, order: following.ReadPage) -> None:
        try:
            page = await self._client.list(
                self.resource,
                namespace=self._namespace,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                limit=order.limit or None,
                continue_token=order.continue_token,
                deadline=PAGE_DEADLINE,
                into=msgspec.Raw,
            )
        except ApiError as error:
            await self._happened(_event_of(error))
            return
        for raw in page.items:
            self._learn_raw(raw)
            await self._breathe()
        self._deliver()
        await self._happened(following.PageRead(page.resource_version, page.continue_token))

    async def _watch(self, order: following.OpenWatch) -> None:
        parameters: dict[str, str | int | None] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": order.seconds,
            "resourceVersion": order.version,
            "labelSelector": self._label_selector,
            "fieldSelector": self._field_selector,
        }
        if not order.version:
            parameters |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        try:
            async with self._client.stream(
                "watch", self.resource, namespace=self._namespace, parameters=parameters
            ) as body:
                await self._happened(following.Opened())
                await self._read_stream(body)
        except ApiError as error:
            await self._happened(_event_of(error))
        except (OSError, aiohttp.ClientError, LineTooLong, msgspec.DecodeError) as error:
            broken = following.Failed(
                Trouble.UNREACHABLE, f"the watch broke: {error or type(error).__name__}"
            )
            await self._happened(broken)

    async def _read_stream(self, body: aiohttp.StreamReader) -> None:
        """Until it ends, breaks (raises), or is taken for dead."""
        lines = Lines()
        while self._following.phase in (following.Phase.WATCH_LIST, following.Phase.WATCHING):
            piece = await self._next_piece(body)
            if piece is None:
                continue
            if not piece:
                self._deliver()
                await self._happened(following.Ended())
                return
            try:
                for line in lines.feed(piece):
                    await self._happened(self._learn(line))
                    await self._breathe()
            finally:
                # Also what came before a line that ends it all: the next list may be long in coming.
                self._deliver()

    async def _next_piece(self, body: aiohttp.StreamReader) -> bytes | None:
        """None: nothing came until the machine's deadline, and it has been told so."""
        deadline = self._following.next_deadline()
        assert deadline is not None, "a stream without a deadline"
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                return await body.readany()
        await self._perform(self._following.advance(clock.monotonic()))
        return None

    async def _breathe(self) -> None:
        """Others have their turn when this one has lasted."""
        now = clock.monotonic()
        if now >= self._turn_ends:
            self._deliver()
            await asyncio.sleep(0)
            self._turn_ends = clock.monotonic() + TURN_MAX

    # Understanding

    def _learn(self, line: bytes) -> following.Event:
        """Take in an event of the watch. Raises an ApiError that it holds, and DecodeError if it is none."""
        try:
            event = self._events.decode(line)
        except msgspec.ValidationError:
            return self._learn_unreadable(line)
        if event.type == "ERROR":
            raise error_of_status(msgspec.json.decode(line, type=StatusEvent).object)
        identity = identity_of(event.object)
        version = identity.metadata.resource_version
        if event.type == "BOOKMARK":
            is_list_end = (identity.metadata.annotations or {}).get(LIST_END) == "true"
            return following.Heard(version, is_list_end)
        if event.type == "DELETED":
            self.store.drop(identity.key)
        else:
            self._keep(identity, event.object)
        return following.Heard(version)

    def _learn_unreadable(self, line: bytes) -> following.Event:
        """A Status, or an object that is not as its kind has it: passed over, so that the others are followed."""
        event = msgspec.json.decode(line, type=StatusEvent)
        if event.type == "ERROR":
            raise error_of_status(event.object)
        return following.Heard(self._pass_over(event.object).metadata.resource_version)

    def _learn_raw(self, raw: msgspec.Raw) -> None:
        try:
            content = self._objects.decode(raw)
        except msgspec.ValidationError:
            self._pass_over(msgspec.json.decode(raw))
        else:
            self._keep(identity_of(content), content)

    def _pass_over(self, content: Any) -> Identity:
        """What was known of it before stays."""
        self.unreadable += 1
        identity = identity_of(content)
        self.store.see(identity.key)
        return identity

    def _keep(self, identity: Identity, content: Any) -> None:
        # One text for all who keep it: a Service's key stands in its EndpointSlices, too.
        key, version = sys.intern(identity.key), identity.metadata.resource_version
        if self.store.has(key, version):
            return
        value = self._reduce(content)
        if value is None:
            self.store.drop(key)
        else:
            self.store.put(key, version, value)

    # Telling

    def _deliver(self) -> None:
        changes = self.store.take()
        if changes is not None:
            self._sink(changes)

    async def _tell(self, effect: following.TellTrouble) -> None:
        message = effect.message
        if effect.trouble is Trouble.KIND_MISSING:
            message = f"{message} {await self._served()}".strip()
        hint = "" if effect.trouble is None else _hint(effect.trouble, self.resource)
        self.condition = Condition(self.resource, effect.trouble, message, hint)
        if self._on_condition is not None:
            self._on_condition(self.condition)

    async def _served(self) -> str:
        """What the API server has of this group, if anything."""
        try:
            body = await self._client.read_path(f"/apis/{self.resource.group}")
            versions = [one["version"] for one in msgspec.json.decode(body)["versions"]]
        except (ApiError, msgspec.DecodeError, KeyError, TypeError):
            return f"It has nothing of {self.resource.group}." if self.resource.group else ""
        return f"Of {self.resource.group} it has {', '.join(versions)}."


def _event_of(error: ApiError) -> following.Event:
    match error:
        case Gone():
            return following.Expired()
        case BadRequest() | Invalid():
            return following.NotSupported(error.message)
        case Forbidden():
            return following.Failed(Trouble.FORBIDDEN, error.message)
        case Unauthorized():
            return following.Failed(Trouble.UNAUTHORIZED, error.message)
        case NotFound():
            return following.Failed(Trouble.KIND_MISSING, error.message)
        case TooManyRequests():
            return following.Failed(Trouble.BUSY, error.message, error.retry_after)
        case Unavailable():
            return following.Failed(Trouble.UNREACHABLE, error.message, error.retry_after or 0.0)
        case _:
            return following.Failed(Trouble.REFUSED, error.message)


def _hint(trouble: Trouble, resource: Resource) -> str:
    match trouble:
        case Trouble.FORBIDDEN:
            return (
                f"Let the role of this component get, list and watch {resource.name}; the chart's roles do. "
                "What was known before stays in force."
            )
        case Trouble.KIND_MISSING:
            return (
                f"Install the definition of {resource.kind} in version {resource.version}, which the chart brings. "
                "It is looked for again."
            )
        case Trouble.UNAUTHORIZED:
            return "Give it a token or a certificate that this API server knows. It is tried again."
        case Trouble.REFUSED:
            return "The API server may be too old, or something stands between. It is tried again."
        case Trouble.UNREACHABLE | Trouble.BUSY:
            return "What was known before stays in force, and it is tried again."
