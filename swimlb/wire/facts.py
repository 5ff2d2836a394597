"""What *wire* tells *watch* of its state: a flat table, one entry per thing, so that a change costs what it changes.

Keys are `gossip`, `lan`, `member/NAME`, `presence/NAME`, `l2/ADDRESS`, `bgp/PEER`, `announced/SERVICE/BY`,
`withheld/SERVICE/BY` and `speaker`; values are what the status API and the cluster's status objects show for it. They stand
in `docs/reference/status-api.md`. `counts` and `tally/ADDRESS` are for metrics only. Presences are what *watch* computes successions from
when somebody asks: with every member that comes or goes, those of all addresses would be others.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Any

import msgpack

import membership as ml
from announce.l2 import Interface
from swimlb.model import IpAddress
from swimlb.runtime import clock
from swimlb.runtime.replica import Publisher
from swimlb.speaker.core import Speaker
from swimlb.wire.chaining import Chaining
from swimlb.wire.lan import Lan
from swimlb.wire.moves import Moves
from swimlb.wire.peer_facts import peer_entry
from swimlb.wire.peers import Peers
from swimlb.wire.ring import Ring

ENTRIES_PER_REPORT = 250
"""Addresses and Services told of at once: some milliseconds. The rest follows with the next report."""

TALLIES_PER_COUNT = 250
"""Addresses whose tally is looked at with each count; with more of them it takes several."""


class Facts:
    """Keeps the published table equal to what the sides of *wire* know."""

    def __init__(
        self,
        speaker: Speaker,
        ring: Ring,
        lan: Lan,
        peers: Peers,
        chaining: Chaining,
        moves: Moves,
        process: dict[str, Any],
        published: Publisher,
    ) -> None:
        self._speaker = speaker
        self._ring = ring
        self._lan = lan
        self._peers = peers
        self._chaining = chaining
        self._moves = moves
        self._process = process
        self._published = published
        self._addresses: dict[IpAddress, None] = {}
        """To be told of."""
        self._services: dict[str, None] = {}
        self._interfaces: list[Interface] = []
        """As they were when the addresses on them were told of last."""
        self._of_few: set[str] = set()
        """Keys of what is looked at every time."""
        self._members_told: dict[str, object] = {}
        """By key, of what the entries were made."""
        self._to_tally: deque[IpAddress] = deque()
        """Announced addresses, in the order in which their tallies are looked at; made anew when all have been."""
        self._tallied: set[IpAddress] = set()

    def refresh(self) -> bool:
        """Publish what has changed; False when more is to follow."""
        self._take_news()
        self._refresh_few()
        for address in list(islice(self._addresses, ENTRIES_PER_REPORT)):
            del self._addresses[address]
            self._refresh_address(address)
        for service in list(islice(self._services, ENTRIES_PER_REPORT)):
            del self._services[service]
            self._refresh_service(service)
        if self._addresses or self._services:
            return False
        self._published.start()
        return True

    def count(self) -> None:
        """Publish what only counts, which `refresh` leaves alone because it changes all the time."""
        counts = {
            # So that it is another one each time, and a reader knows that this process lives.
            "at": clock.monotonic(),
            "gossip": _gossip_counts(self._ring.metrics()),
            "moves": self._moves.told(),
            "bfd_drops": self._peers.bfd_drops(),
        }
        self._put("counts", counts)
        if not self._to_tally:
            announced = self._speaker.announced
            for gone in self._tallied - announced:
                self._tallied.remove(gone)
                self._published.remove(f"tally/{gone}")
            self._to_tally.extend(announced)
        for _ in range(min(TALLIES_PER_COUNT, len(self._to_tally))):
            address = self._to_tally.popleft()
            if (tally := self._lan.tally(address)) is not None:
                self._tallied.add(address)
                told = {"answered": tally.requests_answered, "announced": tally.announcements_sent}
                self._put(f"tally/{address}", told)

    def _take_news(self) -> None:
        news = self._speaker.take_news()
        self._addresses.update(dict.fromkeys(news.addresses))
        self._services.update(dict.fromkeys(news.services))
        interfaces = self._lan.open_interfaces
        if interfaces != self._interfaces:
            self._interfaces = interfaces
            self._addresses.update(dict.fromkeys(self._speaker.announced))

    def _refresh_few(self) -> None:
        """What there is little of."""
        entries: dict[str, dict[str, Any]] = {
            "speaker": {"phase": self._speaker.phase.name.lower(), **self._process},
            "lan": {
                "dropped": dict(sorted(self._lan.drops.items())),
                "chained": self._chaining.addresses,
            },
        }
        if (metrics := self._ring.metrics()) is not None:
            entries["gossip"] = _gossip(metrics)
        entries |= {f"bgp/{name}": peer_entry(name, view) for name, view in self._peers.views().items()}
        for key, value in entries.items():
            self._put(key, value)
        of_few = entries.keys() | self._refresh_members()
        for key in self._of_few - of_few:
            self._published.remove(key)
            self._members_told.pop(key, None)
        self._of_few = of_few

    def _refresh_members(self) -> set[str]:
        """Gives all their keys. There may be thousands: only what has changed is put into words."""
        keys, deaf = set[str](), self._speaker.inventory.deaf
        for member in self._ring.members():
            keys.add(key := f"member/{member.name}")
            found_by = deaf.get(member.name, ())
            if self._members_told.get(key) != (member, found_by):
                self._members_told[key] = (member, found_by)
                self._put(key, _member(member, found_by))
        for name, presence in self._speaker.inventory.presences.items():
            keys.add(key := f"presence/{name}")
            if self._members_told.get(key) is not presence:
                self._members_told[key] = presence
                self._put(key, {"name": name, "meta": presence.encode()})
        return keys

    def _refresh_address(self, address: IpAddress) -> None:
        ownership = self._speaker.standing.layer2.ownership(address)
        if ownership is None:
            self._published.remove(f"l2/{address}")
            return
        is_announced_here = address in self._speaker.announced
        squatter = self._speaker.squatters.get(address)
        interfaces = self._lan.interfaces_of(address) if is_announced_here else []
        self._put(
            f"l2/{address}",
            {
                "address": str(address),
                "owner": ownership.owner,
                "is_announced_here": is_announced_here,
                "interfaces": [_interface(interface) for interface in interfaces],
                "in_use_by": None
                if squatter is None
                else {"mac": squatter.mac, "interface": squatter.interface},
            },
        )

    def _refresh_service(self, service: str) -> None:
        self._refresh_announced(service)
        withheld = {entry.by: entry for entry in self._speaker.withheld_of(service)}
        for by in ("l2", "bgp"):
            if (entry := withheld.get(by)) is None:
                self._published.remove(f"withheld/{service}/{by}")
            else:
                self._put(
                    f"withheld/{service}/{by}", {"service": service, "by": by, "reason": str(entry.reason)}
                )

    def _refresh_announced(self, service: str) -> None:
        ownership = self._speaker.ownership_of(service)
        if ownership is None:
            self._published.remove(f"announced/{service}/l2")
        else:
            interfaces = None if ownership.interfaces is None else sorted(ownership.interfaces)
            self._put(f"announced/{service}/l2", {"service": service, "by": "l2", "interfaces": interfaces})
        peers = self._speaker.standing.bgp.peers_of(service)
        if not peers:
            self._published.remove(f"announced/{service}/bgp")
        else:
            self._put(f"announced/{service}/bgp", {"service": service, "by": "bgp", "peers": list(peers)})

    def _put(self, key: str, value: dict[str, Any]) -> None:
        self._published.put(key, msgpack.packb(value, use_bin_type=True))


def _gossip(metrics: ml.Metrics) -> dict[str, Any]:
    return {
        "profile": metrics.profile,
        "awareness": metrics.awareness,
        "rtt_mean": metrics.rtt_mean,
        "rtt_max": metrics.rtt_max,
        "suspicions": metrics.suspicions,
        "failures": metrics.failures,
        "refutations": metrics.refutations,
        "lateness_max": metrics.lateness_max,
        "dropped": sum(metrics.drops.values()),
    }


def _gossip_counts(metrics: ml.Metrics | None) -> dict[str, Any] | None:
    if metrics is None:
        return None
    return {
        "rtts": list(metrics.rtts),
        "rtt_bounds": list(ml.RTT_BOUNDS),
        "rtt_seconds": metrics.rtt_sum,
        "late_runs": metrics.late_runs,
        "packets_received": metrics.packets_received,
        "octets_received": metrics.octets_received,
        "packets_sent": metrics.packets_sent,
        "octets_sent": metrics.octets_sent,
        "drops": dict(metrics.drops),
    }


def _member(member: ml.Member, deaf_to: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": member.name,
        "address": member.address,
        "port": member.port,
        "state": member.state.name.lower(),
        "incarnation": member.incarnation,
        "deaf_to": list(deaf_to),
    }


def _interface(interface: Interface) -> dict[str, Any]:
    return {"name": interface.name, "mac": interface.mac.hex(":")}
