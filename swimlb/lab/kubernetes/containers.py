"""What a container of a Pod is as a process of the lab: its arguments, environment, capabilities and files. Pure.

The lab gives it no file system of its own: where an argument or a variable names a place below a mounted volume, it
gets the directory that stands for the volume instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from swimlb.lab.errors import LabError

Json = Mapping[str, Any]

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_GRACE = 30
"""Kubernetes' own, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Whatever the Pod's object leaves to the cluster is decided: there is nothing to look up any more."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    capabilities: tuple[str, ...]
    """All that it has, in lower case without `cap_`."""
    grace: float
    """Seconds between SIGTERM and SIGKILL."""


def container_of(pod: Json, directories: Mapping[str, str]) -> Container:
    """The one container of a Pod; `directories` stand for its volumes, by their names.

    `LabError` for what the lab cannot do as a kubelet would.
    """
    spec = pod["spec"]
    if len(spec["containers"]) != 1:
        raise LabError(f"the Pod {pod['metadata']['name']} has more than one container")
    (container,) = spec["containers"]
    places = {
        mount["mountPath"]: directories[mount["name"]]
        for mount in container.get("volumeMounts", ())
        if mount["name"] in directories
    }
    environment = {one["name"]: _placed(_value(one, pod), places) for one in container.get("env", ())}
    return Container(
        name=container["name"],
        arguments=tuple(_placed(_expanded(one, environment), places) for one in container.get("args", ())),
        environment=environment,
        capabilities=_capabilities(container),
        grace=spec.get("terminationGracePeriodSeconds", _GRACE),
    )


def command(container: Container, program: Sequence[str], more: Sequence[str] = ()) -> tuple[str, ...]:
    """The command line of a process that has the container's capabilities, and can get no other ones."""
    bounds = ",".join(("-all", *(f"+{one}" for one in container.capabilities)))
    confined = ("setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set={bounds}", "--")
    return (*confined, *program, *container.arguments, *more)


def _value(variable: Json, pod: Json) -> str:
    if "value" in variable:
        return variable["value"]
    path = variable["valueFrom"]["fieldRef"]["fieldPath"]
    value: Any = pod
    for key in path.split("."):
        value = cast("Json", value).get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, str):
        raise LabError(f"the Pod {pod['metadata']['name']} has no {path} for {variable['name']}")
    return value


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` is the variable's value, where there is one."""
    return _REFERENCE.sub(lambda found: environment.get(found[1], found[0]), text)


def _placed(text: str, places: Mapping[str, str]) -> str:
    for path, directory in places.items():
        head, found, tail = text.partition(path)
        # In `--option=/path` too, but not in the middle of another path.
        if found and (not head or head.endswith("=")) and (not tail or tail.startswith("/")):
            return head + directory + tail
    return text


def _capabilities(container: Json) -> tuple[str, ...]:
    capabilities = container["securityContext"]["capabilities"]
    if [one.upper() for one in capabilities.get("drop", ())] != ["ALL"]:
        raise LabError(f"the container {container['name']} keeps capabilities that a runtime would choose")
    return tuple(one.lower() for one in capabilities.get("add", ()))
