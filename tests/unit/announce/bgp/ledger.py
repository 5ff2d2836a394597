"""What must hold of a peer, whatever happens to it: for tests that let anything happen."""

from __future__ import annotations

from announce.bgp import (
    CloseConnection,
    Connect,
    ConnectionAccepted,
    ConnectionClosed,
    ConnectionFailed,
    Effect,
    Event,
    PeerStatus,
    Send,
    SessionEnded,
    SessionEstablished,
    State,
    Stopped,
)
from announce.bgp.framing import Framer
from announce.bgp.messages import EXTENDED_OCTETS_MAX, decode_message


class Ledger:
    """Holds what a peer does to the rules that hold whatever happens."""

    def __init__(self) -> None:
        self.ours: int | None = None
        """The connection that we asked for and have not given up."""
        self.theirs: set[int] = set()
        self.is_established = False
        self.is_stopped = False

    @property
    def connections(self) -> tuple[int, ...]:
        """Those that stand or are on their way."""
        return (*(() if self.ours is None else (self.ours,)), *sorted(self.theirs))

    def hear(self, event: Event) -> None:
        match event:
            case ConnectionAccepted(number):
                self.theirs.add(number)
            case ConnectionFailed(number) | ConnectionClosed(number):
                self._is_over(number)
            case _:
                pass

    def check(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert not self.is_stopped, "an effect after Stopped"
            match effect:
                case Connect(connection=number):
                    assert self.ours is None, "two connections of ours"
                    self.ours = number
                case Send(number, data):
                    assert number == self.ours or number in self.theirs
                    [frame] = Framer(EXTENDED_OCTETS_MAX).feed(data)  # Send is one whole message.
                    decode_message(*frame)
                case CloseConnection(number):
                    assert number == self.ours or number in self.theirs
                    self._is_over(number)
                case SessionEstablished():
                    assert not self.is_established
                    self.is_established = True
                case SessionEnded(_, was_established):
                    assert was_established is self.is_established
                    self.is_established = False
                case Stopped():
                    self.is_stopped = True
                case _:
                    pass
        assert len(effects) < 50, "more than a step may do"

    def compare(self, status: PeerStatus) -> None:
        """What the peer says of itself."""
        assert (status.state is State.ESTABLISHED) is self.is_established
        assert self.is_established or not status.advertised
        assert status.waiting_count >= 0

    def _is_over(self, number: int) -> None:
        if number == self.ours:
            self.ours = None
        self.theirs.discard(number)
