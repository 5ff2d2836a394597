"""All that one process wants to know of a cluster, told as news: the reflectors of the kinds it follows, joined.

Services and EndpointSlices are understood one by one: a change costs the same among ten thousand as among ten. All
other kinds are documents, few enough to be resolved as a whole whenever one of them has changed, in a thread, so that
nobody waits for it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from swimlb.config import Document, Options, Resolved, recall, resolve
from swimlb.config.declared import EndpointSlice
from swimlb.kube.client import Client
from swimlb.kube.decode import (
    ConfigObject,
    Declarations,
    NodeEntry,
    NodeObject,
    Nodes,
    NodeView,
    SecretObject,
    ServiceObject,
    Services,
    ServiceView,
    SliceObject,
    Slices,
    keep_all,
    reduce_secret,
)
from swimlb.kube.in_force import DECLARATIONS, InForce, Recalled
from swimlb.kube.joining import Joining
from swimlb.kube.news import ConditionChanged, Configured, News, NodeChanged, Synced
from swimlb.kube.reflector import Condition, Reflector
from swimlb.kube.resources import ENDPOINT_SLICES, NAMESPACES, NODES, SECRETS, SERVICES, Resource
from swimlb.kube.standing import Standing
from swimlb.kube.store import Changes
from swimlb.model import Problem, Service
from swimlb.runtime import clock
from swimlb.runtime.garbage import give_back

CONTROLLER_KINDS = frozenset((*DECLARATIONS, NAMESPACES, NODES))
SPEAKER_KINDS = CONTROLLER_KINDS | {SECRETS, SERVICES, ENDPOINT_SLICES}

SETTLE_TIME = 0.1
"""What is applied together comes one by one, within this; resolved is when it has come."""

SETTLE_TIME_MAX = 1.0
"""Documents that change all the time are resolved as often nevertheless."""

MISSING_GRACE = 10.0
"""After so long, a kind that the API server does not know counts as one of which there are no objects.

