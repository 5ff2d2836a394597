"""One line a fact, as JSON."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

import pytest

from swimlb.observe import logs
from swimlb.observe.logs import EventLog, JsonFormatter, Unwaiting


def test_writes_one_json_object_a_line() -> None:
    """With the constant fields, the event's own, and text for whatever is not JSON."""
    record = logging.LogRecord("swimlb", logging.WARNING, __file__, 1, "address_conflict", None, None)
    record.created = 1_700_000_000.25
    record.fields = {"address": ip_address("192.0.2.1"), "text": "two\nlines"}

    line = JsonFormatter(process="wire", node="node-a").format(record)

    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "process": "wire",
        "node": "node-a",
        "event": "address_conflict",
        "address": "192.0.2.1",
        "text": "two\nlines",
    }


@contextmanager
def full_pipe() -> Generator[tuple[int, int]]:
    """Both ends of a pipe that takes no more, and whose writers wait."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while os.write(writing, bytes(4096)):
                pass
        os.set_blocking(writing, True)
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def unwaiting(descriptor: int) -> EventLog:
    handler = Unwaiting(descriptor)
    handler.setFormatter(JsonFormatter(process="wire"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    return EventLog(logger)


def drain(reading: int) -> bytes:
    os.set_blocking(reading, False)
    found = b""
    with suppress(BlockingIOError):
        while more := os.read(reading, 1 << 16):
            found += more
    return found


def within_two_seconds(act: Callable[[], object]) -> None:
    writer = threading.Thread(target=act, daemon=True)
    writer.start()
    writer.join(2.0)
    assert not writer.is_alive(), "it waits"


def events(octets: bytes) -> list[str]:
    return [json.loads(line)["event"] for line in octets.decode().splitlines()]


def test_lines_that_nobody_reads_yet_are_not_waited_for() -> None:
    """A runtime whose disk hangs reads no more: gossip and BFD must not hang, too."""
    with full_pipe() as (reading, writing):
        log = unwaiting(writing)

        within_two_seconds(lambda: [log.info("one"), log.info("two", text="x" * 10_000)])
        drain(reading)
        log.flush()

        assert events(drain(reading)) == ["one", "two"]


def test_lines_that_nobody_reads_for_long_are_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BACKLOG_OCTETS_MAX", 10)
    with full_pipe() as (reading, writing):
        log = unwaiting(writing)

        within_two_seconds(lambda: [log.info(name) for name in ("one", "two", "three")])
        drain(reading)
        log.info("four")
        told = drain(reading)

        assert events(told) == ["one", "log_lines_lost", "four"]
        assert json.loads(told.splitlines()[1])["count"] == 2
