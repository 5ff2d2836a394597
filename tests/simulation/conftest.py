"""`--seed N` runs the simulations with one seed only; a failing test's name holds the seed to give."""

from __future__ import annotations

import pytest

SEEDS = range(1, 9)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="run the simulations with this seed only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        chosen: int | None = metafunc.config.getoption("--seed", default=None)
        metafunc.parametrize("seed", SEEDS if chosen is None else [chosen], ids=lambda seed: f"seed={seed}")
