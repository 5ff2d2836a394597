"""An event loop in which some questions are answered as they come, between two turns of the loop.

asyncio needs longer to find the callback of a socket that has something to read, to call it and to wait again than it takes to
read a question and to answer it. What is answered where the kernel's wait returns costs no turn: the loop goes on
waiting as if nothing had happened. Few lines run on that way, since after a pause each of them comes from slow memory.
"""

from __future__ import annotations

import asyncio
import select
import selectors
from collections.abc import Callable

_EVENTS_MAX = 16


class PromptLoop(asyncio.SelectorEventLoop):
    """As asyncio's own, on Linux, with sockets that have no reader, but somebody who answers."""

    def __init__(self) -> None:
        self._prompt = _PromptSelector(self)
        super().__init__(self._prompt)

    def answer_at_once(self, fd: int, answer: Callable[[], bool]) -> None:
        """Call `answer` whenever there is something to read, or the socket has failed; until `answer_no_more`.

        True: all has been dealt with, and nobody needs to know. Callbacks may be waiting for their turn then, so what they
        touch it may read, not change; what else is to be done it leaves to `call_soon`, and says False.
        """
        self._prompt.add_answer(fd, answer)

    def answer_no_more(self, fd: int) -> None:
        """Before the socket is closed."""
        self._prompt.remove_answer(fd)


class _PromptSelector(selectors.EpollSelector):
    """Everybody's sockets are in the epoll that asyncio has; that one is a socket among those that are answered at once."""

    def __init__(self, loop: PromptLoop) -> None:
        super().__init__()
        self._loop = loop
        self._now = loop.time
        self._all = select.epoll()
        self._all.register(self.fileno(), select.EPOLLIN)
        # With whatever is asyncio's a turn begins.
        self._answers: dict[int, Callable[[], bool]] = {self.fileno(): lambda: False}

    def add_answer(self, fd: int, answer: Callable[[], bool]) -> None:
        self._all.register(fd, select.EPOLLIN)
        self._answers[fd] = answer

    def remove_answer(self, fd: int) -> None:
        del self._answers[fd]
        self._all.unregister(fd)

    def close(self) -> None:
        self._all.close()
        super().close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        answers = self._answers
        until = None if timeout is None else self._now() + timeout
        while True:
            ready = self._all.poll(timeout, _EVENTS_MAX)
            is_answered = bool(ready)
            for fd, _ in ready:
                try:
                    if not answers[fd]():
                        is_answered = False
                except Exception as error:
                    is_answered = False
                    self._report(error)
            if not is_answered:
                return super().select(0)
            if until is not None:
                timeout = until - self._now()
                if timeout <= 0:  # Others are due, however fast questions come.
                    return super().select(0)

    def _report(self, error: Exception) -> None:
        self._loop.call_exception_handler({"message": "an answer has failed", "exception": error})
