"""Where the Kubernetes programs are that the lab starts."""

from __future__ import annotations

import os
from pathlib import Path

from swimlb.lab.errors import LabError

VARIABLE = "SWIMLB_KUBE_TOOLS"
"""Names the directory, where it is not the one that `make kube-tools` fills in a checkout."""

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kubectl")

_BUILT = Path(__file__).parents[3] / ".setup" / "kube-tools"


def directory() -> Path:
    return Path(os.environ.get(VARIABLE) or _BUILT)


def find(program: str) -> str:
    """The path of one of `PROGRAMS`. `LabError` that says how to get it when it is not there."""
    path = directory() / program
    if not os.access(path, os.X_OK):
        raise LabError(
            f"{path} is missing: build the Kubernetes programs with `make kube-tools`, or name a directory that "
            f"holds {', '.join(PROGRAMS)} in {VARIABLE}"
        )
    return str(path)


def require_all() -> None:
    """`LabError` when one of them is missing."""
    for program in PROGRAMS:
        find(program)
