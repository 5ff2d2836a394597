"""TLS towards the API server: whom we believe, and with which certificate we come."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field

from swimlb.kube.credentials import Certificate, FreshFile
from swimlb.kube.errors import unavailable


@dataclass(slots=True)
class Trust:
    """Makes TLS contexts, and keeps the one in use until the authority or the certificate changes."""

    authority: bytes | FreshFile = b""
    """The certificates of those who may vouch for the API server, in PEM; empty: those the system trusts."""
    is_verified: bool = True
    server_name: str | None = None
    """Whom the certificate has to be of, if not of the host that is called."""
    _made: tuple[bytes, Certificate | None, ssl.SSLContext] | None = field(default=None, repr=False)

    def context(self, certificate: Certificate | None) -> ssl.SSLContext:
        """Raises Unavailable when the certificates are of no use."""
        try:
            authority = self.authority if isinstance(self.authority, bytes) else self.authority.content()
            if self._made is None or self._made[:2] != (authority, certificate):
                self._made = (authority, certificate, self._make(authority, certificate))
        except (OSError, ValueError) as error:  # An SSLError is an OSError.
            raise unavailable(f"TLS cannot be set up: {error}") from error
        return self._made[2]

    def doubt(self) -> None:
        """The API server's certificate was not to be trusted: the authority may be another one by now."""
        if isinstance(self.authority, FreshFile):
            self.authority.forget_age()

    def _make(self, authority: bytes, certificate: Certificate | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif authority:
            context.load_verify_locations(cadata=authority.decode("ascii"))
        else:
            context.load_default_certs()
        if certificate is not None:
            load_pair(context, certificate)
        return context


def load_pair(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Show this certificate from now on. OpenSSL wants a file: one in memory reaches no disk, and needs none."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(certificate.chain.rstrip() + b"\n" + certificate.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
