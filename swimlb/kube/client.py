"""The verbs of the API server: each call has a deadline, is counted, and raises an ApiError when it is refused."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import TracebackType
from typing import Any, TypeVar, cast, overload

import aiohttp
import msgspec

from swimlb.kube.access import Access
from swimlb.kube.errors import unavailable
from swimlb.kube.metrics import CallMetrics
from swimlb.kube.resources import Resource
from swimlb.kube.transport import DEADLINE, JSON, Call, Parameters, Transport

T = TypeVar("T")

PAGE_SIZE = 500
"""Objects in a page of a list, as for kubectl."""

_ENCODER = msgspec.json.Encoder()
Json = dict[str, Any]


class PatchType(StrEnum):
    JSON = "application/json-patch+json"
    """A list of operations (RFC 6902)."""
    MERGE = "application/merge-patch+json"
    """RFC 7386."""
    STRATEGIC = "application/strategic-merge-patch+json"
    """Lists are merged by the keys that the kind declares; not for kinds that a definition adds."""
    APPLY = "application/apply-patch+yaml"
    """Server-side apply, which needs a field manager."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a list, or a part of it."""

    items: tuple[Any, ...]
    resource_version: str
    continue_token: str = ""
    """Ask with it for what follows; empty: this was the end."""


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Client:
    """Calls one API server. An async context manager, since it keeps connections.

    Bodies are plain dicts. Answers are dicts too, or what `into` names: a msgspec type with the fields that matter.
    """

    def __init__(
        self,
        access: Access,
        *,
        user_agent: str = "swimlb",
        deadline: float = DEADLINE,
        metrics: CallMetrics | None = None,
    ) -> None:
        self.access = access
        self.metrics = metrics or CallMetrics()
        self._deadline = deadline
        self._transport = Transport(access, user_agent, self.metrics)

    async def __aenter__(self) -> Client:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    # Reading

    @overload
    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None, subresource: str = ""
    ) -> Json: ...

    @overload
    async def get(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        subresource: str = "",
        into: type[T],
    ) -> T: ...

    async def get(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        subresource: str = "",
        into: type[Any] = dict,
    ) -> Any:
        """One object. Raises NotFound."""
        body = await self._call("get", resource, namespace, name, subresource)
        return _decode(body, into)

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int | None = None,
        continue_token: str | None = None,
        resource_version: str | None = None,
        deadline: float | None = None,
        into: type[Any] = dict,
    ) -> Page:
        """Objects of one namespace, or of all; with a limit only the first ones, and a token to go on with.

        Items of a list lack apiVersion and kind. Raises Gone when the token has expired.
        """
        parameters: dict[str, str | int | None] = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "limit": limit,
            "continue": continue_token,
            "resourceVersion": resource_version,
        }
        body = await self._call("list", resource, namespace, parameters=parameters, deadline=deadline)
        page = _decode(body, _page_type(into))
        return Page(page.items or (), page.metadata.resource_version, page.metadata.continue_)

    async def list_all(
        self, resource: Resource, *, page_size: int = PAGE_SIZE, into: type[Any] = dict, **selection: Any
    ) -> Page:
        """The whole list, page by page; `selection` as for `list`. For tests, tools and single looks."""
        items: list[Any] = []
        page = await self.list(resource, limit=page_size, into=into, **selection)
        items += page.items
        while page.continue_token:
            page = await self.list(
                resource, limit=page_size, continue_token=page.continue_token, into=into, **selection
            )
            items += page.items
        return Page(tuple(items), page.resource_version)

    async def read_path(self, path: str) -> bytes:
        """What is no resource, such as `/readyz` and `/version`."""
        return await self._transport.call(Call(verb="get", resource=path, path=path), self._deadline)

    # Writing

    async def create(
        self,
        resource: Resource,
        body: Json,
        *,
        namespace: str | None = None,
        name: str = "",
        subresource: str = "",
        field_manager: str | None = None,
    ) -> Json:
        """Raises AlreadyExists. The namespace may stand in the body; `name` is for subresources such as eviction."""
        answer = await self._call(
            "create",
            resource,
            namespace or _metadata(body).get("namespace"),
            name,
            subresource,
            body={"apiVersion": resource.api_version, "kind": resource.kind, **body},
            parameters={"fieldManager": field_manager},
        )
        return _object(answer)

    async def replace(
        self, resource: Resource, body: Json, *, subresource: str = "", field_manager: str | None = None
    ) -> Json:
        """The object named in the body. Raises Conflict if it has another resourceVersion by now than the body."""
        metadata = _metadata(body)
        answer = await self._call(
            "update",
            resource,
            metadata.get("namespace"),
            metadata["name"],
            subresource,
            body={"apiVersion": resource.api_version, "kind": resource.kind, **body},
            parameters={"fieldManager": field_manager},
        )
        return _object(answer)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Json | list[Json],
        *,
        patch_type: PatchType = PatchType.MERGE,
        namespace: str | None = None,
        subresource: str = "",
        field_manager: str | None = None,
        force: bool = False,
    ) -> Json:
        """With metadata.resourceVersion in a merge patch, Conflict is raised if the object has changed since.

        `force`, of server-side apply only, takes fields over from other managers.
        """
        answer = await self._call(
            "patch",
            resource,
            namespace,
            name,
            subresource,
            body=body,
            content_type=patch_type,
            parameters={"fieldManager": field_manager, "force": "true" if force else None},
        )
        return _object(answer)

    async def apply(
        self,
        resource: Resource,
        body: Json,
        *,
        field_manager: str,
        force: bool = False,
        subresource: str = "",
    ) -> Json:
        """Server-side apply of the object named in the body. Raises Conflict, unless it is forced."""
        metadata = _metadata(body)
        return await self.patch(
            resource,
            metadata["name"],
            {"apiVersion": resource.api_version, "kind": resource.kind, **body},
            patch_type=PatchType.APPLY,
            namespace=metadata.get("namespace"),
            subresource=subresource,
            field_manager=field_manager,
            force=force,
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str | None = None,
        grace_period: int | None = None,
    ) -> None:
        """Only this very object (`uid`), only this version of it, if told; raises Conflict when it is another one."""
        preconditions = {
            key: value for key, value in (("uid", uid), ("resourceVersion", resource_version)) if value
        }
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if preconditions:
            options["preconditions"] = preconditions
        if propagation is not None:
            options["propagationPolicy"] = propagation
        if grace_period is not None:
            options["gracePeriodSeconds"] = grace_period
        await self._call("delete", resource, namespace, name, body=options)

    # Watching

    def stream(
        self,
        verb: str,
        resource: Resource,
        *,
        namespace: str | None = None,
        parameters: Parameters | None = None,
        deadline: float | None = None,
    ) -> AbstractAsyncContextManager[aiohttp.StreamReader]:
        """The body of a list or a watch as it comes. The deadline is for its head; who reads sees to the rest."""
        call = Call(
            verb=verb, resource=resource.name, path=resource.path(namespace), parameters=parameters or {}
        )
        return self._transport.stream(call, deadline or self._deadline)

    async def _call(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        name: str = "",
        subresource: str = "",
        *,
        body: object = None,
        content_type: str = JSON,
        parameters: Parameters | None = None,
        deadline: float | None = None,
    ) -> bytes:
        call = Call(
            verb=verb,
            resource=f"{resource.name}/{subresource}" if subresource else resource.name,
            path=resource.path(namespace, name, subresource),
            parameters=parameters or {},
            body=None if body is None else _ENCODER.encode(body),
            content_type="" if body is None else content_type,
        )
        return await self._transport.call(call, deadline or self._deadline)


def _metadata(body: Json) -> dict[str, Any]:
    return cast("dict[str, Any]", body.get("metadata") or {})


@cache
def _page_type(item: type[Any]) -> type[Any]:
    """The msgspec type of a list of these."""
    return msgspec.defstruct("List", [("metadata", _ListMeta), ("items", tuple[item, ...] | None, None)])


def _object(body: bytes) -> Json:
    return cast("Json", _decode(body, dict))


def _decode(body: bytes, into: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=into)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unavailable(f"an answer that is not what was asked for: {error}") from error
