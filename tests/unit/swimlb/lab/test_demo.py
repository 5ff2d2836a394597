"""How the play judges what it sees; that it is played is tested as root, in tests/netns."""

from __future__ import annotations

from typing import cast

from swimlb.lab.demo import ECMP_REQUESTS, Play
from swimlb.lab.http import Response
from swimlb.lab.lab import Lab
from swimlb.lab.scene import Scene
from swimlb.lab.status import Layer2, Processes, SpeakerStatus
from swimlb.lab.topology import INSIDE, Host

LAN, ROUTED = "192.0.2.10", "192.0.2.64"
SCENE = Scene(LAN, LAN, ROUTED, f"{ROUTED}/32", {LAN: 80, ROUTED: 80})


class ShakyLab:
    """One in which the first requests get no answer, and the nodes take the others in turn."""

    def __init__(self, unanswered: int) -> None:
        self._unanswered = unanswered
        self._asked = {LAN: 0, ROUTED: 0}

    def get(self, address: str, port: int, *, client: Host = INSIDE) -> Response:
        assert port == 80
        self._asked[address] += 1
        if self._asked[address] <= self._unanswered:
            raise TimeoutError("timed out")
        return Response(200, b"node-a" if self._asked[address] % 2 else b"node-b")

    def resolve(self, address: str) -> str | None:
        return "02:00:00:00:00:01"

    def require_status(self, node: str) -> SpeakerStatus:
        return SpeakerStatus(node, Processes(1), l2=(Layer2(LAN, "node-a", is_announced_here=True),))


def reach(unanswered: int) -> list[tuple[str, bool]]:
    play = Play(cast("Lab", ShakyLab(unanswered)), lambda _: None)
    play.story.nodes = {"node-a": "198.51.100.1", "node-b": "198.51.100.2"}
    play.story.macs = {"02:00:00:00:00:01": "node-a"}
    play._reach(SCENE)
    return [(fact.value, fact.holds) for fact in play.story.facts]


def test_who_answers_is_told() -> None:
    assert reach(0) == [
        ("HTTP 200 from node-a", True),
        ("02:00:00:00:00:01 (node-a)", True),
        ("node-a 15, node-b 15", True),
    ]


def test_a_request_without_an_answer_is_a_figure_and_not_the_end_of_the_play() -> None:
    """`timed out` alone would not tell what did."""
    assert reach(2) == [
        ("nothing: timed out", False),
        ("02:00:00:00:00:01 (node-a)", True),
        (f"node-a {ECMP_REQUESTS // 2 - 1}, node-b {ECMP_REQUESTS // 2 - 1}, nobody 2", False),
    ]
