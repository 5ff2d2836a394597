"""Times as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from swimlb.runtime import clock


def now_text() -> str:
    """metav1.Time: RFC 3339, seconds."""
    return _moment().strftime("%Y-%m-%dT%H:%M:%SZ")


def now_text_micro() -> str:
    """metav1.MicroTime."""
    return _moment().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment() -> datetime:
    return datetime.fromtimestamp(clock.wall(), UTC)
