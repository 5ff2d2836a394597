"""A real BGP speaker: ExaBGP in a namespace of a sandbox. It forwards nothing; it tells what it hears, line by line.

It has no table to ask for. A helper process gets every event as a line of JSON and appends it to a file; the table is
what these lines amount to.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from swimlb.lab.daemon import Daemon
from swimlb.lab.errors import LabError
from swimlb.lab.router import Neighbour, NeighbourState, Path, RouterConfig, family_of
from swimlb.lab.sandbox import Sandbox

_EAR = "ear"
_COMMANDS = "commands"
_ENVIRONMENT = {
    "exabgp_daemon_user": "root",
    "exabgp_daemon_drop": "false",
    "exabgp_log_destination": "stdout",
    "exabgp_log_level": "INFO",
    "exabgp_api_ack": "false",
    "exabgp_api_cli": "false",
}


def exabgp_text(config: RouterConfig, *, local_addresses: Iterable[str]) -> str:
    """exabgp.conf, but for the processes, which the runner adds. It listens on the `local_addresses`, one per family."""
    local = {family_of(address): address for address in local_addresses}
    lines: list[str] = []
    for neighbour in config.neighbours:
        lines += _neighbour(config, neighbour, local)
    return "\n".join(lines) + "\n"


def _neighbour(config: RouterConfig, neighbour: Neighbour, local: Mapping[str, str]) -> Iterator[str]:
    yield f"neighbor {neighbour.address} {{"
    yield f"  router-id {config.router_id};"
    yield f"  local-address {local[family_of(neighbour.address)]};"
    yield f"  local-as {config.asn};"
    yield f"  peer-as {neighbour.asn};"
    yield f"  hold-time {config.hold_time};"
    if neighbour.is_passive:
        yield "  passive true;"
        yield "  listen 179;"
    if neighbour.password is not None:
        yield f'  md5-password "{neighbour.password}";'
    if neighbour.has_ttl_security:
        yield "  outgoing-ttl 255;"
        yield "  incoming-ttl 255;"
    elif neighbour.multihop is not None:
        yield f"  outgoing-ttl {neighbour.multihop};"
    restart = "60" if neighbour.helps_restart else "disable"
    yield f"  capability {{ asn4 enable; route-refresh enable; graceful-restart {restart}; }}"
    yield "  family {"
    for family in neighbour.families:
        yield f"    {family} unicast;"
    yield "  }"
    yield f"  api {{ processes [ {_EAR} ]; neighbor-changes; receive {{ parsed; update; }} }}"
    yield "  static {"
    for family in neighbour.families:
        for prefix in config.announced(family):
            # Of `self` it makes an UPDATE without NEXT_HOP.
            yield f"    route {prefix} next-hop {local[family]};"
    yield "  }"
    yield "}"


class ExaBgp(Daemon):
    def __init__(self, sandbox: Sandbox, namespace: str, *, configuration: str) -> None:
        """`configuration` is the text of exabgp.conf, for example of `exabgp_text`."""
        super().__init__(sandbox, namespace, "exabgp")
        self._configuration = configuration

    def start(self) -> None:
        require_exabgp()
        self.home.mkdir(exist_ok=True)
        file = self.home / "exabgp.conf"
        file.write_text(self._processes() + self._configuration)
        self._events.write_text("")
        self.log.unlink(missing_ok=True)  # The words of an earlier life would count.
        self.launch(["exabgp", str(file)], is_ready=self._is_configured, environment=_ENVIRONMENT)

    def _is_configured(self) -> bool:
        return "loaded new configuration successfully" in self.words()

    def _processes(self) -> str:
        """What listens to it writes a file, and what talks to it reads one: both are plain `cat` and `tail`."""
        lines: list[str] = []
        # ExaBGP takes a helper that closes its output for dead: the ear keeps it, as descriptor 3.
        helpers = {
            _EAR: f"exec 3>&1; exec cat >>{self._events}",
            _COMMANDS: f"exec tail -n +1 -F --pid=$PPID {self._orders}",
        }
        for name, command in helpers.items():
            script = self.home / f"{name}.sh"
            script.write_text(f"#!/bin/sh\n{command}\n")
            script.chmod(0o755)
            lines.append(f"process {name} {{ run {script}; encoder json; }}")
        self._orders.write_text("")
        return "\n".join(lines) + "\n"

    @property
    def _events(self) -> FilePath:
        return self.home / "events.json"

    @property
    def _orders(self) -> FilePath:
        return self.home / "orders"

    def order(self, command: str) -> None:
        """One line of its API, such as `announce route 198.51.100.1/32 next-hop self`."""
        with self._orders.open("a") as orders:
            orders.write(command + "\n")

    def events(self) -> list[Any]:
        """What it has told so far; a line that is still being written counts next time."""
        text = self._events.read_text() if self._events.exists() else ""
        # It puts the data of a NOTIFICATION into its JSON as they are, control characters and all.
        return [json.loads(line, strict=False) for line in text.split("\n")[:-1]]

    def neighbour(self, address: str) -> NeighbourState:
        return read_neighbour(self.events(), address)

    def table(self, family: str = "ipv4") -> dict[str, tuple[Path, ...]]:
        return read_table(self.events(), family)

    def refresh(self, address: str) -> None:
        """The order of its API by that name is for the other direction."""
        raise LabError("ExaBGP 4 cannot ask for a route refresh")

    def next_hops(self, prefix: str) -> tuple[str, ...]:
        return ()


def read_neighbour(events: Iterable[Any], address: str) -> NeighbourState:
    """The last word about the neighbour; the end of a session comes with its reason."""
    state, error = "down", ""
    for event in events:
        neighbour = event.get("neighbor", {})
        if event["type"] == "state" and neighbour["address"]["peer"] == address:
            state, error = neighbour["state"], neighbour.get("reason", error)
    return NeighbourState(state=state, is_established=state == "up", last_error=error)


def read_table(events: Iterable[Any], family: str) -> dict[str, tuple[Path, ...]]:
    """What the updates amount to: a session that ends takes its routes along."""
    held: dict[tuple[str, str], Path] = {}
    for event in events:
        neighbour = event.get("neighbor", {})
        peer = neighbour.get("address", {}).get("peer", "")
        if event["type"] == "state" and neighbour["state"] == "down":
            held = {key: path for key, path in held.items() if key[1] != peer}
        update: Any = neighbour.get("message", {}).get("update", {}) if event["type"] == "update" else {}
        for one in update.get("withdraw", {}).get(f"{family} unicast", ()):
            held.pop((one["nlri"], peer), None)
        for next_hop, prefixes in update.get("announce", {}).get(f"{family} unicast", {}).items():
            for one in prefixes:
                held[one["nlri"], peer] = _path(peer, next_hop, update.get("attribute", {}))
    found: dict[str, tuple[Path, ...]] = {}
    for (prefix, _), path in held.items():
        found[prefix] = (*found.get(prefix, ()), path)
    return found


def _path(peer: str, next_hop: str, attributes: Any) -> Path:
    return Path(
        neighbour=peer,
        next_hop=next_hop,
        as_path=tuple(attributes.get("as-path", ())),
        origin=attributes.get("origin", "igp"),
        med=attributes.get("med"),
        local_pref=attributes.get("local-preference"),
        communities=frozenset((one[0], one[1]) for one in attributes.get("community", ())),
        large_communities=frozenset(
            (one[0], one[1], one[2]) for one in attributes.get("large-community", ())
        ),
    )


def require_exabgp() -> None:
    """`LabError` when ExaBGP is not installed."""
    if shutil.which("exabgp") is None:
        raise LabError("ExaBGP is not installed: run `apt-get install exabgp`")