Not at once: an API server that has just started does not know all its kinds yet.
"""

_LOAD_BALANCERS = "spec.type=LoadBalancer"
_SLICES_OF_SERVICES = "kubernetes.io/service-name,!service.kubernetes.io/headless"


class ClusterFeed:
    """Follows `kinds` and calls `tell` with batches of news, on the event loop.

    Before `Synced`, news are of what there is; a kind that cannot be read for want of a permission keeps it from
    coming. Whatever fails later, what was told stays in force until something else is told.
    """

    def __init__(
        self,
        client: Client,
        options: Options,
        tell: Callable[[Sequence[News]], None],
        *,
        kinds: frozenset[Resource] = SPEAKER_KINDS,
        node: str | None = None,
        keep: Callable[[Service], Service] = keep_all,
        rng: random.Random | None = None,
    ) -> None:
        """`node`: the Node that this process runs on, of which alone `NodeChanged` tells.

        `keep` makes of a Service what of it is kept and told; a change of the rest is no news.
        """
        self.is_synced = False
        self.resolved = Resolved()
        self.standing = Standing()
        self._client = client
        self._options = options
        self._tell = tell
        self._keep = keep
        self._rng = rng or random.Random()
        self._joining = Joining()
        self._in_force = InForce()
        self._before = self.resolved
        """What the next call of `resolve` goes by where a new version is refused."""
        self._recalled: Recalled | None = None
        """Until all is known."""
        self._own: NodeView | None = None
        self._documents: dict[Resource, dict[str, Document]] = {}
        self._has_missed: set[Resource] = set()
        """Kinds that have been missing for long enough."""
        self._dirty = asyncio.Event()
        self._reflectors = {kind: self._reflector(kind, node) for kind in sorted(kinds, key=_name)}

    @property
    def documents(self) -> tuple[Document, ...]:
        """The objects that say what is to be done, as they are now; not Services and EndpointSlices."""
        return tuple(one for documents in self._documents.values() for one in documents.values())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong with objects at the moment."""
        of_services = (one for view in self._joining.services.values() for one in view.problems)
        return (*self.resolved.problems, *of_services)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Of the kinds with which not all is well."""
        return tuple(self.standing.troubles.values())

    @property
    def unreadable(self) -> int:
        """Objects that were passed over since they are not as their kind has them."""
        return sum(reflector.unreadable for reflector in self._reflectors.values())

    def lists(self, kind: Resource) -> int:
        """How often all objects of a kind had to be listed."""
        return self._reflectors[kind].lists

    def recall(self, recalled: Recalled) -> None:
        """What was in force in an earlier life of this process: before `run`, if at all."""
        self._recalled = recalled
        self._in_force.recall(recalled.contents)
        documents = [Document(content) for content in recalled.contents]
        self._before = recall(documents, recalled.meanings, options=self._options)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors.values():
                tasks.create_task(reflector.run())
            tasks.create_task(self._resolve_for_ever())

    # Following

    def _reflector(self, kind: Resource, node: str | None) -> Reflector[Any]:
        if kind is SERVICES:
            services = Services(self._options, self._keep, recall=self._recall_service)
            reflector = self._made(
                kind,
                services,
                self._on_services,
                into=ServiceObject,
                field_selector=_LOAD_BALANCERS,
                is_selector_optional=True,
            )
            services.known = reflector.values
            return reflector
        if kind is ENDPOINT_SLICES:
            slices = Slices(self._options)
            return self._made(
                kind, slices, self._on_slices, into=SliceObject, label_selector=_SLICES_OF_SERVICES
            )
        self._documents[kind] = {}
        if kind is NODES:
            return self._made(kind, Nodes(node), self._on_nodes, into=NodeObject)
        reduce = reduce_secret if kind is SECRETS else Declarations(kind)
        return self._made(
            kind,
            reduce,
            lambda changes: self._on_documents(kind, changes),
            into=SecretObject if kind is SECRETS else ConfigObject,
            namespace=self._options.system_namespace if kind.is_namespaced else None,
        )

    def _made(
        self,
        kind: Resource,
        reduce: Callable[[Any], Any],
        sink: Callable[[Changes[Any]], None],
        **options: Any,
    ) -> Reflector[Any]:
        rng = random.Random(self._rng.getrandbits(64))
        return Reflector(
            self._client, kind, reduce, sink, on_condition=self._on_condition, rng=rng, **options
        )

    def _recall_service(self, key: str) -> Service | None:
        return None if self._recalled is None else self._recalled.service(key)

    def _on_services(self, changes: Changes[ServiceView]) -> None:
        self._say(self._joining.on_services(changes))
        self._note_sync(changes)

    def _on_slices(self, changes: Changes[EndpointSlice]) -> None:
        self._say(self._joining.on_slices(changes))
        self._note_sync(changes)

    def _on_nodes(self, changes: Changes[NodeEntry]) -> None:
        for name, entry in changes.put.items():
            if entry.view is not None and entry.view != self._own:
                self._own = entry.view
                self._say([NodeChanged(entry.view)])
            self._put_document(NODES, name, entry.content)
        if self._own is not None and self._own.name in changes.gone:
            self._own = None
            self._say([NodeChanged(None)])
        self._drop_documents(NODES, changes.gone)
        self._note_sync(changes)

    def _on_documents(self, kind: Resource, changes: Changes[Any]) -> None:
        for key, content in changes.put.items():
            self._put_document(kind, key, content)
        self._drop_documents(kind, changes.gone)
        self._note_sync(changes)

    def _put_document(self, kind: Resource, key: str, content: Any) -> None:
        known = self._documents[kind]
        if key not in known or known[key].content != content:
            known[key] = Document(content)
            self._dirty.set()

    def _drop_documents(self, kind: Resource, keys: Sequence[str]) -> None:
        for key in keys:
            if self._documents[kind].pop(key, None) is not None:
                self._dirty.set()

    def _on_condition(self, condition: Condition) -> None:
        self._say([ConditionChanged(one) for one in self.standing.note(condition, clock.monotonic())])
        kind = condition.resource
        if self.standing.is_missing(kind):
            asyncio.get_running_loop().call_later(MISSING_GRACE, self._note_missing, kind)

    def _note_missing(self, kind: Resource) -> None:
        if self.standing.is_missing(kind):
            self._has_missed.add(kind)
            self._dirty.set()

    def _note_sync(self, changes: Changes[Any]) -> None:
        if changes.is_synced and not self.is_synced:
            self._dirty.set()

    # Resolving

    async def _resolve_for_ever(self) -> None:
        while True:
            await self._settle()
            if not self._are_known(self._documents):
                continue
            documents, told, was_synced = self.documents, self.resolved, self.is_synced
            resolved = await asyncio.to_thread(resolve, documents, self._before, options=self._options)
            self.resolved = self._before = resolved
            is_another = self._in_force.note(documents, resolved) or _essence(resolved) != _essence(told)
            news: list[News] = []
            if not self.is_synced or is_another:
                news.append(Configured(resolved, self._in_force.contents))
            if not self.is_synced and self._are_known(self._reflectors) and not self._dirty.is_set():
                self.is_synced, self._recalled = True, None
                news.append(Synced())
            self._say(news)
            if self.is_synced and not was_synced:
                # The lists have been read: their pages are not needed any more.
                give_back()

    async def _settle(self) -> None:
        """Until something has changed, and then nothing more for a moment."""
        await self._dirty.wait()
        end = clock.monotonic() + SETTLE_TIME_MAX
        while self._dirty.is_set() and clock.monotonic() < end:
            self._dirty.clear()
            await asyncio.sleep(SETTLE_TIME)
        self._dirty.clear()

    def _are_known(self, kinds: dict[Resource, Any]) -> bool:
        return all(self._reflectors[kind].store.is_synced or kind in self._has_missed for kind in kinds)

    def _say(self, news: Sequence[News]) -> None:
        if news:
            self._tell(news)


def _essence(resolved: Resolved) -> tuple[object, ...]:
    return resolved.configuration, resolved.problems, resolved.stale


def _name(resource: Resource) -> str:
    return resource.name
