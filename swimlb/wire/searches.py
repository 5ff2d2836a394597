"""The routers that are found by router advertisements, for peers that name an interface and no address."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from announce import discovery
from announce.net.router_discovery import DiscoverySocket
from swimlb.observe.logs import EventLog
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder


@dataclass(slots=True)
class _Search:
    interface: str
    finder: discovery.RouterFinder
    driver: Driver[discovery.Event, discovery.Effect]
    socket: DiscoverySocket
    failure: str = ""


class Searches:
    """One search for each such peer. `on_found(peer, address)` is called for the first router and for each new one."""

    def __init__(
        self,
        rng: random.Random,
        recorder: Recorder,
        log: EventLog,
        on_found: Callable[[str, IPv6Address], None],
    ) -> None:
        self._rng = rng
        self._recorder = recorder
        self._log = log
        self._on_found = on_found
        self._searches: dict[str, _Search] = {}

    def start(self, peer: str, interface: str) -> None:
        finder = discovery.RouterFinder(random.Random(self._rng.random()))
        driver: Driver[discovery.Event, discovery.Effect] = Driver(
            f"discovery {peer}", finder, lambda effect: self._perform(peer, effect), self._recorder
        )
        opened = DiscoverySocket(interface, driver.feed, lambda reason: self._fail(peer, reason))
        self._searches[peer] = _Search(interface, finder, driver, opened)
        opened.start()

    def stop(self, peer: str) -> None:
        search = self._searches.pop(peer, None)
        if search is not None:
            search.driver.close()
            search.socket.close()

    def close(self) -> None:
        for peer in list(self._searches):
            self.stop(peer)

    def router(self, peer: str) -> IPv6Address | None:
        search = self._searches.get(peer)
        return None if search is None else search.finder.router

    def tell(self, peer: str, event: discovery.SessionBegan | discovery.SessionEnded) -> None:
        """How it stands with the session; of a peer that has an address nothing depends on that."""
        if (search := self._searches.get(peer)) is not None:
            search.driver.feed(event)

    def progress(self, peer: str) -> str:
        """For people, while there is no router."""
        search = self._searches[peer]
        return search.failure or f"no router has advertised itself on {search.interface} yet"

    def _perform(self, peer: str, effect: discovery.Effect) -> None:
        search = self._searches[peer]
        if isinstance(effect, discovery.RouterFound):
            search.failure = ""
            self._log.info(
                "bgp_router_found", peer=peer, interface=search.interface, address=str(effect.address)
            )
            self._on_found(peer, effect.address)
        else:
            search.socket.perform(effect)

    def _fail(self, peer: str, reason: str) -> None:
        self._searches[peer].failure = reason
        self._log.warning("bgp_interface_failed", peer=peer, reason=reason)
