"""Precedence is taken by those who may, and refused with a reason to others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASK = "import os\nfrom swimlb.runtime.priority import take_precedence\n"
TELL = "print(take_precedence(), os.getpriority(os.PRIO_PROCESS, 0))"


def answer(before: str) -> str:
    return subprocess.check_output([sys.executable, "-c", ASK + before + TELL], text=True).strip()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may go before others")
def test_root_goes_before_others() -> None:
    """The niceness of the process is the lowest there is."""
    assert answer("") == "None -20"


def test_who_may_not_is_told_why() -> None:
    """The speaker goes on as it is."""
    give_up = "os.geteuid() or os.setuid(65534)\nbefore = os.getpriority(os.PRIO_PROCESS, 0)\n"

    assert answer(give_up).startswith("Permission denied ")
