"""What is answered to those who ask a speaker."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from swimlb.config import Options
from swimlb.model import Problem
from swimlb.observe.logs import EventLog
from swimlb.settings import Settings
from swimlb.sources import Directory
from swimlb.watch.answers import Answers
from swimlb.watch.metrics import ReadingCounts
from swimlb.watch.standalone import Standalone
from swimlb.watch.status import Facts

BROKEN = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, namespace: metallb-system}
spec: {addresses: [192.0.2.9-192.0.2.1]}
"""


@pytest.mark.parametrize("is_own", [True, False])
def test_metrics_tell_of_what_is_wrong_for_this_node(tmp_path: Path, is_own: bool) -> None:
    (tmp_path / "pool.yaml").write_text(BROKEN)
    source = Standalone(Directory(tmp_path), Options())
    source.poll()
    own: tuple[Problem, ...] = source.problems if is_own else ()
    answers = Answers(
        settings=Settings(node="node-a", bind_address="192.0.2.1"),
        source=source,
        own_problems=lambda: own,
        facts=Facts(),
        readings=ReadingCounts(),
        pids={},
        has_published=lambda: True,
        log=EventLog(logging.getLogger("test")),
    )

    told = {sample.name: sample.value for family in answers.metrics() for sample in family.samples}

    assert len(source.problems) == 1
    assert told["metallb_k8s_client_config_stale_bool"] == is_own
