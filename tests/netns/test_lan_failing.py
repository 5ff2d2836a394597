"""What the LAN side tells of its interfaces when their sockets fail for a while, in a real host's network."""

from __future__ import annotations

import logging
import os
import random
import resource
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from announce import l2
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from swimlb.observe.logs import EventLog
from swimlb.runtime.recorder import Recorder
from swimlb.speaker.events import ClaimHeard, LinksChanged
from swimlb.wire.lan import Lan
from tests.netns.l2_wire import Cable, run, until

pytestmark = pytest.mark.netns

LOGGER = logging.getLogger(__name__)


@contextmanager
def few_files(count: int) -> Generator[None, None, None]:
    """Whatever this process would open beyond so many is refused with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    held = [os.open("/dev/null", os.O_RDONLY)]
    while held[-1] < highest:
        held.append(os.open("/dev/null", os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + 1 + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in held:
            os.close(descriptor)


def test_an_interface_whose_socket_works_again_is_told_of(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the kernel has no news of it: a node that takes itself for cut off serves nothing."""
    told: list[ClaimHeard | LinksChanged] = []

    def lan_side(on_event: Callable[[ClaimHeard | LinksChanged], None]) -> Lan:
        responder = l2.Responder(l2.Config(), random.Random(1))
        return Lan(responder, Recorder(), EventLog(LOGGER), on_event, is_data_path_local=True)

    async def start(namespace: str) -> None:
        with namespaces.entered(namespace):
            # The kernel has no more news of it when its addresses of IPv6 are ready.
            before = lan_side(lambda event: None)
            before.start()
            await until(
                lambda: any(len(interface.addresses) == 3 for interface in before.open_interfaces),
                "all of its addresses",
            )
            before.close()
            lan = lan_side(told.append)
            # Two for netlink, and one of the two packet sockets of the interface.
            with few_files(3):
                lan.start()
            assert lan.open_interfaces == []
            assert "interface_failed" in [record.message for record in caplog.records]
            await until(
                lambda: told != [] and isinstance(told[-1], LinksChanged) and told[-1].links != (),
                "the interface, by which others can hear this node",
            )
            lan.close()

    run(start(Cable(sandbox).speaker))
    assert told[0] == LinksChanged(())
