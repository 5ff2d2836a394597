"""The stand-in workload of a node: it answers HTTP and echoes UDP, and says which node it is.

    python -m swimlb.lab.backend --name node-a --port 8080 --port 53

On each port: HTTP GET of any path (200, the node's name), and UDP (the payload back, with the node's name behind
it). It listens on the wildcard, because Service addresses come and go while it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import struct
from contextlib import suppress

REQUEST_OCTETS_MAX = 8192
REQUEST_TIMEOUT = 5.0
_DATAGRAM_OCTETS_MAX = 2048
_IP_PKTINFO = 8
_IN_PKTINFO = struct.Struct("@I4s4s")
"""Interface, the local address (which to answer from), the header's destination."""

BACKLOG = 128
_ANY = "0.0.0.0"  # noqa: S104 - see the module.


class Backend:
    def __init__(self, name: str) -> None:
        self._name = name.encode()

    def open_echo(self, port: int) -> socket.socket:
        echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        echo.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        echo.setblocking(False)
        echo.bind((_ANY, port))
        return echo

    def answer_datagrams(self, echo: socket.socket) -> None:
        """Answer all that wait, each from the address that it was sent to: clients take no answer from another."""
        while True:
            try:
                payload, ancillary, _, sender = echo.recvmsg(
                    _DATAGRAM_OCTETS_MAX, socket.CMSG_SPACE(_IN_PKTINFO.size)
                )
            except OSError:
                return  # Nothing waits, or an ICMP error is reported: the next datagram wakes us again.
            asked = next(
                data for level, kind, data in ancillary if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO)
            )
            _, _, destination = _IN_PKTINFO.unpack(asked)
            answer_from = _IN_PKTINFO.pack(0, destination, bytes(4))
            with suppress(OSError):  # The client is out of reach: it sees a lost answer, which is the truth.
                echo.sendmsg(
                    [payload, self._name], [(socket.IPPROTO_IP, _IP_PKTINFO, answer_from)], 0, sender
                )

    async def answer_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                request = await reader.readuntil(b"\r\n\r\n")
                is_get = request.startswith(b"GET ")
                status = b"200 OK" if is_get else b"405 Method Not Allowed"
                body = self._name + b"\n" if is_get else b""
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
                    % (status, len(body), body)
                )
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # A health check that only connects, or a client that went away.
        finally:
            writer.close()

    async def run(self, ports: list[int]) -> None:
        """Serve until SIGTERM."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        for port in ports:
            await asyncio.start_server(
                self.answer_http, _ANY, port, limit=REQUEST_OCTETS_MAX, backlog=BACKLOG
            )
            echo = self.open_echo(port)
            loop.add_reader(echo, self.answer_datagrams, echo)
        await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m swimlb.lab.backend")
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", required=True, type=int, action="append")
    options = parser.parse_args()
    asyncio.run(Backend(options.name).run(sorted(set(options.port))))


if __name__ == "__main__":
    main()
