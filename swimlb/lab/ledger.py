"""The record of what a lab has made outside of its own process, so that all of it can be removed.

It is a JSON file that is written before a thing is made (namespaces, directories) or straight after (processes:
they have no name earlier). Whoever reads it can clean up: the lab itself, `swimlb lab down`, or the next start
after the lab's owner was killed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, Self

from swimlb.lab.errors import LabError
from swimlb.lab.processes import ProcessId

VERSION = 1


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What one lab has made. Every `note_…` is on the disk when it returns, whichever thread calls it."""

    path: Path
    name: str
    prefix: str
    """Begins the name of each of its namespaces."""
    owner: ProcessId | None
    """Who removes it in the end; None: it stays until somebody asks for its removal."""
    namespaces: list[str] = field(default_factory=list[str])
    directories: list[str] = field(default_factory=list[str])
    processes: dict[str, ProcessId] = field(default_factory=dict[str, ProcessId])
    """By label, such as `speaker/node-a`."""
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    """For whoever attaches later: what this lab is."""
    _lock: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)

    @property
    def is_stale(self) -> bool:
        """Its owner is dead, or it was left running and its namespaces are gone (nothing of it can work)."""
        if self.owner is not None:
            return not self.owner.is_alive
        return not any(Path("/run/netns", name).exists() for name in self.namespaces)

    def note_namespaces(self, *names: str) -> None:
        with self._lock:
            self.namespaces += names
            self.save()

    def note_directory(self, path: Path) -> None:
        with self._lock:
            self.directories.append(str(path))
            self.save()

    def note_process(self, label: str, process: ProcessId) -> None:
        with self._lock:
            self.processes[label] = process
            self.save()

    def note_settings(self, **settings: Any) -> None:
        with self._lock:
            self.settings |= settings
            self.save()

    def hand_over(self) -> None:
        """From here on the lab belongs to nobody and stays until it is taken down."""
        with self._lock:
            self.owner = None
            self.save()

    def save(self) -> None:
        """Replace the file in one step: a reader sees the old record or the new one, never half of it."""
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(self._as_json(), indent=1))
            draft.replace(self.path)

    def _as_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "name": self.name,
            "prefix": self.prefix,
            "owner": None if self.owner is None else [self.owner.pid, self.owner.started],
            "namespaces": self.namespaces,
            "directories": self.directories,
            "processes": {label: [one.pid, one.started] for label, one in self.processes.items()},
            "settings": self.settings,
        }

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a record back; `LabError` when there is none or it cannot be understood."""
        try:
            data = json.loads(path.read_text())
            if data["version"] != VERSION:
                raise ValueError(f"version {data['version']}")
            return cls(
                path=path,
                name=data["name"],
                prefix=data["prefix"],
                owner=None if data["owner"] is None else ProcessId(*data["owner"]),
                namespaces=data["namespaces"],
                directories=data["directories"],
                processes={label: ProcessId(*one) for label, one in data["processes"].items()},
                settings=data["settings"],
            )
        except FileNotFoundError:
            others = sorted(one.parent.name for one in path.parents[1].glob(f"*/{path.name}"))
            hint = f"; with `--name` there is {', '.join(others)}" if others else ""
            raise LabError(
                f"there is no lab `{path.parent.name}`: start it with `swimlb lab up`{hint}"
            ) from None
        except (KeyError, TypeError, ValueError) as error:
            raise LabError(f"cannot read {path}: {error}; delete it once its lab is gone") from error
