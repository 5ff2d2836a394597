"""Files that we may not look at. Tests may run as root, whom no permission stops."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable


def forbidding(place: str, call: Callable[..., object]) -> Callable[..., object]:
    """A function of `os` that refuses one place."""

    def refused(path: object, *args: object, **kwargs: object) -> object:
        if str(path) == place:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return call(path, *args, **kwargs)

    return refused
