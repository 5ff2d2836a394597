"""What is answered first costs no turn of the loop, and takes nothing from anybody else."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

from announce.net.prompt_loop import PromptLoop


def run(play: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=PromptLoop) as runner:
        runner.run(play)


def running() -> PromptLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, PromptLoop)
    return loop


class Ends:
    """A pair of sockets; questions come in at `here`, and what is read in a turn of the loop is noted."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.read = asyncio.Event()
        self.reads: list[bytes] = []

    def answer_at_once(self, answer: Callable[[], bool]) -> None:
        running().answer_at_once(self.here.fileno(), answer)

    def leave_it(self) -> bool:
        """An answer that has none."""
        asyncio.get_running_loop().call_soon(self._read)
        return False

    def listen(self) -> None:
        """As sockets do that nobody answers at once."""
        running().add_reader(self.here, self._read)

    def _read(self) -> None:
        self.reads.append(self.here.recv(100))
        self.read.set()


@contextmanager
def ends() -> Generator[Ends]:
    pair = Ends()
    with pair.here, pair.there:
        yield pair


@contextmanager
def answered(answer: Callable[[Ends], Callable[[], bool]]) -> Generator[Ends]:
    with ends() as pair:
        pair.answer_at_once(answer(pair))
        yield pair
        running().answer_no_more(pair.here.fileno())


@contextmanager
def read() -> Generator[Ends]:
    with ends() as pair:
        pair.listen()
        yield pair
        running().remove_reader(pair.here)


def always(said: bool) -> Callable[[Ends], Callable[[], bool]]:
    """What came stays there: it is readable for ever."""
    return lambda _: lambda: said


def test_a_plain_question_needs_no_reader() -> None:
    async def play() -> None:
        def echo(pair: Ends) -> Callable[[], bool]:
            def answer() -> bool:
                pair.here.send(pair.here.recv(100))
                return True

            return answer

        with answered(echo) as pair:
            pair.there.send(b"question")
            assert await asyncio.to_thread(pair.there.recv, 100) == b"question"

    run(play())


def test_what_needs_more_than_an_answer_begins_a_turn() -> None:
    async def play() -> None:
        with answered(lambda pair: pair.leave_it) as pair:
            pair.there.send(b"claim")
            await pair.read.wait()

            assert pair.reads == [b"claim"]

    run(play())


def test_others_are_served_in_the_same_turn() -> None:
    async def play() -> None:
        with answered(always(True)) as busy, read() as other:
            busy.there.send(b"question")
            other.there.send(b"news")
            await other.read.wait()

            assert other.reads == [b"news"]

    run(play())


def test_timers_and_other_threads_are_served_however_fast_questions_come() -> None:
    async def play() -> None:
        with answered(always(True)) as busy:
            busy.there.send(b"question")
            await asyncio.sleep(0.01)
            assert await asyncio.to_thread(lambda: 1) == 1

    run(play())


def test_an_answer_that_fails_is_reported_and_others_go_on() -> None:
    reported: list[dict[str, Any]] = []

    async def play() -> None:
        running().set_exception_handler(lambda _, context: reported.append(context))

        def fail(pair: Ends) -> Callable[[], bool]:
            def answer() -> bool:
                pair.here.recv(100)
                raise ValueError("no such answer")

            return answer

        with answered(fail) as pair, read() as other:
            pair.there.send(b"question")
            other.there.send(b"news")
            await other.read.wait()
            await asyncio.sleep(0)

    run(play())

    assert [str(context["exception"]) for context in reported] == ["no such answer"]


def test_nobody_answers_for_the_next_socket_with_the_number() -> None:
    async def play() -> None:
        with answered(always(True)) as pair:
            number = pair.here.fileno()
        with read() as pair:
            assert pair.here.fileno() == number
            pair.there.send(b"news")
            await pair.read.wait()

            assert pair.reads == [b"news"]

    run(play())


def test_signals_arrive_while_it_waits() -> None:
    async def play() -> None:
        heard = asyncio.Event()
        running().add_signal_handler(signal.SIGUSR1, heard.set)
        with answered(always(True)):
            running().call_soon(os.kill, os.getpid(), signal.SIGUSR1)
            await heard.wait()

    run(play())
