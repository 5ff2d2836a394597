"""The LAN side of the speaker: brings what this node holds to what the plan says, address by address.

The plan says who owns an address. Whether that is this node and it may announce yet (`probing`), how it lets go of one
that is another's (`holdings`), and what it makes of others that claim one of its own (`conflicts`), is joined here.
"""

from __future__ import annotations

from collections.abc import Mapping

from swimlb.model import IpAddress
from swimlb.speaker.acquaintances import Acquaintances, member_with
from swimlb.speaker.config import Config
from swimlb.speaker.conflicts import Claimant, Conflicts
from swimlb.speaker.effects import AnnounceAgain, Effect, OwnerChanged
from swimlb.speaker.events import ClaimHeard
from swimlb.speaker.holdings import Holdings
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.probing import Probes, Squatter
from swimlb.speaker.standing import StandingPlan


class Layer2:
    """Reads the plan, the inventory and the acquaintances; writes none of them."""

    def __init__(
        self, config: Config, plan: StandingPlan, inventory: Inventory, acquaintances: Acquaintances
    ) -> None:
        self._config = config
        self._standing = plan
        self._inventory = inventory
        self._acquaintances = acquaintances
        self._holdings = Holdings(config)
        self._conflicts = Conflicts()
        self._probes = Probes()
        self._is_opening = False
        """The addresses that were first found to be this node's are still in question."""
        self._owners: dict[IpAddress, str | None] = {}

    @property
    def announced(self) -> Mapping[IpAddress, frozenset[str] | None]:
        return self._holdings.announced

    @property
    def squatters(self) -> Mapping[IpAddress, Squatter]:
        return self._probes.squatters

    def open(self) -> None:
        """This node may announce from now on; as long as it asks about its first addresses it vouches for none."""
        self._is_opening = self._config.is_probing

    def is_in_doubt(self) -> bool:
        """Whether this node does not vouch for what it owns."""
        squatters = len(self._probes.squatters)
        self._is_opening = self._is_opening and len(self._probes) > squatters
        return self._is_opening or squatters > 0

    # What the plan says

    def settle(self, now: float) -> list[Effect]:
        """Perform the difference between the plan and what is held."""
        plan = self._standing.plan
        wanted = plan.announced_by(self._config.node)
        if not self._conflicts.is_heard:
            # Others have what this node does not hold yet: they do not know that it is there.
            wanted = {
                address: one
                for address, one in wanted.items()
                if address in self.announced or self._conflicts.is_yielded(address)
            }
        effects: list[Effect] = []
        for address in self._conflicts.yielded():
            # Once the plan names another owner, nobody has to be watched any more.
            if wanted.pop(address, ()) == ():
                effects += self._conflicts.end_yield(address)
        effects += self._probes.keep(wanted.keys(), plan.duties.keys())
        for address, interfaces in wanted.items():
            if self._is_in_question(address):
                effects += self._probes.start(address, interfaces, now)
            else:
                effects += self._announce(address, interfaces)
        for address in [address for address in self.announced if address not in wanted]:
            effects += self._let_go(address, now)
        return effects

    def note_owners(self) -> list[OwnerChanged]:
        """What has changed, for people and for those who ask owners."""
        owners = {address: duty.owner for address, duty in self._standing.plan.duties.items()}
        changed = [
            OwnerChanged(address, self._owners.get(address), owners.get(address))
            for address in sorted({*owners, *self._owners}, key=order)
            if owners.get(address) != self._owners.get(address)
        ]
        self._owners = owners
        return changed

    def announce_again(self) -> list[Effect]:
        """A member was running where this node could not see it, and may have announced what is this node's."""
        return [
            AnnounceAgain(address)
            for address in self.announced
            if not self._holdings.is_handing_over(address)
        ]

    def free_all(self) -> list[Effect]:
        return [effect for address in list(self.announced) for effect in self._free(address)]

    def _is_in_question(self, address: IpAddress) -> bool:
        """Whether nobody has asked yet who has an address that is this node's: not in this life, nor its last owner."""
        if address in self._probes:
            return True
        if not self._config.is_probing or self._probes.has_vouched(address):
            return False
        duty = self._standing.previous.duties.get(address)
        if duty is None or duty.owner is None:
            return True
        if duty.owner == self._config.node:
            return True
        owner = self._inventory.presences.get(duty.owner) or self._acquaintances.lost.get(duty.owner)
        return owner is not None and owner.is_in_doubt

    def _announce(self, address: IpAddress, interfaces: frozenset[str] | None) -> list[Effect]:
        self._probes.vouch(address)
        return self._holdings.announce(address, interfaces)

    def _release(self, address: IpAddress) -> list[Effect]:
        """Nobody else has the address, as far as this node has asked."""
        interfaces, effects = self._probes.release(address)
        return [*effects, *self._announce(address, interfaces)]

    def _let_go(self, address: IpAddress, now: float) -> list[Effect]:
        duty = self._standing.plan.duties.get(address)
        is_taken_over = self._holdings.is_claimed(address, now)
        this_node = self._config.node
        # Who is cut off, or deaf, waits in vain to hear its successor, and must not announce once more against it.
        hears_nobody = self._inventory.presences[this_node].is_cut_off or this_node in self._inventory.deaf
        if duty is None or duty.owner is None or is_taken_over or hears_nobody:
            return self._free(address)
        return self._holdings.hand_over(address, now)

    def _free(self, address: IpAddress) -> list[Effect]:
        self._conflicts.forget(address)
        return self._holdings.free(address)

    # What others say

    def hear(self, claim: ClaimHeard, now: float) -> list[Effect]:
        address = claim.address
        if self._probes.counts(claim):
            return self._probe_answered(claim, now)
        if self._conflicts.is_yielded(address):
            self._conflicts.hear_yielded(address, now)
        if address not in self.announced:
            return []
        self._holdings.note_claim(address, now)
        if self._holdings.is_handing_over(address):
            return self._free(address)
        claimant, member = self._recognize(claim)
        if member is not None and not self._conflicts.is_heard:
            claimant = Claimant.HEARD_INSTEAD
        return self._settle_claim(claim, claimant, member, now)

    def end_reception(self, now: float) -> list[Effect]:
        """The others do not hear this node: what they claim is theirs."""
        claims = self._conflicts.end_reception(now)
        return [
            effect
            for claim, member in claims
            if claim.address in self.announced and not self._holdings.is_handing_over(claim.address)
            for effect in self._settle_claim(claim, Claimant.HEARD_INSTEAD, member, now)
        ]

    def begin_reception(self, now: float) -> list[Effect]:
        """The others hear this node again. The plan is to be asked what is its own."""
        return self._conflicts.begin_reception(now)

    def _settle_claim(
        self, claim: ClaimHeard, claimant: Claimant, member: str | None, now: float
    ) -> list[Effect]:
        is_yielded = claimant in (Claimant.LOST_BETTER, Claimant.HEARD_INSTEAD)
        freed = self._free(claim.address) if is_yielded else []
        return freed + self._conflicts.hear(claim, claimant, member, now)

    def _probe_answered(self, claim: ClaimHeard, now: float) -> list[Effect]:
        claimant, _ = self._recognize(claim)
        is_squatter = claimant is Claimant.STRANGER
        return self._probes.found_in_use(claim, now) if is_squatter else self._release(claim.address)

    def _recognize(self, claim: ClaimHeard) -> tuple[Claimant, str | None]:
        mac = bytes.fromhex(claim.mac.replace(":", ""))
        present, lost = self._inventory.presences, self._acquaintances.lost
        if (member := member_with(mac, present)) is not None:
            return Claimant.PRESENT, member
        if (member := member_with(mac, lost)) is not None:
            is_better = self._standing.comes_before_this_node(member, claim.address, lost)
            return Claimant.LOST_BETTER if is_better else Claimant.LOST_WORSE, member
        # Who is joining announces nothing, and may not know its links yet.
        is_every_mac_known = all(one.are_links_complete or one.is_joining for one in present.values())
        return Claimant.STRANGER if is_every_mac_known else Claimant.PRESENT, None

    # Time

    def end_silent_yields(self, now: float) -> list[Effect]:
        """Nobody has these addresses any more: the plan is to be asked again who should."""
        return [
            effect for address in self._conflicts.silent(now) for effect in self._conflicts.end_yield(address)
        ]

    def end_handovers(self, now: float) -> list[Effect]:
        effects = [effect for address in self._holdings.ended(now) for effect in self._free(address)]
        return effects + self._holdings.advance(now)

    def advance(self, now: float) -> list[Effect]:
        effects = self._conflicts.advance(now)
        for address in self._probes.silent(now):
            effects += self._release(address)
        return effects + self._probes.advance(now)

    def next_deadline(self) -> float | None:
        deadlines = (
            self._holdings.next_deadline(),
            self._conflicts.next_deadline(),
            self._probes.next_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)


def order(address: IpAddress) -> tuple[int, int]:
    return address.version, int(address)
