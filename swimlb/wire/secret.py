"""The gossip secret: the only files that *wire* reads. Read at the start, and again whenever they change."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from membership import Encryption, Keyring
from membership.keyring import KEYS_MAX, fingerprint
from membership.metallb import KeyDerivation, keyring
from swimlb.observe.logs import EventLog
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder
from swimlb.wire.rotation import Effect, Event, KeysRead, Rotation, UseKeyring

POLL_INTERVAL = 2.0
"""A stat per file. Watching the directory would not see a changed mount."""
_SECRET_OCTETS_MAX = 65_536

Signature: TypeAlias = tuple[int, int, int, int]
"""Time of the last change of content and of the last change of all else (owner, rights), in ns; inode; size."""


class SecretUnusable(Exception):
    """The operator's: the text names the file, the problem and the way out. Nothing has changed."""


class Plaintext(StrEnum):
    """What a node with a secret does about plaintext, while a ring goes from one to the other."""

    REFUSE = "refuse"
    ACCEPT = "accept"
    SEND = "send"
    """And accept."""


class SecretFiles:
    """One file per secret: the first is used, the others are only read by. No file: no encryption."""

    def __init__(self, paths: Sequence[Path], derivation: KeyDerivation, plaintext: Plaintext) -> None:
        self._paths = tuple(paths)
        self._derivation = derivation
        self._plaintext = plaintext
        self._as_read = self._signature()

    def read(self) -> Keyring:
        """The keys of all the secrets, or SecretUnusable."""
        # First, so that a change while they are read is seen the next time.
        self._as_read = self._signature()
        keys = [key for path in self._paths for key in keyring(_read(path), self._derivation).keys]
        return Keyring(tuple(dict.fromkeys(keys))[:KEYS_MAX])

    def encryption(self, keyring: Keyring | None = None) -> Encryption:
        """How to seal by these keys; by those in the files when none are given (SecretUnusable)."""
        return Encryption(
            keyring=keyring or self.read(),
            verify_incoming=self._plaintext is Plaintext.REFUSE,
            verify_outgoing=self._plaintext is not Plaintext.SEND,
        )

    def exposed(self) -> list[Path]:
        """Those that every user of the host may read."""
        return [path for path in self._paths if _mode(path) & stat.S_IROTH]

    def have_changed(self) -> bool:
        """Was one written, replaced, removed or made readable since they were read?"""
        return self._signature() != self._as_read

    def _signature(self) -> tuple[Signature | None, ...]:
        return tuple(map(_signature, self._paths))


class SecretWatch:
    """Polls the files, and hands the encryption that follows from them to `on_change`."""

    def __init__(
        self,
        files: SecretFiles,
        encryption: Encryption,
        recorder: Recorder,
        log: EventLog,
        on_change: Callable[[Encryption], None],
        *,
        poll_interval: float = POLL_INTERVAL,
    ) -> None:
        """`encryption` is what the ring starts with: by the files, as they are now."""
        self._files = files
        self._log = log
        self._on_change = on_change
        self._poll_interval = poll_interval
        self._keys = encryption.keyring
        self._driver: Driver[Event, Effect] = Driver(
            "gossip keys", Rotation(encryption.keyring), self._perform, recorder
        )
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Say what is in force, and watch the files, if there are any."""
        keys = self._keys.keys
        self._log.info("gossip_encryption", is_on=bool(keys), keys=list(map(fingerprint, keys)))
        if not keys:
            return
        for path in self._files.exposed():
            self._log.warning(
                "gossip_secret_exposed",
                path=str(path),
                hint=f"every user of this host may read it: chmod 600 {path}",
            )
        self._schedule()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._poll_interval, self._poll)

    def close(self) -> None:
        self._driver.close()
        if self._timer is not None:
            self._timer.cancel()

    def _poll(self) -> None:
        self._schedule()
        if not self._files.have_changed():
            return
        try:
            keys = self._files.read()
        except SecretUnusable as error:
            self._log.error("gossip_secret_unusable", reason=str(error), hint="the keys in use stay in use")
            return
        self._driver.feed(KeysRead(keys))

    def _perform(self, effect: Effect) -> None:
        match effect:
            case UseKeyring(keyring, reason):
                self._log.info("gossip_keys_changed", step=reason, keys=list(map(fingerprint, keyring.keys)))
                self._on_change(self._files.encryption(keyring))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            secret = file.read(_SECRET_OCTETS_MAX + 1)
    except FileNotFoundError as error:
        raise SecretUnusable(
            f"{path}: there is no such file; make it, the same on every node: `openssl rand -base64 24 > {path}`"
        ) from error
    except PermissionError as error:
        raise SecretUnusable(
            f"{path}: this process (user {os.geteuid()}) may not read it; make it its own: "
            f"`chown {os.geteuid()} {path} && chmod 600 {path}`"
        ) from error
    except IsADirectoryError as error:
        raise SecretUnusable(
            f"{path}: is a directory; name the file in it (MetalLB's is `secretkey`)"
        ) from error
    except OSError as error:
        raise SecretUnusable(f"{path}: {error.strerror}; give a file that can be read") from error
    if not secret:
        raise SecretUnusable(
            f"{path}: is empty; write the secret into it, the same on every node: `openssl rand -base64 24 > {path}`"
        )
    if len(secret) > _SECRET_OCTETS_MAX:
        raise SecretUnusable(
            f"{path}: is longer than {_SECRET_OCTETS_MAX} octets; give the file with the secret"
        )
    return secret


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0  # Removed meanwhile: the next poll tells.


def _signature(path: Path) -> Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size
