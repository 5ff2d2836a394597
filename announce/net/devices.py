"""Which device a socket is bound to (SO_BINDTODEVICE): the kernel goes by its number, and people by its name.

A device that is deleted and made again has the name of before and another number. Sockets that were bound to the first
one send nothing and hear nothing from then on.
"""

from __future__ import annotations

import socket


def index_of(device: str | None) -> int:
    """The number that the device of this name has now; 0: there is none."""
    try:
        return socket.if_nametoindex(device) if device else 0
    except OSError:
        return 0
