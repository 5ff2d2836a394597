"""Who had an address before this node, so that packets of connections that began there find the way.

Known ahead of any move: as long as another node owns an address, that one is who will have had it. When this node comes to own
it, what it does not know belongs there, until that node dies, is found deaf, or has said goodbye and not come back for a
while: a speaker that is replaced by a new version is back before, its kernel was never away. One that is switched off
meanwhile is found out by asking (`departed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swimlb.model import IpAddress
from swimlb.speaker.departed import Departed
from swimlb.speaker.effects import ChainTo, Effect, KnowMember
from swimlb.speaker.links import Link
from swimlb.speaker.presence import Presence


class FormerOwners:
    """Orders what follows for the kernel. Everything else of ownership goes on as if this were not there."""

    def __init__(self, node: str, goodbye_max: float) -> None:
        """`goodbye_max`: seconds for which who has said goodbye is sent on to."""
        self._node = node
        self._former: dict[IpAddress, str] = {}
        self._addresses: dict[str, set[IpAddress]] = {}
        """The same by member."""
        self._links: dict[str, tuple[Link, ...]] = {}
        self._departed = Departed(goodbye_max)

    def next_deadline(self) -> float | None:
        return self._departed.next_deadline()

    def advance(self, now: float) -> list[Effect]:
        gone, effects = self._departed.advance(now)
        return effects + [effect for member in gone for effect in self._forget(member)]

    def stop(self) -> list[Effect]:
        """Ask nobody any more. What is known stays."""
        return self._departed.ask_nobody()

    def note_owners(self, owners: Mapping[IpAddress, str | None]) -> list[Effect]:
        """What the plan says now of these addresses; None: nobody has it."""
        changed: dict[IpAddress, str | None] = {}
        effects: list[Effect] = []
        for address, owner in owners.items():
            effects += self._departed.leave_alone(address)
            if owner != self._node and owner != self._former.get(address):
                self._set(address, owner)
                changed[address] = owner
        return [*effects, ChainTo(changed)] if changed else effects

    def member_present(self, member: str, presence: Presence) -> list[Effect]:
        effects = self._departed.forget(member)
        if self._links.get(member) == presence.links:
            return effects
        self._links[member] = presence.links
        return [*effects, KnowMember(member, presence.links)]

    def member_gone(
        self, member: str, now: float, *, has_said_goodbye: bool, address: IpAddress | None = None
    ) -> list[Effect]:
        """`address`: of the host itself, for which it may be asked."""
        if not has_said_goodbye:
            return self._forget(member)
        return self._departed.leave(member, address if member in self._addresses else None, now)

    def hear(self, address: IpAddress) -> None:
        """Whoever has the address has said so."""
        self._departed.hear(address)

    def send_nothing_to(self, members: Iterable[str]) -> list[Effect]:
        """What these had begins anew, until they own something again."""
        changed = dict.fromkeys(address for member in members for address in self._addresses.get(member, ()))
        for address in changed:
            self._set(address, None)
        return [ChainTo(changed)] if changed else []

    def _forget(self, member: str) -> list[Effect]:
        effects = [*self._departed.forget(member), *self.send_nothing_to((member,))]
        return [*effects, KnowMember(member, ())] if self._links.pop(member, ()) else effects

    def _set(self, address: IpAddress, member: str | None) -> None:
        before = self._former.pop(address, None)
        if before is not None:
            self._addresses[before].discard(address)
            if not self._addresses[before]:
                del self._addresses[before]
        if member is not None:
            self._former[address] = member
            self._addresses.setdefault(member, set()).add(address)
