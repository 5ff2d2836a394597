"""What a speaker says of the configuration."""

from __future__ import annotations

from swimlb.model import Problem, Severity
from swimlb.reporting.verdict import SUMMARY_OCTETS_MAX, Verdict


def problem(message: str, severity: Severity = Severity.ERROR, field: str = "spec.myASN") -> Problem:
    return Problem(
        severity=severity, object="BGPPeer/metallb-system/tor", field=field, message=message, hint="Mend it."
    )


def test_warnings_leave_it_valid() -> None:
    """What they are about is in force."""
    verdict = Verdict.of([problem("is odd", Severity.WARNING)])

    assert (verdict.result, verdict.reason, verdict.message) == ("Valid", "Reconciled", "")


def test_all_errors_are_told_a_line_each() -> None:
    """Not the first one only, and none twice."""
    verdict = Verdict.of(
        [problem("missing local ASN"), problem("is gone", field=""), problem("is gone", field="")]
    )

    assert (verdict.result, verdict.reason) == ("Invalid", "ConfigurationError")
    assert verdict.message.splitlines() == [
        "configuration error: BGPPeer/metallb-system/tor spec.myASN: missing local ASN",
        "configuration error: BGPPeer/metallb-system/tor: is gone",
    ]


def test_thousands_of_errors_are_counted() -> None:
    """An object of the API server has its limits, and readers have theirs."""
    verdict = Verdict.of(problem(f"is wrong in way {number}") for number in range(10_000))

    assert len(verdict.message.encode()) < SUMMARY_OCTETS_MAX + 100
    lines = verdict.message.splitlines()
    assert lines[-1] == f"configuration error: and {10_000 - len(lines) + 1} more"
