"""What others ask of us on streams, and what comes back on ours."""

from __future__ import annotations

from membership.config import Config
from membership.effects import PacketDropped, UserMessageReceived
from membership.errors import DecodeError
from membership.events import StreamAccepted, StreamReceived
from membership.outbox import Outbox
from membership.probe import Prober
from membership.pushpull import PushPuller
from membership.relay import expect_our_name
from membership.streams import Accepted, Exchange, Stream, Streams, TcpPing, UserSend
from membership.user import UserMessages
from membership.wire.messages import Ack, Ping, User, encode
from membership.wire.stream import Err, PushPull, StreamMessage, encode_err

_EXPLANATIONS = {
    "encrypted": "Remote state is encrypted and encryption is not configured",
    "not-encrypted": "Encryption is configured but remote state is not encrypted",
    "undecryptable": "No installed keys could decrypt the message",
}
"""Refusals that the other side is told of, in the words that memberlist's operators know to look for."""


class StreamService:
    """Hands each stream's one message to the part that it is for, and sees to it that the stream is closed."""

    def __init__(
        self,
        config: Config,
        streams: Streams,
        prober: Prober,
        push_puller: PushPuller,
        user_messages: UserMessages,
        outbox: Outbox,
    ) -> None:
        self._config = config
        self._streams = streams
        self._prober = prober
        self._push_puller = push_puller
        self._user_messages = user_messages
        self._outbox = outbox

    def accept(self, event: StreamAccepted) -> None:
        try:
            self._streams.accept(event.stream, event.source)
        except DecodeError as error:
            self._outbox.tell(PacketDropped(event.source, error.reason))

    def receive(self, event: StreamReceived, now: float) -> None:
        if (stream := self._streams.get(event.stream)) is None:
            return
        try:
            message = self._streams.receive(stream, event.data)
            if message is not None:
                self._take(stream, message, now)
                self._streams.close(stream)
        except DecodeError as error:
            self._refuse(stream, error.reason)

    def end(self, number: int, failure: str | None) -> None:
        """No complete message will come any more: the other side has ended (no failure), or something else has."""
        if (stream := self._streams.get(number)) is None:
            return
        self._streams.close(stream)
        match stream.purpose:
            case Exchange():
                self._push_puller.fail(stream, stream.purpose, failure or "closed-without-answer")
            case UserSend():
                self._user_messages.end(stream.purpose, failure)
            case Accepted():
                self._outbox.tell(PacketDropped(stream.remote, "stream-incomplete"))
            case TcpPing():
                pass  # The probe has its own deadline.

    def _take(self, stream: Stream, message: StreamMessage, now: float) -> None:
        match stream.purpose:
            case Exchange():
                self._push_puller.complete(stream, stream.purpose, message, now)
            case TcpPing():
                if isinstance(message, Ack) and message.sequence == stream.purpose.sequence:
                    self._prober.hear_ack(message.sequence, now)
            case UserSend():
                self._user_messages.end(stream.purpose, "refused-by-peer")
            case Accepted():
                self._serve(stream, message, now)

    def _serve(self, stream: Stream, message: StreamMessage, now: float) -> None:
        match message:
            case PushPull():
                self._push_puller.serve(stream, message, now)
            case Ping():
                expect_our_name(self._config, message)
                self._streams.reply(stream, encode(Ack(message.sequence)))
            case User():
                self._outbox.tell(UserMessageReceived(stream.remote, message.payload))
            case Ack() | Err():
                raise DecodeError("unexpected-type")

    def _refuse(self, stream: Stream, reason: str) -> None:
        self._outbox.tell(PacketDropped(stream.remote, reason))
        match stream.purpose:
            case Exchange():
                self._push_puller.fail(stream, stream.purpose, reason)
            case UserSend():
                self._user_messages.end(stream.purpose, reason)
            case Accepted():
                if (text := _EXPLANATIONS.get(reason)) is not None:
                    self._streams.reply(stream, encode_err(text))
            case TcpPing():
                pass
        self._streams.close(stream)
