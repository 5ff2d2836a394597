"""One object judged by itself: as `resolve` judges it among others."""

from __future__ import annotations

from typing import Any

from swimlb.config import Document, Options, judge, resolve
from swimlb.model import Severity


def service(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
    }


def test_a_service_is_the_one_that_the_whole_has() -> None:
    content = service(clusterIP="192.0.2.1", externalTrafficPolicy="Local")

    judged = judge(content, Options())

    assert judged.service == resolve([Document(content)]).configuration.services[0]
    assert judged.ignored is None
    assert not judged.problems


def test_a_service_of_another_class_is_none_of_ours() -> None:
    judged = judge(service(loadBalancerClass="other"), Options())

    assert judged.service is None
    assert judged.ignored == "its loadBalancerClass is other"


def test_a_bad_service_has_its_problems_and_no_record() -> None:
    content = service(ports=[])

    judged = judge(content, Options())

    assert judged.record is None
    assert str(judged.ref) == "Service/default/web"
    assert judged.problems == resolve([Document(content)]).problems
    assert judged.problems[0].severity is Severity.ERROR


def test_nonsense_is_refused() -> None:
    assert judge("nonsense", Options()).ref is None
