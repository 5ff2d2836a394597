"""One fault after the other for minutes: at the end all is as at the beginning, and nothing has leaked.

`SWIMLB_SOAK=180` makes it three minutes; the default is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from swimlb.lab.lab import Lab
from swimlb.lab.observers import Referee
from swimlb.lab.resources import Holding, held_by
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.netns.conftest import start_lab
from tests.netns.dual import SETTLED_AFTER, addresses4, addresses6, owners, rest, write_manifests

DURATION = float(os.environ.get("SWIMLB_SOAK", "60"))
WARM_UP = 0.4
"""The share of the time after which all buffers of a bounded size may be as large as they get."""
GROWTH_KIB_MAX = 3072
"""The recorder's buffer fills for longer than the warm-up; a leak of every event would be many times that."""
ADDRESSES = [*addresses4(6), *addresses6(6)]


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifests(tmp_path_factory.mktemp("manifests"), ADDRESSES)


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, manifests: Path) -> Lab:
    return start_lab(sandbox, manifests)


class Faults:
    """Each breaks something for a moment and mends it. The steady node's processes live all the time."""

    def __init__(self, lab: Lab, manifests: Path, seed: int) -> None:
        self._lab, self._manifests = lab, manifests
        self._rng = Random(seed)
        self.nodes = [node.name for node in lab.network.nodes]
        self.steady = self.nodes[0]
        self.done: list[str] = []
        self._kinds: list[Callable[[], None]] = [
            self.cut,
            self.restart,
            self.kill,
            self.part,
            self.cut_gossip,
            self.lose,
            self.edit,
        ]

    def one(self) -> None:
        """Every kind comes once before any comes twice."""
        turn = len(self.done) % len(self._kinds)
        if turn == 0:
            self._rng.shuffle(self._kinds)
        self._kinds[turn]()
        self.done.append(self._kinds[turn].__name__)

    def cut(self) -> None:
        node = self._rng.choice(self.nodes)
        self._lab.cut(node)
        self._wait()
        self._lab.heal(node)

    def restart(self) -> None:
        node = self._restless()
        self._lab.stop(node)
        self._wait()
        self._lab.start(node)

    def kill(self) -> None:
        node = self._restless()
        self._lab.kill(node)
        self._wait()
        self._lab.start(node)

    def part(self) -> None:
        self._lab.part([[self.steady], self.nodes[1:]])
        self._wait()
        self._lab.part([])

    def cut_gossip(self) -> None:
        self._lab.cut_gossip([[self.steady], self.nodes[1:]])
        self._wait()
        self._lab.cut_gossip([])

    def lose(self) -> None:
        self._lab.lose(self.steady, 20)
        self._wait()
        self._lab.lose(self.steady, 0)

    def edit(self) -> None:
        write_manifests(self._manifests, ADDRESSES[:-4])
        self._wait()
        write_manifests(self._manifests, ADDRESSES)

    def _restless(self) -> str:
        return self._rng.choice(self.nodes[1:])

    def _wait(self) -> None:
        pause(self._rng.uniform(0.2, 2.0))


def holdings(lab: Lab, node: str) -> dict[str, Holding]:
    return {which: held_by(lab.speaker_process(node, which)) for which in ("supervisor", "wire", "watch")}


def grown_counts(before: dict[str, Holding], now: dict[str, Holding]) -> dict[str, list[tuple[int, int]]]:
    """Of each process the counts that are higher now, as (before, now)."""
    found = {
        which: [
            (old, new)
            for old, new in (
                (before[which].files, one.files),
                (before[which].sockets, one.sockets),
                (before[which].threads, one.threads),
            )
            if new > old
        ]
        for which, one in now.items()
    }
    return {which: counts for which, counts in found.items() if counts}


def test_faults_for_a_long_time_leave_nothing_behind(
    lab: Lab, manifests: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = Faults(lab, manifests, seed=4)
    before = owners(lab)
    processes = {
        which: lab.speaker_process(faults.steady, which) for which in ("supervisor", "wire", "watch")
    }
    begun = clock.monotonic()
    warm: dict[str, Holding] | None = None

    while (elapsed := clock.monotonic() - begun) < DURATION:
        if warm is None and elapsed >= DURATION * WARM_UP:
            warm = holdings(lab, faults.steady)
        faults.one()
        rest(lab)
    pause(2.0)
    settled_at = rest(lab)
    assert warm is not None
    cold = holdings(lab, faults.steady)
    with Referee(sandbox) as referee:
        sandbox.run("inside", "ip", "neigh", "flush", "all")
        answers = {address: lab.get(address, 8080).text for address in ADDRESSES}
        pause(0.5)
        claimed = {
            address: tuple(map(lab.node_of_mac, referee.claimants(address, settled_at + SETTLED_AFTER)))
            for address in ADDRESSES
        }

    grown = {which: cold[which].private_kib - warm[which].private_kib for which in warm}
    with capsys.disabled():
        print(f"\n  {len(faults.done)} faults in {DURATION:.0f} s; memory of the steady node:", end=" ")
        print(
            ", ".join(
                f"{which} {cold[which].private_kib / 1024:.1f} MiB ({grown[which]:+d} KiB)" for which in warm
            ),
            end="",
        )
    assert {which: lab.speaker_process(faults.steady, which) for which in warm} == processes
    # A question for the status may be under way at either moment; what leaks is there for good.
    wait_until(
        lambda: not grown_counts(warm, holdings(lab, faults.steady)),
        timeout=5,
        what="files, sockets and threads to be no more than before",
        seen=lambda: grown_counts(warm, holdings(lab, faults.steady)),
    )
    assert max(grown.values()) < GROWTH_KIB_MAX
    assert owners(lab) == before == answers
    # A client whose neighbor entry is still good asks nobody, and then nobody has to claim anything.
    assert all(claimed[address] in ((), (owner,)) for address, owner in before.items()), claimed
