"""The stand-in workload of a node: it answers HTTP and echoes UDP, and says which node it is.

    python -m swimlb.lab.backend --name node-a --port 8080 --port 53

On each port, by IPv4 and IPv6: HTTP GET of any path (200, the node's name), of `/stream` (the same, and from then on
every line back, until the client closes), and UDP (the payload back, with the node's name behind it). It listens on the
wildcard, because Service addresses come and go while it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import struct
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

REQUEST_OCTETS_MAX = 8192
REQUEST_TIMEOUT = 5.0
STREAM_IDLE_MAX = 60.0
_DATAGRAM_OCTETS_MAX = 2048
_IP_PKTINFO = 8
_IN_PKTINFO = struct.Struct("@I4s4s")
"""Interface, the local address (which to answer from), the header's destination."""
_IN6_PKTINFO = struct.Struct("@16sI")
"""The local address, which here is the header's destination; interface."""

BACKLOG = 512
_ANY = "0.0.0.0"  # noqa: S104 - see the module.
_ANY6 = "::"


class Backend:
    def __init__(self, name: str) -> None:
        self._name = name.encode()

    def answer_datagrams(self, echo: socket.socket) -> None:
        """Answer all that wait, each from the address that it was sent to: clients take no answer from another."""
        while True:
            try:
                payload, ancillary, _, sender = echo.recvmsg(
                    _DATAGRAM_OCTETS_MAX, socket.CMSG_SPACE(_IN6_PKTINFO.size)
                )
            except OSError:
                return  # Nothing waits, or an ICMP error is reported: the next datagram wakes us again.
            ((level, kind, asked),) = ancillary
            if level == socket.IPPROTO_IP:
                _, _, destination = _IN_PKTINFO.unpack(asked)
                answer_from = _IN_PKTINFO.pack(0, destination, bytes(4))
            else:
                destination, _ = _IN6_PKTINFO.unpack(asked)
                answer_from = _IN6_PKTINFO.pack(destination, 0)
            with suppress(OSError):  # The client is out of reach: it sees a lost answer, which is the truth.
                echo.sendmsg([payload, self._name], [(level, kind, answer_from)], 0, sender)

    async def answer_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection; a stream is one that lasts."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                request = await reader.readuntil(b"\r\n\r\n")
                is_stream = request.startswith(b"GET /stream ")
                status = b"200 OK" if request.startswith(b"GET ") else b"405 Method Not Allowed"
                body = self._name + b"\n" if status.startswith(b"200") else b""
                length = b"" if is_stream else b"Content-Length: %d\r\n" % len(body)
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\n%bConnection: close\r\n\r\n%b"
                    % (status, length, body)
                )
                await writer.drain()
            if is_stream:
                await self._echo_lines(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # A health check that only connects, or a client that went away.
        finally:
            writer.close()

    async def _echo_lines(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(STREAM_IDLE_MAX):
                writer.write(await reader.readuntil(b"\n"))
                await writer.drain()

    async def serve(self, listeners: Sequence[socket.socket]) -> AsyncExitStack:
        """Answer on these sockets, made by `listen` and `listen_echo`; they are closed with what is returned."""
        loop = asyncio.get_running_loop()
        stack = AsyncExitStack()
        for listener in listeners:
            if listener.type == socket.SOCK_STREAM:
                server = await asyncio.start_server(
                    self.answer_http, sock=listener, limit=REQUEST_OCTETS_MAX, backlog=BACKLOG
                )
                stack.callback(server.close)
            else:
                loop.add_reader(listener, self.answer_datagrams, listener)
                stack.callback(listener.close)
                stack.callback(loop.remove_reader, listener)
        return stack

    async def run(self, ports: Sequence[int]) -> None:
        """Serve until SIGTERM."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        async with await self.serve([one for port in ports for one in (*listen(port), *listen_echo(port))]):
            await ended.wait()


def listen(port: int) -> tuple[socket.socket, socket.socket]:
    """Sockets for HTTP on the port of every address, IPv4's and IPv6's, in the network that the thread is in."""
    return _bind(socket.AF_INET, socket.SOCK_STREAM, port), _bind(socket.AF_INET6, socket.SOCK_STREAM, port)


def listen_echo(port: int) -> tuple[socket.socket, socket.socket]:
    """The same for datagrams."""
    echo, echo6 = (
        _bind(socket.AF_INET, socket.SOCK_DGRAM, port),
        _bind(socket.AF_INET6, socket.SOCK_DGRAM, port),
    )
    echo.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    echo6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    return echo, echo6


def _bind(family: socket.AddressFamily, kind: socket.SocketKind, port: int) -> socket.socket:
    bound = socket.socket(family, kind)
    bound.setblocking(False)
    if kind == socket.SOCK_STREAM:
        # As asyncio's servers have it: a new process may listen where connections of the last one linger.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.bind((_ANY6 if family == socket.AF_INET6 else _ANY, port))
    return bound


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m swimlb.lab.backend")
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", required=True, type=int, action="append")
    options = parser.parse_args()
    asyncio.run(Backend(options.name).run(sorted(set(options.port))))


if __name__ == "__main__":
    main()
