"""What SIGINT, SIGTERM and SIGHUP do to a lab: one of them unwinds it, and none interrupts its cleaning up."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_signals_raise() -> Generator[None]:
    """The first SIGINT, SIGTERM or SIGHUP unwinds the block as an exception, so that `with` blocks clean up.

    Those that follow are ignored until the block is left: a user who is impatient, or a terminal that closes,
    must not interrupt the cleaning up, which is bounded. A SIGHUP that whoever started us has us ignore (nohup) is.
    """
    endings = [one for one in _ENDING if one != signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN]

    def leave(signum: int, _frame: FrameType | None) -> None:
        for ending in endings:
            signal.signal(ending, _ignore)
        raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(128 + signum)

    before = {signum: signal.signal(signum, leave) for signum in endings}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def undisturbed() -> Generator[None]:
    """Let nobody interrupt a teardown: it is bounded, and half of one is what it is there to prevent."""
    try:
        # A handler, not SIG_IGN: commands started in here would inherit that.
        before = {signum: signal.signal(signum, _ignore) for signum in _ENDING}
    except ValueError:
        before = {}  # Not the main thread, which alone gets interrupted.
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _ignore(_signum: int, _frame: FrameType | None) -> None:
    pass
