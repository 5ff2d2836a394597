"""The real sockets, on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from membership import (
    CloseStream,
    Endpoint,
    Event,
    OpenStream,
    PacketReceived,
    PacketUnsendable,
    SendPacket,
    SendStream,
    StreamAccepted,
    StreamEnded,
    StreamFailed,
    StreamReceived,
)
from membership.net import BindError, Transport

LEFT = Endpoint("127.0.43.1", 17_946)
RIGHT = Endpoint("127.0.43.2", 17_946)


class Heard:
    """A transport and what it has reported."""

    def __init__(self, bind: Endpoint, stream_timeout: float = 2.0) -> None:
        self.events: list[Event] = []
        self.transport = Transport(bind, self.events.append, stream_timeout)

    async def until(self, count: int) -> list[Event]:
        async with asyncio.timeout(3):
            while len(self.events) < count:  # noqa: ASYNC110  # The kernel sets no Event.
                await asyncio.sleep(0.001)
        return self.events


def run(scenario: Callable[[Heard, Heard], Awaitable[None]], stream_timeout: float = 2.0) -> None:
    """Play a scene with two of them, and close them whatever happens."""

    async def main() -> None:
        left, right = Heard(LEFT, stream_timeout), Heard(RIGHT, stream_timeout)
        try:
            await left.transport.start()
            await right.transport.start()
            await scenario(left, right)
        finally:
            await left.transport.stop()
            await right.transport.stop()

    asyncio.run(main())


def test_packets_come_from_the_gossip_port() -> None:
    """The source is what others answer to."""

    async def scenario(left: Heard, right: Heard) -> None:
        left.transport.perform(SendPacket(RIGHT, b"hello"))

        assert await right.until(1) == [PacketReceived(LEFT, b"hello")]

    run(scenario)


def test_what_cannot_be_sent_is_told_later() -> None:
    """Not from inside perform, whose caller may be in the middle of a list of effects."""

    async def scenario(left: Heard, right: Heard) -> None:
        nowhere = Endpoint("2001:db8::1", 7946)

        left.transport.perform(SendPacket(nowhere, b"hello"))

        assert left.events == []
        (event,) = await left.until(1)
        assert isinstance(event, PacketUnsendable)
        assert event.target == nowhere

    run(scenario)


@pytest.mark.parametrize("host", ["127.0.43.3", "::1"])
def test_nobody_listening_for_packets_is_told(host: str) -> None:
    """The system names whom it could not deliver to, and what is sent to others meanwhile is not lost."""
    closed = Endpoint(host, 17_946)
    own = RIGHT if host != "::1" else Endpoint("::1", 17_947)
    heard = Heard(own)

    async def scenario() -> None:
        await heard.transport.start()
        try:
            heard.transport.perform(SendPacket(closed, b"ping"))
            await heard.until(1)
            for _ in range(3):
                heard.transport.perform(SendPacket(closed, b"ping"))
                heard.transport.perform(SendPacket(own, b"to ourselves"))
            await heard.until(7)
        finally:
            await heard.transport.stop()

    asyncio.run(scenario())

    refused = [event for event in heard.events if isinstance(event, PacketUnsendable)]
    assert refused == [PacketUnsendable(closed, "ECONNREFUSED")] * 4
    received = [event for event in heard.events if isinstance(event, PacketReceived)]
    assert received == [PacketReceived(own, b"to ourselves")] * 3


def test_a_stream_is_one_request_and_one_answer() -> None:
    """Large ones too, and the close comes after all is sent."""
    request, answer = b"request", bytes(1_000_000)

    async def scenario(left: Heard, right: Heard) -> None:
        left.transport.perform(OpenStream(1, RIGHT, request, timeout=2.0))
        accepted, received = await right.until(2)
        assert isinstance(accepted, StreamAccepted)
        assert accepted.source.host == "127.0.0.1"
        assert received == StreamReceived(accepted.stream, request)

        right.transport.perform(SendStream(accepted.stream, answer))
        right.transport.perform(CloseStream(accepted.stream))
        async with asyncio.timeout(3):
            while StreamEnded(1) not in left.events:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

        data = b"".join(event.data for event in left.events if isinstance(event, StreamReceived))
        assert data == answer
        assert left.events[-1] == StreamEnded(1)
        left.transport.perform(CloseStream(1))

    run(scenario)


def test_nobody_listening_is_told() -> None:
    """With the system's own word for it."""

    async def scenario(left: Heard, right: Heard) -> None:
        left.transport.perform(OpenStream(1, Endpoint("127.0.43.3", 17_946), b"x", timeout=2.0))

        assert await left.until(1) == [StreamFailed(1, "ECONNREFUSED")]

    run(scenario)


def test_an_answer_is_not_waited_for_longer_than_the_timeout() -> None:
    """On the side that has dialled, as the effect says."""

    async def scenario(left: Heard, right: Heard) -> None:
        left.transport.perform(OpenStream(1, RIGHT, b"", timeout=0.1))

        assert await left.until(1) == [StreamFailed(1, "timeout")]

    run(scenario)


def test_a_request_is_not_waited_for_longer_than_the_timeout() -> None:
    """On the side that was dialled, as its constructor says."""

    async def scenario(left: Heard, right: Heard) -> None:
        left.transport.perform(OpenStream(1, RIGHT, b"", timeout=2.0))

        accepted, failed = await right.until(2)
        assert isinstance(accepted, StreamAccepted)
        assert failed == StreamFailed(accepted.stream, "timeout")

    run(scenario, stream_timeout=0.1)


def test_a_closed_stream_says_no_more() -> None:
    """Not even that it could not be opened."""

    async def scenario(left: Heard, right: Heard) -> None:
        left.transport.perform(OpenStream(1, RIGHT, b"x", timeout=0.2))
        left.transport.perform(CloseStream(1))

        await asyncio.sleep(0.3)
        assert left.events == []

    run(scenario)


def test_a_port_in_use_says_what_to_do() -> None:
    """And leaves nothing open, so that a second try can succeed."""

    async def main() -> None:
        heard = Heard(LEFT)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
            taken.bind(LEFT)
            with pytest.raises(
                BindError, match=r"cannot bind TCP 127\.0\.43\.1:17946: .*choose another port"
            ):
                await heard.transport.start()
        await heard.transport.start()
        await heard.transport.stop()

    asyncio.run(main())


def test_a_foreign_address_says_what_to_do() -> None:
    """An address that no interface of this host has."""

    async def main() -> None:
        with pytest.raises(BindError, match="give one of its own"):
            await Heard(Endpoint("192.0.2.1", 17_946)).transport.start()

    asyncio.run(main())


def test_speaks_ipv6_too() -> None:
    """Packets and streams, to itself."""
    bind = Endpoint("::1", 17_946)

    async def main() -> None:
        heard = Heard(bind)
        await heard.transport.start()
        try:
            heard.transport.perform(SendPacket(bind, b"hello"))
            assert await heard.until(1) == [PacketReceived(bind, b"hello")]
            heard.transport.perform(OpenStream(1, bind, b"request", timeout=1.0))
            assert (await heard.until(3))[2] == StreamReceived(-1, b"request")
        finally:
            await heard.transport.stop()

    asyncio.run(main())
