"""BFD's sockets on an interface that goes, and comes back as another one of the same name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from announce.bfd import SessionConfig, State, Timing
from swimlb.lab import namespaces
from swimlb.lab.sandbox import Sandbox
from tests.interop.live_bfd import live_bfd
from tests.netns.l2_wire import CLIENT_ADDRESS, SPEAKER_ADDRESS, Cable

pytestmark = pytest.mark.netns

TIMING = Timing(desired_min_tx_us=50_000, required_min_rx_us=50_000)
FROM_SPEAKER = SessionConfig(peer_address=CLIENT_ADDRESS.ip, timing=TIMING)
FROM_CLIENT = SessionConfig(peer_address=SPEAKER_ADDRESS.ip, timing=TIMING)


@pytest.mark.parametrize(
    "bound",
    [
        {"interface": "eth0"},
        # A VRF is a device like any other to a socket.
        {"device": "eth0"},
    ],
    ids=["interface", "vrf"],
)
def test_a_session_comes_back_with_the_interface_that_it_is_bound_to(
    sandbox: Sandbox, bound: dict[str, Any]
) -> None:
    """As when somebody applies the network configuration anew."""
    cable = Cable(sandbox)

    with (
        live_bfd(cable.speaker, replace(FROM_SPEAKER, **bound)) as live,
        live_bfd(cable.client, FROM_CLIENT),
    ):
        live.wait_until_up()
        namespaces.ip_batch(["link delete eth0"], cable.speaker)
        live.wait_for("the session to go down", lambda status: status.state is State.DOWN)
        cable.lay()

        live.wait_until_up()
