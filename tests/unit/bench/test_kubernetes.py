"""What is made of figures for several numbers of Services."""

from __future__ import annotations

from typing import Any

import pytest

from bench.kubernetes import FIGURES, faults, growth, page, verdicts

BY_NAME = {one.name: one for one in FIGURES}


def of_size(size: int, **others: float) -> dict[str, Any]:
    """Everything in proportion to the size, unless told otherwise."""
    figures = {one.name: float(size) if one.beside else 1.0 for one in FIGURES}
    asked = [["metallb-system/swimlb-speaker", "create", "events", size]]
    return {
        "size": size,
        **figures,
        **dict.fromkeys(("alone", "turned", "made"), size / 500),
        "requests": 5 * size,
        "asked": asked,
        "unanswered": 0,
        "disagreeing": 0,
        **others,
    }


def found(*sizes: dict[str, Any]) -> dict[str, Any]:
    machine = {"processor": "one", "cores": 2, "kernel": "6.1", "python": "3.11"}
    return {"machine": machine, "sizes": list(sizes)}


def test_growth_is_what_goes_beyond_proportion() -> None:
    """Of making to the time it takes with nothing of ours running, of CPU for each to none, of the rest to the number of Services."""
    largest = of_size(2000, announced=6000.0, wire=500.0, cpu_watch=1.5)
    measured = found(of_size(500), of_size(1000, told=9000.0), largest)

    assert growth(measured, BY_NAME["announced"]) == pytest.approx(3.0)
    assert growth(measured, BY_NAME["wire"]) == pytest.approx(0.25)
    assert growth(measured, BY_NAME["told"]) == pytest.approx(1.0)
    assert growth(measured, BY_NAME["cpu_watch"]) == pytest.approx(1.5)
    assert [name for name, is_fine in verdicts(measured).items() if not is_fine] == ["announced", "cpu_watch"]


def test_growth_is_from_the_mean_of_what_was_measured_twice() -> None:
    """A machine that is slow for a while has no say alone."""
    measured = found(of_size(500, wire=400.0), of_size(2000), of_size(500, wire=600.0))

    assert growth(measured, BY_NAME["wire"]) == pytest.approx(1.0)


def test_times_of_few_are_not_judged() -> None:
    """They end before ours have done their work."""
    few = verdicts(found(of_size(100), of_size(300, announced=3000.0, cpu_wire=9.0)))

    assert few["announced"]
    assert few["cpu_wire"]


def test_a_run_fails_for_what_must_not_be() -> None:
    assert faults(found(of_size(500), of_size(1000))) == []
    wrong = faults(found(of_size(500, unanswered=2), of_size(1000, requests=9000)))

    assert wrong == ["500 Services: 2 addresses without an answer", "`requests` grows faster than it may"]


def test_the_page_has_all_sizes_in_order() -> None:
    text = "\n".join(page(found(of_size(500), of_size(1000), of_size(500))))

    assert "in this order: 500; 1,000; 500." in text
    assert "| Services | 500 | 500 again | 1,000 | times as much | grows no faster |" in text
    assert "| with nothing of ours running, until all are made, s | 1.0 | 1.0 | 2.0 | 2.0 |  |" in text
    assert "| requests of controller and speakers | 2,500 | 2,500 | 5,000 | 2.0 | yes |" in text
    assert "| made, CPU of three *wire*, ms each | 1.0 | 1.0 | 1.0 | 1.0 | yes |" in text
    assert "| swimlb-speaker | create | events | 1,000 | 1.000 |" in text
