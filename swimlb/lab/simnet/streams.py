"""TCP between simulated members: in order, never lossy, and over within the timeout whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from membership import Endpoint, Event, OpenStream, StreamAccepted, StreamEnded, StreamFailed, StreamReceived
from swimlb.lab.simnet.agenda import Agenda
from swimlb.lab.simnet.host import Host
from swimlb.lab.simnet.wire import Wire

_EPHEMERAL_PORT = 40_000


class End(NamedTuple):
    """One side of a stream. Of an earlier life of the member, it is nobody's any more."""

    name: str
    generation: int
    number: int


@dataclass(slots=True)
class _Stream:
    dialler: End
    accepter: End | None = None
    arrives_at: float = 0.0
    """TCP keeps order: nothing arrives before what was sent before it."""


class SimStreams:
    """Performs the stream effects, and tells members by `happen` what comes of them."""

    def __init__(
        self, agenda: Agenda, wire: Wire, hosts: dict[str, Host], happen: Callable[[Host, Event], None]
    ) -> None:
        self._agenda = agenda
        self._wire = wire
        self._hosts = hosts
        self._happen = happen
        self._streams: dict[End, _Stream] = {}
        self._accepted = 0

    def open(self, host: Host, order: OpenStream, receiver: Host | None) -> None:
        end = End(host.config.name, host.generation, order.stream)
        stream = self._streams[end] = _Stream(end)
        self._agenda.at(self._agenda.now + order.timeout, self._fail, end, "timeout")
        if receiver is not None:
            self._deliver(
                stream, end.name, receiver.config.name, self._accept, stream, receiver, order.payload
            )

    def send(self, host: Host, number: int, payload: bytes) -> None:
        sender = End(host.config.name, host.generation, number)
        if (other := self._other(sender)) is not None:
            stream = self._streams[sender]
            event = StreamReceived(other.number, payload)
            self._deliver(stream, sender.name, other.name, self._happen_at, other, event)

    def close(self, host: Host, number: int) -> None:
        closer = End(host.config.name, host.generation, number)
        if (other := self._other(closer)) is not None:
            stream = self._streams[closer]
            self._deliver(stream, closer.name, other.name, self._happen_at, other, StreamEnded(other.number))
        self._streams.pop(closer, None)

    def reset(self, host: Host) -> None:
        """Nothing is left of this member's streams, and both sides hear of it."""
        for end in [end for end in self._streams if end.name == host.config.name]:
            self._fail(end, "reset")

    def _accept(self, stream: _Stream, receiver: Host, payload: bytes) -> None:
        if not receiver.is_up or stream.dialler not in self._streams:
            return
        self._accepted -= 1
        stream.accepter = End(receiver.config.name, receiver.generation, self._accepted)
        self._streams[stream.accepter] = stream
        source = Endpoint(self._hosts[stream.dialler.name].config.address, _EPHEMERAL_PORT)
        self._happen(receiver, StreamAccepted(self._accepted, source))
        self._happen(receiver, StreamReceived(self._accepted, payload))

    def _fail(self, end: End, reason: str) -> None:
        if end in self._streams:
            other = self._other(end)
            self._happen_at(end, StreamFailed(end.number, reason))
            self._streams.pop(end, None)
            if other is not None:
                self._fail(other, "reset")

    def _other(self, end: End) -> End | None:
        if (stream := self._streams.get(end)) is None:
            return None
        return stream.accepter if end == stream.dialler else stream.dialler

    def _happen_at(self, end: End, event: Event) -> None:
        if end in self._streams and self._hosts[end.name].generation == end.generation:
            self._happen(self._hosts[end.name], event)

    def _deliver(
        self, stream: _Stream, sender: str, receiver: str, action: Callable[..., None], *arguments: object
    ) -> None:
        if (delay := self._wire.stream_delay(sender, receiver)) is None:
            return
        stream.arrives_at = max(stream.arrives_at, self._agenda.now + delay)
        self._agenda.at(stream.arrives_at, action, *arguments)
