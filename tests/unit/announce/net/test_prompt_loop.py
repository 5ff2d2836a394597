"""What is answered first costs no turn of the loop, and takes nothing from anybody else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from announce.net.prompt_loop import PromptLoop


def run(play: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=PromptLoop) as runner:
        runner.run(play)


def running() -> PromptLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, PromptLoop)
    return loop


class Ends:
    """A pair of sockets; questions come in at `here`, and the reader notes its calls."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.read = asyncio.Event()
        self.reads: list[bytes] = []
        running().add_reader(self.here, self._read)

    def answer_first(self, answer: Callable[[], bool]) -> None:
        running().answer_first(self.here.fileno(), answer)

    def _read(self) -> None:
        self.reads.append(self.here.recv(100))
        self.read.set()


@asynccontextmanager
async def ends() -> AsyncGenerator[Ends]:
    pair = Ends()
    with pair.here, pair.there:
        yield pair
        running().remove_reader(pair.here)


def test_a_plain_question_never_reaches_the_reader() -> None:
    async def play() -> None:
        async with ends() as pair:

            def echo() -> bool:
                pair.here.send(pair.here.recv(100))
                return True

            pair.answer_first(echo)
            pair.there.send(b"question")

            assert await asyncio.to_thread(pair.there.recv, 100) == b"question"
            assert pair.reads == []

    run(play())


def test_what_needs_more_than_an_answer_is_the_readers() -> None:
    async def play() -> None:
        async with ends() as pair:
            pair.answer_first(lambda: False)
            pair.there.send(b"claim")
            await pair.read.wait()

            assert pair.reads == [b"claim"]

    run(play())


def test_others_are_served_in_the_same_turn() -> None:
    async def play() -> None:
        async with ends() as busy, ends() as other:
            busy.answer_first(lambda: True)  # What came stays there: it is readable for ever.
            busy.there.send(b"question")
            other.there.send(b"news")
            await other.read.wait()

            assert busy.reads == []

    run(play())


def test_timers_and_other_threads_are_served_however_fast_questions_come() -> None:
    async def play() -> None:
        async with ends() as busy:
            busy.answer_first(lambda: True)
            busy.there.send(b"question")
            await asyncio.sleep(0.01)
            assert await asyncio.to_thread(lambda: 1) == 1

    run(play())


def test_an_answer_that_fails_is_reported_and_the_reader_called() -> None:
    reported: list[dict[str, Any]] = []

    async def play() -> None:
        running().set_exception_handler(lambda _, context: reported.append(context))
        async with ends() as pair:

            def fail() -> bool:
                raise ValueError("no such answer")

            pair.answer_first(fail)
            pair.there.send(b"question")
            await pair.read.wait()

            assert pair.reads == [b"question"]

    run(play())

    assert [str(context["exception"]) for context in reported] == ["no such answer"]


def test_it_ends_with_the_reader() -> None:
    """Descriptors are used again: the next socket with the number is not answered by the one before."""

    async def play() -> None:
        async with ends() as pair:
            pair.answer_first(lambda: pytest.fail("is asked"))
            number = pair.here.fileno()
        async with ends() as pair:
            assert pair.here.fileno() == number
            pair.there.send(b"news")
            await pair.read.wait()

            assert pair.reads == [b"news"]

    run(play())
