"""Some threads have the memory and no files; all else is as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from swimlb.lab.waiting import wait_until

PROGRAM = """
import signal, sys
from swimlb.runtime.prompt_end import end_connections_first
signal.signal(signal.SIGTERM, lambda *_: (print("told", flush=True), sys.exit(3)))
end_connections_first()
print("begun", flush=True)
signal.pause()
"""


def files_by_thread(pid: int) -> list[int]:
    """How many each has."""
    return sorted(
        len(os.listdir(f"/proc/{pid}/task/{thread}/fd")) for thread in os.listdir(f"/proc/{pid}/task")
    )


def test_threads_keep_the_memory_without_any_file() -> None:
    """Signals and a stop in order are the main thread's, as before."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        wait_until(
            lambda: files_by_thread(process.pid)[:-1] == [0] * 4, timeout=10.0, what="threads without files"
        )
        assert files_by_thread(process.pid)[-1] >= 3

        process.send_signal(signal.SIGTERM)

        assert process.stdout.readline() == "told\n"
        assert process.wait(10.0) == 3
