"""The calls that the controller makes for Services: an effect in, the event that answers it out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import msgspec

from swimlb.config import Options
from swimlb.controller import effects as fx
from swimlb.controller import events as ev
from swimlb.controller.records import Look, ServiceView
from swimlb.kube.client import Client, PatchType
from swimlb.kube.complaints import Complaints
from swimlb.kube.errors import ApiError, Conflict, Forbidden, NotFound, TooManyRequests, Unavailable
from swimlb.kube.resources import SERVICES
from swimlb.kube.services import ServiceObject, service_view, status_patch
from swimlb.runtime import clock
from swimlb.runtime.pauses import at_least

CALL_TIME_MAX = 10.0
"""So long an answer is awaited."""

PAGE_SIZE = 500

READ_PAUSE_MIN = 0.5
READ_PAUSE_MAX = 16.0
"""Between two attempts to read all Services, without which a leader gives nothing away; it doubles."""

_STATUSES = "services/status"


class ServiceCalls:
    """Reads Services and writes their statuses."""

    def __init__(self, client: Client, options: Options, complaints: Complaints) -> None:
        self._client = client
        self._options = options
        self._complaints = complaints

    async def read_world(
        self, is_wanted: Callable[[], bool], rng: random.Random
    ) -> tuple[ServiceView, ...] | None:
        """All Services that are ours, as the API server has them now or later. None: they are not wanted any more."""
        pause = READ_PAUSE_MIN
        while is_wanted():
            try:
                views = await self._read_world()
            except ApiError as error:
                self._complaints.refused(SERVICES.name, error)
                asked = error.retry_after if isinstance(error, TooManyRequests | Unavailable) else None
                asked_for = at_least(min(asked or 0.0, READ_PAUSE_MAX), rng)
                await asyncio.sleep(max(pause * rng.uniform(0.5, 1.0), asked_for))
                pause = min(2 * pause, READ_PAUSE_MAX)
            else:
                self._complaints.done(SERVICES.name)
                return views
        return None

    async def _read_world(self) -> tuple[ServiceView, ...]:
        views: list[ServiceView] = []
        token: str | None = None
        while token != "":
            # Without a resource version it is the newest that is listed, and not what a cache has.
            page = await self._client.list(
                SERVICES, limit=PAGE_SIZE, continue_token=token, into=ServiceObject
            )
            seen = (service_view(content, self._options) for content in page.items)
            views.extend(view for view in seen if view is not None)
            await asyncio.sleep(0)
            token = page.continue_token
        return tuple(views)

    async def perform(self, effect: fx.Write) -> list[ev.Event]:
        """Never raises an ApiError. Nothing is begun after the effect has expired."""
        key, now = effect.item.key, clock.monotonic()
        if now >= effect.expires:
            return [ev.NotWritten(key)]
        try:
            async with asyncio.timeout_at(min(effect.expires, now + CALL_TIME_MAX)):
                content = await self._call(effect)
        except (Conflict, NotFound) as error:
            if isinstance(error, Conflict):
                return [ev.WriteConflicted(key)]
            return [ev.ServiceGone(key, effect.item.uid), ev.NotWritten(key)]
        except (TooManyRequests, Unavailable) as error:
            return [ev.WriteFailed(key, error.retry_after)]
        except TimeoutError:
            return [ev.WriteFailed(key)]
        except ApiError as error:
            # A lost permission is one matter, however many Services there are; anything else is one Service's own.
            self._complaints.refused(_STATUSES if isinstance(error, Forbidden) else f"services/{key}", error)
            return [ev.WriteRefused(key)]
        for what in (_STATUSES, f"services/{key}"):
            self._complaints.done(what)
        view = service_view(content, self._options)
        if view is None or view.uid != effect.item.uid:
            return [ev.ServiceGone(key, effect.item.uid), ev.NotWritten(key)]
        return [ev.Written(view)]

    async def _call(self, effect: fx.Write) -> ServiceObject:
        item = effect.item
        namespace, _, name = item.key.partition("/")
        if isinstance(item, Look):
            return await self._client.get(SERVICES, name, namespace=namespace, into=ServiceObject)
        answer = await self._client.patch(
            SERVICES,
            name,
            status_patch(item),
            patch_type=PatchType.STRATEGIC,
            namespace=namespace,
            subresource="status",
        )
        return msgspec.convert(answer, ServiceObject)
