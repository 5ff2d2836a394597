"""The speaker: keeps what this node holds equal to the plan, and moves addresses without losing traffic.

Events change the inventory; the plan follows by what they touch (`standing`); the difference to what is held is performed,
by each side for itself: `layer2` what is announced on the LAN, `peering` what goes to the routers. `life` says what there
is to be done at all: a node that starts or stops takes part in less.

A turn does a bounded amount of work. What is left is due at once, after whatever else waits for the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import assert_never

from swimlb.model import IpAddress
from swimlb.speaker.acquaintances import Acquaintances, member_with
from swimlb.speaker.config import Config
from swimlb.speaker.effects import (
    AddressFree,
    AddressInUse,
    Announce,
    Effect,
    JoinRing,
    LeaveRing,
    OwnerChanged,
    PublishMeta,
    Stopped,
    Unwatch,
    Withdraw,
)
from swimlb.speaker.events import (
    ClaimHeard,
    Event,
    InventoryChanged,
    LinksChanged,
    MemberGone,
    MemberPresent,
    PeerStopped,
    ReceptionChanged,
    RingJoined,
    RingLeft,
    StopRequested,
)
from swimlb.speaker.former_owners import FormerOwners
from swimlb.speaker.hearing import HearingChecks
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.layer2 import Layer2
from swimlb.speaker.life import Life, Phase
from swimlb.speaker.links import Link
from swimlb.speaker.local import LocalAddresses
from swimlb.speaker.peering import Peering
from swimlb.speaker.plan import Ownership, Reason, Withheld
from swimlb.speaker.presence import Presence
from swimlb.speaker.probing import Squatter
from swimlb.speaker.reading import Reading
from swimlb.speaker.rules import RuleOptions
from swimlb.speaker.standing import PlanChange, StandingPlan
from swimlb.speaker.verdicts import Verdicts

__all__ = ["Config", "Phase", "Speaker"]


@dataclass(slots=True)
class News:
    """What may be shown differently."""

    addresses: set[IpAddress] = field(default_factory=set[IpAddress])
    services: set[str] = field(default_factory=set[str])


class Speaker:
    """The decision maker of the *wire* process."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._life = Life(config)
        self._inventory = Inventory(config.node)
        self._inventory.presences[config.node] = Presence(is_joining=True)
        self._acquaintances = Acquaintances()
        options = RuleOptions(
            is_exclude_label_ignored=config.is_exclude_label_ignored, subnet_rule=config.subnet_rule
        )
        self._standing = StandingPlan(self._inventory, options)
        self._layer2 = Layer2(config, self._standing.layer2, self._inventory, self._acquaintances)
        self._peering = Peering()
        self._checks = HearingChecks(config.node)
        self._verdicts = Verdicts(self._inventory)
        self._former = FormerOwners(config.node, config.goodbye_max) if config.is_chaining else None
        self._reading = Reading(self._inventory, self._standing)
        self._unready: Set[str] = frozenset()
        """Services that this node is not ready for, by batches that are known as a whole."""
        self._links: tuple[Link, ...] | None = None
        """None: not known yet."""
        self._is_in_doubt = False
        """As it was last told to the others."""
        self._local = LocalAddresses() if config.is_data_path_local else None
        self._work_due: float | None = None
        """When there is more to be done than fits into a turn."""
        self._news = News()
        self._standing.touch_node(config.node)

    @property
    def phase(self) -> Phase:
        return self._life.phase

    @property
    def inventory(self) -> Inventory:
        """Read-only to everybody else."""
        return self._inventory

    @property
    def standing(self) -> StandingPlan:
        """What is planned. Read-only to everybody else."""
        return self._standing

    @property
    def is_busy(self) -> bool:
        """There is more to be done than fitted into the last turn."""
        return self._work_due is not None

    @property
    def announced(self) -> Set[IpAddress]:
        """Addresses this node answers for right now."""
        return self._layer2.announced.keys()

    @property
    def squatters(self) -> Mapping[IpAddress, Squatter]:
        """Strangers that keep this node from announcing an address."""
        return self._layer2.squatters

    @property
    def withheld(self) -> tuple[Withheld, ...]:
        """What this node does not announce, and why. For people and tests: it looks at every Service."""
        return tuple(
            entry for service in sorted(self._inventory.allocations) for entry in self.withheld_of(service)
        )

    def withheld_of(self, service: str) -> list[Withheld]:
        """As the plan says, or because a stranger has one of the addresses."""
        found = self._standing.withheld(service)
        allocation = self._inventory.allocations.get(service)
        squatters = self.squatters
        if squatters and allocation is not None and not squatters.keys().isdisjoint(allocation.addresses):
            found = [entry for entry in found if entry.by != "l2"]
            found.append(Withheld(service, "l2", Reason.ADDRESS_IN_USE))
        return found

    def ownership_of(self, service: str) -> Ownership | None:
        """How this node announces a Service on the LAN; None: it does not."""
        allocation = self._inventory.allocations.get(service)
        if allocation is None or allocation.addresses[0] not in self.announced:
            return None
        ownership = self._standing.layer2.ownership(allocation.addresses[0])
        is_mine = ownership is not None and ownership.owner == self._config.node
        return ownership if is_mine and self._standing.layer2.withheld(service) is None else None

    def take_news(self) -> News:
        """What people may be shown differently since the last call."""
        news, self._news = self._news, News()
        return news

    def step(self, event: Event, now: float) -> list[Effect]:
        return self._note(self._step(event, now)) if self.phase is not Phase.STOPPED else []

    def advance(self, now: float) -> list[Effect]:
        return self._note(self._advance(now)) if self.phase is not Phase.STOPPED else []

    def _step(self, event: Event, now: float) -> list[Effect]:
        match event:
            case InventoryChanged():
                self._reading.add(event)
                return self._turn(now)
            case RingJoined():
                return self._joined(now)
            case MemberPresent(name, meta):
                return self._member_present(name, Presence.decode(meta), now)
            case MemberGone():
                return self._member_gone(event, now)
            case ClaimHeard():
                self._hear_answer(event)
                return self._layer2.hear(event, now) + self._review_doubt() + self._continue_stop(now)
            case ReceptionChanged(is_heard):
                return self._reception_changed(is_heard, now)
            case LinksChanged(links):
                return self._links_changed(links, now)
            case PeerStopped(name):
                self._peering.stopped(name)
                return self._turn(now) + self._continue_stop(now)
            case RingLeft():
                self._life.linger(now)
                return []
            case StopRequested(is_restart):
                return self._drain(now, is_restart=is_restart)
            case _:
                assert_never(event)

    def _advance(self, now: float) -> list[Effect]:
        effects = self._layer2.end_handovers(now)
        if ended := self._layer2.end_silent_yields(now):
            effects += ended
            self._work_due = now
        effects += self._layer2.advance(now) + self._review_doubt() + self._ask(now)
        if self._former is not None:
            effects += self._former.advance(now)
        if self.phase is Phase.JOINING and self._life.is_over(now):
            effects += self._joined(now)
        elif self._work_due is not None:
            effects += self._turn(now)
        return effects + self._continue_stop(now)

    def next_deadline(self) -> float | None:
        if self.phase is Phase.STOPPED:
            return None
        deadlines = (
            self._work_due,
            self._life.next_deadline(),
            self._layer2.next_deadline(),
            self._checks.next_deadline(),
            self._former.next_deadline() if self._former is not None else None,
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _note(self, effects: list[Effect]) -> list[Effect]:
        """Remember what these change for people."""
        for effect in effects:
            match effect:
                case AddressInUse(address) | AddressFree(address):
                    self._news.addresses.add(address)
                    self._news.services.update(self._standing.layer2.services_of(address))
                case Announce(address) | Withdraw(address):
                    self._news.addresses.add(address)
                    self._news.services.update(self._standing.layer2.services_of(address))
                case Unwatch(address):
                    self._news.addresses.add(address)
                case _:
                    pass
        return effects

    # What is known

    def _read(self, now: float) -> list[Effect]:
        """Know more of the records that *watch* has sent. What this node says of itself follows when all are known."""
        if not self._reading.work(self._config.work_per_turn // 2):
            return []
        self._unready = frozenset(self._inventory.unready_services())
        effects = self._refresh_presence()
        if self.phase is Phase.STARTING:
            self._life.join(now)
            effects.append(JoinRing())
        return effects

    def _joined(self, now: float) -> list[Effect]:
        if self.phase is Phase.JOINING:
            self._life.run()
            self._layer2.open()
            self._is_in_doubt = self._config.is_probing
            if self._config.is_hearing_checked:
                self._checks.start(now)
        return self._refresh_presence() + self._turn(now)

    def _member_present(self, name: str, presence: Presence, now: float) -> list[Effect]:
        if name == self._config.node:
            return []
        self._acquaintances.found(name)
        is_new = name not in self._inventory.presences
        self._inventory.presences[name] = presence
        self._standing.touch_node(name)
        self._checks.member_present(name, presence)
        # Whoever answered has told of all others; seeds that are down need not be waited for.
        is_return = bool(self._acquaintances.lost)
        self._life.settle(self._config.return_settle if is_return else self._config.ring_settle, now)
        if is_new:
            self._layer2.forgive(name)
            if not presence.is_joining:
                self._layer2.announce_again()
        known = self._former.member_present(name, presence) if self._former is not None else []
        return known + self._turn(now)

    def _member_gone(self, gone: MemberGone, now: float) -> list[Effect]:
        name = gone.name
        if name == self._config.node or name not in self._inventory.presences:
            return []
        presence = self._inventory.presences.pop(name)
        self._acquaintances.lose(name, presence, now)
        self._layer2.forgive(name)
        self._standing.touch_node(name)
        ended: list[Effect] = []
        if self._former is not None:
            at = gone.address
            if at is not None and at in self._standing.layer2.addresses:
                at = None  # A Service's: it is watched for reasons of its own.
            has_said_goodbye = presence.is_leaving or not gone.has_failed
            ended = self._former.member_gone(name, now, has_said_goodbye=has_said_goodbye, address=at)
        return ended + self._checks.member_gone(name) + self._turn(now)

    def _links_changed(self, links: tuple[Link, ...], now: float) -> list[Effect]:
        was_cut_off = self._inventory.presences[self._config.node].is_cut_off
        self._links = links
        self._checks.links_changed()
        if was_cut_off and links and self.phase is Phase.RUNNING and self._acquaintances.lost:
            # Who was lost meanwhile may well be alive and serve what this node believes to be its own.
            self._life.join(now)
        effects = self._refresh_presence()
        if self._inventory.presences[self._config.node].is_cut_off != was_cut_off:
            self._layer2.review_held()
        return effects + self._turn(now) + self._continue_stop(now)

    def _reception_changed(self, is_heard: bool, now: float) -> list[Effect]:
        change = self._layer2.begin_reception if is_heard else self._layer2.end_reception
        return change(now) + self._turn(now) + self._continue_stop(now)

    def _review_doubt(self) -> list[Effect]:
        """Tell the others when this node begins, or ends, to vouch for what it owns. Who leaves changes nothing."""
        is_in_doubt = self._layer2.is_in_doubt()
        if self._life.is_stopping or is_in_doubt == self._is_in_doubt:
            return []
        self._is_in_doubt = is_in_doubt
        return self._refresh_presence()

    def _refresh_presence(self) -> list[Effect]:
        presence = Presence.of(
            is_leaving=self._life.is_stopping or self._inventory.drained_by is not None,
            is_joining=self._life.is_joining,
            unready_services=self._unready,
            links=self._links,
            is_in_doubt=self._is_in_doubt,
            unanswering=self._checks.unanswering if self._config.is_hearing_checked else None,
        )
        if presence == self._inventory.presences[self._config.node]:
            return []
        self._inventory.presences[self._config.node] = presence
        self._standing.touch_node(self._config.node)
        return [PublishMeta(presence.encode())]

    def _hear_answer(self, claim: ClaimHeard) -> None:
        if self._former is not None:
            self._former.hear(claim.address)
        if self._checks.is_asked_for(claim.address):
            mac = bytes.fromhex(claim.mac.replace(":", ""))
            self._checks.hear(claim, member_with(mac, self._inventory.presences))

    def _ask(self, now: float) -> list[Effect]:
        """Whether others hear: ask who is to be asked, and tell the ring what has been found."""
        before = self._checks.unanswering
        effects = self._checks.advance(now)
        if self._checks.unanswering == before:
            return effects
        return [*effects, *self._refresh_presence(), *self._turn(now)]

    # What is done about it

    def _turn(self, now: float) -> list[Effect]:
        """Bring the plan up to date, as far as a turn goes, and perform what is different."""
        read = self._read(now)
        is_reading = self._reading.is_pending
        if self.phase is Phase.STARTING:
            self._work_due = now if is_reading else None
            return read
        standing = self._standing
        verdicts = self._review_verdicts(now)
        change, left = standing.work(self._config.work_per_turn, is_urgent_only=is_reading)
        self._news.addresses.update(change.ownerships)
        self._news.services.update(change.services)
        # Who owns what is not known before the ring has answered.
        is_on_lan = self.phase is not Phase.JOINING
        moved = self._layer2.note_owners(change.ownerships) if is_on_lan else []
        # First what makes traffic arrive at an address that is served, then what lets go of one.
        effects = [
            *read,
            *verdicts,
            *self._settle_local(change),
            *self._note_former(change),
            *self._note_moved(moved, now),
            *(self._layer2.settle(change.ownerships, now) if is_on_lan else ()),
            *self._review_doubt(),
            *self._settle_bgp(change),
            *moved,
        ]
        if is_on_lan and not standing.is_pending:
            effects += self._settle_rest(left, now)
        is_more = is_reading or standing.is_pending or (is_on_lan and self._layer2.is_pending)
        self._work_due = now if is_more else None
        return effects

    def _settle_rest(self, budget: int, now: float) -> list[Effect]:
        """Look again at addresses of which the plan says nothing new, as far as so much work allows."""
        unsettled = self._layer2.take_unsettled(budget)
        moved = self._layer2.note_owners(unsettled)
        return [
            *self._note_moved(moved, now),
            *self._layer2.settle(unsettled, now),
            *self._layer2.announce_once_more(budget),
            *self._review_doubt(),
            *moved,
        ]

    def _review_verdicts(self, now: float) -> list[Effect]:
        """Who is deaf by now: such a node is passed over wherever another one can be found."""
        before = self._inventory.deaf.keys()
        effects = self._verdicts.review(now)
        deaf = self._inventory.deaf.keys()
        if deaf != before:
            self._standing.layer2.touch_election()
            self._layer2.review_held()
            if self._former is not None:
                effects += self._former.send_nothing_to(sorted(deaf - before))
                # Who hears again may have owned all the time what nobody else could take.
                for member in sorted(before - deaf):
                    owned = self._standing.layer2.addresses_of(member)
                    effects += self._former.note_owners(dict.fromkeys(owned, member))
        return effects

    def _note_moved(self, moved: list[OwnerChanged], now: float) -> list[Effect]:
        """Others are asked for what they own, and this node may be about to watch for its own reasons."""
        return [
            effect
            for change in moved
            for effect in self._checks.owner_changed(change.address, change.previous, change.owner, now)
        ]

    def _note_former(self, change: PlanChange) -> list[Effect]:
        """Also while this node announces nothing yet: what it comes to own then, others have now."""
        if self._former is None:
            return []
        planned = {address: self._standing.layer2.ownership(address) for address in change.ownerships}
        return self._former.note_owners(
            {address: None if one is None else one.owner for address, one in planned.items()}
        )

    def _settle_local(self, change: PlanChange) -> list[Effect]:
        if self._local is None:
            return []
        added = self._local.change(change.allocations)
        is_all_known = not (self._reading.is_pending or self._standing.has_unknown_services)
        return added + (self._local.remove_unused() if is_all_known else [])

    def _settle_bgp(self, change: PlanChange) -> list[Effect]:
        # Of half an edit a session might end, and begin again with the other half.
        if self._life.is_stopping or self._reading.is_pending:
            return []
        plan, known = self._standing.bgp, self._inventory.bgp_peers
        # Sessions end as on a stop: routers first look for other ways, which withdrawing alone would not let them.
        peers = plan.peers if self._inventory.drained_by is None else ()
        return self._peering.settle({name: known[name] for name in peers}, plan, change.routes)

    # Stopping

    def _drain(self, now: float, *, is_restart: bool) -> list[Effect]:
        if self._life.is_stopping:
            return []
        was_member = self.phase is not Phase.STARTING
        self._life.drain(self._peering.shutdown_wait, now)
        if self._peering.is_staying(is_restart=is_restart):
            # What routers go on to send here has to end here. What the next life does not want of it, it removes.
            self._local = None
        asked = [*self._checks.stop(), *self._verdicts.end()]
        if self._former is not None:
            asked += self._former.stop()
        effects = [*self._refresh_presence(), *self._turn(now)] if was_member else []
        return asked + effects + self._peering.stop_all(is_restart=is_restart) + self._continue_stop(now)

    def _continue_stop(self, now: float) -> list[Effect]:
        is_over = self._life.is_over(now)
        match self.phase:
            case Phase.DRAINING if is_over or not (self._layer2.announced or not self._peering.is_idle):
                effects = self._layer2.free_all()
                self._life.leave(now)
                return [*effects, LeaveRing()]
            case Phase.LEAVING if is_over:
                self._life.stop()
                self._work_due = None
                return [*(self._local.remove_all() if self._local is not None else ()), Stopped()]
            case _:
                return []
