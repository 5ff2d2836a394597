"""Which Service uses which address, and who may join in.

MetalLB's rules of sharing: an address may have several Services if all carry the same sharing key, all have
the same backends as far as externalTrafficPolicy Local makes that matter, and no two have a port in common.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from swimlb.allocator.refusal import Refused
from swimlb.model import IpAddress, Service, ServicePort, TrafficPolicy

SharingGroup: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""Sharing key and backends: Services of different groups never share."""

_REASON_SHARERS_MAX = 5
"""Of the Services that share an address, a reason names so many: it ends up in an event."""


def sharing_group(service: Service) -> SharingGroup | None:
    """None: shares with nobody. Without a local endpoint any node forwards, so backends matter only for Local."""
    if not service.sharing_key:
        return None
    return service.sharing_key, service.selector if service.traffic_policy is TrafficPolicy.LOCAL else ()


@dataclass(slots=True)
class _Use:
    """One address in use."""

    group: SharingGroup | None = None
    services: dict[str, Service] = field(default_factory=dict[str, Service])
    ports: dict[ServicePort, str] = field(default_factory=dict[ServicePort, str])
    """Who has the port."""
    leaving: set[str] = field(default_factory=set[str])
    """Services that are giving the address up, but may still be seen with it: nobody new may join them.

    One of them may not be among `services`: it is seen with what others have, with whom it may not share.
    """

    def barring(self, key: str) -> set[str]:
        """Those leaving that keep the Service from having the address, or having it again."""
        if key not in self.services:
            return self.leaving - {key}
        # Those with whom it shares what it is leaving itself go on sharing it.
        return self.leaving - self.services.keys() if key in self.leaving else set()


