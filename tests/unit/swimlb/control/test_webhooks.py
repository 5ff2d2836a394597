"""The webhooks' process side: a certificate that is made, kept with the API server, and shown."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import tempfile
from contextlib import suppress

import pytest
from aiohttp import web
from cryptography import x509

from swimlb.control import webhooks
from swimlb.control.settings import ControlSettings
from swimlb.control.webhooks import Webhooks
from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.observe.logs import EventLog
from tests.unit.swimlb.kube.server import refusal, run, serving
from tests.waiting import until


async def empty_cluster(request: web.BaseRequest) -> web.StreamResponse:
    """Nothing is there; what is made is given back."""
    if request.method == "POST":
        return web.Response(status=201, body=await request.read(), content_type="application/json")
    return await refusal(404, "NotFound")(request)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def certificate_at(port: int, host: str = "127.0.0.1") -> x509.Certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        return x509.load_der_x509_certificate(
            writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        )
    finally:
        writer.close()
        await writer.wait_closed()


def served(settings: ControlSettings, host: str = "127.0.0.1") -> x509.Certificate:
    """The certificate that is shown there."""

    async def scene() -> x509.Certificate:
        async with serving(empty_cluster) as server, Client(Access(server=server.url)) as client:
            one = Webhooks(settings, client, lambda: (), EventLog(logging.getLogger("swimlb.test")))
            task = asyncio.create_task(one.run())
            try:
                async with asyncio.timeout(10):
                    while True:
                        with suppress(ConnectionRefusedError):
                            return await certificate_at(settings.webhook_port, host)
                        assert not task.done(), task.exception()
                        await asyncio.sleep(0.01)
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    return run(scene())


def test_it_answers_where_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart's container has a read-only root and no other directory."""
    monkeypatch.setattr(tempfile, "tempdir", "/proc/none")
    certificate = served(ControlSettings(webhook_host="127.0.0.1", webhook_port=free_port()))

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "metallb-webhook-service.metallb-system.svc" in names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize(
    ("code", "reason", "is_the_role"), [(403, "Forbidden", True), (401, "Unauthorized", False)]
)
def test_it_is_not_ready_before_it_answers(
    code: int,
    reason: str,
    is_the_role: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The API server would be sent to it, and with the failure policy Fail take no object. Why is told once."""
    monkeypatch.setattr(webhooks, "RETRY_AFTER", 0.01)
    settings = ControlSettings(webhook_host="127.0.0.1", webhook_port=free_port())

    async def scene() -> tuple[str | None, str | None]:
        async with (
            serving(refusal(code, reason)) as server,
            Client(Access(server=server.url)) as client,
        ):
            one = Webhooks(settings, client, lambda: (), EventLog(logging.getLogger("swimlb.test")))
            task = asyncio.create_task(one.run())
            try:
                await until(lambda: len(server.seen) >= 5)
                before = one.unready()
                server.script[:] = [empty_cluster]
                await until(lambda: one.unready() is None)
                await certificate_at(settings.webhook_port)
                return before, one.unready()
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    assert run(scene()) == ("the webhooks have no certificate yet", None)
    [fields] = [
        vars(record)["fields"] for record in caplog.records if record.message == "webhook_certificate_missing"
    ]
    assert ("let the role of the controller" in fields["hint"]) == is_the_role


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_answers_in_clusters_of_either_family(host: str) -> None:
    """Whatever the address of its Pod is."""
    assert served(ControlSettings(webhook_port=free_port()), host)
