"""Passwords in files of their own, beside the manifests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swimlb.config import resolve
from swimlb.model import Severity
from swimlb.sources import Directory, Manifests, read_paths
from tests.unit.swimlb.sources.rights import forbidding

PEER = """
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
spec: {myASN: 64496, peerASN: 64497, peerAddress: 192.0.2.1, passwordSecret: {name: router}}
"""


def write_secret(
    directory: Path, password: bytes, *, mode: int = 0o600, namespace: str = "metallb-system"
) -> Path:
    file = directory / "secrets" / namespace / "router" / "password"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(password)
    file.chmod(mode)
    return file


def password_of(manifests: Manifests | None) -> str | None:
    assert manifests is not None
    resolved = resolve(manifests.documents, source_problems=manifests.problems)
    (peer,) = resolved.configuration.bgp_peers
    return peer.password


@pytest.mark.parametrize(
    ("octets", "password"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b" two words \r\n", " two words "),
        (b"a\n\n", "a\n"),
    ],
)
def test_a_file_is_the_secret_that_a_peer_names(tmp_path: Path, octets: bytes, password: str) -> None:
    """Byte for byte, but for the newline that editors put at the end."""
    (tmp_path / "peer.yaml").write_text(PEER)
    write_secret(tmp_path, octets)

    assert password_of(read_paths([tmp_path])) == password


def test_a_changed_password_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "peer.yaml").write_text(PEER)
    file = write_secret(tmp_path, b"hunter2")
    directory = Directory(tmp_path)

    first, unchanged = directory.poll(), directory.poll()
    file.write_bytes(b"hunter3-longer")

    assert (password_of(first), unchanged) == ("hunter2", None)
    assert password_of(directory.poll()) == "hunter3-longer"


def test_other_files_are_nobodys_secrets(tmp_path: Path) -> None:
    """Nor hidden directories, such as those that a kubelet exchanges for each other."""
    write_secret(tmp_path, b"hunter2")
    for other in (
        "secrets/password",
        "secrets/a/password",
        "secrets/a/..data/password",
        "secrets/a/b/username",
    ):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_text("other")

    (document,) = read_paths([tmp_path]).documents

    assert document.file == str(tmp_path / "secrets/metallb-system/router/password")


@pytest.mark.parametrize(
    ("octets", "message"),
    [(b"\xff", "is not UTF-8 text"), (b"a" * 5000, "is longer than 4096 octets")],
)
def test_tells_what_is_wrong_with_a_file_and_nothing_of_what_is_in_it(
    tmp_path: Path, octets: bytes, message: str
) -> None:
    file = write_secret(tmp_path, octets)

    manifests = read_paths([tmp_path])

    assert manifests.documents == ()
    assert [(one.object, one.message) for one in manifests.problems] == [(str(file), message)]


def test_warns_of_a_password_that_everybody_may_read(tmp_path: Path) -> None:
    (tmp_path / "peer.yaml").write_text(PEER)
    write_secret(tmp_path, b"hunter2", mode=0o644)

    manifests = read_paths([tmp_path])

    assert [(one.severity, one.message) for one in manifests.problems] == [
        (Severity.WARNING, "every user of this host may read it")
    ]
    assert password_of(manifests) == "hunter2"


@pytest.mark.parametrize("unlisted", ["secrets", "secrets/metallb-system"])
@pytest.mark.parametrize("call", ["listdir", "stat"])
def test_a_directory_that_cannot_be_listed_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unlisted: str, call: str
) -> None:
    """The peers keep their passwords, and all is well again when its rights are mended."""
    (tmp_path / "peer.yaml").write_text(PEER)
    write_secret(tmp_path, b"hunter2")
    write_secret(tmp_path, b"hunter2", namespace="other")
    directory = Directory(tmp_path)
    first = directory.poll()
    assert first is not None
    before = resolve(first.documents)

    with monkeypatch.context() as patched:
        place = f"{tmp_path}/{unlisted}" + ("/." if call == "stat" else "")
        patched.setattr(os, call, forbidding(place, getattr(os, call)))
        manifests = directory.poll()
        assert directory.poll() is None
    mended = directory.poll()

    assert manifests is not None
    (problem,) = manifests.problems
    assert (problem.severity, problem.object) == (Severity.ERROR, str(tmp_path / unlisted))
    assert problem.message == "cannot be listed: Permission denied"
    after = resolve(manifests.documents, before, source_problems=manifests.problems)
    assert after.configuration == before.configuration
    assert password_of(mended) == "hunter2"


def test_a_link_to_passwords_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "secrets").symlink_to("gone")

    (problem,) = read_paths([tmp_path]).problems

    assert (problem.object, problem.message) == (
        str(tmp_path / "secrets"),
        "cannot be listed: No such file or directory",
    )


def test_a_file_in_the_place_of_the_directory_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("Where I keep them: in the vault.")

    assert read_paths([tmp_path]) == Manifests()
