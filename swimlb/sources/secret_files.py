"""Passwords in files of their own, beside the manifests: `secrets/NAMESPACE/NAME/password`.

Each such file is the Secret of that name, as a kubelet lays a mounted one out. So the manifests may be read by everybody,
and in a repository, while the passwords are not.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from swimlb.config import Document
from swimlb.model import Problem, Severity
from swimlb.sources.manifests import Manifests

DIRECTORY, KEY = "secrets", "password"
PASSWORD_OCTETS_MAX = 4096
"""Of a file; what is too long for its purpose is told where the Secret is used."""
FILES_MAX = 1000


def secret_files(directory: Path) -> list[Path]:
    """Those of a directory of manifests, by name; hidden directories are passed over. None where there is no `secrets`."""
    return sorted(directory.glob(f"{DIRECTORY}/[!.]*/[!.]*/{KEY}"))


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
    namespace, name = file.parts[-3:-1]
    content = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/basic-auth",
        "stringData": {KEY: password},
    }
    is_exposed = bool(status.st_mode & stat.S_IROTH)
    warnings = (_problem(file, Severity.WARNING, *_EXPOSED),) if is_exposed else ()
    return Manifests((Document(content, str(file)),), warnings)


_EXPOSED = ("every user of this host may read it", "Give it to the speaker alone: chmod 600.")


def _refused(file: Path, message: str, hint: str) -> Manifests:
    return Manifests(problems=(_problem(file, Severity.ERROR, message, hint),))


def _problem(file: Path, severity: Severity, message: str, hint: str) -> Problem:
    return Problem(severity=severity, object=str(file), field="", message=message, hint=hint, file=str(file))
