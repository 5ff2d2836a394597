"""`swimlb status`, asking a socket at which somebody answers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from swimlb.cli.status import status
from swimlb.watch import api

ANSWER: dict[str, Any] = {
    "node": "node-a",
    "profile": "normal",
    "phase": "running",
    "source": {"from": "https://192.0.2.1", "state": "current", "age": None, "troubles": []},
    "members": [],
    "services": [],
    "l2": [],
    "bgp": [],
    "withheld": [],
}


def problem(file: str | None, line: int | None) -> dict[str, Any]:
    told = {
        "severity": "error",
        "object": "IPAddressPool/a",
        "field": "spec",
        "message": "no",
        "hint": "mend",
    }
    return {**told, "file": file, "line": line}


@contextmanager
def answering(directory: Path, answer: dict[str, Any]) -> Generator[None]:
    begun, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with api.serve(directory / api.SOCKET_NAME, lambda: answer):
            begun.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert begun.wait(10)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def test_a_problem_is_placed_where_it_is_known_to_be(tmp_path: Path) -> None:
    """What comes from an API server stands in no file."""
    with answering(tmp_path, {**ANSWER, "problems": [problem(None, None), problem("pools.yaml", 7)]}):
        result = CliRunner(env={"COLUMNS": "160"}).invoke(status, ["--run-dir", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert "pools.yaml:7" in result.output
    assert "None" not in result.output


def test_words_and_addresses_of_others_are_shown_as_they_are(tmp_path: Path) -> None:
    """Not as markup, and without a picture in the place of an octet of a MAC."""
    interface = {"name": "eth0", "mac": "02:ab:00:cd:00:0b"}
    entry = {"address": "192.0.2.10", "owner": "node-a", "candidates": ["node-a"], "in_use_by": None}
    told = {**problem("pools.yaml", 7), "message": "invalid CIDR '[/x]' in [bold]"}
    answer = {**ANSWER, "l2": [{**entry, "interfaces": [interface]}], "problems": [told]}
    with answering(tmp_path, answer):
        result = CliRunner(env={"COLUMNS": "160"}).invoke(status, ["--run-dir", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert "02:ab:00:cd:00:0b" in result.output
    assert "invalid CIDR '[/x]' in [bold]" in result.output


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "Server disconnected"),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops", "500"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
            "not completed",
        ),
    ],
)
def test_a_speaker_that_ends_instead_of_answering_is_told(tmp_path: Path, said: bytes, why: str) -> None:
    """As it does when it is stopped in this moment."""

    def end_them(listener: socket.socket) -> None:
        with suppress(OSError):  # It is shut down when all is over.
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(said)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / api.SOCKET_NAME))
        listener.listen()
        thread = threading.Thread(target=end_them, args=(listener,))
        thread.start()
        result = CliRunner().invoke(status, ["--run-dir", str(tmp_path)])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no speaker answers at ")
    assert why in result.stderr


def test_a_speaker_of_another_version_is_told_of(tmp_path: Path) -> None:
    """In the middle of an upgrade the command and the speaker may come from two images."""
    with answering(tmp_path, {key: ANSWER[key] for key in ANSWER if key != "l2"}):
        as_table, as_json = (
            CliRunner().invoke(status, ["--run-dir", str(tmp_path), "--output", output])
            for output in ("table", "json")
        )

    assert as_table.exit_code == 1
    assert "does not tell 'l2', so it is of another version than this command" in as_table.output
    assert (as_json.exit_code, '"node": "node-a"' in as_json.output) == (0, True)
