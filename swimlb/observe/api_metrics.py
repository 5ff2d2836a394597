"""What a process has asked the API server, and how long that took."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from swimlb.kube.metrics import BOUNDS, CallMetrics, Latencies
from swimlb.observe.families import Value, counters, histograms


def api_families(calls: CallMetrics) -> Iterator[Metric]:
    """Everything is noted before it returns: calls go on being made while the families are gone through.

    Requests are told by kind of call and outcome, which are as many as the code has; durations by verb only, since each
    has a dozen buckets.
    """
    requests: list[Value] = []
    by_verb: dict[str, Latencies] = {}
    for (verb, resource, code), latencies in calls:
        requests.append(((verb, resource, str(code)), latencies.count))
        by_verb.setdefault(verb, Latencies()).add(latencies)
    return _families(requests, by_verb)


def _families(requests: list[Value], by_verb: dict[str, Latencies]) -> Iterator[Metric]:
    yield counters(
        "swimlb_api_requests_total",
        "Calls to the API server, by the code that answered them; 0: there was no answer.",
        ["verb", "resource", "code"],
        requests,
    )
    yield histograms(
        "swimlb_api_request_duration_seconds",
        "How long calls to the API server took, until the answer began for those that last (watch).",
        ["verb"],
        BOUNDS,
        (((verb,), latencies.buckets, latencies.total) for verb, latencies in sorted(by_verb.items())),
    )
