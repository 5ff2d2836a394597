"""Passwords in files of their own, beside the manifests: `secrets/NAMESPACE/NAME/password`.

Each such file is the Secret of that name, as a kubelet lays a mounted one out. So the manifests may be read by everybody,
and in a repository, while the passwords are not.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from swimlb.config import Document
from swimlb.model import Problem, Severity
from swimlb.sources.manifests import Manifests
from swimlb.sources.names import name_of

DIRECTORY, KEY = "secrets", "password"
PASSWORD_OCTETS_MAX = 4096
"""Of a file; what is too long for its purpose is told where the Secret is used."""
FILES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Listing:
    files: list[Path] = field(default_factory=list[Path])
    """By name."""
    unlisted: list[tuple[OSError, Problem]] = field(default_factory=list[tuple[OSError, Problem]])
    """Directories in which there may be more."""

    def entries(self, directory: Path) -> list[Path]:
        """Those that are not hidden. None of what is no directory, or is not there."""
        try:
            # Its names can be listed without the right to look behind them: told of it once, not of each.
            os.stat(f"{directory}/.")
            names = os.listdir(directory)
        except NotADirectoryError:
            return []
        except OSError as error:
            if os.path.lexists(directory) or not isinstance(error, FileNotFoundError):
                message = f"cannot be listed: {error.strerror}"
                self.unlisted.append((error, _problem(directory, Severity.ERROR, message, _UNLISTED_HINT)))
            return []
        return sorted(directory / name for name in names if not name.startswith("."))


_UNLISTED_HINT = "Check the permissions; the passwords that were read from it before stay in force."


def secret_files(directory: Path) -> Listing:
    """Those of a directory of manifests; hidden directories are passed over. None where there is no `secrets`."""
    listing = Listing()
    for namespace in listing.entries(directory / DIRECTORY):
        for secret in listing.entries(namespace):
            if _may_be_there(secret / KEY):
                listing.files.append(secret / KEY)
    return listing


def _may_be_there(file: Path) -> bool:
    """Why it cannot be looked at is told when it is read."""
    try:
        os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_secret(file: Path) -> Manifests:
    """The Secret that a file stands for. One newline at its end is the editor's, not the password's."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return _refused(file, "is no regular file", "Write the password into a file.")
            octets = stream.read(PASSWORD_OCTETS_MAX + 1)
    except OSError as error:
        return _refused(file, f"cannot be read: {error.strerror}", "Check the permissions.")
    if len(octets) > PASSWORD_OCTETS_MAX:
        return _refused(
            file, f"is longer than {PASSWORD_OCTETS_MAX} octets", "Write only the password into it."
        )
    try:
        password = octets.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        return _refused(file, "is not UTF-8 text", "Choose a password of letters, digits and signs.")
    namespace, name = PurePath(name_of(file)).parts[-3:-1]
    content = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/basic-auth",
        "stringData": {KEY: password},
    }
    is_exposed = bool(status.st_mode & stat.S_IROTH)
    warnings = (_problem(file, Severity.WARNING, *_EXPOSED),) if is_exposed else ()
    return Manifests((Document(content, name_of(file)),), warnings)


_EXPOSED = ("every user of this host may read it", "Give it to the speaker alone: chmod 600.")


def _refused(file: Path, message: str, hint: str) -> Manifests:
    return Manifests(problems=(_problem(file, Severity.ERROR, message, hint),))


def _problem(file: Path, severity: Severity, message: str, hint: str) -> Problem:
    named = name_of(file)
    return Problem(severity=severity, object=named, field="", message=message, hint=hint, file=named)
