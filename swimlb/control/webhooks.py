"""The webhooks of the controller: admission of configuration objects, and conversion of BGPPeers.

Every replica answers, whether it leads or not. The paths are MetalLB's.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, cast

import msgspec
from aiohttp import web

from swimlb.config import Document, Options
from swimlb.control.settings import ControlSettings
from swimlb.controller.admission import KINDS, Verdict, admit, admit_deletion
from swimlb.kube.certificates import Bundle
from swimlb.kube.client import Client
from swimlb.kube.credentials import Certificate
from swimlb.kube.errors import ApiError, Forbidden
from swimlb.kube.reviews import NoReview, answer_admission, answer_conversion
from swimlb.kube.trust import load_pair
from swimlb.kube.trusting import certificate, inject
from swimlb.observe.endpoint import listening
from swimlb.observe.logs import EventLog
from swimlb.runtime import clock
from swimlb.runtime.pauses import at_least

INTERVAL = 60.0
"""So often it is looked whether the certificate is still good, and whether the API server still trusts it."""

RETRY_AFTER = 5.0

_BODY_OCTETS_MAX = 8 << 20
"""Of a review; a conversion has many objects at once. The API server's own limit for one object is 3 MiB."""

Json = dict[str, Any]


def admission_path(kind: str) -> str:
    """`/validate-metallb-io-v1beta1-ipaddresspool`."""
    version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
    return f"/validate-metallb-io-{version}-{kind.lower()}"


class Webhooks:
    """Keeps a certificate, and answers with it."""

    def __init__(
        self,
        settings: ControlSettings,
        client: Client,
        documents: Callable[[], Sequence[Document]],
        log: EventLog,
    ) -> None:
        """`documents`: the configuration objects that are there."""
        self._settings = settings
        self._options = Options(system_namespace=settings.namespace, lb_class=settings.lb_class)
        self._client = client
        self._documents = documents
        self._log = log
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._bundle: Bundle | None = None
        self._told: list[str] = []
        self._trouble: tuple[str, type[ApiError]] | None = None
        """As it was told."""
        self._is_serving = False
        self._rng = random.Random()

    async def run(self) -> None:
        """Until cancelled. Trouble with the API server is logged, and tried again."""
        async with AsyncExitStack() as stack:
            while True:
                has_certificate = await self._keep_certificate()
                if has_certificate and not self._is_serving:
                    await stack.enter_async_context(self._serving())
                    self._is_serving = True
                is_well = has_certificate and await self._keep_trust()
                await asyncio.sleep(at_least(INTERVAL if is_well else RETRY_AFTER, self._rng))

    def unready(self) -> str | None:
        """Why nobody is answered yet, if so."""
        is_off = not self._settings.webhook_port
        return None if is_off or self._is_serving else "the webhooks have no certificate yet"

    # The certificate

    async def _keep_certificate(self) -> bool:
        settings = self._settings
        host = f"{settings.webhook_service}.{settings.namespace}"
        names = (f"{host}.svc", host, f"{host}.svc.cluster.local")
        try:
            bundle = await certificate(
                self._client, settings.namespace, settings.webhook_secret, names, clock.wall()
            )
        except ApiError as error:
            self._complain(
                "webhook_certificate_missing",
                error,
                "get, create and patch this Secret",
                secret=f"{settings.namespace}/{settings.webhook_secret}",
            )
            return False
        if bundle != self._bundle:
            self._bundle = bundle
            # For connections from now on.
            load_pair(self._tls, Certificate(bundle.certificate, bundle.key))
            self._log.info("webhook_certificate_loaded")
        return True

    async def _keep_trust(self) -> bool:
        assert self._bundle is not None
        try:
            told = await inject(self._client, self._bundle)
        except ApiError as error:
            self._complain(
                "webhook_trust_untold",
                error,
                "get and patch the webhook configuration and the definition of BGPPeers",
            )
            return False
        self._trouble = None
        if told != self._told:
            self._told = told
            self._log.info("webhook_trusted", by=told)
        return True

    def _complain(self, event: str, error: ApiError, right: str, **fields: str) -> None:
        """Once, until all is well: it is tried again every few seconds. `right` is what the role may lack."""
        trouble = event, type(error)
        if trouble != self._trouble:
            self._trouble = trouble
            hint = "it is tried again"
            if isinstance(error, Forbidden):
                hint = f"let the role of the controller {right}; {hint}"
            self._log.error(event, reason=str(error), hint=hint, **fields)

    # Answering

    def _serving(self) -> AbstractAsyncContextManager[None]:
        application = web.Application(client_max_size=_BODY_OCTETS_MAX)
        for kind in KINDS:
            application.router.add_post(admission_path(kind), self._admission)
        application.router.add_post("/convert", self._conversion)
        settings = self._settings
        return listening(
            application, settings.webhook_host, settings.webhook_port, "webhook", self._log, self._tls
        )

    async def _admission(self, request: web.Request) -> web.Response:
        def judge(operation: str, content: Json) -> Verdict:
            if operation == "DELETE":
                return admit_deletion(content, documents)
            return admit(content, documents, self._options)

        documents = tuple(self._documents())
        review = await _review(request)
        try:
            answer = await asyncio.to_thread(answer_admission, review, judge)
        except NoReview as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        response = cast("Json", answer["response"])
        if not response["allowed"]:
            self._log.info("object_refused", message=response["status"]["message"])
        return _json(answer)

    async def _conversion(self, request: web.Request) -> web.Response:
        try:
            return _json(answer_conversion(await _review(request)))
        except NoReview as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error


async def _review(request: web.Request) -> Json:
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise web.HTTPBadRequest(text="the body is no JSON object\n") from error


def _json(content: Json) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), content_type="application/json")
