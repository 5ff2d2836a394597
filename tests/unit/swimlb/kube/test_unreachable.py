"""What people are told of an API server that gives no answer: real failures of a real client, on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from swimlb.kube.access import Access
from swimlb.kube.client import Client
from swimlb.kube.errors import Unavailable
from swimlb.kube.resources import NODES
from swimlb.kube.trust import Trust
from tests.unit.swimlb.kube.certificates import Authority
from tests.unit.swimlb.kube.server import json_answer, run, serving


async def complaint(server: str, trust: Trust | None = None, deadline: float = 5.0) -> str:
    async with Client(Access(server=server, trust=trust or Trust())) as client:
        with pytest.raises(Unavailable) as caught:
            await client.list(NODES, deadline=deadline)
    assert "object at" not in str(caught.value)
    return caught.value.message


@asynccontextmanager
async def listening(end: Callable[[asyncio.StreamWriter], None]) -> AsyncGenerator[int]:
    """A server that hears the first words of each client, and then does that."""

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        end(writer)
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_nobody_listens() -> None:
    port = free_port()

    told = run(complaint(f"https://127.0.0.1:{port}"))

    assert told == (
        f"127.0.0.1:{port} refuses connections; check that the API server runs there, and that the address is right"
    )


def test_a_name_without_an_address() -> None:
    told = run(complaint("https://api.invalid:6443"))

    assert told.startswith("api.invalid has no address (")
    assert "DNS" in told


def test_something_else_listens() -> None:
    async def play() -> tuple[int, str]:
        async with listening(lambda writer: writer.write(b"220 mail.example\r\n")) as port:
            return port, await complaint(f"https://127.0.0.1:{port}")

    port, told = run(play())

    assert told.startswith(f"127.0.0.1:{port} does not speak TLS as it should (")
    assert "port" in told


def test_a_connection_that_is_closed_or_broken_before_an_answer() -> None:
    async def play(scheme: str, end: Callable[[asyncio.StreamWriter], None]) -> str:
        async with listening(end) as port:
            return await complaint(f"{scheme}://127.0.0.1:{port}")

    closed = run(play("http", lambda _: None))
    broken = run(play("https", lambda writer: writer.transport.abort()))

    assert "closed the connection without an answer; it may be restarting" in closed
    assert "breaks the connection at its begin" in broken


def test_a_certificate_of_another_authority(tmp_path: Path) -> None:
    async def play() -> str:
        async with serving(json_answer({}), tls=Authority("theirs").server_context(tmp_path)) as server:
            return await complaint(server.url, Trust(Authority("ours").pem))

    told = run(play())

    assert "has a certificate that is not to be trusted (" in told
    assert "authority" in told


def test_silence() -> None:
    async def play() -> str:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            accepted = loop.create_task(loop.sock_accept(listener))
            told = await complaint(f"http://127.0.0.1:{listener.getsockname()[1]}", deadline=0.2)
            (await accepted)[0].close()
            return told

    assert "gave no answer within 0.2 s; it may be overloaded" in run(play())
