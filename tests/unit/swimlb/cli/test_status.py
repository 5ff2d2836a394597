"""`swimlb status`, asking a socket at which somebody answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
