"""Commands that fail say in one line what is wrong, and what to do where that is known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swimlb.lab import namespaces
from swimlb.lab.errors import LabError


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def test_a_command_gives_its_output() -> None:
    assert namespaces.run(("cat",), stdin="a line\n") == "a line\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("nft-that-is-not-there",), "is not installed: run `apt-get install nft-that-is-not-there`"),
        (shell("echo one >&2; echo two >&2; exit 3"), "failed: one two"),
        (shell("exit 3"), "failed: exit status 3"),
        (
            shell("echo RTNETLINK answers: Operation not supported >&2; exit 2"),
            "this kernel lacks what the lab needs",
        ),
    ],
)
def test_a_failure_is_one_line(argv: tuple[str, ...], message: str) -> None:
    with pytest.raises(LabError) as caught:
        namespaces.run(argv)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_root_that_is_none_is_told_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that is not privileged."""
    (tmp_path / "ip").write_text(
        "#!/bin/sh\necho 'mount --make-shared /run/netns failed: Operation not permitted' >&2; exit 1\n"
    )
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(
        LabError, match=r"/run/netns failed: .* capabilities SYS_ADMIN and NET_ADMIN.*privileged"
    ):
        namespaces.create(["swl0-node-a"])


def test_a_command_that_hangs_is_ended() -> None:
    with pytest.raises(LabError, match=r"did not end within 0\.05 s"):
        namespaces.run(("sleep", "60"), timeout=0.05)


def test_the_kernel_limits_the_names_of_interfaces() -> None:
    with pytest.raises(LabError, match="at most 15 bytes"):
        namespaces.plug_in("switch", {"p-a-very-long-name": "node-a"})
