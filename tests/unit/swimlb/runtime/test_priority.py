"""Precedence is taken by those who may, and refused with a reason to others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.rights import needs_root

ASK = "import os\nfrom swimlb.runtime.priority import take_precedence\n"
TELL = "print(take_precedence(), os.getpriority(os.PRIO_PROCESS, 0))"


NICENESS_OF = """
def niceness_of(pid):
    try:
        words = open(f"/proc/{pid}/autogroup").read().split()
    except FileNotFoundError:
        words = []
    return words[-1] if words else "ungrouped"
"""
"""Among sessions; of the kernel's first session there is none, nor where sessions are not grouped."""
SWITCH = Path("/proc/sys/kernel/sched_autogroup_enabled")
GROUPS_SESSIONS = SWITCH.exists() and SWITCH.read_text().strip() == "1"


def answer(before: str, after: str = "") -> str:
    return subprocess.check_output([sys.executable, "-c", ASK + before + TELL + after], text=True).strip()


@needs_root
def test_root_goes_before_others() -> None:
    """The niceness of the process is the lowest there is."""
    assert answer("") == "None -20"


@needs_root
def test_its_session_goes_before_other_sessions() -> None:
    """One of its own: the others of the speaker do not need to."""
    tell = f"{NICENESS_OF}\nprint(niceness_of('self'), os.getsid(0) == os.getpid())"
    ours = f"{NICENESS_OF}\nprint(niceness_of({os.getpid()}))"
    before = subprocess.check_output([sys.executable, "-c", ours], text=True).split()[-1]
    after = answer("", ours).split()[-1]

    assert answer("", tell) == f"None -20\n{'-20' if GROUPS_SESSIONS else 'ungrouped'} True"
    assert after == before


@needs_root
def test_precedence_is_lent_to_a_session_that_was_begun_for_another() -> None:
    """From there on its members have it among sessions, as they inherit it among processes."""
    lend = """
import subprocess, sys
from swimlb.runtime.priority import lend_precedence
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
lend_precedence(child.pid)
print(niceness_of(child.pid))
child.communicate(b"\\n")
"""
    told = [
        subprocess.check_output(
            [sys.executable, "-c", f"import os\nNICENESS = {niceness}{NICENESS_OF}{lend}"], text=True
        )
        for niceness in (-7, 7)
    ]

    assert told == (["-7\n", "0\n"] if GROUPS_SESSIONS else ["ungrouped\n"] * 2)


def test_who_may_not_is_told_why() -> None:
    """The speaker goes on as it is."""
    give_up = "os.geteuid() or os.setuid(65534)\nbefore = os.getpriority(os.PRIO_PROCESS, 0)\n"

    assert answer(give_up).startswith("Permission denied ")
