"""What the lab's stand-ins share: they look at the API server a few times a second, and bear it that it is away.

They look at lists, from its cache, and do not watch: that is what the product does, and is to be judged by others.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.errors import ApiError

FROM_CACHE = "0"
"""The resource version that lets the API server answer without asking etcd."""

log = logging.getLogger("swimlb.lab")


async def every(interval: float, act: Callable[[], Awaitable[None]]) -> None:
    """Do it again and again. What the API server refuses is told once, until it is something else."""
    told = ""
    while True:
        try:
            await act()
            told = ""
        except ApiError as error:
            if str(error) != told:
                told = str(error)
                log.warning("%s", told)
        await asyncio.sleep(interval)


def run(kubeconfig: Path, main: Callable[[Client], Awaitable[None]]) -> None:
    """Run until SIGTERM."""

    async def until_told() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with Client(Access.from_kubeconfig(kubeconfig), user_agent="swimlb-lab") as client:
            await main(client)

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with suppress(asyncio.CancelledError):
        asyncio.run(until_told())
