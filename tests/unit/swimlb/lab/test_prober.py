"""What a prober writes down, against a server that takes its time."""

from __future__ import annotations

import io
import json
import socket
import threading
import time

import pytest

from swimlb.lab.prober import Prober

ANSWER_AFTER = 0.01


def answer(far: socket.socket) -> None:
    """Echo probes, each after a while and with the node's name, until nobody sends any."""
    while probe := far.recv(512):
        time.sleep(ANSWER_AFTER)
        far.send(probe + b"node-a")


def test_the_last_probes_of_a_run_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were sent a moment before the end, and would all be lost otherwise: each run would end in an outage."""
    monkeypatch.setattr("swimlb.lab.prober.GIVE_UP_AFTER", 5.0)  # However busy the machine is.
    link, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    link.setblocking(False)
    output = io.StringIO()
    prober = Prober(link, output, interval=0.05)
    server = threading.Thread(target=answer, args=(far,))
    with link, far:
        server.start()
        threading.Timer(0.075, prober.stop).start()
        prober.run()
        far.shutdown(socket.SHUT_RD)
        server.join(5)

    last = max((json.loads(line) for line in output.getvalue().splitlines()), key=lambda line: line[0])
    assert last[2] == "node-a"


def test_a_run_does_not_wait_for_ever_for_its_last_answers() -> None:
    link, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    link.setblocking(False)
    output = io.StringIO()
    prober = Prober(link, output)
    threading.Timer(0.02, prober.stop).start()
    with link, far:
        prober.run()

    assert {json.loads(line)[2] for line in output.getvalue().splitlines()} <= {None}
