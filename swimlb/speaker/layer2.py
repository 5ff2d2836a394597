"""The LAN side of the speaker: brings what this node holds to what the plan says, address by address.

The plan says who owns an address. Whether that is this node and it may announce yet (`probing`), how it lets go of one
that is another's (`holdings`), and what it makes of others that claim one of its own (`conflicts`), is joined here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from swimlb.model import IpAddress
from swimlb.speaker.acquaintances import Acquaintances, member_with
from swimlb.speaker.config import Config
from swimlb.speaker.conflicts import Claimant, Conflicts
from swimlb.speaker.effects import AnnounceAgain, Effect, OwnerChanged
from swimlb.speaker.events import ClaimHeard
from swimlb.speaker.holdings import Holdings
from swimlb.speaker.inventory import Inventory
from swimlb.speaker.layer2_plan import CHANGE_COST, Layer2Plan
from swimlb.speaker.local import order
from swimlb.speaker.plan import Ownership
from swimlb.speaker.probing import Probes, Squatter


class Layer2:
    """Reads the plan, the inventory and the acquaintances; writes none of them."""

    def __init__(
        self, config: Config, plan: Layer2Plan, inventory: Inventory, acquaintances: Acquaintances
    ) -> None:
        self._config = config
        self._plan = plan
        self._inventory = inventory
        self._acquaintances = acquaintances
        self._holdings = Holdings(config)
        self._conflicts = Conflicts(config)
        self._probes = Probes()
        self._is_opening = False
        """The addresses that were first found to be this node's are still in question."""
        self._owners: dict[IpAddress, str | None] = {}
        """As they were told to people."""
        self._unsettled: dict[IpAddress, None] = {}
        """To be looked at again, although the plan says nothing new about them."""
        self._again: dict[IpAddress, None] = {}
        """To be announced once more."""

    @property
    def announced(self) -> Mapping[IpAddress, frozenset[str] | None]:
        return self._holdings.announced

    @property
    def squatters(self) -> Mapping[IpAddress, Squatter]:
        return self._probes.squatters

    def open(self) -> None:
        """This node may announce from now on; as long as it asks about its first addresses it vouches for none."""
        self._is_opening = self._config.is_probing
        # Those that were known and are no Service's any more are to be told of, too.
        self._unsettled.update(dict.fromkeys([*self._plan.addresses, *self.announced, *self._owners]))

    def is_in_doubt(self) -> bool:
        """Whether this node does not vouch for what it owns."""
        squatters = len(self._probes.squatters)
        self._is_opening = self._is_opening and len(self._probes) > squatters
        return self._is_opening or squatters > 0

    # What the plan says

    @property
    def is_pending(self) -> bool:
        return bool(self._unsettled or self._again)

    def settle(self, changes: Mapping[IpAddress, Ownership | None], now: float) -> list[Effect]:
        """The plan says something else about these addresses, of which it said that before."""
        # First what is announced, then what is let go of.
        effects: list[Effect] = []
        for address in sorted(changes, key=lambda address: not self._is_mine(address)):
            effects += self._settle(address, changes[address], now)
        return effects

    def take_unsettled(self, budget: int) -> dict[IpAddress, Ownership | None]:
        """Addresses to be looked at again, as many as so much work allows, with what the plan says about them."""
        addresses = list(islice(self._unsettled, max(1, budget // CHANGE_COST)))
        for address in addresses:
            del self._unsettled[address]
        return {address: self._plan.ownership(address) for address in addresses}

    def announce_once_more(self, budget: int) -> list[Effect]:
        """What others may have heard otherwise."""
        addresses = list(islice(self._again, max(1, budget // CHANGE_COST)))
        for address in addresses:
            del self._again[address]
        return [
            AnnounceAgain(address)
            for address in addresses
            if address in self.announced and not self._holdings.is_handing_over(address)
        ]

    def note_owners(self, addresses: Iterable[IpAddress]) -> list[OwnerChanged]:
        """What has changed, for people and for those who ask owners."""
        changed: list[OwnerChanged] = []
        for address in sorted(addresses, key=order):
            before, ownership = self._owners.get(address), self._plan.ownership(address)
            if ownership is None:
                self._owners.pop(address, None)
            else:
                self._owners[address] = ownership.owner
            if before != self._owners.get(address):
                changed.append(OwnerChanged(address, before, self._owners.get(address)))
        return changed

    def announce_again(self) -> None:
        """A member was running where this node could not see it, and may have announced what is this node's."""
        self._again.update(self._holdings.addresses())

    def review_held(self) -> None:
        """Whether others can hear this node has changed."""
        self._unsettled.update(self._holdings.addresses())

    def _is_mine(self, address: IpAddress) -> bool:
        ownership = self._plan.ownership(address)
        return ownership is not None and ownership.owner == self._config.node

    def _settle(self, address: IpAddress, before: Ownership | None, now: float) -> list[Effect]:
        """Perform the difference between the plan and what is held."""
        ownership = self._plan.ownership(address)
        if ownership is None:
            self._probes.forget(address)
        is_mine = self._is_mine(address)
        if is_mine and not self._conflicts.is_heard:
            # Others have what this node does not hold yet: they do not know that it is there.
            is_mine = address in self.announced or self._conflicts.is_yielded(address)
        if self._conflicts.is_yielded(address):
            # Once the plan names another owner, nobody has to be watched any more.
            return [] if is_mine else self._conflicts.end_yield(address)
        if ownership is None or not is_mine:
            ended = self._probes.end(address, now) if address in self._probes else []
            return ended + (self._let_go(address, ownership, now) if address in self.announced else [])
        if self._is_in_question(address, before):
            return self._probes.start(address, ownership.interfaces, now)
        return self._announce(address, ownership.interfaces)

    def free_all(self) -> list[Effect]:
        return [effect for address in list(self.announced) for effect in self._free(address)]

    def _is_in_question(self, address: IpAddress, before: Ownership | None) -> bool:
        """Whether nobody has asked yet who has an address that is this node's: not in this life, nor its last owner."""
        if address in self._probes:
            return True
        if not self._config.is_probing or self._probes.has_vouched(address):
            return False
        if before is None or before.owner is None or before.owner == self._config.node:
            return True
        owner = self._inventory.presences.get(before.owner) or self._acquaintances.lost.get(before.owner)
        return owner is not None and owner.is_in_doubt

    def _announce(self, address: IpAddress, interfaces: frozenset[str] | None) -> list[Effect]:
        self._probes.vouch(address)
        return self._holdings.announce(address, interfaces)

    def _release(self, address: IpAddress, now: float) -> list[Effect]:
        """Nobody else has the address, as far as this node has asked."""
        interfaces, effects = self._probes.release(address, now)
        return [*effects, *self._announce(address, interfaces)]

    def _let_go(self, address: IpAddress, ownership: Ownership | None, now: float) -> list[Effect]:
        is_taken_over = self._holdings.is_claimed(address, now)
        this_node = self._config.node
        # Who is cut off, or deaf, waits in vain to hear its successor, and must not announce once more against it.
        hears_nobody = self._inventory.presences[this_node].is_cut_off or this_node in self._inventory.deaf
        if ownership is None or ownership.owner is None or is_taken_over or hears_nobody:
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
        claimant, member = self._recognize(claim, now)
        if member is not None and not self._conflicts.is_heard:
            claimant = Claimant.HEARD_INSTEAD
        return self._settle_claim(claim, claimant, member, now)

    def end_reception(self, now: float) -> list[Effect]:
        """The others do not hear this node: what they claim is theirs."""
        self._unsettled.update(dict.fromkeys(self._plan.addresses_of(self._config.node)))
        claims = self._conflicts.end_reception(now)
        return [
            effect
            for claim, member in claims
            if claim.address in self.announced and not self._holdings.is_handing_over(claim.address)
            for effect in self._settle_claim(claim, Claimant.HEARD_INSTEAD, member, now)
        ]

    def begin_reception(self, now: float) -> list[Effect]:
        """The others hear this node again. The plan is to be asked what is its own."""
        self._unsettled.update(dict.fromkeys(self._plan.addresses_of(self._config.node)))
        return self._conflicts.begin_reception(now)

    def _settle_claim(
        self, claim: ClaimHeard, claimant: Claimant, member: str | None, now: float
    ) -> list[Effect]:
        is_yielded = claimant in (Claimant.LOST_BETTER, Claimant.HEARD_INSTEAD)
        freed = self._free(claim.address) if is_yielded else []
        return freed + self._conflicts.hear(claim, claimant, member, now)

    def _probe_answered(self, claim: ClaimHeard, now: float) -> list[Effect]:
        claimant, _ = self._recognize(claim, now)
        is_squatter = claimant is Claimant.STRANGER
        return self._probes.found_in_use(claim, now) if is_squatter else self._release(claim.address, now)

    def forgive(self, member: str) -> None:
        """It has come, or gone: what it claimed before, it claimed in another life."""
        self._conflicts.forgive(member)

    def _recognize(self, claim: ClaimHeard, heard_at: float) -> tuple[Claimant, str | None]:
        """Who claims that, as far as it is known by now."""
        mac = bytes.fromhex(claim.mac.replace(":", ""))
        present, lost = self._inventory.presences, self._acquaintances.lost
        if (member := member_with(mac, present)) is not None:
            return Claimant.PRESENT, member
        if (member := member_with(mac, lost)) is not None:
            is_better = self._plan.comes_before_this_node(member, lost[member], claim.address)
            return Claimant.LOST_BETTER if is_better else Claimant.LOST_WORSE, member
        if self._acquaintances.has_just_left(mac, heard_at):
            return Claimant.DEPARTED, None
        # Who is joining announces nothing, and may not know its links yet.
        is_every_mac_known = all(one.are_links_complete or one.is_joining for one in present.values())
        return Claimant.STRANGER if is_every_mac_known else Claimant.PRESENT, None

    # Time

    def end_silent_yields(self, now: float) -> list[Effect]:
        """Nobody has these addresses any more: the plan is to be asked again who should."""
        silent = self._conflicts.silent(now)
        self._unsettled.update(dict.fromkeys(silent))
        return [effect for address in silent for effect in self._conflicts.end_yield(address)]

    def end_handovers(self, now: float) -> list[Effect]:
        effects = [effect for address in self._holdings.ended(now) for effect in self._free(address)]
        return effects + self._holdings.advance(now)

    def advance(self, now: float) -> list[Effect]:
        effects = self._conflicts.advance(now, self._recognize)
        for address in self._probes.silent(now):
            effects += self._release(address, now)
        return effects + self._probes.advance(now)

    def next_deadline(self) -> float | None:
        deadlines = (
            self._holdings.next_deadline(),
            self._conflicts.next_deadline(),
            self._probes.next_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)
