"""The demo: what swimlb does, played on a lab and measured. No user interface in here: it tells what happens.

1. The members join; addresses, owners, sessions and routes are there.
2. Clients reach the Services: on the LAN by ARP, behind the router by ECMP.
3. The link of an address's owner is cut: the next owner takes over, the router loses a next hop; the link heals.
4. The speaker of another owner is stopped: a planned move.
5. The figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress

from swimlb.lab.errors import LabError
from swimlb.lab.lab import Lab
from swimlb.lab.measure import longest_outage
from swimlb.lab.observers import ProbeRun, Referee, RouteSampler
from swimlb.lab.scene import Scene, find_scene
from swimlb.lab.story import Closeup, Fact, Marker, Story, Track
from swimlb.lab.telling import LabShown, Measured, Noted, Said, StepBegan
from swimlb.lab.topology import OUTSIDE
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock

CUT_OUTAGE_MAX = 1.0
"""The `normal` profile's 0.8 s for a crash known to all; the rest is for ARP and a busy machine."""
MOVE_LOSS_MAX = 0.020
"""Four probes at 5 ms: a planned move costs no more than a hiccup of the machine."""
NEXT_HOP_REMOVAL_MAX = 6.0
"""The router's hold time of 3 s, and what it takes for its route to change."""

CALM = 2.0
"""How long to probe while nothing is done, so that the timeline shows the rest before and after each change."""
SETTLED_AFTER = 0.1
"""A takeover is several announcements, a few milliseconds apart: later ones tell who has the address."""
TAKEOVER_TIMEOUT = 15.0
ECMP_REQUESTS = 30
HTTP_OK = 200


