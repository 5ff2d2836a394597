"""What the LAN side says about the kernel's settings, in a real host's network."""

from __future__ import annotations

import logging
import random

import pytest

from announce import l2
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from swimlb.observe.logs import EventLog
from swimlb.runtime.recorder import Recorder
from swimlb.wire.lan import Lan
from tests.netns.l2_wire import Cable, run, until

pytestmark = pytest.mark.netns

LOGGER = logging.getLogger(__name__)
FORWARDING = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/eth0/send_redirects": "0",
}


@pytest.fixture
def cable(sandbox: Sandbox) -> Cable:
    return Cable(sandbox)


def warnings_of(namespace: str, caplog: pytest.LogCaptureFixture, *, is_data_path_local: bool) -> list[str]:
    """What a speaker says there until its interface has all its addresses: IPv6 is not ready when the link comes up."""
    caplog.clear()

    async def start() -> None:
        responder = l2.Responder(l2.Config(), random.Random(1))
        lan = Lan(
            responder,
            Recorder(),
            EventLog(LOGGER),
            lambda event: None,
            is_data_path_local=is_data_path_local,
        )
        with namespaces.entered(namespace):
            lan.start()
            await until(
                lambda: any(len(interface.addresses) == 3 for interface in lan.open_interfaces),
                "an IPv4 address, a link-local one and another of IPv6",
            )
            lan.close()

    run(start())
    return [str(vars(record)) for record in caplog.records if record.message == "sysctl_unsafe"]


def test_a_host_that_carries_on_is_told_what_keeps_it_from_that(
    cable: Cable, caplog: pytest.LogCaptureFixture
) -> None:
    """By both families, for the interface that announces and no other; and nothing once it is as it should be."""
    unset = warnings_of(cable.client, caplog, is_data_path_local=False)
    namespaces.set_sysctls(cable.client, FORWARDING)
    as_it_should_be = warnings_of(cable.client, caplog, is_data_path_local=False)

    found = ["ipv4.forwarding is 0 on eth0", "send_redirects is 1 on eth0", "ipv6.forwarding is 0 on eth0"]
    assert [any(text in warning for warning in unset) for text in found] == [True, True, True]
    assert len(unset) == len(found)
    assert as_it_should_be == []


def test_a_host_that_has_the_addresses_is_asked_for_other_settings(
    cable: Cable, caplog: pytest.LogCaptureFixture
) -> None:
    """It need not forward; the lab's nodes are set as they should be, its clients are not."""
    assert warnings_of(cable.speaker, caplog, is_data_path_local=True) == []
    assert len(warnings_of(cable.client, caplog, is_data_path_local=True)) == 2
