"""Metric families in the form that prometheus-client writes out, made from plain numbers.

Nothing here holds state: whoever answers a scrape makes its families anew from what it knows at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

Value: TypeAlias = tuple[tuple[str, ...], float]
"""Values of the labels, in their order, and the number."""


def gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def gauges(name: str, about: str, labels: Sequence[str], values: Iterable[Value]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    for of_labels, value in values:
        family.add_metric(of_labels, value)
    return family


def counter(name: str, about: str, value: float) -> Metric:
    """`name` ends in `_total`."""
    return CounterMetricFamily(name, about, value=value)


def counters(name: str, about: str, labels: Sequence[str], values: Iterable[Value]) -> Metric:
    """`name` ends in `_total`."""
    family = CounterMetricFamily(name, about, labels=labels)
    for of_labels, value in values:
        family.add_metric(of_labels, value)
    return family


def bare_counters(name: str, about: str, labels: Sequence[str], values: Iterable[Value]) -> Metric:
    """Counters with MetalLB's names, which do not end in `_total`: the format knows such only as untyped."""
    family = Metric(name, about, "unknown")
    for of_labels, value in values:
        family.add_sample(name, dict(zip(labels, of_labels, strict=True)), value)
    return family


def histogram(name: str, about: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
    """`counts` are by bucket, not accumulated, with one more than `bounds` for what exceeds all; `total` is the sum."""
    return HistogramMetricFamily(name, about, buckets=list(_accumulated(bounds, counts)), sum_value=total)


def histograms(
    name: str,
    about: str,
    labels: Sequence[str],
    bounds: Sequence[float],
    values: Iterable[tuple[tuple[str, ...], Sequence[int], float]],
) -> Metric:
    """As `histogram`, for each set of labels: counts by bucket, and the sum."""
    family = HistogramMetricFamily(name, about, labels=labels)
    for of_labels, counts, total in values:
        family.add_metric(of_labels, buckets=list(_accumulated(bounds, counts)), sum_value=total)
    return family


def _accumulated(bounds: Sequence[float], counts: Sequence[int]) -> Iterator[tuple[str, float]]:
    so_far = 0
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        so_far += count
        yield bound, so_far


def by_label(numbers: Mapping[str, float]) -> Iterator[Value]:
    """For families with one label."""
    return (((label,), number) for label, number in sorted(numbers.items()))
