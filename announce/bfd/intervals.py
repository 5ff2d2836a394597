"""The two intervals that a side offers, and the Poll Sequence that brings a change of them into force.

RFC 5880 section 6.8.3: while the session is Up, we send at the old, shorter interval and wait for the old, longer one
until the peer has answered a Poll by a Final, so that neither side can take the change for silence. A change that
comes while a Poll is under way waits for its end: an answer could not tell which of the two was meant.
"""

from __future__ import annotations

from typing import NamedTuple

US = 1e-6


class Offer(NamedTuple):
    """bfd.DesiredMinTxInterval and bfd.RequiredMinRxInterval, in microseconds."""

    desired_min_tx_us: int
    required_min_rx_us: int


class Intervals:
    """What is told to the peer (`offered`), what is acted on (`in_force`), and whether we poll."""

    def __init__(self, offer: Offer) -> None:
        self.offered = offer
        self.in_force = offer
        self._wanted = offer
        self._is_polling = False

    @property
    def is_polling(self) -> bool:
        return self._is_polling

    def settle(self, offer: Offer) -> None:
        """Outside of the state Up nothing is agreed, so nothing can be missed: in force at once."""
        self.offered = self.in_force = self._wanted = offer
        self._is_polling = False

    def want(self, offer: Offer) -> None:
        """In the state Up: begin a Poll Sequence unless this is what the peer knows."""
        self._wanted = offer
        if not self._is_polling and offer != self.offered:
            self._poll()

    def finish(self) -> Offer | None:
        """The peer has answered: what is agreed now. None if there was no question."""
        if not self._is_polling:
            return None
        agreed = self.in_force = self.offered
        self._is_polling = False
        self.want(self._wanted)
        return agreed

    def _poll(self) -> None:
        before, self.offered = self.in_force, self._wanted
        self.in_force = Offer(
            min(before.desired_min_tx_us, self.offered.desired_min_tx_us),
            max(before.required_min_rx_us, self.offered.required_min_rx_us),
        )
        self._is_polling = True
