"""Only the very process that was meant is signalled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from queue import Queue

from swimlb.lab.processes import ProcessId, await_exit, descendants, identify, kill, myself


def test_a_process_is_alive_until_it_has_ended_though_nobody_has_reaped_it() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        identity = identify(child.pid)
        assert identity is not None
        alive_before = identity.is_alive

        remaining = kill([identity])

        assert (alive_before, remaining, identity.is_alive) == (True, (), False)


def test_a_successor_with_the_same_pid_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        identity = identify(child.pid)
        assert identity is not None
        predecessor = ProcessId(child.pid, identity.started - 1)

        was_sent = predecessor.send(signal.SIGKILL)

        assert not was_sent
        assert identity.is_alive
        child.kill()


def test_a_number_that_a_thread_has_by_now_is_nobodys() -> None:
    """The kernel hands numbers out to threads as well, and says so in another way than of numbers that nobody has."""
    told, go_on = Queue[int](), threading.Event()

    def stay() -> None:
        told.put(threading.get_native_id())
        go_on.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    try:
        assert not ProcessId(told.get(), started=1).send(signal.SIGKILL)
    finally:
        go_on.set()
        thread.join()


def test_waiting_gives_back_those_that_are_still_there() -> None:
    assert await_exit([myself()], timeout=0.02) == (myself(),)


def test_a_process_that_has_ended_has_no_descendants() -> None:
    """Whoever got its pid may have some: they are not those that were meant."""
    with subprocess.Popen(["sleep", "60"]) as child:
        predecessor = ProcessId(os.getpid(), myself().started - 1)

        found = descendants(predecessor)

        child.kill()
    assert found == ()


def test_descendants_are_found_through_generations() -> None:
    script = "import subprocess, sys; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        grandchild = identify(int(child.stdout.readline()))

        found = descendants(myself())

        assert grandchild is not None
        assert {child.pid, grandchild.pid} <= {one.pid for one in found}
        assert os.getpid() not in {one.pid for one in found}
        kill([*found])
