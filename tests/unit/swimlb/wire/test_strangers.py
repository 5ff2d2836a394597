from __future__ import annotations

import logging

import pytest

from membership import Endpoint, PacketDropped
from swimlb.observe.logs import EventLog
from swimlb.wire.strangers import Strangers

LOGGER = logging.getLogger("test of strangers")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, LOGGER.name)
    return caplog


def drop(number: int, reason: str = "undecryptable") -> PacketDropped:
    return PacketDropped(Endpoint(f"192.0.2.{number}", 7946), reason)


def test_told_once_a_minute_per_sender_and_reason(log: pytest.LogCaptureFixture) -> None:
    """A member with another key sends many packets a second."""
    clock = Clock()
    strangers = Strangers(EventLog(LOGGER), clock)

    for tenth in range(700):
        clock.now = tenth / 10
        strangers.notice(drop(1))
        strangers.notice(drop(2, "label-mismatch"))

    assert log.messages == ["gossip_not_understood"] * 4


def test_what_is_only_broken_is_not_told(log: pytest.LogCaptureFixture) -> None:
    """It is counted, and may be anything."""
    Strangers(EventLog(LOGGER), Clock()).notice(drop(1, "crc-mismatch"))

    assert log.messages == []


def test_forged_senders_do_not_fill_the_log(log: pytest.LogCaptureFixture) -> None:
    """Only so many at a time; later others get their turn."""
    clock = Clock()
    strangers = Strangers(EventLog(LOGGER), clock)

    for number in range(200):
        strangers.notice(drop(number))
    clock.now = 61.0
    strangers.notice(drop(201))

    assert len(log.messages) == 64 + 1
