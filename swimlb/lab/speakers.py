"""A speaker on a node of a sandbox: the whole product, as an operator would start it on a host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from swimlb.lab import processes
from swimlb.lab.errors import LabError
from swimlb.lab.processes import ProcessId
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import Host

SOCKET_PATH_OCTETS_MAX = 107
"""unix(7): 108 with the zero octet at the end."""


def start(
    sandbox: Sandbox, node: Host, source: Sequence[str], *, join: Sequence[Host], options: Sequence[str] = ()
) -> None:
    """Start the node's speaker. `LabError` when it runs already.

    `source` are the options that say where it looks for Services, as `reading` gives them; others are added.
    """
    if sandbox.process(label(node.name)) is not None:
        raise LabError(f"the speaker of {node.name} is already running")
    home = directory(sandbox, node.name)
    if len(os.fsencode(socket(sandbox, node.name))) > SOCKET_PATH_OCTETS_MAX:
        raise LabError(
            f"{socket(sandbox, node.name)} is too long: the path of a socket has at most {SOCKET_PATH_OCTETS_MAX} bytes; "
            "give the lab a shorter name, or a base nearer to the root"
        )
    home.mkdir(exist_ok=True)
    sandbox.start_module(
        label(node.name),
        "swimlb",
        "speaker",
        *("--node-name", node.name),
        *source,
        *("--bind-address", node.address),
        *("--join", ",".join(one.address for one in join)),
        *("--run-dir", str(home)),
        *options,
        namespace=node.name,
        log=log(sandbox, node.name),
    )


def reading(manifests: Path) -> tuple[str, ...]:
    """The options of a speaker that reads a directory of manifests."""
    return ("--manifests", str(manifests.resolve()))


def family(sandbox: Sandbox, node: str) -> tuple[ProcessId, ...]:
    """All processes of the node's speaker in the order to kill them in.

    The supervisor would restart the others; *wire* has the connections, as the first daemon of any other product.
    """
    supervisor = sandbox.process(label(node))
    if supervisor is None:
        raise LabError(f"the speaker of {node} is not running")
    return (supervisor, *sorted(processes.descendants(supervisor), key=lambda one: not _is_wire(one)))


def _is_wire(process: ProcessId) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return b"\0wire\0" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    return False


def label(node: str) -> str:
    """What its supervisor is called in the sandbox."""
    return f"speaker/{node}"


def directory(sandbox: Sandbox, node: str) -> Path:
    """Its run directory."""
    return sandbox.home / node


def socket(sandbox: Sandbox, node: str) -> Path:
    """Where it answers people."""
    return directory(sandbox, node) / "api.sock"


def log(sandbox: Sandbox, node: str) -> Path:
    """Where it logs, JSON lines."""
    return directory(sandbox, node) / "speaker.log"
