"""What signals do to a run that has something to clean up."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from swimlb.lab.endings import ending_signals_raise


@pytest.fixture
def hangups_are_ignored() -> Iterator[None]:
    """As `nohup` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangups_are_ignored")
def test_a_run_that_is_to_outlive_its_terminal_does() -> None:
    with ending_signals_raise():
        signal.raise_signal(signal.SIGHUP)

    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.usefixtures("hangups_are_ignored")
def test_the_other_signals_end_it_all_the_same() -> None:
    with pytest.raises(SystemExit), ending_signals_raise():
        signal.raise_signal(signal.SIGTERM)


def test_only_the_first_signal_counts() -> None:
    cleaned_up: list[bool] = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            cleaned_up.append(True)

    with pytest.raises(KeyboardInterrupt), ending_signals_raise():
        work()

    assert cleaned_up
