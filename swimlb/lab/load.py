"""Clients that use TCP: streams that last, and new connections at a steady pace, through the real kernel.

    python -m swimlb.lab.load --address 192.0.2.10 --address 2001:db8::10 --port 8080 --streams 200 --rate 200 --output PATH

Streams and connections take the addresses in turn. A stream sends a line every half second (`--interval`) and waits for it to
come back; when it breaks it is opened anew. One line of JSON for each connection that has ended, with the fields of
`measure.Connection`; SIGTERM ends it, with every stream that lives written down as such.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TextIO

from swimlb.runtime import clock

CONNECT_TIMEOUT = 2.0
"""One lost SYN is repeated by the kernel after a second, and is not a failure."""
ANSWER_TIMEOUT = 3.0
STREAM_INTERVAL = 0.5
REOPEN_AFTER = 0.2
_LINE = b"still there\n"


class Load:
    def __init__(
        self, addresses: list[str], port: int, output: TextIO, interval: float = STREAM_INTERVAL
    ) -> None:
        self._addresses = addresses
        self._port = port
        self._output = output
        self._interval = interval
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, streams: int, rate: float) -> None:
        """Until SIGTERM."""
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        for number in range(streams):
            self._spawn(self._keep_stream(self._address(number), number / max(streams, 1)))
        pace = asyncio.create_task(self._open_steadily(rate))
        await ended.wait()
        pace.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(pace, *self._tasks, return_exceptions=True)

    async def _open_steadily(self, rate: float) -> None:
        begun, count = clock.monotonic(), 0
        while rate:
            await asyncio.sleep(begun + count / rate - clock.monotonic())
            self._spawn(self._ask_once(self._address(count)))
            count += 1

    def _address(self, number: int) -> str:
        return self._addresses[number % len(self._addresses)]

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_stream(self, address: str, phase: float) -> None:
        await asyncio.sleep(phase * self._interval)
        while True:
            await self._use(address, is_stream=True)
            await asyncio.sleep(REOPEN_AFTER)

    async def _ask_once(self, address: str) -> None:
        await self._use(address, is_stream=False)

    async def _use(self, address: str, *, is_stream: bool) -> None:
        """One connection from its beginning to its end, whichever way it ends."""
        begun, connected, by, error = clock.monotonic(), None, None, None
        writer = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                reader, writer = await asyncio.open_connection(address, self._port)
            connected = clock.monotonic()
            target = "/stream" if is_stream else "/"
            writer.write(f"GET {target} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await reader.readuntil(b"\r\n\r\n")
                by = (await reader.readuntil(b"\n")).decode().strip()
            while is_stream:
                await asyncio.sleep(self._interval)
                writer.write(_LINE)
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await reader.readuntil(b"\n")
        except (OSError, asyncio.IncompleteReadError) as failure:  # TimeoutError is an OSError.
            error = type(failure).__name__
        finally:
            if writer is not None:
                writer.close()
            self._write(address, by, error, is_stream=is_stream, begun=begun, connected=connected)

    def _write(
        self,
        address: str,
        by: str | None,
        error: str | None,
        *,
        is_stream: bool,
        begun: float,
        connected: float | None,
    ) -> None:
        fields = [address, is_stream, begun, connected, clock.monotonic(), by, error]
        self._output.write(json.dumps(fields) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m swimlb.lab.load")
    parser.add_argument("--address", required=True, action="append")
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--streams", default=0, type=int)
    parser.add_argument("--rate", default=0.0, type=float, help="new connections per second")
    parser.add_argument("--interval", default=STREAM_INTERVAL, type=float, help="between a stream's lines")
    parser.add_argument("--output", required=True, type=Path)
    options = parser.parse_args()
    with open(options.output, "w", buffering=1) as output:
        load = Load(options.address, options.port, output, options.interval)
        asyncio.run(load.run(options.streams, options.rate))


if __name__ == "__main__":
    main()