class Play:
    """Plays the demo once, on a lab that is not built yet."""

    def __init__(self, lab: Lab, tell: Callable[[Said], None]) -> None:
        self._lab = lab
        self._tell = tell
        self._step = 0
        self.story = Story()

    def run(self) -> Story:
        """Play all steps. A step that fails ends the play and is a missed bound in its story."""
        try:
            scene = self._join()
            with ExitStack() as stack:
                runs = {
                    address: stack.enter_context(ProbeRun(self._lab.sandbox, address, scene.ports[address]))
                    for address in dict.fromkeys((scene.first, scene.second))
                }
                referee = stack.enter_context(Referee(self._lab.sandbox))
                router = stack.enter_context(RouteSampler(lambda: self._lab.router.next_hops(scene.prefix)))
                self.story.begin = clock.monotonic()
                try:
                    self._reach(scene)
                    self._cut(scene, runs[scene.first], referee)
                    self._move(scene, runs[scene.second])
                finally:
                    pause(0.5)  # Let the last probes be answered.
                    self.story.end = clock.monotonic()
                    self._collect(runs, referee, router)
        except (LabError, OSError) as error:
            self._judge("the play goes through", str(error), "no failure", holds=False)
        return self.story

    def _join(self) -> Scene:
        self._begin(1, "build the network, let the members join")
        begin = clock.monotonic()
        self._lab.build()
        self._tell(Noted(f"network, router and speakers started in {clock.monotonic() - begin:.1f} s"))
        self._lab.wait_until_joined()
        self._inform("members joined after", f"{clock.monotonic() - begin:.1f} s")
        self._lab.wait_until_settled()
        scene = find_scene(self._lab)
        self.story.nodes = {node.name: node.address for node in self._lab.network.nodes}
        self.story.macs = {self._lab.mac(node.name): node.name for node in self._lab.network.nodes}
        self.story.prefix = scene.prefix
        self._tell(LabShown())
        hops = len(self._lab.router.next_hops(scene.prefix))
        wanted = len(self._lab.network.nodes)
        self._judge(
            f"next hops of {scene.prefix} in the router's kernel",
            str(hops),
            f"= {wanted}",
            holds=hops == wanted,
        )
        return scene

    def _reach(self, scene: Scene) -> None:
        self._begin(2, "reach the Services")
        try:
            response = self._lab.get(scene.first, scene.ports[scene.first])
            answer, is_good = f"HTTP {response.status} from {response.text}", response.status == HTTP_OK
        except OSError as error:
            answer, is_good = f"nothing: {error}", False
        self._judge(
            f"LAN client: http://{scene.first}:{scene.ports[scene.first]}/ answers",
            answer,
            "HTTP 200",
            holds=is_good,
        )
        mac = self._lab.resolve(scene.first)
        owner = self._owner(scene.first)
        self._judge(
            f"ARP for {scene.first} gives",
            f"{mac} ({self.story.macs.get(mac or '', 'nobody we know')})",
            f"the MAC of {owner}",
            holds=mac is not None and self.story.macs.get(mac) == owner,
        )
        answers: Counter[str] = Counter()
        for _ in range(ECMP_REQUESTS):
            with suppress(OSError):  # It counts as one that nobody has answered.
                response = self._lab.get(scene.routed, scene.ports[scene.routed], client=OUTSIDE)
                if response.status == HTTP_OK:
                    answers[response.text] += 1
        told = [f"{node} {answers[node]}" for node in self.story.nodes]
        if unanswered := ECMP_REQUESTS - answers.total():
            told.append(f"nobody {unanswered}")
        self._judge(
            f"client behind the router: {ECMP_REQUESTS} requests to {scene.routed} answered",
            ", ".join(told),
            "all, each node some",
            holds=answers.total() == ECMP_REQUESTS and set(answers) == set(self.story.nodes),
        )

    def _cut(self, scene: Scene, probes: ProbeRun, referee: Referee) -> None:
        owner = self._owner(scene.first)
        self._begin(3, f"cut the link of {owner}, which owns {scene.first}")
        self._await_calm(probes, owner)
        cut = self._mark(f"link of {owner} cut")
        self._lab.cut(owner)
        taken_by = wait_until(
            lambda: answering if (answering := probes.answering()) not in (None, owner) else None,
            timeout=TAKEOVER_TIMEOUT,
            what=f"another node to answer for {scene.first}",
            seen=lambda: f"{probes.answering() or 'nobody'} answers",
        )
        outage = longest_outage(probes.since(cut - 0.1).probes)
        assert outage is not None, "the owner was cut off, and yet no probe was lost"
        self.story.closeups.append(
            Closeup(scene.first, cut - 0.2, outage.ended + 0.3, f"{scene.first}: the link of {owner} is cut")
        )
        self._judge(
            f"outage of {scene.first}, until {taken_by} answers",
            f"{outage.duration * 1000:.0f} ms",
            f"< {CUT_OUTAGE_MAX * 1000:.0f} ms",
            holds=outage.duration < CUT_OUTAGE_MAX,
        )
        self._await_next_hop_removed(scene, owner, cut)
        pause(CALM)
        claimants = referee.claimants(scene.first, outage.ended + SETTLED_AFTER)
        names = [self.story.macs.get(mac, mac) for mac in claimants]
        self._judge(
            f"MACs that claim {scene.first} by ARP since then",
            ", ".join(names) or "none",
            f"only that of {taken_by}",
            holds=set(names) <= {taken_by},
        )
        self._heal(scene, owner, probes)

    def _await_next_hop_removed(self, scene: Scene, owner: str, cut: float) -> None:
        address = self.story.nodes[owner]
        wait_until(
            lambda: address not in self._lab.router.next_hops(scene.prefix),
            timeout=NEXT_HOP_REMOVAL_MAX + 5,
            what=f"the router to lose the next hop {address}",
            seen=lambda: ", ".join(self._lab.router.next_hops(scene.prefix)),
        )
        took = clock.monotonic() - cut
        self._judge(
            f"router's kernel route is without {address} after",
            f"{took:.1f} s",
            f"< {NEXT_HOP_REMOVAL_MAX:.0f} s",
            holds=took < NEXT_HOP_REMOVAL_MAX,
        )

    def _heal(self, scene: Scene, owner: str, probes: ProbeRun) -> None:
        healed = self._mark(f"link of {owner} healed")
        self._lab.heal(owner)
        self._lab.wait_until_joined()
        self._lab.wait_until_settled()
        self._inform(f"{owner} is back in everything after", f"{clock.monotonic() - healed:.1f} s")
        pause(CALM)
        self._inform(f"longest loss of probes as {scene.first} moves back", _loss(probes, healed))

    def _move(self, scene: Scene, probes: ProbeRun) -> None:
        owner = self._owner(scene.second)
        self._begin(4, f"stop the speaker of {owner}, which owns {scene.second} (SIGTERM)")
        self._await_calm(probes, owner)
        stopped = self._mark(f"SIGTERM to {owner}")
        self._lab.stop(owner)
        self._inform("the speaker has ended after", f"{clock.monotonic() - stopped:.1f} s")
        wait_until(
            lambda: probes.answering() not in (None, owner),
            timeout=TAKEOVER_TIMEOUT,
            what=f"another node to answer for {scene.second}",
            seen=lambda: f"{probes.answering() or 'nobody'} answers",
        )
        pause(CALM)
        longest = longest_outage(probes.since(stopped).probes)
        lost_for = 0.0 if longest is None else longest.lost_for
        moved = next(
            (one.sent for one in probes.since(stopped).probes if one.by not in (None, owner)), stopped
        )
        self.story.closeups.append(
            Closeup(
                scene.second, moved - 0.3, moved + 0.3, f"{scene.second}: the speaker of {owner} is stopped"
            )
        )
        self._judge(
            f"planned move of {scene.second} to {probes.answering()}: probes lost in a row for",
            f"{lost_for * 1000:.0f} ms",
            f"≤ {MOVE_LOSS_MAX * 1000:.0f} ms",
            holds=lost_for <= MOVE_LOSS_MAX,
        )
        restarted = self._mark(f"{owner} started again")
        self._lab.start(owner)
        self._lab.wait_until_joined()
        self._lab.wait_until_settled()
        self._inform(f"{owner} is back in everything after", f"{clock.monotonic() - restarted:.1f} s")
        pause(CALM)
        self._inform(f"longest loss of probes as {scene.second} moves back", _loss(probes, restarted))

    def _await_calm(self, probes: ProbeRun, owner: str) -> None:
        """Until the owner has answered every probe for a while: what comes then is due to what we do."""
        wait_until(
            lambda: probes.answering(CALM) == owner,
            timeout=TAKEOVER_TIMEOUT,
            what=f"{owner} to answer the client",
            seen=lambda: f"{probes.answering() or 'nobody'} answers",
        )

    def _collect(self, runs: dict[str, ProbeRun], referee: Referee, router: RouteSampler) -> None:
        claims = referee.claims()
        self.story.tracks = [
            Track(address, run.recording(), tuple(claim for claim in claims if claim.address == address))
            for address, run in runs.items()
        ]
        self.story.routes = router.samples()

    def _owner(self, address: str) -> str:
        owner = self._lab.require_status(next(iter(self.story.nodes))).owner_of(address)
        if owner is None:
            raise LabError(f"nobody owns {address}")
        return owner

    def _begin(self, number: int, title: str) -> None:
        self._step = number
        self._tell(StepBegan(number, title))

    def _mark(self, text: str) -> float:
        now = clock.monotonic()
        self.story.markers.append(Marker(now, text))
        self._tell(Noted(text))
        return now

    def _inform(self, what: str, value: str) -> None:
        self._judge(what, value, "", holds=True)

    def _judge(self, what: str, value: str, bound: str, *, holds: bool) -> None:
        fact = Fact(self._step, what, value, bound, holds)
        self.story.facts.append(fact)
        self._tell(Measured(fact))


def _loss(probes: ProbeRun, since: float) -> str:
    longest = longest_outage(probes.since(since).probes)
    return "none" if longest is None else f"{longest.lost_for * 1000:.0f} ms"
