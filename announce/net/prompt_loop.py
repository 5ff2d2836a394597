"""An event loop in which some questions are answered as they come, before a turn of the loop begins.

asyncio needs some 15 us to find the callback of a socket that has something to read, and to call it: more than to read a
question and to answer it. What is answered right where the selector returns costs no turn, and the loop goes on
waiting as if nothing had happened.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


class PromptLoop(asyncio.SelectorEventLoop):
    """As asyncio's own, on Linux, with `answer_first`."""

    def __init__(self) -> None:
        self._prompt = _PromptSelector(self.time, self._report)
        super().__init__(self._prompt)

    def answer_first(self, fd: int, answer: Callable[[], bool]) -> None:
        """Ask `answer` whenever there is something to read, before the reader that `add_reader` has set.

        True: all has been dealt with, and nobody needs to know. It must not touch the loop or what its callbacks
        touch, since these may be waiting for their turn; where more than an answer is called for, it says False and the
        reader is called as usual. Ends with `remove_reader`.
        """
        self._prompt.first[fd] = answer

    def _report(self, error: Exception) -> None:
        self.call_exception_handler({"message": "an answer has failed", "exception": error})


class _PromptSelector(selectors.EpollSelector):
    def __init__(self, time: Callable[[], float], on_error: Callable[[Exception], None]) -> None:
        super().__init__()
        self.first: dict[int, Callable[[], bool]] = {}
        self._time = time
        self._on_error = on_error

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self.first.pop(key.fd, None)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not self.first:
            return super().select(timeout)
        until = inf if timeout is None else self._time() + timeout
        while True:
            ready = super().select(timeout)
            left = [one for one in ready if not self._is_answered(one[0].fd)]
            if left or not ready:
                return left
            if timeout is not None:
                timeout = until - self._time()
                if timeout <= 0:  # Others are due, however fast questions come.
                    return left

    def _is_answered(self, fd: int) -> bool:
        answer = self.first.get(fd)
        if answer is None:
            return False
        try:
            return answer()
        except Exception as error:
            self._on_error(error)
            return False
