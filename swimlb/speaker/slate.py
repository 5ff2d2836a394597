"""The nodes that may announce on the LAN under a set of advertisements, as far as that depends on the node alone.

There are few such sets, however many Services: what is found out here once holds for all Services that share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import TypeVar

from swimlb.model import IpAddress, IpNetwork, L2Advertisement
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.layer2_rules import Layer2Rules
from swimlb.speaker.links import are_near, networks_on
from swimlb.speaker.plan import Reason

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Candidacy:
    """What one node can do under the advertisements."""

    refusal: Reason | None
    """Why it may announce nothing."""
    interfaces: frozenset[str] | None = None
    """Where it would announce; None: on every suitable interface."""
    score: int = 0
    networks: frozenset[IpNetwork] | None = None
    """The subnets it has there; None: it does not tell, and is trusted with every address."""

    def is_near(self, addresses: Iterable[IpAddress]) -> bool:
        return self.networks is None or are_near(self.networks, addresses)


class Slate:
    """The candidacies of all present nodes."""

    def __init__(
        self, advertisements: tuple[L2Advertisement, ...], rules: Layer2Rules, inventory: Inventory
    ) -> None:
        self._advertisements = advertisements
        self._rules = rules
        self._inventory = inventory
        self._candidacies: dict[str, Candidacy] = {}
        self._cohorts: dict[frozenset[IpNetwork] | None, set[str]] = {}
        """Usable nodes by their subnets: near or far together."""
        self._scored: dict[int, set[str]] = {}
        """Usable nodes by their score."""
        self.usable: set[str] = set()
        """Nodes that are not refused; whoever reads it must not change it."""
        for node in inventory.presences:
            self.review(node)

    def __getitem__(self, node: str) -> Candidacy:
        return self._candidacies[node]

    def get(self, node: str) -> Candidacy | None:
        return self._candidacies.get(node)

    @property
    def is_even(self) -> bool:
        """Nothing but the hash tells usable nodes apart."""
        return len(self._cohorts) <= 1 and len(self._scored) <= 1

    def near(self, nodes: Set[str], addresses: Iterable[IpAddress]) -> Set[str]:
        """Those of the usable nodes that have the subnets of all addresses."""
        near = [
            cohort
            for networks, cohort in self._cohorts.items()
            if networks is None or are_near(networks, addresses)
        ]
        return nodes if len(near) == len(self._cohorts) else nodes & set[str]().union(*near)

    def best_scored(self, nodes: Set[str]) -> Set[str]:
        """Those of the usable nodes that the advertisements prefer most."""
        if len(self._scored) <= 1 or len(nodes) <= 1:
            return nodes
        return nodes & self._scored[max(self._candidacies[node].score for node in nodes)]

    def review(self, node: str) -> tuple[Candidacy | None, Candidacy | None]:
        """Look at a node anew, which may have come, changed or gone: what it was, and what it is."""
        before = self._candidacies.pop(node, None)
        if before is not None and before.refusal is None:
            self.usable.discard(node)
            _drop(self._cohorts, before.networks, node)
            _drop(self._scored, before.score, node)
        if node not in self._inventory.presences:
            return before, None
        self._candidacies[node] = after = self._candidacy(node)
        if after.refusal is None:
            self.usable.add(node)
            self._cohorts.setdefault(after.networks, set()).add(node)
            self._scored.setdefault(after.score, set()).add(node)
        return before, after

    def _candidacy(self, node: str) -> Candidacy:
        refusal = self._rules.standing_refusal(node, self._advertisements)
        if refusal is not None:
            return Candidacy(refusal)
        presence = self._inventory.presences[node]
        interfaces = self._rules.interfaces(node, self._advertisements)
        score = self._rules.score(node, self._advertisements)
        if not presence.are_links_complete:
            return Candidacy(None, interfaces, score)
        networks = networks_on(presence.links, interfaces)
        refusal = Reason.NO_INTERFACE if networks is None else None
        return Candidacy(refusal, interfaces, score, networks)


def _drop(sets: dict[_Key, set[str]], key: _Key, node: str) -> None:
    sets[key].discard(node)
    if not sets[key]:
        del sets[key]
