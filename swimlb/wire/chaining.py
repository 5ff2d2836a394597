"""Joins the speaker's knowledge of former owners to the kernel, which sends them the packets of their connections.

The kernel may make its callers wait while another program changes rules, so a thread asks it; what changes meanwhile is
gathered and told in one go.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from announce.l2 import Interface
from announce.net.daisy_chain import (
    DaisyChain,
    Hop,
    are_connections_picked_up,
    are_connections_tracked,
    gateway_for,
)
from swimlb.model import IpAddress
from swimlb.observe.logs import EventLog
from swimlb.speaker import effects as fx
from swimlb.speaker.links import Link

RETRY_INTERVAL = 10.0
"""Seconds: a kernel that tracks no connections may begin to, when a program wants it; one that refused may not any more."""

GATHER = 0.02
"""Seconds, where there is much to tell. It concerns a later move: those who take over now are not to share the process with it."""

AT_ONCE = 200
"""Addresses whose way is found in one go: a millisecond or two."""

_HINTS = {
    errno.EPERM: "let the process keep CAP_NET_ADMIN",
    errno.EEXIST: "another speaker runs on this host, or somebody has made a table of that name",
    **dict.fromkeys(
        (errno.EINVAL, errno.EOPNOTSUPP), "tables that have an owner are in Linux 5.12 and later"
    ),
}


class Chaining:
    """To be used within a running event loop. What the kernel refuses is told, and does not end anything."""

    def __init__(
        self,
        log: EventLog,
        interfaces: Callable[[], Iterable[Interface]],
        address_of: Callable[[str], IpAddress | None],
    ) -> None:
        """`interfaces`: those of this host on a LAN of which the others know the MAC: what comes from there they send on no
        further. `address_of`: where a member gossips.
        """
        self._log = log
        self._interfaces = interfaces
        self._address_of = address_of
        self._members: dict[IpAddress, str] = {}
        self._links: dict[str, tuple[Link, ...]] = {}
        self._waiting: set[IpAddress] = set()
        """Of which the kernel has to be told."""
        self._is_other_members = False
        """The same of members."""
        self._chain: DaisyChain | None = None
        self._working: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._told: str | None = None
        """The last refusal that was logged."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="daisy-chain")

    def close(self) -> None:
        """The kernel forgets all of it."""
        if self._retry is not None:
            self._retry.cancel()
        if self._working is not None:
            self._working.cancel()
        self._thread.shutdown()
        if self._chain is not None:
            self._chain.close()

    @property
    def addresses(self) -> int:
        """Of how many the kernel knows where to send what belongs to connections that it does not know."""
        return 0 if self._chain is None else len(self._chain)

    def perform(self, effect: fx.ChainEffect) -> None:
        match effect:
            case fx.ChainTo(members):
                for address, member in members.items():
                    if member is None:
                        self._members.pop(address, None)
                    else:
                        self._members[address] = member
                self._tell(members)
            case fx.KnowMember(member, links):
                if links:
                    self._links[member] = links
                else:
                    self._links.pop(member, None)
                self._is_other_members = True
                self._tell(address for address, other in self._members.items() if other == member)

    def review(self) -> None:
        """The interfaces of this host have changed."""
        self._tell(self._members)

    def _tell(self, addresses: Iterable[IpAddress]) -> None:
        self._waiting.update(addresses)
        if self._working is None and self._retry is None:
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        """Until the kernel knows all, or has refused."""
        try:
            if len(self._waiting) > AT_ONCE:
                await asyncio.sleep(GATHER)
            while self._waiting or self._is_other_members:
                self._is_other_members = False
                macs = frozenset(link.mac for links in self._links.values() for link in links)
                if not await self._write(macs, self._take()):
                    self._retry = asyncio.get_running_loop().call_later(RETRY_INTERVAL, self._try_again)
                    return
        finally:
            self._working = None

    def _take(self) -> dict[IpAddress, Hop | None]:
        """The way for some of the addresses that wait."""
        addresses = list(islice(self._waiting, AT_ONCE))
        self._waiting.difference_update(addresses)
        interfaces = tuple(self._interfaces())
        members = {member for address in addresses if (member := self._members.get(address)) is not None}
        at = {member: self._address_of(member) for member in members}
        found: dict[IpAddress, Hop | None] = {}
        for address in addresses:
            member = self._members.get(address)
            found[address] = (
                None
                if member is None
                else hop_for(address, at[member], self._links.get(member, ()), interfaces)
            )
        return found

    async def _write(self, macs: frozenset[bytes], hops: Mapping[IpAddress, Hop | None]) -> bool:
        if self._chain is None:
            if not are_connections_tracked():
                return False
            if not are_connections_picked_up():
                self._tell_refusal("net.netfilter.nf_conntrack_tcp_loose is 0", "set it to 1")
                return False
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, macs, hops)
        except OSError as error:
            self._tell_refusal(
                str(error),
                _HINTS.get(error.errno or 0, "the kernel needs nf_tables with its expressions ct and dup"),
            )
            if self._chain is not None:
                self._chain.close()
                self._chain = None
            return False
        self._told = None
        return True

    def _tell_refusal(self, reason: str, hint: str) -> None:
        if reason != self._told:
            self._told = reason
            self._log.warning("connections_not_kept", reason=reason, hint=hint)

    def _ask(self, macs: frozenset[bytes], hops: Mapping[IpAddress, Hop | None]) -> None:
        """In the thread, the only one that runs while `_work` waits."""
        if self._chain is None:
            self._chain = DaisyChain()
        # First of all, so that no packet goes back and forth.
        self._chain.know_members(macs)
        self._chain.change(hops)

    def _try_again(self) -> None:
        self._retry = None
        self._is_other_members = True
        self.review()


def hop_for(
    address: IpAddress, at: IpAddress | None, links: Iterable[Link], interfaces: Iterable[Interface]
) -> Hop | None:
    """The way to a member that gossips at `at` and has these links, for packets to that address; None: there is none on a LAN."""
    if at is not None and at.version == address.version:
        for interface in interfaces:
            if any(at in own.network for own in interface.addresses if own.version == at.version):
                return Hop(at, interface.index)
    if address.version == 4:
        return None
    # Where it gossips says nothing of IPv6, but it has told its MACs.
    for link in links:
        for interface in interfaces:
            own_networks = {own.network for own in interface.addresses}
            if any(address in network for network in own_networks.intersection(link.networks)):
                return Hop(gateway_for(link.mac), interface.index, link.mac)
    return None
