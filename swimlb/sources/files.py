"""Reading manifests from the file system."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from swimlb.model import Problem, Severity
from swimlb.sources.manifests import Manifests, read_text
from swimlb.sources.names import name_of
from swimlb.sources.secret_files import DIRECTORY as SECRETS_DIRECTORY
from swimlb.sources.secret_files import FILES_MAX as SECRETS_MAX
from swimlb.sources.secret_files import read_secret, secret_files

SUFFIXES = (".yaml", ".yml", ".json")
FILE_OCTETS_MAX = 8 * 2**20
"""A file of 20,000 Services; who has more has more files, or Kubernetes."""
FILES_MAX = 10_000


def manifest_files(directory: Path) -> list[Path]:
    """The manifests of a directory by name. Not those of subdirectories, and no hidden ones.

    A mounted ConfigMap is understood: its files are symbolic links through the hidden directory `..data`. A link that
    leads nowhere is a manifest too, one that cannot be read: what it held is not gone.
    """
    found = [
        entry for entry in directory.iterdir() if entry.suffix in SUFFIXES and not entry.name.startswith(".")
    ]
    # Not Path.is_dir, which raises when one link leads to where we may not look.
    return sorted(entry for entry in found if not os.path.isdir(entry))


def read_paths(paths: Iterable[Path]) -> Manifests:
    """Files, and the manifests of directories, in the order given."""
    result = Manifests()
    for path in paths:
        try:
            result += read_directory(path) if path.is_dir() else read_files([path])
        except OSError as error:
            result += Manifests(problems=(_problem(path, f"cannot be listed: {error.strerror}"),))
    return result


def read_directory(directory: Path) -> Manifests:
    """Its manifests, and the Secrets beside them. OSError when it cannot be listed."""
    files, secrets = manifest_files(directory), secret_files(directory)
    unlisted = Manifests(problems=tuple(told for _, told in secrets.unlisted))
    too_many = [
        _problem(where, f"holds {len(found)} files, of which the first {most} by name are read")
        for where, found, most in (
            (directory, files, FILES_MAX),
            (directory / SECRETS_DIRECTORY, secrets.files, SECRETS_MAX),
        )
        if len(found) > most
    ]
    manifests = read_files(files[:FILES_MAX]) + Manifests(problems=tuple(too_many))
    return sum(map(read_secret, secrets.files[:SECRETS_MAX]), manifests + unlisted)


def read_files(files: Iterable[Path]) -> Manifests:
    read = [_read_file(file) for file in files]
    return Manifests(
        tuple(document for one in read for document in one.documents),
        tuple(problem for one in read for problem in one.problems),
    )


def _read_file(file: Path) -> Manifests:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Manifests(problems=(_problem(file, "is no regular file"),))
            octets = stream.read(FILE_OCTETS_MAX + 1)
    except OSError as error:
        return Manifests(problems=(_problem(file, f"cannot be read: {error.strerror}"),))
    if not octets:
        # A shell empties a file before the command that is to fill it begins: that is no order to take all away.
        return Manifests(problems=(_problem(file, "is empty"),))
    if len(octets) > FILE_OCTETS_MAX:
        return Manifests(problems=(_problem(file, f"is larger than {FILE_OCTETS_MAX >> 20} MiB"),))
    return read_octets(octets, name_of(file))


def read_octets(octets: bytes, file: str) -> Manifests:
    """What a file of that name holds, or another source that is called so."""
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        return Manifests(problems=(_named_problem(file, "is not UTF-8 text", line),))
    return read_text(text, file)


_HINTS = {
    "larger": "Split the file.",
    "regular": "Put a file in its place, or pipe what it gives to a command with `-f -`.",
    "UTF-8": "Save the file as UTF-8.",
    "empty": "What it held stays in force. Remove it, or write into it what is to be; a comment is enough for nothing.",
    "by name": "Put several objects into one file; what was read of the directory before stays in force.",
}


def _problem(file: Path, message: str) -> Problem:
    return _named_problem(name_of(file), message)


def _named_problem(file: str, message: str, line: int | None = None) -> Problem:
    return Problem(
        severity=Severity.ERROR,
        object=file,
        field="",
        message=message,
        hint=next(
            (hint for word, hint in _HINTS.items() if word in message), "Check the name and the permissions."
        ),
        file=file,
        line=line,
    )
