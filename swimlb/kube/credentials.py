"""What shows the API server who asks: a token, one in a file that is rotated, a client certificate, a plugin's answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from swimlb.kube.errors import Unauthorized, unavailable
from swimlb.runtime import clock

FILE_AGE_MAX = 10.0
"""So old may what was read from a file be. The kubelet rotates tokens minutes before they expire."""

PLUGIN_TIME_MAX = 60.0
"""A plugin may ask a server of its own, not a person."""

PLUGIN_MARGIN = 30.0
"""So long before it expires, a plugin's answer is used no more."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """With its chain, and its key, in PEM."""

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the API server is to take us for; all empty: anonymous."""

    token: str = field(default="", repr=False)
    certificate: Certificate | None = None


class Credentials(Protocol):
    async def identity(self) -> Identity:
        """The one of now. Raises Unavailable or Unauthorized."""
        ...

    def doubt(self) -> None:
        """The API server did not take the last one: look for another before the next call."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """An identity that stays."""

    _identity: Identity

    async def identity(self) -> Identity:
        return self._identity

    def doubt(self) -> None:
        """There is no other one."""


class FreshFile:
    """A small file that others replace, read anew when it was read a while ago."""

    def __init__(self, path: Path, now: Callable[[], float] = clock.monotonic) -> None:
        self.path = path
        self._now = now
        self._content = b""
        self._read_at: float | None = None

    def content(self) -> bytes:
        """The last good content while the file cannot be read; raises OSError if it never could."""
        now = self._now()
        if self._read_at is None or now - self._read_at >= FILE_AGE_MAX:
            try:
                self._content = self.path.read_bytes()
            except OSError:
                if not self._content:
                    raise
            self._read_at = now
        return self._content

    def forget_age(self) -> None:
        """Read it at the next look."""
        self._read_at = None


class RotatedToken:
    """A token in a file: of a ServiceAccount, which the kubelet rotates, or a kubeconfig's tokenFile."""

    def __init__(self, path: Path, now: Callable[[], float] = clock.monotonic) -> None:
        self._file = FreshFile(path, now)

    async def identity(self) -> Identity:
        try:
            token = self._file.content().decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unauthorized(0, "NoToken", f"{self._file.path} cannot be read: {error}") from error
        if not token:
            raise Unauthorized(0, "NoToken", f"{self._file.path} is empty")
        return Identity(token)

    def doubt(self) -> None:
        self._file.forget_age()


class _ExecStatus(msgspec.Struct, rename="camel"):
    token: str = ""
    expiration_timestamp: datetime | None = None
    client_certificate_data: str = ""
    client_key_data: str = ""

    def __repr__(self) -> str:
        return "_ExecStatus(...)"


class _ExecCredential(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    status: _ExecStatus


class ExecPlugin:
    """A command that prints an ExecCredential (client.authentication.k8s.io), asked again when its answer expires."""

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        api_version: str,
        *,
        cluster: Mapping[str, Any] | None = None,
        install_hint: str = "",
        wall: Callable[[], float] = clock.wall,
    ) -> None:
        self._command = command
        self._environment = dict(environment)
        self._api_version = api_version
        self._cluster = cluster
        self._install_hint = install_hint
        self._wall = wall
        self._known: tuple[Identity, float | None] | None = None
        self._lock = asyncio.Lock()

    async def identity(self) -> Identity:
        async with self._lock:
            if self._known is not None:
                identity, expires = self._known
                if expires is None or self._wall() < expires - PLUGIN_MARGIN:
                    return identity
            self._known = self._understand(await self._ask())
            return self._known[0]

    def doubt(self) -> None:
        self._known = None

    async def _ask(self) -> bytes:
        spec: dict[str, Any] = {"interactive": False}
        if self._cluster is not None:
            spec["cluster"] = self._cluster
        question = {"apiVersion": self._api_version, "kind": "ExecCredential", "spec": spec}
        environment = {
            **os.environ,
            **self._environment,
            "KUBERNETES_EXEC_INFO": msgspec.json.encode(question).decode(),
        }
        try:
            # Its standard error is ours: what it says there is for the operator.
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            hint = f" {self._install_hint}" if self._install_hint else ""
            raise unavailable(
                f"the credential plugin {self._name} does not start: {error.strerror}.{hint}"
            ) from error
        try:
            async with asyncio.timeout(PLUGIN_TIME_MAX):
                output, _ = await process.communicate()
        except TimeoutError as error:
            raise unavailable(
                f"the credential plugin {self._name} took over {PLUGIN_TIME_MAX:.0f} s"
            ) from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            raise unavailable(f"the credential plugin {self._name} ended with status {process.returncode}")
        return output

    @property
    def _name(self) -> str:
        return self._command[0]

    def _understand(self, output: bytes) -> tuple[Identity, float | None]:
        try:
            credential = msgspec.json.decode(output, type=_ExecCredential)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Neither the output nor the error, which may quote it: they hold a secret.
            raise unavailable(f"the credential plugin {self._name} printed no ExecCredential") from None
        if (credential.api_version, credential.kind) != (self._api_version, "ExecCredential"):
            raise unavailable(
                f"the credential plugin {self._name} answered with another kind or version than {self._api_version}"
            )
        status = credential.status
        certificate = None
        if status.client_certificate_data and status.client_key_data:
            certificate = Certificate(
                status.client_certificate_data.encode(), status.client_key_data.encode()
            )
        if not status.token and certificate is None:
            raise unavailable(
                f"the credential plugin {self._name} gave neither a token nor a client certificate"
            )
        expires = status.expiration_timestamp
        if expires is not None and expires.tzinfo is None:
            expires = expires.replace(tzinfo=UTC)
        return Identity(status.token, certificate), None if expires is None else expires.timestamp()
