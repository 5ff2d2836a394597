"""The open streams of a member, what each is for, and the decoder of what comes in on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from membership.address import Endpoint
from membership.effects import CloseStream, OpenStream, SendStream
from membership.envelope import Envelope
from membership.errors import DecodeError
from membership.opener import StreamOpener
from membership.outbox import Outbox
from membership.wire.stream import StreamMessage

_ACCEPTED_MAX = 128
"""As memberlist: the connection that would be one more is closed."""
_BUFFERED_OCTETS_MAX = 64 * 1024 * 1024
"""For all streams together: three of the longest at a time, and many thousands of usual ones."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Somebody wants something of us."""


@dataclass(frozen=True, slots=True)
class TcpPing:
    """Part of our probe of this sequence number."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """Our push/pull."""

    join: int | None
    """The number of the JoinRequested it belongs to."""
    is_join: bool
    repeats: int


@dataclass(frozen=True, slots=True)
class UserSend:
    """A message of the application for this member."""

    member: str


Purpose: TypeAlias = Accepted | TcpPing | Exchange | UserSend


@dataclass(slots=True)
class Stream:
    number: int
    remote: Endpoint
    purpose: Purpose
    opener: StreamOpener
    octets: int = 0


class Streams:
    """By number: ours are above zero, those accepted by the transport below."""

    def __init__(self, outbox: Outbox, envelope: Envelope) -> None:
        self._outbox = outbox
        self._envelope = envelope
        self._streams: dict[int, Stream] = {}
        self._last_opened = 0
        self._accepted_count = 0
        self._octets = 0

    def __len__(self) -> int:
        return len(self._streams)

    def open(self, target: Endpoint, payload: bytes, purpose: Purpose, timeout: float) -> None:
        """Dial, and send one message."""
        self._last_opened += 1
        opener = StreamOpener(self._envelope, is_request=False)
        self._streams[self._last_opened] = Stream(self._last_opened, target, purpose, opener)
        request = self._envelope.close_stream(payload, is_request=True)
        self._outbox.tell(OpenStream(self._last_opened, target, request, timeout))

    def reply(self, stream: Stream, payload: bytes) -> None:
        """Answer on a stream that was accepted."""
        answer = self._envelope.close_stream(payload, is_request=False)
        self._outbox.tell(SendStream(stream.number, answer))

    def accept(self, number: int, source: Endpoint) -> None:
        if self._accepted_count >= _ACCEPTED_MAX:
            self._outbox.tell(CloseStream(number))
            raise DecodeError("too-many-streams")
        self._accepted_count += 1
        opener = StreamOpener(self._envelope, is_request=True)
        self._streams[number] = Stream(number, source, Accepted(), opener)

    def get(self, number: int) -> Stream | None:
        return self._streams.get(number)

    def receive(self, stream: Stream, data: bytes) -> StreamMessage | None:
        """The stream's one message once it is complete. On DecodeError the caller closes."""
        stream.octets += len(data)
        self._octets += len(data)
        if self._octets > _BUFFERED_OCTETS_MAX:
            raise DecodeError("streams-too-long")
        return stream.opener.feed(data)

    def forget(self, number: int) -> Stream | None:
        """The transport is done with it."""
        if (stream := self._streams.pop(number, None)) is not None:
            self._octets -= stream.octets
            self._accepted_count -= isinstance(stream.purpose, Accepted)
        return stream

    def close(self, stream: Stream) -> None:
        if self.forget(stream.number) is not None:
            self._outbox.tell(CloseStream(stream.number))
