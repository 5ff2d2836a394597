"""Neighbor discovery on one interface: questions are answered, groups joined, claims of others reported.

Besides questions to the solicited-node group, which come from neighbors that know nothing, those to our own MAC are
answered: that is how a neighbor finds out whether what it knows still holds (RFC 4861 section 7.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from ipaddress import IPv6Address

from announce.l2 import ndp
from announce.l2.effects import (
    AnnouncementHeard,
    ClaimKind,
    DropReason,
    Effect,
    FrameDropped,
    JoinGroup,
    LeaveGroup,
)
from announce.l2.errors import MalformedFrame
from announce.l2.interface import Interface
from announce.l2.tally import Tally


class NdpLink:
    """The IPv6 half of a `Link`."""

    def __init__(
        self,
        interface: Interface,
        watched: Iterable[IPv6Address],
        own_macs: Set[bytes],
        rejoin_interval: float,
    ) -> None:
        """`own_macs` are those of all interfaces of the host, whenever they are looked at."""
        self._interface = interface
        self._own_macs = own_macs
        self._replies: dict[bytes, tuple[ndp.ReplyTemplate, Tally]] = {}
        self._watched = {address.packed for address in watched}
        self._groups: Counter[IPv6Address] = Counter()
        """How many admitted addresses need each group."""
        self._rejoin_interval = rejoin_interval
        self._rejoin_at: float | None = None
        self._refused: set[IPv6Address] = set()

    def admit(self, address: IPv6Address, tally: Tally) -> list[Effect]:
        """Answer for an address from now on. Admitting it twice is admitting it once."""
        is_new = address.packed not in self._replies
        self._prepare(address, tally)
        group = ndp.solicited_node(address)
        self._groups[group] += is_new
        return [JoinGroup(self._interface.name, group)] if is_new and self._groups[group] == 1 else []

    def expel(self, address: IPv6Address) -> list[Effect]:
        """Be silent about an address that has been admitted."""
        del self._replies[address.packed]
        group = ndp.solicited_node(address)
        self._groups[group] -= 1
        if self._groups[group]:
            return []
        del self._groups[group]
        self._refused.discard(group)
        return [LeaveGroup(self._interface.name, group)]

    def watch(self, address: IPv6Address) -> None:
        self._watched.add(address.packed)

    def unwatch(self, address: IPv6Address) -> None:
        self._watched.discard(address.packed)

    def update(self, interface: Interface) -> None:
        """Take over what the kernel says: questions are asked from the addresses, answers are given by the MAC."""
        has_new_mac = interface.mac != self._interface.mac
        self._interface = interface
        if not has_new_mac:
            return
        for packed, (_, tally) in list(self._replies.items()):
            self._prepare(IPv6Address(packed), tally)

    def refused(self, group: IPv6Address, now: float) -> None:
        """A group could not be joined: try again later, if it is still needed then."""
        if group in self._groups:
            self._refused.add(group)
            if self._rejoin_at is None:
                self._rejoin_at = now + self._rejoin_interval

    def announcement(self, address: IPv6Address) -> tuple[bytes, ...]:
        return (ndp.announcement(self._interface.mac, address),)

    def probe(self, address: IPv6Address) -> bytes:
        return ndp.probe(self._interface.mac, address)

    def solicitation(self, address: IPv6Address) -> bytes | None:
        """None where there is no address to ask from: an answer to a probe is for everybody, like an announcement."""
        source = self._interface.asks_from
        return None if source is None else ndp.solicitation(self._interface.mac, source, address)

    def answer(self, frame: bytes) -> bytes | None:
        """The reply to a plain question, which is what nearly every frame is that the filter passes; else None."""
        if frame[ndp.TARGET] not in self._replies:
            return None
        more: list[Effect] = []
        question = self._examine(frame, more)
        return self._reply(question) if question is not None and not more else None

    def hear(self, frame: bytes, effects: list[Effect]) -> bytes | None:
        """The reply to a frame, or None. Why there is none, and a claim of an address of interest, are effects."""
        question = self._examine(frame, effects)
        return self._reply(question) if question is not None else None

    def _examine(self, frame: bytes, effects: list[Effect]) -> ndp.NdpFrame | None:
        """The question that a frame is, if it is to be answered."""
        try:
            heard = ndp.decode(frame)
        except MalformedFrame as malformed:
            effects.append(self._dropped(malformed.reason))
            return None
        mac = _mac_of(heard)
        if mac in self._own_macs or heard.source in self._own_macs:
            effects.append(self._dropped(DropReason.OWN_FRAME))
            return None
        is_advertisement = heard.message is ndp.MessageType.ADVERTISEMENT
        claimed = heard.target if is_advertisement else heard.source_address
        if claimed in self._replies or claimed in self._watched:
            effects.append(
                AnnouncementHeard(IPv6Address(claimed), mac, self._interface.name, _kind_of(heard))
            )
        refusal = DropReason.REPLY if is_advertisement else self._refusal(heard)
        if refusal is not None:
            effects.append(self._dropped(refusal))
            return None
        return heard

    def advance(self, now: float) -> list[Effect]:
        if self._rejoin_at is None or self._rejoin_at > now:
            return []
        self._rejoin_at = None
        refused, self._refused = self._refused, set()
        return [JoinGroup(self._interface.name, group) for group in sorted(refused)]

    def next_deadline(self) -> float | None:
        return self._rejoin_at

    def _refusal(self, question: ndp.NdpFrame) -> DropReason | None:
        if question.destination != self._interface.mac and not question.destination[0] & 1:
            return DropReason.WRONG_DESTINATION
        return None if question.target in self._replies else DropReason.NOT_ANNOUNCED

    def _reply(self, question: ndp.NdpFrame) -> bytes:
        template, tally = self._replies[question.target]
        tally.requests_answered += 1
        if question.source_address == ndp.UNSPECIFIED:
            return ndp.announcement(self._interface.mac, IPv6Address(question.target))
        return ndp.reply(template, _mac_of(question), question.source_address)

    def _prepare(self, address: IPv6Address, tally: Tally) -> None:
        self._replies[address.packed] = (ndp.reply_template(self._interface.mac, address), tally)

    def _dropped(self, reason: DropReason) -> FrameDropped:
        return FrameDropped(self._interface.name, reason)


def _mac_of(heard: ndp.NdpFrame) -> bytes:
    return heard.link_layer or heard.source


def _kind_of(heard: ndp.NdpFrame) -> ClaimKind:
    if heard.message is ndp.MessageType.SOLICITATION:
        return ClaimKind.REQUEST
    return ClaimKind.REPLY if heard.flags & ndp.Flag.SOLICITED else ClaimKind.GRATUITOUS
