"""The certificate of /metrics: one in files that others replace, or the process's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from swimlb.kube.certificates import Bundle, renewed
from swimlb.kube.credentials import Certificate
from swimlb.kube.trust import load_pair
from swimlb.observe.logs import EventLog
from swimlb.runtime import clock

INTERVAL = 60.0
"""So often it is looked whether there is another one. The kubelet brings a changed Secret within about as long."""

RETRY_AFTER = 5.0

Pair: TypeAlias = tuple[bytes, bytes]
"""The certificate with its chain, and its key, in PEM."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """`tls.crt` and `tls.key` of a directory, as a Secret of type kubernetes.io/tls is mounted."""

    directory: Path

    def __call__(self) -> Pair:
        return (self.directory / "tls.crt").read_bytes(), (self.directory / "tls.key").read_bytes()


class OwnCertificate:
    """Made at the start and in time again, and kept in memory only: nobody can tell it from another's by its authority."""

    def __init__(self, name: str, wall: Callable[[], float] = clock.wall) -> None:
        self._name = name
        self._wall = wall
        self._bundle: Bundle | None = None

    def __call__(self) -> Pair:
        self._bundle = renewed(self._bundle, (self._name,), self._wall())
        return self._bundle.certificate, self._bundle.key


class KeptCertificate:
    """A context for a server, with the certificate that `read` gives, and gives again from time to time.

    While it gives nothing good the last one is used, and without any no connection comes about: the rest of the
    process does its work.
    """

    def __init__(self, read: Callable[[], Pair], log: EventLog) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._read = read
        self._log = log
        self._loaded: Pair | None = None
        self._told = ""

    async def run(self) -> None:
        while True:
            is_well = self.look()
            await asyncio.sleep(INTERVAL if is_well else RETRY_AFTER)

    def look(self) -> bool:
        """Load what there is, if it is another one; False: it is of no use, which is told once."""
        try:
            pair = self._read()
            if pair != self._loaded:
                certificate = Certificate(*pair)
                # Of a pair that does not match, a context takes the certificate and loses the key that it had.
                load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate)
                load_pair(self.context, certificate)
                self._loaded = pair
                self._log.info("metrics_certificate_loaded")
        except OSError as error:  # An SSLError is one.
            if str(error) != self._told:
                self._told = str(error)
                self._log.error(
                    "metrics_certificate_unusable",
                    reason=str(error),
                    hint="put a certificate and its key into tls.crt and tls.key of --metrics-cert-dir; it is tried again",
                )
            return False
        self._told = ""
        return True


@asynccontextmanager
async def certified(read: Callable[[], Pair], log: EventLog) -> AsyncGenerator[ssl.SSLContext, None]:
    """The context of a certificate that is looked after while this context lasts."""
    certificate = KeptCertificate(read, log)
    task = asyncio.create_task(certificate.run())
    try:
        yield certificate.context
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
