"""One line a fact, as JSON."""

from __future__ import annotations

import json
import logging
from ipaddress import ip_address

from swimlb.observe.logs import JsonFormatter


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
