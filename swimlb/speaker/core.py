"""The speaker: keeps what this node holds equal to the plan, and moves addresses without losing traffic.

Events change the inventory; the plan is computed anew; the difference to what is held is performed. What the plan
does not say is *how* an address is let go of, and that is what this machine adds:

    held ──the plan names another owner──► handing over ──heard its announcement, or 1 s──► free
     ▲                                          │
     └────────the plan names this node again────┘

An address that no Service has any more, or that no node can serve, is freed at once: there is nobody to wait for.

The life of a speaker:

    starting ──first inventory──► joining ──the ring answered──► running ──stop──► draining ──► leaving ──► stopped

starting: BGP waits for nothing but its configuration. joining: the node is a member, but announces nothing on the
LAN until the ring has told it who else is alive, and says so in its gossip meta, so that nobody hands an address
over to it before it is ready. draining: the others are told by gossip, every address is handed
over and every route withdrawn. leaving: the ring is told goodbye. Both ends are bounded in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import assert_never

from announce.bgp.routes import Route
from swimlb.model import BgpPeer, IpAddress
from swimlb.speaker.acquaintances import Acquaintances, member_with
from swimlb.speaker.conflicts import Claimant, Conflicts
from swimlb.speaker.effects import (
    AddLocalAddress,
    Advertise,
    Announce,
    AnnounceAgain,
    Effect,
    HandOver,
    JoinRing,
    LeaveRing,
    OwnerChanged,
    PublishMeta,
    RemoveLocalAddress,
    StartPeer,
    Stopped,
    StopPeer,
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
    RingJoined,
    RingLeft,
    StopRequested,
)
from swimlb.speaker.inventory import Inventory, Record
from swimlb.speaker.links import Link, SubnetRule
from swimlb.speaker.planner import Plan, Reason, Withheld, plan
from swimlb.speaker.presence import Presence
from swimlb.speaker.probing import Probes, Squatter


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    node: str
    """This node's name: the member's name in the ring and the Node's name in Kubernetes."""
    is_data_path_local: bool = False
    """Standalone mode: traffic for a Service address ends on this node, so the address is put on `lo`."""
    is_exclude_label_ignored: bool = False
    subnet_rule: SubnetRule = SubnetRule.PREFER
    is_probing: bool = False
    """Ask whether a stranger has an address before it is announced for the first time."""
    handover_max: float = 1.0
    """How long a leaving owner answers on while it does not hear its successor.

    Longer than gossip needs to tell the successor (one round, 0.2 s at most) and than a busy node needs to act.
    """
    handover_nudge: float = 0.3
    """When a leaving owner that has heard nothing announces once more, so that its successor defends the address.

    A successor that was cut off and never noticed has no reason of its own to announce: it was the owner all along.
    """
    claim_memory: float = 2.0
    """A claim heard this short a time before the plan names another owner was that owner's."""
    join_max: float = 3.0
    """How long to wait for the ring before announcing alone. A node that is cut off serves its own segment."""
    ring_settle: float = 0.2
    """From the first member that is heard of to announcing: the table of that member is known by then."""
    return_settle: float = 1.0
    """The same while members that this node has lost are still missing: it was probably this node that was cut off,
    and whoever it does not hear of yet may serve what it would announce."""
    drain_max: float = 3.0
    leave_max: float = 1.0
    linger: float = 0.1
    """From the last handover to the end: what was sent before neighbours switched is still answered."""


class Phase(Enum):
    STARTING = auto()
    JOINING = auto()
    RUNNING = auto()
    DRAINING = auto()
    LEAVING = auto()
    STOPPED = auto()


@dataclass(frozen=True, slots=True)
class _Handover:
    ends_at: float
    nudge_at: float | None

    @property
    def deadline(self) -> float:
        return self.ends_at if self.nudge_at is None else self.nudge_at


