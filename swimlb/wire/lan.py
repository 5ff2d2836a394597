"""The LAN side of *wire*: the responder with its packet sockets, the host's interfaces, and addresses on `lo`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Interface, IPv6Interface
from typing import assert_never

from announce import l2
from announce.l2 import Interface, Responder
from announce.net.links import LinkMonitor
from announce.net.packet import PacketSockets, SocketEvent
from announce.net.rtnetlink import AddressMessage
from announce.net.sysctls import Finding, check_forwarding, check_sysctls
from swimlb.model import IpAddress
from swimlb.observe.logs import EventLog
from swimlb.runtime.driver import Driver
from swimlb.runtime.recorder import Recorder
from swimlb.speaker import effects as fx
from swimlb.speaker.events import ClaimHeard, LinksChanged
from swimlb.speaker.links import Link, link_of
from swimlb.wire.local_path import LocalPath


class Lan:
    """Performs the speaker's orders about addresses, and tells it of foreign claims."""

    def __init__(
        self,
        responder: Responder,
        recorder: Recorder,
        log: EventLog,
        on_event: Callable[[ClaimHeard | LinksChanged], None],
        on_addresses: Callable[[], None] = lambda: None,
        *,
        is_data_path_local: bool,
    ) -> None:
        """`on_addresses`: an interface has other addresses than before, those of its link aside, which every Pod's has, and `lo`
        aside, which has the Services'.
        """
        self._responder = responder
        self._log = log
        self._on_event = on_event
        self._on_addresses = on_addresses
        self._addresses: dict[str, list[IPv4Interface | IPv6Interface]] = {}
        """By interface, those that `on_addresses` tells of."""
        self._told_links: tuple[Link, ...] | None = None
        self._driver: Driver[l2.Event, l2.Effect] = Driver("l2", responder, self._perform, recorder)
        self._sockets = PacketSockets(self._on_socket, responder.answers)
        self._links = LinkMonitor(self._on_link, self._on_address_gone)
        self._is_data_path_local = is_data_path_local
        self._local: LocalPath | None = None
        self._checked: set[tuple[str, int]] = set()
        self._telling: asyncio.Handle | None = None
        self.drops: Counter[str] = Counter()
        """Frames that were not answered, by reason."""

    def start(self) -> None:
        """Learn the interfaces and listen. Raises OSError when the kernel refuses."""
        # Also where none is put on `lo`: an earlier life of this speaker may have been told otherwise.
        self._local = LocalPath(self._log)
        self._links.start()

    def close(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
        self._driver.close()
        self._links.close()
        self._sockets.close()
        if self._local is not None:
            self._local.close()

    def perform(self, effect: fx.LanEffect) -> None:
        assert self._local is not None, "the LAN side has been started"
        match effect:
            case fx.Announce(address, interfaces):
                self._driver.feed(l2.AnnounceRequested(address, interfaces))
            case fx.AnnounceAgain(address):
                self._driver.feed(l2.ReannounceRequested(address))
            case fx.HandOver(address):
                self._driver.feed(l2.HandOverRequested(address))
            case fx.Withdraw(address):
                self._driver.feed(l2.WithdrawRequested(address))
            case fx.Defend(address):
                self._driver.feed(l2.DefendRequested(address))
            case fx.Watch(address):
                self._driver.feed(l2.WatchRequested(address))
            case fx.Unwatch(address):
                self._driver.feed(l2.UnwatchRequested(address))
            case fx.Ask(address):
                self._driver.feed(l2.ProbeRequested(address))
            case fx.Solicit(address):
                self._driver.feed(l2.SolicitRequested(address))
            case fx.AnswerAskers(address):
                self._driver.feed(l2.AnnounceRequested(address))
            case fx.EndAnswer(address):
                self._driver.feed(l2.WithdrawRequested(address))
            case fx.AddLocalAddress(address):
                self._local.add(address)
            case fx.RemoveLocalAddress(address):
                self._local.remove(address)

    def forget_leftovers(self, wanted: frozenset[IpAddress]) -> None:
        """Remove what an earlier life of this speaker left on `lo` and nobody wants any more."""
        assert self._local is not None, "the LAN side has been started"
        self._local.forget_leftovers(wanted if self._is_data_path_local else frozenset())

    def interfaces_of(self, address: IpAddress) -> list[Interface]:
        """Where the address is answered for, by this node, right now."""
        return [self._responder.interfaces[name] for name in sorted(self._responder.interfaces_of(address))]

    def tally(self, address: IpAddress) -> l2.Tally | None:
        """What has been done for an address on the LAN since it was asked for; None when it is not."""
        return self._responder.tally(address)

    def is_on_link(self, address: IpAddress) -> bool:
        """An interface of this host has a network with the address: no router stands between."""
        return any(
            address in own.network
            for interface in self._responder.interfaces.values()
            for own in interface.addresses
            if own.version == address.version
        )

    @property
    def open_interfaces(self) -> list[Interface]:
        """Where addresses can be answered for, as the kernel tells of them."""
        return [self._responder.interfaces[name] for name in sorted(self._responder.open_interfaces)]

    def _on_address_gone(self, message: AddressMessage | None) -> None:
        if self._local is not None:
            self._local.note_gone(message)

    def _on_link(self, event: l2.InterfaceEvent) -> None:
        self._driver.feed(event)
        self._tell_links()
        self._note_addresses(event)
        if isinstance(event, l2.InterfaceRemoved):
            # One that comes back by that name has settings of its own; and most do not come back.
            self._checked -= {(event.name, 4), (event.name, 6)}
        elif event.interface.name in self._responder.open_interfaces:
            self._check(event.interface)

    def _note_addresses(self, event: l2.InterfaceEvent) -> None:
        if isinstance(event, l2.InterfaceRemoved):
            has_changed = self._addresses.pop(event.name, []) != []
        elif event.interface.is_loopback:
            return
        else:
            name = event.interface.name
            found = [one for one in event.interface.addresses if not one.is_link_local]
            has_changed = self._addresses.get(name, []) != found
            self._addresses[name] = found
        if has_changed:
            self._on_addresses()

    def _on_socket(self, event: SocketEvent) -> None:
        self._driver.feed(event)
        if isinstance(event, l2.SocketFailed):
            self._tell_links_soon()

    def _tell_links_soon(self) -> None:
        """A socket was opened or closed for another reason than news of its interface: it failed, or may work again."""
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_soon(self._tell_links_now)

    def _tell_links_now(self) -> None:
        self._telling = None
        self._tell_links()
        for interface in self.open_interfaces:
            self._check(interface)

    def _tell_links(self) -> None:
        """Tell the core when the interfaces on which others can hear this node are different ones, or differ."""
        links = tuple(link_of(interface) for interface in self.open_interfaces if interface.has_carrier)
        if links != self._told_links:
            self._told_links = links
            self._on_event(LinksChanged(links))

    def _check(self, interface: Interface) -> None:
        """Once for each interface; for IPv6 when it has an address by which others can reach it."""
        has_ipv6 = any(own.version == 6 and not own.is_link_local for own in interface.addresses)
        for version in (4, 6) if has_ipv6 else (4,):
            if (interface.name, version) in self._checked:
                continue
            self._checked.add((interface.name, version))
            for finding in self._findings(interface.name, version):
                self._log.warning(
                    "sysctl_unsafe", interface=interface.name, setting=finding.setting, problem=str(finding)
                )

    def _findings(self, interface: str, version: int) -> list[Finding]:
        if not self._is_data_path_local:
            return check_forwarding(interface, version)
        # IPv6 answers on an interface only for that interface's own addresses.
        return check_sysctls(interface) if version == 4 else []

    def _perform(self, effect: l2.Effect) -> None:
        match effect:
            case l2.SendReplies() | l2.SendFrame():
                self._sockets.perform(effect)
            case l2.OpenInterface() | l2.CloseInterface():
                self._sockets.perform(effect)
                self._tell_links_soon()
            case l2.SetFilter() | l2.JoinGroup() | l2.LeaveGroup():
                self._sockets.perform(effect)
            case l2.AnnouncementHeard(address, mac, interface, kind):
                can_ask = address.version == 4 or self._responder.interfaces[interface].asks_from is not None
                self._on_event(
                    ClaimHeard(
                        address,
                        mac.hex(":"),
                        interface,
                        is_answer=kind is l2.ClaimKind.REPLY,
                        can_ask=can_ask,
                    )
                )
            case l2.FrameDropped(_, reason):
                self.drops[reason] += 1
            case l2.InterfaceFailed(interface, reason):
                self._log.warning("interface_failed", interface=interface, reason=reason)
            case _:
                assert_never(effect)
