"""/metrics as the operator wants it: plain, or by HTTPS, or only for those whom the API server lets read it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from swimlb.observe.endpoint import Authorize, Collect, serve_metrics
from swimlb.observe.logs import EventLog
from swimlb.settings import Endpoints

if TYPE_CHECKING:
    from swimlb.kube.client import Client


@asynccontextmanager
async def serve_scrapers(
    endpoints: Endpoints, name: str, collect: Collect, log: EventLog, client: Client | None = None
) -> AsyncGenerator[None, None]:
    """While the context lasts. `name` is whom the process's own certificate is of; `client` asks who scrapers are."""
    async with AsyncExitStack() as stack:
        tls, authorize = None, _authorize(endpoints, log, client)
        if endpoints.are_metrics_encrypted and endpoints.metrics_port:
            # What few ask for costs the others neither memory nor time to start.
            from swimlb.observe.certificate import CertificateFiles, OwnCertificate, certified

            directory = endpoints.metrics_cert_dir
            read = CertificateFiles(Path(directory)) if directory else OwnCertificate(name)
            tls = await stack.enter_async_context(certified(read, log))
        metrics = serve_metrics(
            endpoints.metrics_host, endpoints.metrics_port, collect, log, tls=tls, authorize=authorize
        )
        await stack.enter_async_context(metrics)
        yield


def _authorize(endpoints: Endpoints, log: EventLog, client: Client | None) -> Authorize | None:
    if not endpoints.are_scrapers_authorized:
        return None
    assert client is not None, "settings ask for this only where there is an API server"
    from swimlb.observe.scrapers import Scrapers

    return Scrapers(client, log).bearer_of
