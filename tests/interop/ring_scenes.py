"""What becomes of rings of both kinds: what everybody has to see, and how a ring gets quicker when the slow have left."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from tests.interop.ring_peers import GoPeer, LinePeer, OurPeer, RingPeer

VERDICT_WITHIN = 40.0
"""memberlist takes up to 24 s when accusers are lost; the usual is 6 to 9 s."""
NEWS_WITHIN = 20.0
"""Gossip of five with the profile `local` is sent twice by each, to anybody: in up to one of five tries it passes somebody by
(by LAN's defaults, sent four times by each, hardly ever), and he has it from the push/pull that he makes every 15 s."""
LAN_SUSPICION_MIN = 4.0
"""In a ring of up to ten with memberlist's LAN defaults nobody is dead sooner."""
QUICK_WITHIN = 1.5
"""The profile promises 0.8 s; the rest is for a machine on which many rings live at once."""
CAPABILITY = b"quick"


def everybody_sees(watchers: Sequence[RingPeer], names: set[str], within: float, what: str) -> None:
    for watcher in watchers:
        wait_until(
            lambda watcher=watcher: watcher.names() == names,
            timeout=within,
            what=f"{watcher.name} to see {what}",
            seen=lambda watcher=watcher: (sorted(watcher.names()), watcher.log.read_text()[-3000:]),
            interval=0.2,
        )


def nobody_complains(members: Sequence[RingPeer], duration: float) -> None:
    """Nobody is suspected, refutes, or gets what it cannot read."""
    for member in members:
        member.forget_complaints()
    pause(duration)
    assert {member.name: member.complaints() for member in members} == {member.name: [] for member in members}


def meta_arrives(sender: LinePeer, receivers: Sequence[RingPeer], meta: bytes) -> None:
    sender.do(f"meta {meta.hex()}")
    for receiver in receivers:
        if isinstance(receiver, LinePeer):
            wait_until(
                lambda receiver=receiver: receiver.metas().get(sender.name) == meta,
                timeout=NEWS_WITHIN,
                what=f"{receiver.name} to hear the meta of {sender.name}",
                seen=receiver.metas,
                interval=0.2,
            )


def messages_arrive(other: LinePeer, ours: LinePeer) -> None:
    """The application's octets, in both directions."""
    for sender, receiver, payload in ((other, ours, b"from other"), (ours, other, b"from ours")):
        start = len(receiver.lines)
        sender.do(f"user {receiver.name} {payload.hex()}")
        receiver.wait_for({"event": "user", "payload": payload.hex()}, start)


class PaceScene:
    """Two of Go's members with LAN defaults, of which one is MetalLB's, and three of ours that can be quicker."""

    def __init__(self, subnet: int, directory: Path) -> None:
        key, ours = bytes(range(16)).hex(), ("--profile", "normal", "--capability", CAPABILITY.hex())
        self.go = [
            GoPeer("0.7.0", "other-a", f"127.0.{subnet}.1", directory, "-key", key, "-meta", b"go".hex()),
            GoPeer("0.5.1", "other-b", f"127.0.{subnet}.2", directory, "-key", key, "-bare"),
        ]
        self.ours = [
            OurPeer(
                f"node-{letter}",
                f"127.0.{subnet}.{number}",
                directory,
                *ours,
                *("--key", key, "--meta", (CAPABILITY + letter.encode()).hex()),
            )
            for letter, number in (("a", 11), ("b", 12), ("c", 13))
        ]

    def play(self, *, is_graceful: bool) -> None:
        """memberlist's pace while one of Go's members is there, and ours as soon as the last of them is gone."""
        members: list[LinePeer] = [*self.go, *self.ours]
        with ExitStack() as stack:
            for member in members:
                stack.enter_context(member).start()
                member.join(self.go[0].seed)
            everybody_sees(members, {member.name for member in members}, NEWS_WITHIN, "all")
            assert self.paces() == [["lan"]] * 3
            nobody_complains(members, 3.0)

            took = self._kill_ours()
            assert took >= LAN_SUSPICION_MIN
            assert self.paces() == [["lan"]] * 2

            for gone in self.go:
                assert self.paces() == [["lan"]] * 2
                self._part(gone, is_graceful=is_graceful)
            for member in self.ours:
                member.wait_for({"event": "pace", "profile": "normal", "because_of": []})
            assert self.paces() == [["lan", "normal"]] * 2
            nobody_complains(self.ours, 2.0)

            assert self._kill_ours() <= QUICK_WITHIN

    def paces(self) -> list[list[str]]:
        """The profiles that each of ours has gone through after its start."""
        return [
            [line["profile"] for line in member.lines if line.get("event") == "pace"] for member in self.ours
        ]

    def _part(self, gone: GoPeer, *, is_graceful: bool) -> None:
        if is_graceful:
            gone.leave()
        else:
            gone.kill()
        for member in self.ours:
            leave = {
                "event": "leave",
                "node": {"name": gone.name},
                "cause": "left" if is_graceful else "failed",
            }
            member.wait_for(leave, timeout=VERDICT_WITHIN)

    def _kill_ours(self) -> float:
        """Seconds until the other ones of ours know."""
        victim = self.ours.pop()
        killed_at = clock.wall()
        victim.kill()
        leave = {"event": "leave", "node": {"name": victim.name}, "cause": "failed"}
        return max(member.wait_for(leave, timeout=VERDICT_WITHIN)["unix"] for member in self.ours) - killed_at
