from __future__ import annotations

from swimlb.kube.metrics import CallMetrics
from swimlb.observe.api_metrics import api_families
from swimlb.observe.endpoint import exposition


def told(calls: CallMetrics) -> list[str]:
    return [
        line for line in exposition(api_families(calls)).decode().splitlines() if not line.startswith("#")
    ]


def test_requests_are_told_by_outcome_and_durations_by_verb() -> None:
    calls = CallMetrics()
    calls.note("patch", "services/status", 200, 0.004)
    calls.note("patch", "services/status", 409, 0.02)
    calls.note("patch", "events", 0, 11.0)
    calls.note("list", "services", 200, 0.2)

    lines = told(calls)

    assert lines[:4] == [
        'swimlb_api_requests_total{code="200",resource="services",verb="list"} 1.0',
        'swimlb_api_requests_total{code="0",resource="events",verb="patch"} 1.0',
        'swimlb_api_requests_total{code="200",resource="services/status",verb="patch"} 1.0',
        'swimlb_api_requests_total{code="409",resource="services/status",verb="patch"} 1.0',
    ]
    buckets = [line.rpartition(" ")[2] for line in lines if "_bucket{" in line and 'verb="patch"' in line]
    assert buckets == ["1.0", "1.0", *["2.0"] * 9, "3.0"]
    assert 'swimlb_api_request_duration_seconds_count{verb="patch"} 3.0' in lines
    assert 'swimlb_api_request_duration_seconds_sum{verb="patch"} 11.024' in lines


def test_what_is_called_while_it_is_written_out_is_left_for_the_next_time() -> None:
    """It is written out by another thread."""
    calls = CallMetrics()
    calls.note("get", "pods", 200, 0.1)

    families = api_families(calls)
    calls.note("get", "pods", 200, 0.1)
    calls.note("get", "leases", 200, 0.1)

    assert (
        'swimlb_api_requests_total{code="200",resource="pods",verb="get"} 1.0'
        in exposition(families).decode()
    )
    assert 'swimlb_api_requests_total{code="200",resource="leases",verb="get"} 1.0' in told(calls)
