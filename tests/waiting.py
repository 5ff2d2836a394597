"""Waiting in an event loop for what no event tells: the other side's record, a table, what a kubelet would ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

INTERVAL = 0.01


async def until(is_so: Callable[[], object], within: float = 20.0) -> None:
    """Let the loop run until something holds. Fails after `within` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not is_so():
        assert loop.time() < deadline, f"waited {within:g} s in vain"
        await asyncio.sleep(INTERVAL)
