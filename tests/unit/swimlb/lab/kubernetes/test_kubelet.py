"""Pods that are bound to a node run there, and their objects go when they have ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from swimlb.kube.client import Client
from swimlb.lab.errors import LabError
from swimlb.lab.kubernetes.kubelet.__main__ import Shell
from swimlb.lab.kubernetes.kubelet.core import (
    Addresses,
    Delete,
    Kubelet,
    Pod,
    PodEnded,
    PodGone,
    PodRuns,
    PodSeen,
    Report,
    Start,
    Stop,
)
from swimlb.lab.kubernetes.kubelet.pods import Pods
from swimlb.lab.kubernetes.plan import PodRange

WEB = Pod(namespace="default", name="web-1", uid="u1", ports=((80, "TCP"),))
WEB_READY = replace(WEB, is_held_ready=True)
ADDRESSES = ("10.244.1.2", "fd00:10:244:1::2")


def running(pod: Pod = WEB) -> Kubelet:
    kubelet = Kubelet()
    kubelet.step(PodSeen(pod))
    kubelet.step(PodRuns(pod.uid, ADDRESSES))
    return kubelet


def test_starts_a_pod_and_reports_its_addresses() -> None:
    kubelet = Kubelet()

    seen = kubelet.step(PodSeen(WEB))
    up = kubelet.step(PodRuns("u1", ADDRESSES))

    assert seen == [Start(WEB)]
    assert up == [Report(WEB, ADDRESSES)]


@pytest.mark.parametrize("failure", [LabError("the node has no address left"), OSError("the port is taken")])
def test_a_pod_that_cannot_be_started_takes_no_other_one_along(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    """Its kubelet would end, and with it all Pods of the node."""

    async def start(_: Pods, pod: Pod) -> Addresses:
        raise failure

    monkeypatch.setattr(Pods, "start", start)
    shell = Shell(cast("Client", None), "node-a", ADDRESSES, PodRange(1))

    asyncio.run(shell._play(PodSeen(WEB)))

    assert caplog.messages == [f"Start web-1: {failure}"]


def test_starts_nothing_twice() -> None:
    kubelet = Kubelet()
    kubelet.step(PodSeen(WEB))

    assert kubelet.step(PodSeen(WEB)) == []
    assert running().step(PodSeen(WEB_READY)) == []


def test_reports_a_change_of_readiness() -> None:
    unready = replace(WEB_READY, is_ready=False)

    assert running().step(PodSeen(unready)) == [Report(unready, ADDRESSES)]


def test_reports_again_what_was_not_written() -> None:
    kubelet = running()

    assert kubelet.step(PodSeen(WEB)) == [Report(WEB, ADDRESSES)]


def test_says_that_a_pod_is_ready_which_somebody_held_for_unready() -> None:
    """As the controller of Nodes does with those of a Node that was silent."""
    kubelet = running()
    kubelet.step(PodSeen(WEB_READY))
    held = replace(WEB, is_held_ready=False)

    assert kubelet.step(PodSeen(held)) == [Report(held, ADDRESSES)]
    assert kubelet.step(PodSeen(WEB_READY)) == []


def test_removes_the_object_only_when_the_pod_has_ended() -> None:
    kubelet = running()
    leaving = replace(WEB, is_leaving=True)

    told = kubelet.step(PodSeen(leaving))
    ended = kubelet.step(PodEnded("u1"))

    assert told == [Stop(WEB)]
    assert ended == [Delete(leaving)]


def test_removes_again_what_was_not_removed() -> None:
    kubelet = running()
    leaving = replace(WEB, is_leaving=True)
    kubelet.step(PodSeen(leaving))
    kubelet.step(PodEnded("u1"))

    assert kubelet.step(PodSeen(leaving)) == [Delete(leaving)]


def test_removes_what_a_kubelet_before_it_has_run() -> None:
    leaving = replace(WEB, is_leaving=True)

    assert Kubelet().step(PodSeen(leaving)) == [Delete(leaving)]


def test_ends_a_pod_whose_object_is_gone() -> None:
    kubelet = running()

    told = kubelet.step(PodGone("u1"))
    ended = kubelet.step(PodEnded("u1"))

    assert told == [Stop(WEB)]
    assert ended == []


def test_a_pod_of_the_same_name_is_another_one() -> None:
    kubelet = running()
    again = replace(WEB, uid="u2")

    effects = [*kubelet.step(PodGone("u1")), *kubelet.step(PodSeen(again))]

    assert effects == [Stop(WEB), Start(again)]


def test_does_not_report_a_pod_that_left_while_it_started() -> None:
    kubelet = Kubelet()
    kubelet.step(PodSeen(WEB))
    leaving = replace(WEB, is_leaving=True)

    told = kubelet.step(PodSeen(leaving))
    up = kubelet.step(PodRuns("u1", ADDRESSES))

    assert told == [Stop(WEB)]
    assert up == []
