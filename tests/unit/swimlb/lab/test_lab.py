"""What a lab notes of itself. How it lives is tested as root, in tests/netns."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from swimlb.lab import speakers
from swimlb.lab.errors import LabError
from swimlb.lab.lab import Lab
from swimlb.lab.ledger import Ledger
from swimlb.lab.processes import ProcessId, descendants
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, walkthrough
from swimlb.lab.waiting import wait_until


def ledger(tmp_path: Path) -> Ledger:
    """Of a lab whose namespaces are gone."""
    return Ledger(path=tmp_path / "demo" / "state.json", name="demo", prefix="swl0", owner=None)


def test_a_fault_that_could_not_be_made_is_not_in_the_way_of_the_next_one(tmp_path: Path) -> None:
    """All faults are written as one: one that is refused and remembered would be refused for ever."""
    noted = ledger(tmp_path)
    noted.note_settings(loss={"worker-02": 5.0}, partition=[])
    lab = Lab(Sandbox(noted), walkthrough(), tmp_path)

    with pytest.raises(LabError):
        lab.lose("worker-01", 20)
    with pytest.raises(LabError):
        lab.part([["worker-01"], ["worker-02"]])

    assert Ledger.load(noted.path).settings == {"loss": {"worker-02": 5.0}, "partition": []}


def test_a_lab_too_deep_for_its_sockets_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody could ever ask its speakers: it would wait for them to join until its patience is over."""
    deep = ledger(tmp_path / ("d" * (speakers.SOCKET_PATH_OCTETS_MAX - len(str(tmp_path)))))

    with pytest.raises(
        LabError, match=r"api\.sock is too long: .* at most 107 bytes; give the lab a shorter name"
    ):
        speakers.start(Sandbox(deep), INSIDE, (), join=())


@pytest.fixture
def one_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All namespaces are the one that the test runs in."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ip").write_text('#!/bin/sh\nshift 3; exec "$@"\n')
    (programs / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


@pytest.mark.usefixtures("one_network")
def test_a_child_that_was_born_meanwhile_is_killed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question for a speaker's processes and the stop of its supervisor, that may have started another one."""

    def family_a_moment_ago(_: Sandbox, node: str) -> tuple[ProcessId, ...]:
        supervisor = sandbox.process(speakers.label(node))
        assert supervisor is not None
        return (supervisor,)

    monkeypatch.setattr(speakers, "family", family_a_moment_ago)
    sandbox = Sandbox(ledger(tmp_path / "labs"))
    try:
        lab = Lab(sandbox, walkthrough(), tmp_path)
        supervisor = sandbox.start(
            speakers.label("worker-01"), ["sh", "-c", "sleep 60 & wait"], namespace="worker-01"
        )
        (child,) = wait_until(lambda: descendants(supervisor), timeout=20, what="the child to be born")

        lab.kill("worker-01")

        assert not supervisor.is_alive
        assert not child.is_alive
    finally:
        sandbox.close()


@pytest.mark.usefixtures("one_network")
def test_a_workload_that_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        (tmp_path / "service.yaml").write_text(
            "{apiVersion: v1, kind: Service, metadata: {name: a}, "
            f"spec: {{type: LoadBalancer, ports: [{{port: {taken.getsockname()[1]}}}]}}}}"
        )
        with Sandbox(ledger(tmp_path / "labs")) as sandbox:
            sandbox.ledger.save()
            lab = Lab(sandbox, walkthrough(), tmp_path)
            try:
                lab.start_backend("worker-01")
                wait_until(
                    lambda: not lab.is_backend_running("worker-01"), timeout=20, what="the workload to end"
                )
                said = lab.backend_log("worker-01").read_text()
            finally:
                sandbox.close()

    assert "Address already in use" in said