class Usage:
    """The addresses in use, by address and by sharing group."""

    def __init__(self) -> None:
        self._uses: dict[IpAddress, _Use] = {}
        self._shared: dict[tuple[SharingGroup, int], list[int]] = {}
        """Addresses of a group in ascending order."""
        self._exhausted: dict[tuple[SharingGroup, int], dict[tuple[int, tuple[ServicePort, ...]], int]] = {}
        """By start of a scan and ports: up to which address every one of the group has a clashing port."""
        self._leaving: dict[str, set[IpAddress]] = {}
        """By Service: what it is giving up."""

    def is_free(self, address: IpAddress) -> bool:
        return address not in self._uses

    def is_open(self, address: IpAddress) -> bool:
        """Whether a newcomer may have the address or share it, if sharing key and ports are right."""
        use = self._uses.get(address)
        return use is None or (use.group is not None and not use.leaving)

    def check(self, service: Service, address: IpAddress, *, is_seen: bool = False) -> None:
        """Raises Refused unless the Service may use the address.

        `is_seen`: asked only because it may still be seen with the address, so that it is nobody new there.
        """
        use = self._uses.get(address)
        if use is None:
            return
        if not is_seen and (barring := use.barring(service.key)):
            raise Refused(f"address {address} is still being given up by {_listed(sorted(barring))}")
        if use.services.keys() == {service.key}:
            return
        group = sharing_group(service)
        if group is None or group != use.group:
            others = [key for key in use.services if key != service.key]
            raise Refused(
                f'can\'t change sharing key for "{service.key}", address {address} also in use by '
                f"{_listed(others)} ({_difference(service, use)})"
            )
        for port in service.ports:
            if use.ports.get(port, service.key) != service.key:
                raise Refused(
                    f'port {port.protocol}/{port.port} is already in use on "{address}" by {use.ports[port]}'
                )

    def allows(self, service: Service, address: IpAddress, *, is_seen: bool = False) -> bool:
        """Whether `check` would not refuse it."""
        try:
            self.check(service, address, is_seen=is_seen)
        except Refused:
            return False
        return True

    def shareable(self, service: Service, first: IpAddress, last: IpAddress) -> Iterator[IpAddress]:
        """Addresses of a range, ascending, that are in use and that this Service may share."""
        group = sharing_group(service)
        if group is None:
            return
        where, scan = (group, first.version), (int(first), service.ports)
        if (addresses := self._shared.get(where)) is None:
            return
        exhausted, has_found = self._exhausted.setdefault(where, {}), False
        for index in range(bisect_left(addresses, exhausted.get(scan, int(first))), len(addresses)):
            number = addresses[index]
            if number > int(last):
                break
            address = type(first)(number)
            use = self._uses[address]
            if not (use.leaving or use.ports.keys() & set(service.ports)):
                has_found = True
                yield address
            elif not has_found:
                exhausted[scan] = number + 1

    def left_by(self, service: Service) -> Iterator[IpAddress]:
        """What this Service is giving up, and may have again."""
        return (address for address in self._leaving.get(service.key, ()) if self.allows(service, address))

    def take(self, service: Service, address: IpAddress) -> bool:
        """The caller has checked that the Service may. True if it did not have the address before."""
        use = self._uses.get(address)
        if use is None:
            use = self._uses[address] = _Use()
        is_new = service.key not in use.services
        if (group := sharing_group(service)) != use.group:
            assert use.services.keys() <= {service.key}
            self._regroup(use, address, group)
        if not is_new:
            use.ports = {port: key for port, key in use.ports.items() if key != service.key}
        self._end_leaving(service.key, use, address)
        use.services[service.key] = service
        use.ports.update(dict.fromkeys(service.ports, service.key))
        return is_new

    def begin_leaving(self, service: Service, address: IpAddress) -> None:
        """Nobody new may share the address, which is in use, until the Service releases it or `end_leaving`."""
        self._uses[address].leaving.add(service.key)
        self._leaving.setdefault(service.key, set()).add(address)

    def end_leaving(self, service: Service, address: IpAddress) -> None:
        """The Service, which does not have the address, is not seen with it any more."""
        if (use := self._uses.get(address)) is not None:
            self._end_leaving(service.key, use, address)

    def release(self, service: Service, address: IpAddress) -> bool:
        """Give an address back, in whatever version the Service took it; True if nobody uses it any more."""
        use = self._uses[address]
        del use.services[service.key]
        self._end_leaving(service.key, use, address)
        use.ports = {port: key for port, key in use.ports.items() if key != service.key}
        self._reopen(use, address)
        if use.services:
            return False
        for key in tuple(use.leaving):
            self._end_leaving(key, use, address)
        self._regroup(use, address, None)
        del self._uses[address]
        return True

    def _end_leaving(self, key: str, use: _Use, address: IpAddress) -> None:
        if key not in use.leaving:
            return
        use.leaving.remove(key)
        left = self._leaving[key]
        left.remove(address)
        if not left:
            del self._leaving[key]
        self._reopen(use, address)

    def _regroup(self, use: _Use, address: IpAddress, group: SharingGroup | None) -> None:
        """Its only user decides with whom the address may be shared; None: with nobody."""
        if use.group is not None:
            where = (use.group, address.version)
            shared = self._shared[where]
            del shared[bisect_left(shared, int(address))]
            if not shared:
                # Keys come and go with their Services.
                del self._shared[where]
                self._exhausted.pop(where, None)
        use.group = group
        if group is not None:
            insort(self._shared.setdefault((group, address.version), []), int(address))
            self._reopen(use, address)

    def _reopen(self, use: _Use, address: IpAddress) -> None:
        """An address has more room than it had: scans that passed it must look again."""
        if use.group is None:
            return
        exhausted = self._exhausted.get((use.group, address.version), {})
        for scan in [scan for scan, below in exhausted.items() if scan[0] <= int(address) < below]:
            exhausted[scan] = int(address)


def _listed(keys: list[str]) -> str:
    shown = ",".join(keys[:_REASON_SHARERS_MAX])
    more = len(keys) - _REASON_SHARERS_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _difference(service: Service, use: _Use) -> str:
    if not service.sharing_key:
        return "this Service has no allow-shared-ip annotation"
    if use.group is None:
        return "which has no allow-shared-ip annotation"
    if use.group[0] != service.sharing_key:
        return f"whose sharing key is {use.group[0]}, not {service.sharing_key}"
    return "with externalTrafficPolicy Local only Services with the same selector share"
