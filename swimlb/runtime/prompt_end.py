"""A process that is killed ends its connections at once, and not when its memory has been taken apart.

The kernel lets go of a dying thread's memory first, then of its files, each when no other thread has it any more. A Python process of
30 MiB takes milliseconds for its memory, and so much later a router hears that the BGP session is over, and stops sending. Here threads
are kept that have the memory and none of the files: the last of all takes the memory apart, and the files are closed meanwhile.

    do_exit() in the kernel's kernel/exit.c, close_range(2)
"""

from __future__ import annotations

import ctypes
import signal
import threading

_CLOSE_RANGE_UNSHARE = 2
_ALL = ctypes.c_uint(0xFFFFFFFF)
_THREADS = 4
"""All threads die at the same time. With one of these the main thread is the last one often, with four next to never."""


def end_connections_first() -> None:
    """From now on, also for files that are opened later. Nothing is changed where the kernel (before 5.9) or the C library cannot do it."""
    library = ctypes.CDLL(None)
    if hasattr(library, "close_range"):
        for number in range(_THREADS):
            threading.Thread(
                target=_keep_memory, args=(library,), name=f"memory-{number}", daemon=True
            ).start()


def _keep_memory(library: ctypes.CDLL) -> None:
    # A handler that ran here would not find the files that it writes to.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if library.close_range(0, _ALL, _CLOSE_RANGE_UNSHARE) == 0:
        signal.pause()
