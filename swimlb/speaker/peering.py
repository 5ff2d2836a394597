"""The BGP side of the speaker: which sessions run, and what each peer is to hear."""

from __future__ import annotations

from collections.abc import Mapping

from swimlb.model import BgpPeer
from swimlb.speaker.bgp_plan import BgpPlan, RouteChange
from swimlb.speaker.effects import Advertise, Effect, ReconfigurePeer, StartPeer, StopPeer


class Peering:
    """Keeps the sessions equal to the peers of the plan.

    A changed peer starts anew when its old session has ended, but only where the change takes a new session.
    """

    def __init__(self) -> None:
        self._peers: dict[str, BgpPeer] = {}
        self._stopping: set[str] = set()

    @property
    def is_idle(self) -> bool:
        """No session is being stopped."""
        return not self._stopping

    def settle(
        self, wanted: Mapping[str, BgpPeer], plan: BgpPlan, changes: Mapping[str, RouteChange]
    ) -> list[Effect]:
        """These peers are to have a session, and to hear of the changes."""
        effects: list[Effect] = []
        for name, peer in list(self._peers.items()):
            changed = wanted.get(name)
            if changed is None or peer.needs_new_session(changed):
                effects += self._stop(name)
            elif changed != peer:
                self._peers[name] = changed
                effects.append(ReconfigurePeer(changed))
        for name in sorted(changes.keys() & self._peers):
            change = changes[name]
            effects.append(Advertise(name, frozenset(change.added), frozenset(change.removed)))
        for name, peer in wanted.items():
            # A session begins with all routes there are: its End-of-RIB must not come before some of them.
            if name not in self._peers and name not in self._stopping and not plan.is_pending:
                self._peers[name] = peer
                effects.append(StartPeer(peer))
                effects.append(Advertise(name, plan.routes(name)))
        return effects

    @property
    def shutdown_wait(self) -> float:
        """What stopping all of them takes longer because routers are first asked to look for other ways."""
        return max((peer.shutdown_wait or 0.0 for peer in self._peers.values()), default=0.0)

    def is_staying(self, *, is_restart: bool) -> bool:
        """Whether some router goes on sending traffic while the speaker is away."""
        return any(peer.stays_over_stop(is_restart=is_restart) for peer in self._peers.values())

    def stop_all(self, *, is_restart: bool) -> list[Effect]:
        return [
            effect
            for name, peer in list(self._peers.items())
            for effect in self._stop(name, is_restart=peer.stays_over_stop(is_restart=is_restart))
        ]

    def stopped(self, name: str) -> None:
        """The session has ended, and may be started again."""
        self._stopping.discard(name)

    def _stop(self, name: str, *, is_restart: bool = False) -> list[Effect]:
        del self._peers[name]
        self._stopping.add(name)
        return [StopPeer(name, is_restart)]
