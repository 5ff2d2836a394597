"""A directory of manifests that may be edited while we run."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from swimlb.sources.files import manifest_files, read_directory
from swimlb.sources.manifests import Manifests
from swimlb.sources.secret_files import secret_files

Signature: TypeAlias = tuple[tuple[str, int, int, int, int], ...]

READS_MAX = 3
"""Of one poll. What is changed all the time is taken as it was found last, rather than never."""


class Directory:
    """Reads a directory again when something in it has changed.

    The caller polls. What changed while it was read is read again: of two versions of a mounted ConfigMap, the files read
    first may be of the one and the rest of the other, and an object that moved between them be in neither.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature: Signature | None = None

    @property
    def path(self) -> Path:
        return self._path

    def poll(self) -> Manifests | None:
        """What the directory holds if that may have changed since the last call, else None.

        Raises OSError when the directory itself cannot be listed: that is no reason to forget what it held.
        """
        signature = _signature(self._path)
        if signature == self._signature:
            return None
        manifests = read_directory(self._path)
        for _ in range(READS_MAX - 1):
            now = _signature(self._path)
            if now == signature:
                break
            manifests, signature = read_directory(self._path), now
        # That of before the last reading: what has changed since then is read by the next poll.
        self._signature = signature
        return manifests


def _signature(directory: Path) -> Signature:
    """Name, times of change of content and rights, size and inode of each file, links followed."""
    secrets = secret_files(directory)
    found = [(told.object, error.errno or 0, 0, 0, 0) for error, told in secrets.unlisted]
    # Also of those that are too many to be read: when one of these goes, others may be read.
    for file in (*manifest_files(directory), *secrets.files):
        try:
            status = file.stat()
        except OSError as error:
            # It went away since it was listed, or is a link that cannot be followed. Either may change.
            found.append((str(file), error.errno or 0, 0, 0, 0))
            continue
        times = (status.st_mtime_ns, status.st_ctime_ns)
        found.append((str(file), *times, status.st_size, status.st_ino))
    return tuple(found)
