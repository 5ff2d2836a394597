"""The driver carries what a machine decides, on a real event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

from announce.bgp import BytesReceived
from announce.l2 import FramesReceived, SendFrame, SendReplies
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder, Turn


class Countdown:
    """Repeats each event, and once more as "late" when 10 ms have passed."""

    def __init__(self) -> None:
        self.due: list[tuple[float, str]] = []

    def step(self, event: str, now: float) -> list[str]:
        self.due.append((now + 0.01, f"late {event}"))
        return [event]

    def advance(self, now: float) -> list[str]:
        told = [text for at, text in self.due if at <= now]
        self.due = [(at, text) for at, text in self.due if at > now]
        return told

    def next_deadline(self) -> float | None:
        return min((at for at, _ in self.due), default=None)


def test_performs_effects_in_order_and_keeps_deadlines() -> None:
    """One timer, always the next one."""
    performed: list[str] = []

    async def play() -> None:
        driver: Driver[str, str] = Driver("countdown", Countdown(), performed.append, Recorder())
        driver.feed("a")
        driver.feed("b")
        await asyncio.sleep(0.05)
        driver.close()

    asyncio.run(play())

    assert performed == ["a", "b", "late a", "late b"]


def test_an_event_out_of_an_effect_waits_for_the_effects_before_it() -> None:
    """The machine never sees itself in the middle of a turn."""
    performed: list[str] = []

    class Twice(Countdown):
        def step(self, event: str, now: float) -> list[str]:
            return [f"{event} 1", f"{event} 2"]

    async def play() -> None:
        def perform(effect: str) -> None:
            performed.append(effect)
            if effect == "a 1":
                driver.feed("b")

        driver: Driver[str, str] = Driver("twice", Twice(), perform, Recorder())
        driver.feed("a")

    asyncio.run(play())

    assert performed == ["a 1", "a 2", "b 1", "b 2"]


def test_a_closed_driver_is_silent() -> None:
    """Neither events nor deadlines reach the machine."""
    performed: list[str] = []

    async def play() -> None:
        driver: Driver[str, str] = Driver("countdown", Countdown(), performed.append, Recorder())
        driver.feed("a")
        driver.close()
        driver.feed("b")
        await asyncio.sleep(0.03)

    asyncio.run(play())

    assert performed == ["a"]


def test_the_recorder_keeps_the_last_turns_and_writes_them(tmp_path: Path) -> None:
    """A deadline that moved nothing is not worth a line."""
    recorder = Recorder(turns_max=2)

    recorder.record(1.0, "m", "first", [])
    recorder.record(2.0, "m", "second", ["effect"])
    recorder.record(3.0, "m", None, [])
    recorder.record(4.0, "m", None, ["late"])
    recorder.dump(tmp_path / "flight")

    assert recorder.turns() == (Turn(2.0, "m", "second", ["effect"]), Turn(4.0, "m", None, ["late"]))
    assert (tmp_path / "flight").read_text() == (
        "2.000000 m 'second'\n    -> 'effect'\n4.000000 m None\n    -> 'late'\n"
    )
    assert (tmp_path / "flight").stat().st_mode & 0o777 == 0o600


def test_the_recorder_keeps_a_bounded_amount_of_what_crossed_the_wire() -> None:
    """A router that sends a full table pushes out its own past, not the memory of the process."""
    recorder = Recorder(octets_max=1000)

    for number in range(10):
        recorder.record(float(number), "bgp", BytesReceived(1, bytes(400)), [])

    assert [turn.now for turn in recorder.turns()] == [8.0, 9.0]


def test_frames_count_for_the_recorder_wherever_they_are() -> None:
    """In a batch, in an answer, or alone: the bound is one on octets."""
    recorder = Recorder(octets_max=1000)
    batch, one = (bytes(60), bytes(60)), bytes(60)

    for number in range(10):
        recorder.record(
            float(number),
            "l2",
            FramesReceived("eth0", batch),
            [SendReplies("eth0", batch), SendFrame("eth0", one)],
        )

    assert [turn.now for turn in recorder.turns()] == [7.0, 8.0, 9.0]
