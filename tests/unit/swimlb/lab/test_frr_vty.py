"""Answers of a daemon of FRR, as they come in over its socket."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from swimlb.lab.errors import LabError
from swimlb.lab.frr_vty import Vty

OK, UNKNOWN = b"\0\0\0\0", b"\0\0\0\x02"


@contextmanager
def daemon(path: Path, *answers: list[bytes]) -> Generator[Path]:
    """Answers the commands in turn, each in so many pieces, then closes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def run() -> None:
            link, _ = listener.accept()
            with link:
                for pieces in answers:
                    while not link.recv(1000).endswith(b"\0"):
                        pass
                    for piece in pieces:
                        link.sendall(piece)

        thread = threading.Thread(target=run)
        thread.start()
        yield path
        thread.join()


def test_an_answer_ends_where_the_daemon_says(tmp_path: Path) -> None:
    """It comes in pieces, and its end may, too."""
    with (
        daemon(tmp_path / "vty", [OK], [b'{"a":', b" 1}\0", b"\0\0", b"\0"], [OK]) as path,
        Vty(path) as vty,
    ):
        assert vty.ask("show it json") == '{"a": 1}'
        assert vty.ask("show nothing") == ""


def test_a_command_that_is_not_known_is_told(tmp_path: Path) -> None:
    with (
        daemon(tmp_path / "vty", [OK], [b"% Unknown", UNKNOWN]) as path,
        Vty(path) as vty,
        pytest.raises(LabError, match="`shwo` failed with 2: % Unknown"),
    ):
        vty.ask("shwo")


def test_a_daemon_that_closes_is_told(tmp_path: Path) -> None:
    with (
        daemon(tmp_path / "vty", [OK], [b"half"]) as path,
        Vty(path) as vty,
        pytest.raises(LabError, match="has closed after `show`"),
    ):
        vty.ask("show")


def test_a_connection_that_fails_at_once_is_closed(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")

    with (
        daemon(tmp_path / "vty", [b"half"]) as path,
        pytest.raises(LabError, match="has closed after `enable`") as caught,
    ):
        Vty(path)

    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert caught.value.__traceback__ is not None  # It would hold the socket.


def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="does not answer: No such file"):
        Vty(tmp_path / "vty")
