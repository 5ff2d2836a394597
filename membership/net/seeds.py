"""Seeds by name: resolves them, again and again, because the pods behind a name come and go.

Each round looks every name up, all at the same time and within a bound. When what they stand for has changed,
`on_seeds` gets all of it; a name that fails keeps the addresses it had. Numeric addresses stand for themselves.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from membership.address import Endpoint

ADDRESSES_MAX = 256
"""Of all names together, as many as a member remembers; the first ones are taken."""
_NAME_OCTETS_MAX = 255


class SeedResolver:
    """`await run()` for as long as seeds are wanted; cancel it to stop.

    `on_failure(name, reason)` is told once each time that a name stops resolving or fails for another reason.
    """

    def __init__(
        self,
        seeds: Sequence[Endpoint],
        on_seeds: Callable[[tuple[Endpoint, ...]], None],
        on_failure: Callable[[str, str], None],
        *,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        interval: float = 30.0,
        timeout: float = 5.0,
    ) -> None:
        """The host of a seed may be a name. `family`: addresses of the other one are left out."""
        self._seeds = tuple(dict.fromkeys(seeds))
        self._on_seeds = on_seeds
        self._on_failure = on_failure
        self._family = family
        self._interval = interval
        self._timeout = timeout
        self._found: dict[str, tuple[str, ...]] = {}
        self._failing: dict[str, str] = {}
        self._lookups: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        self._told: tuple[Endpoint, ...] | None = None

    async def run(self) -> None:
        """Tell the seeds now, at the latest after the timeout, and again whenever they change."""
        names = [host for host in dict.fromkeys(seed.host for seed in self._seeds) if not is_numeric(host)]
        try:
            while True:
                await self._look_up(names)
                self._tell()
                if not names:
                    return
                await asyncio.sleep(
                    self._interval if not self._failing else min(self._interval, self._timeout)
                )
        finally:
            for lookup in self._lookups.values():
                lookup.cancel()

    async def _look_up(self, names: list[str]) -> None:
        for name in names:
            if name not in self._lookups:
                # One that hangs goes on hanging; a second one would only hang beside it.
                self._lookups[name] = asyncio.get_running_loop().create_task(self._addresses(name))
        if self._lookups:
            await asyncio.wait(self._lookups.values(), timeout=self._timeout)
        for name, lookup in list(self._lookups.items()):
            if not lookup.done():
                self._fail(name, "timeout")
                continue
            del self._lookups[name]
            try:
                self._found[name] = lookup.result()
                self._failing.pop(name, None)
            except OSError as error:
                self._fail(name, error.strerror or str(error))

    async def _addresses(self, name: str) -> tuple[str, ...]:
        if len(name.encode()) > _NAME_OCTETS_MAX:
            raise OSError("the name is too long")
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(
                name, None, family=self._family, type=socket.SOCK_STREAM
            )
        except UnicodeError as error:
            # What cannot be a name: an empty label, or one of more than 63 octets.
            raise OSError("it is not a name") from error
        return tuple(sorted({str(address[0]).partition("%")[0] for *_, address in answers}))

    def _fail(self, name: str, reason: str) -> None:
        if self._failing.get(name) != reason:
            self._failing[name] = reason
            self._on_failure(name, reason)

    def _tell(self) -> None:
        seeds = tuple(
            dict.fromkeys(
                Endpoint(host, seed.port)
                for seed in self._seeds
                for host in ((seed.host,) if is_numeric(seed.host) else self._found.get(seed.host, ()))
            )
        )[:ADDRESSES_MAX]
        if seeds != self._told:
            self._told = seeds
            self._on_seeds(seeds)


def is_numeric(host: str) -> bool:
    """Is it an address, and no name?"""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
