"""A ring of one contender in a network namespace of its own: started, watched, hurt, healed and counted."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import PORT, ROOT, Contender
from swimlb.lab import namespaces
from swimlb.runtime import clock

_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLE_WITHIN = 60.0


class Interrupted(Exception):
    """The benchmark is to end: whoever waits stops waiting, and cleans up behind itself."""


_interruption = threading.Event()


def interrupt() -> None:
    """Let every ring, whatever thread it is in, come to its end."""
    _interruption.set()


def pause(duration: float) -> None:
    """Sleep, or raise Interrupted."""
    if _interruption.wait(duration):
        raise Interrupted


class Member:
    """One process, and what it has said about the others."""

    def __init__(self, contender: Contender, namespace: str, number: int) -> None:
        self.name = f"node-{number}"
        self.address = f"127.0.1.{number}"
        self._contender = contender
        self._namespace = namespace
        self._process: subprocess.Popen[bytes] | None = None
        self.others: set[str] = set()
        self.gone_at: dict[str, float] = {}
        """By name, when this member said so last."""

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    def start(self, seed: str | None) -> None:
        self.others, self.gone_at = set(), {}
        command = self._contender.command(self.name, self.address, seed)
        self._process = process = subprocess.Popen(
            # So that no member outlives a benchmark that is killed.
            namespaces.execute(self._namespace, "setpriv", "--pdeathsig=KILL", *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is for us; we end them.
        )
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(self._contender.orders(seed))
            process.stdin.flush()
        threading.Thread(target=self._watch, args=(process, self.others, self.gone_at), daemon=True).start()

    def _watch(self, process: subprocess.Popen[bytes], others: set[str], gone_at: dict[str, float]) -> None:
        assert process.stdout is not None
        with suppress(ValueError):  # `end` closes the pipe.
            for line in process.stdout:
                now = clock.monotonic()
                said = self._contender.read(line)
                if said is None or said.name == self.name:
                    continue
                if said.is_there:
                    others.add(said.name)
                else:
                    gone_at[said.name] = now
                    others.discard(said.name)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process = None


@dataclass(frozen=True, slots=True)
class Cost:
    """Per member, over a time in which nothing happened."""

    packets_per_second: float
    octets_per_second: float
    """With all headers, TCP included: what the loopback link carried."""
    cpu_percent: float
    """Of one core."""
    rss_mib: float
    pss_mib: float


class Ring:
    """Use it as a context: at its end neither processes nor the namespace are left."""

    def __init__(self, contender: Contender, size: int) -> None:
        self._namespace = f"bench-{os.getpid()}-{contender.product[:4]}-{contender.profile}-{size}"
        self.members = [Member(contender, self._namespace, number) for number in range(1, size + 1)]

    def __enter__(self) -> Ring:
        namespaces.create([self._namespace])
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.end()
        namespaces.delete(self._namespace)

    def start(self) -> None:
        self.members[0].start(None)
        pause(0.5)
        for member in self.members[1:]:
            member.start(f"{self.members[0].address}:{PORT}")
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        deadline = clock.monotonic() + _SETTLE_WITHIN
        while not all(len(member.others) == len(self.members) - 1 for member in self.members):
            if clock.monotonic() > deadline:
                seen = {member.name: sorted(member.others) for member in self.members}
                raise TimeoutError(f"{self._namespace} is not whole after {_SETTLE_WITHIN:g} s: {seen}")
            pause(0.02)

    def false_deaths(self) -> int:
        """Who was said to be gone though nobody was hurt; a restart of the ring forgets them."""
        return sum(len(member.gone_at) for member in self.members)

    def forget(self) -> None:
        for member in self.members:
            member.gone_at.clear()

    def hurt(self, victims: Sequence[Member], how: signal.Signals, give_up_after: float) -> float | None:
        """Seconds until every survivor had said of each victim that it is gone; None when they did not."""
        survivors = [member for member in self.members if member not in victims]
        begun = clock.monotonic()
        for victim in victims:
            victim.signal(how)
        names = {victim.name for victim in victims}
        deadline = begun + give_up_after
        while not all(names <= member.gone_at.keys() for member in survivors):
            if clock.monotonic() > deadline:
                return None
            pause(0.005)
        return max(member.gone_at[name] for member in survivors for name in names) - begun

    def heal(self, victims: Sequence[Member]) -> None:
        survivor = next(member for member in self.members if member not in victims)
        for victim in victims:
            victim.end()
        for victim in victims:
            victim.start(f"{survivor.address}:{PORT}")
        self.wait_until_whole()
        self.forget()

    def cost(self, duration: float) -> Cost:
        before, begun = self._counters(), clock.monotonic()
        pause(duration)
        after, elapsed = self._counters(), clock.monotonic() - begun
        packets, octets, ticks = (late - early for early, late in zip(before, after, strict=True))
        per_member = 1 / elapsed / len(self.members)
        rss, pss = zip(*(_memory(member.pid) for member in self.members), strict=True)
        return Cost(
            packets_per_second=packets * per_member,
            octets_per_second=octets * per_member,
            cpu_percent=100 * ticks / _TICKS * per_member,
            rss_mib=sum(rss) / len(rss),
            pss_mib=sum(pss) / len(pss),
        )

    def _counters(self) -> tuple[int, int, int]:
        """Packets and octets of the link, and CPU ticks of all members."""
        link = Path(f"/proc/{self.members[0].pid}/net/dev").read_text()
        numbers = next(line for line in link.splitlines() if "lo:" in line).split(":")[1].split()
        ticks = 0
        for member in self.members:
            fields = Path(f"/proc/{member.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return int(numbers[1]), int(numbers[0]), ticks


def _memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MiB; what members share counts in PSS only once for all of them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = {words[0]: int(words[1]) for line in lines if (words := line.split())[0] in ("Rss:", "Pss:")}
    return kib["Rss:"] / 1024, kib["Pss:"] / 1024
