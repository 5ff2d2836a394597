"""One connection to a daemon of FRR, for questions that have to be answered within a millisecond: `vtysh` is a process each time."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from swimlb.lab.errors import LabError

TIMEOUT = 15.0
_END = b"\0\0\0"
"""Of an answer; the result follows, in one octet."""
_OCTETS = 1 << 16


class Vty:
    """Speaks as vtysh does: commands end with a zero octet. Each is answered before the next is sent."""

    def __init__(self, path: Path) -> None:
        """`path` is the daemon's vty socket."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(TIMEOUT)
        try:
            self._socket.connect(str(path))
            self.ask("enable")
        except OSError as error:
            self._socket.close()
            raise LabError(f"{path} does not answer: {error.strerror or error}") from error
        except LabError:
            self._socket.close()
            raise

    def ask(self, command: str) -> str:
        """The answer. `LabError` when the daemon does not know the command, or closes."""
        self._socket.sendall(command.encode() + b"\0")
        answer = bytearray()
        while not answer.endswith(_END, 0, max(0, len(answer) - 1)):
            received = self._socket.recv(_OCTETS)
            if not received:
                raise LabError(f"the daemon has closed after `{command}`")
            answer += received
        if answer[-1]:
            raise LabError(f"`{command}` failed with {answer[-1]}: {answer[: -1 - len(_END)].decode()[:200]}")
        return answer[: -1 - len(_END)].decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
