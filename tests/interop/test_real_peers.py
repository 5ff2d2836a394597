"""Ours in one ring with what is out there: three releases of Go's memberlist, MetalLB's way of using it, and serf.

Each ring lives on loopback addresses of its own, so all of them live at the same time; the tests only collect
what became of theirs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.interop.ring_peers import GO_PEERS, GoPeer, LinePeer, OurPeer, RingPeer, SerfPeer, serf_key
from tests.interop.ring_scenes import (
    NEWS_WITHIN,
    VERDICT_WITHIN,
    PaceScene,
    everybody_sees,
    messages_arrive,
    meta_arrives,
    nobody_complains,
)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("serf") is None, reason="needs Debian's serf"),
]

SERF = "2,5,5"
"""serf's delegate versions, which everybody in a ring with a serf agent has to have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Who the others in the ring are, and what all of them are told."""

    others: tuple[str, ...]
    """Releases of Go's memberlist, or `serf`."""
    ours: tuple[str, ...] = ()
    go: tuple[str, ...] = ()
    serf: tuple[str, ...] = ()
    is_ipv6: bool = False
    quiet: float = 5.0
    """For how long everybody has to be content with everybody."""

    def lacks(self) -> list[str]:
        """Whom this machine does not have; the current releases need a newer Go than Debian's."""
        needed = [release for release in self.others if release != "serf"]
        return [release for release in needed if not (GO_PEERS / f"memberlist-{release}").exists()]

    def members(self, subnet: int, directory: Path) -> tuple[list[RingPeer], list[OurPeer]]:
        """Theirs and ours."""
        theirs = [
            self._other(release, f"other-{letter}", self._address(subnet, number), directory)
            for number, (letter, release) in enumerate(zip("abc", self.others, strict=False), 1)
        ]
        ours = [
            OurPeer(f"node-{letter}", self._address(subnet, number), directory, *self.ours)
            for letter, number in (("a", 11), ("b", 12))
        ]
        return theirs, ours

    def _address(self, subnet: int, number: int) -> str:
        return "::1" if self.is_ipv6 else f"127.0.{subnet}.{number}"

    def _other(self, release: str, name: str, address: str, directory: Path) -> RingPeer:
        if release == "serf":
            return SerfPeer(name, address, directory, *self.serf)
        return GoPeer(release, name, address, directory, *self.go)


KEY_16, KEY_24, KEY_32 = bytes(range(16)), bytes(range(24)), bytes(range(32))
SECRET = "c3dpbWxiLXRlc3Qtc2Vjcm"  # 22 characters, as MetalLB's controller makes them.
SECRET_KEY = (SECRET.encode() + bytes.fromhex("e3b0c44298fc1c149afb")).hex()

KINDS = {
    "current": Kind(others=("0.7.0", "0.7.0"), quiet=60.0),
    "current-ipv6": Kind(others=("0.7.0", "0.7.0"), is_ipv6=True),
    "current-sealed": Kind(
        others=("0.7.0", "0.7.0"),
        ours=("--label", "ring-a", "--key", KEY_16.hex()),
        go=("-label", "ring-a", "-key", KEY_16.hex()),
    ),
    "metallb": Kind(
        others=("0.5.1", "0.5.1"), ours=("--metallb-secret", SECRET), go=("-bare", "-key", SECRET_KEY)
    ),
    "debian": Kind(others=("0.2.2", "0.2.2")),
    "debian-padded": Kind(
        others=("0.2.2", "0.2.2"), ours=("--key", KEY_24.hex()), go=("-protocol", "1", "-key", KEY_24.hex())
    ),
    "serf": Kind(others=("serf", "serf"), ours=("--delegate-versions", SERF)),
    "serf-sealed": Kind(
        others=("serf", "serf"),
        ours=("--delegate-versions", "any", "--key", KEY_32.hex()),
        serf=(serf_key(KEY_32),),
    ),
    "mixed": Kind(
        others=("0.2.2", "0.7.0", "serf"),
        ours=("--delegate-versions", SERF, "--key", KEY_32.hex()),
        go=("-delegate-versions", SERF, "-key", KEY_32.hex()),
        serf=(serf_key(KEY_32),),
        quiet=60.0,
    ),
}
"""MetalLB's way is the key of its secret and no delegate; padding is what speaking protocol 1 means."""

PARTINGS = ("leave", "kill")
"""How Go's members go out of a ring that they have kept slow."""

needs_current_peers = pytest.mark.skipif(
    bool(KINDS["current"].lacks() + KINDS["metallb"].lacks()), reason="needs `make go-peers`"
)


