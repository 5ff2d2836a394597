"""What is made of figures for several numbers of Services."""

from __future__ import annotations

from typing import Any

import pytest

from bench.kubernetes import FIGURES, faults, growth, page, verdicts


def of_size(size: int, **others: float) -> dict[str, Any]:
    """Everything in proportion to the size, unless told otherwise."""
    figures = {one.name: float(size) for one in FIGURES}
    asked = [["metallb-system/swimlb-speaker", "create", "events", size]]
    return {
        "size": size,
        "made": size / 500,
        **figures,
        "requests": 5 * size,
        "asked": asked,
        "unanswered": 0,
        "disagreeing": 0,
        **others,
    }


def found(*sizes: dict[str, Any]) -> dict[str, Any]:
    machine = {"processor": "one", "cores": 2, "kernel": "6.1", "python": "3.11"}
    return {"machine": machine, "sizes": list(sizes)}


def test_growth_is_the_worst_step_beyond_proportion() -> None:
    """Of times to the time that making the Services takes, of the rest to their number; what costs the same is less than that."""
    measured = found(
        of_size(500), of_size(1000, announced=3000.0, made=2.0, wire=500.0), of_size(2000, made=4.0)
    )
    by_name = {one.name: one for one in FIGURES}

    assert growth(measured, by_name["announced"]) == pytest.approx(3.0)
    assert growth(measured, by_name["wire"]) == pytest.approx(2.0)
    assert growth(measured, by_name["told"]) == pytest.approx(1.0)
    assert [name for name, is_fine in verdicts(measured).items() if not is_fine] == ["announced", "wire"]


def test_a_run_fails_for_what_must_not_be() -> None:
    assert faults(found(of_size(500), of_size(1000))) == []
    wrong = faults(found(of_size(500, unanswered=2), of_size(1000, requests=9000)))

    assert wrong == ["500 Services: 2 addresses without an answer", "`requests` grows faster than it may"]


def test_the_page_has_all_sizes() -> None:
    text = "\n".join(page(found(of_size(500), of_size(1000))))

    assert "| Services | 500 | 1,000 | grows no faster |" in text
    assert "| requests of controller and speakers | 2,500 | 5,000 | yes |" in text
    assert "| swimlb-speaker | create | events | 1,000 | 1.000 |" in text
