"""Real-time while little is computed, ordinary while much is: asked of the kernel, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from tests.rights import needs_root

LIMIT, PAUSE = 0.1, 0.2

PRELUDE = f"""
import asyncio, os, resource, signal, time
from swimlb.runtime.urgency import Urgency

POLICIES = {{os.SCHED_OTHER: "ordinary", os.SCHED_RR: "real-time"}}

def policy():
    return POLICIES[os.sched_getscheduler(0)]

def compute(limit=20.0):
    "Until it is an ordinary process. Seconds of computing, in which the kernel counts what another machine took, too."
    begun = time.process_time()
    while policy() == "real-time" and time.process_time() < begun + limit:
        pass
    return time.process_time() - begun

async def until(wanted, within=20.0):
    deadline = time.monotonic() + within
    while policy() != wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.01)

urgency = Urgency({LIMIT}, {PAUSE})
"""


def told(body: str, *, before: str = "") -> list[str]:
    """What a program prints that is the body of a coroutine."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    program = f"{PRELUDE}\n{before}\nasync def main():\n{lines}    urgency.close()\nasyncio.run(main())"
    return subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60).split()


@needs_root
def test_it_is_real_time_at_the_lowest_priority() -> None:
    told_of = told("print(urgency.start(), policy(), os.sched_getparam(0).sched_priority)")

    assert told_of == ["None", "real-time", "1"]


@needs_root
def test_who_computes_for_long_is_an_ordinary_process_until_a_pause_has_gone_by() -> None:
    """As often as it happens, and with the niceness that it had. The count begins anew when it has slept.

    A tick of the kernel just when it is real-time again, before it sleeps, makes it give up once more than it should.
    """
    body = f"""
os.setpriority(os.PRIO_PROCESS, 0, -7)
urgency.start()
for turn in range(3):
    await until("real-time")
    await asyncio.sleep(0.01)
    await until("real-time")
    before = urgency.times_given_up
    computed = compute()
    print(policy(), urgency.times_given_up > before, computed < 10 * {LIMIT}, os.getpriority(os.PRIO_PROCESS, 0))
await until("real-time")
print(policy(), urgency.times_given_up >= 3)
"""
    assert told(body) == ["ordinary", "True", "True", "-7"] * 3 + ["real-time", "True"]


@needs_root
def test_who_computes_little_at_a_time_stays_real_time() -> None:
    """Six times the limit, in all."""
    body = """
urgency.start()
for turn in range(60):
    compute(0.01)
    await asyncio.sleep(0.001)
print(policy(), urgency.times_given_up)
"""
    assert told(body) == ["real-time", "0"]


@needs_root
def test_after_its_end_nothing_is_left() -> None:
    """Neither the scheduling, nor the limit, nor what would begin again."""
    body = f"""
urgency.start()
compute()
await asyncio.sleep({PAUSE / 4})
urgency.close()
await asyncio.sleep({PAUSE * 2})
unlimited = resource.getrlimit(resource.RLIMIT_RTTIME) == (resource.RLIM_INFINITY,) * 2
print(policy(), unlimited, signal.getsignal(signal.SIGXCPU) is signal.SIG_DFL)
"""
    assert told(body) == ["ordinary", "True", "True"]


@needs_root
def test_a_limit_that_would_kill_it_is_a_reason_not_to_be() -> None:
    """As systemd's LimitRTTIME is: it is left as it was."""
    limit = "resource.setrlimit(resource.RLIMIT_RTTIME, (200_000, 200_000))"
    body = """
print("hard limit of 200000 us" in urgency.start(), policy())
urgency.close()
print(resource.getrlimit(resource.RLIMIT_RTTIME)[1])
"""
    assert told(body, before=limit) == ["True", "ordinary", "200000"]


def test_who_may_not_is_told_why() -> None:
    """Nothing is left of the try."""
    give_up = "os.geteuid() or os.setuid(65534)"
    body = """
print(urgency.start().replace(" ", "-"), policy(), signal.getsignal(signal.SIGXCPU) is signal.SIG_DFL)
"""
    assert told(body, before=give_up) == ["Operation-not-permitted", "ordinary", "True"]
