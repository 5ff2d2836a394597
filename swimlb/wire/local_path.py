"""Service addresses on `lo`, where the traffic for them ends on this host: what is ordered is done, and what is lost put back.

Other programs take them away: a network manager that is restarted, an administrator who flushes the interface. The node goes on
announcing meanwhile, so that clients would find nobody.
"""

from __future__ import annotations

import asyncio

from announce.net.addresses import LocalAddresses
from announce.net.rtnetlink import AddressMessage
from swimlb.model import IpAddress
from swimlb.observe.logs import EventLog
from swimlb.runtime import clock

RESTORE_INTERVAL = 1.0
"""Seconds between two times at least: another program may take them away whenever they come back."""

_NAMED_MAX = 5
"""Of the addresses that were put back, so many are named."""


class LocalPath:
    """To be used within a running event loop. What the kernel refuses is told, and does not end anything."""

    def __init__(self, log: EventLog) -> None:
        """Raises OSError when the kernel refuses to tell what is on `lo`."""
        self._log = log
        self._addresses = LocalAddresses()
        self._restore_at = 0.0
        """Not before."""
        self._restoring: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """The addresses stay where they are."""
        if self._restoring is not None:
            self._restoring.cancel()
        self._addresses.close()

    def add(self, address: IpAddress) -> None:
        try:
            self._addresses.add(address)
        except OSError as error:
            self._tell_refusal("add", address, error)

    def remove(self, address: IpAddress) -> None:
        try:
            self._addresses.remove(address)
        except OSError as error:
            self._tell_refusal("remove", address, error)

    def forget_leftovers(self, wanted: frozenset[IpAddress]) -> None:
        """Remove what an earlier life of this speaker left and nobody wants any more."""
        for address in self._addresses.owned_addresses() - wanted:
            self.remove(address)

    def note_gone(self, message: AddressMessage | None) -> None:
        """See LinkMonitor."""
        if self._restoring is None and (message is None or self._addresses.is_loss(message)):
            pause = max(0.0, self._restore_at - clock.monotonic())
            self._restoring = asyncio.get_running_loop().call_later(pause, self._restore)

    def _restore(self) -> None:
        self._restoring = None
        try:
            lost = self._addresses.forget_lost()
        except OSError as error:
            self._log.error("local_addresses_unknown", interface="lo", reason=str(error))
            return
        if not lost:
            return
        self._restore_at = clock.monotonic() + RESTORE_INTERVAL
        for address in lost:
            self.add(address)
        self._log.warning(
            "local_addresses_restored",
            interface="lo",
            count=len(lost),
            addresses=[str(address) for address in lost[:_NAMED_MAX]],
            hint="another program takes Service addresses away: let the host's network manager leave lo alone",
        )

    def _tell_refusal(self, action: str, address: IpAddress, error: OSError) -> None:
        # The address is announced all the same: an administrator may have put it elsewhere.
        self._log.error(
            "local_address_failed", action=action, address=str(address), interface="lo", reason=str(error)
        )
