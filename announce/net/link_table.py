"""What is known of the host's interfaces, from netlink messages to events. Pure: `links` has the socket.

An address does not count before the kernel knows that nobody else has it. As long as this is open for an interface's
link-local address, none of its IPv6 addresses counts: the kernel asks for its neighbors from there, so a host that has
just come up could not answer any of them, for up to two seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface

from announce.l2 import Interface, InterfaceAdded, InterfaceChanged, InterfaceEvent, InterfaceRemoved
from announce.net.marks import is_ours
from announce.net.rtnetlink import AddressMessage, LinkFlag, LinkMessage


@dataclass(slots=True)
class LinkTable:
    """The links and addresses of one host, by interface index."""

    links: dict[int, LinkMessage] = field(default_factory=dict)
    addresses: dict[int, dict[IPv4Interface | IPv6Interface, bool]] = field(default_factory=dict)
    """Each with whether it is tentative."""

    def apply(self, message: LinkMessage | AddressMessage) -> None:
        """Take over one message. Messages come in the order of the kernel's changes, so the last one holds."""
        match message:
            case LinkMessage(is_removal=True, index=index):
                self.links.pop(index, None)
                self.addresses.pop(index, None)
            case LinkMessage(index=index):
                self.links[index] = message
            case AddressMessage() if is_ours(message):
                pass  # Service addresses come and go by the thousand, and say nothing about the interface.
            case AddressMessage(is_removal=True, index=index, address=address):
                self.addresses.get(index, {}).pop(address, None)
            case AddressMessage(index=index, address=address, is_tentative=is_tentative):
                self.addresses.setdefault(index, {})[address] = is_tentative

    def interface(self, index: int) -> Interface | None:
        link = self.links.get(index)
        if link is None:
            return None
        return Interface(
            name=link.name,
            index=link.index,
            mac=link.mac,
            is_up=LinkFlag.UP in link.flags,
            has_carrier=LinkFlag.LOWER_UP in link.flags,
            is_loopback=LinkFlag.LOOPBACK in link.flags,
            is_noarp=LinkFlag.NOARP in link.flags,
            can_broadcast=LinkFlag.BROADCAST in link.flags,
            master=link.master,
            addresses=tuple(sorted(self._usable(index), key=lambda address: (address.version, address))),
        )

    def _usable(self, index: int) -> Iterator[IPv4Interface | IPv6Interface]:
        addresses = self.addresses.get(index, {})
        can_ask = not any(
            is_tentative and address.is_link_local for address, is_tentative in addresses.items()
        )
        for address, is_tentative in addresses.items():
            if not is_tentative and (can_ask or address.version == 4):
                yield address

    def interfaces(self) -> dict[int, Interface]:
        found = {index: self.interface(index) for index in self.links}
        return {index: interface for index, interface in found.items() if interface is not None}


def difference(before: Interface | None, after: Interface | None) -> list[InterfaceEvent]:
    """What happened to the interface of one index. Another name is a removal and an addition."""
    if before == after:
        return []
    if before is not None and after is not None and before.name == after.name:
        return [InterfaceChanged(after)]
    events: list[InterfaceEvent] = []
    if before is not None:
        events.append(InterfaceRemoved(before.name))
    if after is not None:
        events.append(InterfaceAdded(after))
    return events
