from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from pathlib import Path

import pytest

from membership import Encryption
from membership.metallb import KeyDerivation
from swimlb.observe.logs import EventLog
from swimlb.runtime.recorder import Recorder
from swimlb.wire.secret import Plaintext, SecretFiles, SecretUnusable, SecretWatch
from tests.rights import needs_root

LOGGER = logging.getLogger("test of the secret")
SECRET = b"abcdefghijklmnopqrstuv"
KEY = bytes.fromhex("6162636465666768696a6b6c6d6e6f70717273747576e3b0c44298fc1c149afb")


def files(*paths: Path, plaintext: Plaintext = Plaintext.REFUSE) -> SecretFiles:
    return SecretFiles(paths, KeyDerivation.METALLB, plaintext)


def secret_file(directory: Path, content: bytes = SECRET, name: str = "secretkey") -> Path:
    path = directory / name
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_the_first_files_secret_is_used(tmp_path: Path) -> None:
    """Byte for byte; of the others only what is needed to read."""
    first, second = secret_file(tmp_path), secret_file(tmp_path, b"other", "previous")

    keys = files(first, second).read().keys

    assert keys[0] == KEY
    assert len(keys) == 6
    assert set(files(second).read().keys) < set(keys)


def test_without_files_there_is_no_encryption() -> None:
    """As MetalLB does without its secret."""
    assert files().encryption() == Encryption()


@pytest.mark.parametrize(
    ("plaintext", "switches"),
    [(Plaintext.REFUSE, (True, True)), (Plaintext.ACCEPT, (False, True)), (Plaintext.SEND, (False, False))],
)
def test_plaintext(tmp_path: Path, plaintext: Plaintext, switches: tuple[bool, bool]) -> None:
    """The three steps of a ring on its way to encryption, from the last to the first."""
    encryption = files(secret_file(tmp_path), plaintext=plaintext).encryption()

    assert (encryption.verify_incoming, encryption.verify_outgoing) == switches


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    """File, problem, way out."""
    empty, missing = secret_file(tmp_path, b""), tmp_path / "missing"

    for path, problem in (
        (empty, "is empty; write the secret into it"),
        (missing, "there is no such file; make it"),
        (tmp_path, "is a directory; name the file in it"),
        (secret_file(tmp_path, bytes(70_000), "long"), "is longer than 65536 octets"),
    ):
        with pytest.raises(SecretUnusable) as refusal:
            files(path).read()
        assert str(refusal.value).startswith(f"{path}: {problem}")
        assert "\n" not in str(refusal.value)


@needs_root
def test_a_file_that_may_not_be_read() -> None:
    """It names who may not, and how to let it."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = secret_file(Path(directory))

        os.seteuid(65_534)
        try:
            with pytest.raises(SecretUnusable) as refusal:
                files(path).read()
        finally:
            os.seteuid(0)

    assert str(refusal.value).endswith(
        f"(user 65534) may not read it; make it its own: `chown 65534 {path} && chmod 600 {path}`"
    )


class Watching:
    """A watch on real files, and what came of it."""

    def __init__(self, secret_files: SecretFiles) -> None:
        self.changes: list[Encryption] = []
        log = EventLog(LOGGER)
        encryption = secret_files.encryption()
        self.watch = SecretWatch(
            secret_files, encryption, Recorder(), log, self.changes.append, poll_interval=0.005
        )

    async def until_logged(self, caplog: pytest.LogCaptureFixture, event: str) -> None:
        async with asyncio.timeout(3):
            while event not in caplog.messages:  # noqa: ASYNC110  # The watch sets no Event.
                await asyncio.sleep(0.005)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, LOGGER.name)
    return caplog


def test_a_new_secret_is_taken_up(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """First to read by, while the old one is still used."""
    path = secret_file(tmp_path)

    async def scene() -> list[Encryption]:
        watching = Watching(files(path))
        watching.watch.start()
        # As Kubernetes does it: another file under the same name.
        os.replace(secret_file(tmp_path, b"new secret", "next"), path)
        await watching.until_logged(log, "gossip_keys_changed")
        watching.watch.close()
        return watching.changes

    (change,) = asyncio.run(scene())

    assert change.keyring.keys[0] == KEY
    assert set(files(path).read().keys) < set(change.keyring.keys)
    assert change.verify_incoming


def test_a_secret_that_vanishes_stays_in_use(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """It is told once, and what comes back is taken up."""
    path = secret_file(tmp_path)

    async def scene() -> list[Encryption]:
        watching = Watching(files(path))
        watching.watch.start()
        path.unlink()
        await watching.until_logged(log, "gossip_secret_unusable")
        await asyncio.sleep(0.03)
        assert watching.changes == []
        secret_file(tmp_path, b"new secret")
        await watching.until_logged(log, "gossip_keys_changed")
        watching.watch.close()
        return watching.changes

    assert len(asyncio.run(scene())) == 1
    assert log.messages.count("gossip_secret_unusable") == 1


def test_rights_that_were_mended_are_a_change(tmp_path: Path) -> None:
    """What could not be read for them is to be read again."""
    path = secret_file(tmp_path)
    known = files(path)
    known.read()

    assert not known.have_changed()
    path.chmod(0o640)
    assert known.have_changed()


def test_a_secret_that_all_may_read_is_told(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """With the command that mends it; no key or secret stands in any log line."""
    path = secret_file(tmp_path)
    path.chmod(0o644)

    async def scene() -> None:
        watch = Watching(files(path)).watch
        watch.start()
        watch.close()

    asyncio.run(scene())

    assert "gossip_secret_exposed" in log.messages
    fields = " ".join(str(vars(record)) for record in log.records)
    assert f"chmod 600 {path}" in fields
    assert SECRET.decode() not in fields
    assert KEY.hex() not in fields