class Speaker:
    """The decision maker of the *wire* process."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._phase = Phase.STARTING
        self._phase_ends_at: float | None = None
        self._inventory = Inventory(config.node)
        self._inventory.presences[config.node] = Presence(is_joining=True)
        self._plan = Plan()
        self._announced: dict[IpAddress, frozenset[str] | None] = {}
        self._handing_over: dict[IpAddress, _Handover] = {}
        """A subset of `_announced`."""
        self._claims: dict[IpAddress, float] = {}
        """When a foreign claim was last heard."""
        self._conflicts = Conflicts()
        self._probes = Probes()
        self._is_opening = False
        """The addresses that were first found to be this node's are still in question."""
        self._is_in_doubt = False
        self._acquaintances = Acquaintances()
        self._links: tuple[Link, ...] | None = None
        """None: not known yet."""
        self._plan_of_all: Plan | None = None
        """What the plan would be with every lost member present; computed when it is needed."""
        self._local: set[IpAddress] = set()
        self._owners: dict[IpAddress, str | None] = {}
        self._peers: dict[str, BgpPeer] = {}
        self._peers_stopping: set[str] = set()
        self._advertised: dict[str, frozenset[Route]] = {}

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def inventory(self) -> Inventory:
        """Read-only to everybody else."""
        return self._inventory

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def announced(self) -> frozenset[IpAddress]:
        """Addresses this node answers for right now."""
        return frozenset(self._announced)

    @property
    def squatters(self) -> Mapping[IpAddress, Squatter]:
        """Strangers that keep this node from announcing an address."""
        return self._probes.squatters

    @property
    def withheld(self) -> tuple[Withheld, ...]:
        """What this node does not announce, and why: as the plan says, or because a stranger has the address."""
        squatters = self.squatters
        in_use = [
            Withheld(service, "l2", Reason.ADDRESS_IN_USE)
            for service, allocation in (self._inventory.allocations.items() if squatters else ())
            if not squatters.keys().isdisjoint(allocation.addresses)
        ]
        return (*self._plan.withheld, *in_use)

    def step(self, event: Event, now: float) -> list[Effect]:
        if self._phase is Phase.STOPPED:
            return []
        match event:
            case InventoryChanged(put, removed):
                return self._learn(put, removed, now)
            case RingJoined():
                return self._joined(now)
            case MemberPresent(name, meta):
                return self._member_present(name, Presence.decode(meta), now)
            case MemberGone(name):
                return self._member_gone(name, now)
            case ClaimHeard():
                return self._claim_heard(event, now)
            case LinksChanged(links):
                return self._links_changed(links, now)
            case PeerStopped(name):
                self._peers_stopping.discard(name)
                return self._replan(now) + self._continue_stop(now)
            case RingLeft():
                return self._left(now)
            case StopRequested():
                return self._drain(now)
            case _:
                assert_never(event)

    def advance(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for address, handover in list(self._handing_over.items()):
            if handover.ends_at <= now:
                effects += self._free(address)
            elif handover.deadline <= now:
                self._handing_over[address] = replace(handover, nudge_at=None)
                effects += [Announce(address, self._announced[address]), HandOver(address)]
        if silent := self._conflicts.silent(now):
            effects += [effect for address in silent for effect in self._conflicts.end_yield(address)]
            effects += self._replan(now)
        effects += self._conflicts.advance(now)
        for address in self._probes.silent(now):
            effects += self._release(address)
        effects += self._probes.advance(now) + self._review_doubt()
        if self._phase is Phase.JOINING and self._phase_ends_at is not None and self._phase_ends_at <= now:
            effects += self._joined(now)
        return effects + self._continue_stop(now)

    def next_deadline(self) -> float | None:
        deadlines = (
            self._phase_ends_at,
            self._conflicts.next_deadline(),
            self._probes.next_deadline(),
            *(handover.deadline for handover in self._handing_over.values()),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # What is known

    def _learn(self, put: tuple[Record, ...], removed: tuple[str, ...], now: float) -> list[Effect]:
        for key in removed:
            self._inventory.remove(key)
        for record in put:
            self._inventory.put(record)
        effects = self._refresh_presence()
        if self._phase is Phase.STARTING:
            self._phase, self._phase_ends_at = Phase.JOINING, now + self._config.join_max
            effects.append(JoinRing())
        return effects + self._replan(now)

    def _joined(self, now: float) -> list[Effect]:
        if self._phase is Phase.JOINING:
            self._phase, self._phase_ends_at = Phase.RUNNING, None
            self._is_opening = self._is_in_doubt = self._config.is_probing
        return self._refresh_presence() + self._replan(now)

    def _member_present(self, name: str, presence: Presence, now: float) -> list[Effect]:
        if name == self._config.node:
            return []
        self._acquaintances.found(name)
        is_new = name not in self._inventory.presences
        self._inventory.presences[name] = presence
        if self._phase is Phase.JOINING and self._phase_ends_at is not None:
            # Whoever answered has told of all others; seeds that are down need not be waited for.
            config = self._config
            settle = config.return_settle if self._acquaintances.lost else config.ring_settle
            self._phase_ends_at = min(self._phase_ends_at, now + settle)
        effects = self._replan(now)
        if is_new and not presence.is_joining:
            # It was running where this node could not see it, and may have announced what is ours.
            effects += [
                AnnounceAgain(address) for address in self._announced if address not in self._handing_over
            ]
        return effects

    def _member_gone(self, name: str, now: float) -> list[Effect]:
        if name == self._config.node or name not in self._inventory.presences:
            return []
        self._acquaintances.lose(name, self._inventory.presences.pop(name))
        return self._replan(now)

    def _links_changed(self, links: tuple[Link, ...], now: float) -> list[Effect]:
        was_cut_off = self._inventory.presences[self._config.node].is_cut_off
        self._links = links
        if was_cut_off and links and self._phase is Phase.RUNNING and self._acquaintances.lost:
            # Who was lost meanwhile may well be alive and serve what this node believes to be its own.
            self._phase, self._phase_ends_at = Phase.JOINING, now + self._config.join_max
        return self._refresh_presence() + self._replan(now) + self._continue_stop(now)

    def _claim_heard(self, claim: ClaimHeard, now: float) -> list[Effect]:
        address = claim.address
        if self._probes.counts(claim):
            return self._probe_answered(claim, now)
        if self._conflicts.is_yielded(address):
            self._conflicts.hear_yielded(address, now)
        if address not in self._announced:
            return []
        self._claims[address] = now
        if address in self._handing_over:
            return self._free(address) + self._continue_stop(now)
        claimant, member = self._recognize(claim)
        freed = self._free(address) if claimant is Claimant.LOST_BETTER else []
        return freed + self._conflicts.hear(claim, claimant, member, now)

    def _probe_answered(self, claim: ClaimHeard, now: float) -> list[Effect]:
        claimant, _ = self._recognize(claim)
        is_squatter = claimant is Claimant.STRANGER
        found = self._probes.found_in_use(claim, now) if is_squatter else self._release(claim.address)
        return found + self._review_doubt()

    def _recognize(self, claim: ClaimHeard) -> tuple[Claimant, str | None]:
        mac = bytes.fromhex(claim.mac.replace(":", ""))
        present, lost = self._inventory.presences, self._acquaintances.lost
        if (member := member_with(mac, present)) is not None:
            return Claimant.PRESENT, member
        if (member := member_with(mac, lost)) is not None:
            return (
                Claimant.LOST_BETTER if self._comes_before(member, claim.address) else Claimant.LOST_WORSE
            ), member
        # Who is joining announces nothing, and may not know its links yet.
        is_every_mac_known = all(one.are_links_complete or one.is_joining for one in present.values())
        return Claimant.STRANGER if is_every_mac_known else Claimant.PRESENT, None

    def _comes_before(self, member: str, address: IpAddress) -> bool:
        """Whether a lost member would own an address rather than this node, if everybody were there."""
        if self._plan_of_all is None:
            presences = {**self._acquaintances.lost, **self._inventory.presences}
            self._plan_of_all = self._plan_for(replace(self._inventory, presences=presences))
        order = self._plan_of_all.duties[address].candidates
        this_node = self._config.node
        return member in order and (this_node not in order or order.index(member) < order.index(this_node))

    def _refresh_presence(self) -> list[Effect]:
        presence = Presence.of(
            is_leaving=self._is_stopping,
            is_joining=self._phase in (Phase.STARTING, Phase.JOINING),
            unready_services=self._inventory.unready_services(),
            links=self._links,
            is_in_doubt=self._is_in_doubt,
        )
        if presence == self._inventory.presences[self._config.node]:
            return []
        self._inventory.presences[self._config.node] = presence
        return [PublishMeta(presence.encode())]

    # What is done about it

    def _replan(self, now: float) -> list[Effect]:
        """Compute the plan and perform the difference to what is held."""
        if self._phase in (Phase.STARTING, Phase.STOPPED):
            return []
        previous, self._plan = self._plan, self._plan_for(self._inventory)
        self._plan_of_all = None
        # First what makes traffic arrive at an address that is served, then what lets go of one.
        return [
            *self._replan_local(),
            *self._replan_l2(previous, now),
            *self._review_doubt(),
            *self._replan_bgp(),
            *self._note_owners(),
        ]

    def _plan_for(self, inventory: Inventory) -> Plan:
        config = self._config
        return plan(
            inventory,
            is_exclude_label_ignored=config.is_exclude_label_ignored,
            subnet_rule=config.subnet_rule,
        )

    def _replan_local(self) -> list[Effect]:
        if not self._config.is_data_path_local:
            return []
        wanted = {
            address for allocation in self._inventory.allocations.values() for address in allocation.addresses
        }
        added, removed = wanted - self._local, self._local - wanted
        self._local = wanted
        return [
            *map(AddLocalAddress, sorted(added, key=_order)),
            *map(RemoveLocalAddress, sorted(removed, key=_order)),
        ]

    def _replan_l2(self, previous: Plan, now: float) -> list[Effect]:
        if self._phase is Phase.JOINING:
            return []
        wanted = self._plan.announced_by(self._config.node)
        effects: list[Effect] = []
        for address in self._conflicts.yielded():
            # Once the plan names another owner, nobody has to be watched any more.
            if wanted.pop(address, ()) == ():
                effects += self._conflicts.end_yield(address)
        effects += self._probes.keep(wanted.keys(), self._plan.duties.keys())
        for address, interfaces in wanted.items():
            is_taken_back = self._handing_over.pop(address, None) is not None
            if self._is_in_question(address, previous):
                effects += self._probes.start(address, interfaces, now)
            elif is_taken_back or self._announced.get(address, ()) != interfaces:
                effects += self._announce(address, interfaces)
        for address in [address for address in self._announced if address not in wanted]:
            effects += self._let_go(address, now)
        return effects

    def _is_in_question(self, address: IpAddress, previous: Plan) -> bool:
        """Whether nobody has asked yet who has an address that is this node's: not in this life, nor its last owner."""
        if address in self._probes:
            return True
        if not self._config.is_probing or self._probes.has_vouched(address):
            return False
        duty = previous.duties.get(address)
        if duty is None or duty.owner is None:
            return True
        if duty.owner == self._config.node:
            return True
        owner = self._inventory.presences.get(duty.owner) or self._acquaintances.lost.get(duty.owner)
        return owner is not None and owner.is_in_doubt

    def _announce(self, address: IpAddress, interfaces: frozenset[str] | None) -> list[Effect]:
        self._announced[address] = interfaces
        self._probes.vouch(address)
        return [Announce(address, interfaces)]

    def _release(self, address: IpAddress) -> list[Effect]:
        """Nobody else has the address, as far as this node has asked."""
        interfaces, effects = self._probes.release(address)
        return [*effects, *self._announce(address, interfaces)]

    def _review_doubt(self) -> list[Effect]:
        """Tell the others when this node begins, or ends, to vouch for what it owns. Who leaves changes nothing."""
        squatters = len(self._probes.squatters)
        self._is_opening = self._is_opening and len(self._probes) > squatters
        is_in_doubt = self._is_opening or squatters > 0
        if self._is_stopping or is_in_doubt == self._is_in_doubt:
            return []
        self._is_in_doubt = is_in_doubt
        return self._refresh_presence()

    def _let_go(self, address: IpAddress, now: float) -> list[Effect]:
        duty = self._plan.duties.get(address)
        heard = self._claims.get(address)
        is_taken_over = heard is not None and now - heard <= self._config.claim_memory
        is_cut_off = self._inventory.presences[self._config.node].is_cut_off
        if duty is None or duty.owner is None or is_taken_over or is_cut_off:
            return self._free(address)
        if address in self._handing_over:
            return []
        config = self._config
        self._handing_over[address] = _Handover(now + config.handover_max, now + config.handover_nudge)
        return [HandOver(address)]

    def _free(self, address: IpAddress) -> list[Effect]:
        del self._announced[address]
        self._handing_over.pop(address, None)
        self._claims.pop(address, None)
        self._conflicts.forget(address)
        return [Withdraw(address)]

    def _replan_bgp(self) -> list[Effect]:
        if self._is_stopping:
            return []
        wanted = {name: self._inventory.bgp_peers[name] for name in self._plan.routes}
        effects: list[Effect] = []
        for name in [name for name, peer in self._peers.items() if wanted.get(name) != peer]:
            effects += self._stop_peer(name)
        for name, peer in wanted.items():
            # A changed peer starts anew when its old session has ended.
            if name not in self._peers and name not in self._peers_stopping:
                self._peers[name] = peer
                effects.append(StartPeer(peer))
        for name in sorted(self._peers):
            routes = self._plan.routes[name]
            if self._advertised.get(name) != routes:
                self._advertised[name] = routes
                effects.append(Advertise(name, routes))
        return effects

    def _stop_peer(self, name: str) -> list[Effect]:
        del self._peers[name]
        self._advertised.pop(name, None)
        self._peers_stopping.add(name)
        return [StopPeer(name)]

    def _note_owners(self) -> list[Effect]:
        if self._phase is Phase.JOINING:
            return []  # Who owns what is not known before the ring has answered.
        owners = {address: duty.owner for address, duty in self._plan.duties.items()}
        changed = [
            OwnerChanged(address, self._owners.get(address), owners.get(address))
            for address in sorted({*owners, *self._owners}, key=_order)
            if owners.get(address) != self._owners.get(address)
        ]
        self._owners = owners
        return list(changed)

    # Stopping

    @property
    def _is_stopping(self) -> bool:
        return self._phase in (Phase.DRAINING, Phase.LEAVING, Phase.STOPPED)

    def _drain(self, now: float) -> list[Effect]:
        if self._is_stopping:
            return []
        was_member = self._phase in (Phase.JOINING, Phase.RUNNING)
        self._phase, self._phase_ends_at = Phase.DRAINING, now + self._config.drain_max
        effects: list[Effect] = []
        if was_member:
            effects += self._refresh_presence()
            effects += self._replan(now)
        for name in list(self._peers):
            effects += self._stop_peer(name)
        return effects + self._continue_stop(now)

    def _continue_stop(self, now: float) -> list[Effect]:
        is_over = self._phase_ends_at is not None and self._phase_ends_at <= now
        match self._phase:
            case Phase.DRAINING if is_over or not (self._announced or self._peers_stopping):
                effects = [effect for address in list(self._announced) for effect in self._free(address)]
                self._phase, self._phase_ends_at = Phase.LEAVING, now + self._config.leave_max
                return [*effects, LeaveRing()]
            case Phase.LEAVING if is_over:
                self._phase, self._phase_ends_at = Phase.STOPPED, None
                return [*map(RemoveLocalAddress, sorted(self._local, key=_order)), Stopped()]
            case _:
                return []

    def _left(self, now: float) -> list[Effect]:
        if self._phase is Phase.LEAVING and self._phase_ends_at is not None:
            self._phase_ends_at = min(self._phase_ends_at, now + self._config.linger)
        return []


def _order(address: IpAddress) -> tuple[int, int]:
    return address.version, int(address)