def play(kind: Kind, subnet: int, directory: Path) -> None:
    """Joins in both directions, peace, news, deaths, returns and goodbyes of every kind."""
    others, (node_a, node_b) = kind.members(subnet, directory)
    other_a = others[0]
    members = [*others, node_a, node_b]
    names = {member.name for member in members}
    with ExitStack() as stack:
        for member in members:
            stack.enter_context(member).start()

        node_a.join(other_a.seed)
        for member in (*others[1:], node_b):
            member.join(node_a.seed)
        everybody_sees(members, names, NEWS_WITHIN, "all after the joins")
        nobody_complains(members, kind.quiet)

        meta_arrives(node_a, members, b"of node-a")
        if isinstance(other_a, LinePeer) and "-bare" not in kind.go:
            meta_arrives(other_a, members, b"of other-a")
            messages_arrive(other_a, node_b)

        for victim in (*others[1:], node_b):
            survivors = [member for member in members if member is not victim]
            victim.kill()
            everybody_sees(survivors, names - {victim.name}, VERDICT_WITHIN, f"the death of {victim.name}")
            # It begins at incarnation 1 again, which the ring holds dead; nobody has forgotten it yet.
            victim.start()
            victim.join(other_a.seed)
            everybody_sees(members, names, NEWS_WITHIN, f"the return of {victim.name}")

        for member in (*others[1:], node_b):
            member.leave()
            members.remove(member)
            everybody_sees(members, {left.name for left in members}, NEWS_WITHIN, f"{member.name} leave")


def quicken(parting: str, subnet: int, directory: Path) -> None:
    PaceScene(subnet, directory).play(is_graceful=parting == "leave")


SCENES: dict[str, Callable[[int, Path], None]] = {
    **{name: partial(play, kind) for name, kind in KINDS.items()},
    **{parting: partial(quicken, parting) for parting in PARTINGS},
}


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[dict[str, Future[None]]]:
    """The scenes of all tests that were asked for, each in a thread."""
    wanted = [name for name in SCENES if any(f"[{name}]" in item.name for item in request.session.items)]
    wanted = [name for name in wanted if name not in KINDS or not KINDS[name].lacks()]
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        yield {
            name: pool.submit(SCENES[name], subnet, tmp_path_factory.mktemp(name))
            for subnet, name in enumerate(wanted, 51)
        }


@pytest.mark.parametrize("name", KINDS)
def test_a_ring_of_both_kinds(name: str, outcomes: dict[str, Future[None]]) -> None:
    """Both kinds list all, notice deaths and goodbyes of each, and take back those who return."""
    if lacking := KINDS[name].lacks():
        pytest.skip(f"needs `make go-peers`, with memberlist {lacking}")
    outcomes[name].result()


@needs_current_peers
@pytest.mark.parametrize("parting", PARTINGS)
def test_a_ring_quickens_when_the_last_slow_member_is_gone(
    parting: str, outcomes: dict[str, Future[None]]
) -> None:
    """With Go's members there, a kill of ours takes as long as they need; without them, as long as we promise."""
    outcomes[parting].result()


@needs_current_peers
def test_keys_are_changed_and_nobody_is_lost(tmp_path: Path) -> None:
    """All learn the new key, then all use it, then all forget the old one; nobody complains at any time."""
    old, new = KEY_16.hex(), KEY_32.hex()
    members = [
        GoPeer("0.7.0", "other-a", "127.0.50.1", tmp_path, "-key", old, "-profile", "local"),
        GoPeer("0.5.1", "other-b", "127.0.50.2", tmp_path, "-key", old, "-profile", "local"),
        OurPeer("node-a", "127.0.50.11", tmp_path, "--key", old, "--profile", "local"),
        OurPeer("node-b", "127.0.50.12", tmp_path, "--key", old, "--profile", "local"),
    ]
    names = {member.name for member in members}
    with ExitStack() as stack:
        for member in members:
            stack.enter_context(member).start()
            member.join(members[0].seed)
        everybody_sees(members, names, NEWS_WITHIN, "all")

        for change in (f"key add {new}", f"key use {new}", f"key remove {old}"):
            for member in members:
                member.do(change)
                nobody_complains(members, 0.5)
        nobody_complains(members, 3.0)

        everybody_sees(members, names, 0.0, "all under the new key")
        newcomer = stack.enter_context(
            OurPeer("node-c", "127.0.50.13", tmp_path, "--key", new, "--profile", "local")
        )
        newcomer.start()
        newcomer.join(members[0].seed)
        everybody_sees([*members, newcomer], {*names, "node-c"}, NEWS_WITHIN, "who has only the new key")
