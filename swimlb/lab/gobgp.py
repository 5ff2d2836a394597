"""A real router: GoBGP's daemon in a namespace of a sandbox. It only talks: without zebra it sets no kernel routes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from swimlb.lab import namespaces
from swimlb.lab.daemon import Daemon
from swimlb.lab.errors import LabError
from swimlb.lab.router import Neighbour, NeighbourState, Path, RouterConfig, family_of
from swimlb.lab.sandbox import Sandbox

API_PORT = 50051
"""On the namespace's own loopback."""
_ORIGINS = ("igp", "egp", "incomplete")
_ESTABLISHED = 6
_GROUP = "nodes"
_DOWN = re.compile(r'msg="Peer Down".* Reason="?([^"]*)"?')
_TOLD = re.compile(r'msg="received notification".* Communicated-Reason=("[^"]*"|\S+)')


def gobgp_text(config: RouterConfig) -> str:
    """gobgpd.conf, in TOML. What it announces is told later (`announces` of the runner)."""
    lines = [
        "[global.config]",
        f"  as = {config.asn}",
        f'  router-id = "{config.router_id}"',
        "[global.use-multiple-paths.config]",
        "  enabled = true",
    ]
    for neighbour in config.neighbours:
        lines += _neighbour(config, neighbour)
    return "\n".join(lines) + "\n"


def _neighbour(config: RouterConfig, neighbour: Neighbour) -> Iterator[str]:
    is_range = "/" in neighbour.address
    table = "peer-groups" if is_range else "neighbors"
    if is_range:
        yield "[[dynamic-neighbors]]"
        yield "  [dynamic-neighbors.config]"
        yield f'    prefix = "{neighbour.address}"'
        yield f'    peer-group = "{_GROUP}"'
    yield f"[[{table}]]"
    yield f"  [{table}.config]"
    yield f'    peer-group-name = "{_GROUP}"' if is_range else f'    neighbor-address = "{neighbour.address}"'
    yield f"    peer-as = {neighbour.asn}"
    if neighbour.password is not None:
        yield f'    auth-password = "{neighbour.password}"'
    yield f"  [{table}.transport.config]"
    yield f"    passive-mode = {_boolean(neighbour.is_passive)}"
    yield f"  [{table}.timers.config]"
    yield f"    hold-time = {config.hold_time}"
    yield f"    keepalive-interval = {config.keepalive}"
    yield "    connect-retry = 1"
    # By default a neighbour that was reset is left alone for 30 s.
    yield "    idle-hold-time-after-reset = 1"
    if neighbour.multihop is not None:
        yield f"  [{table}.ebgp-multihop.config]"
        yield "    enabled = true"
        yield f"    multihop-ttl = {neighbour.multihop}"
    if neighbour.has_ttl_security:
        yield f"  [{table}.ttl-security.config]"
        yield "    enabled = true"
        yield "    ttl-min = 255"
    if neighbour.helps_restart:
        yield f"  [{table}.graceful-restart.config]"
        yield "    enabled = true"
        yield "    helper-only = true"
        yield "    restart-time = 60"
    for family in neighbour.families:
        yield f"  [[{table}.afi-safis]]"
        yield f"    [{table}.afi-safis.config]"
        yield f'      afi-safi-name = "{family}-unicast"'
        if neighbour.helps_restart:
            yield f"    [{table}.afi-safis.mp-graceful-restart.config]"
            yield "      enabled = true"
        if neighbour.max_prefixes is not None:
            yield f"    [{table}.afi-safis.prefix-limit.config]"
            yield f"      max-prefixes = {neighbour.max_prefixes}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


class GoBgp(Daemon):
    def __init__(
        self, sandbox: Sandbox, namespace: str, *, configuration: str, announces: Sequence[str] = ()
    ) -> None:
        """`configuration` is the text of gobgpd.conf, for example of `gobgp_text`."""
        super().__init__(sandbox, namespace, "gobgpd")
        self._configuration = configuration
        self._announces = announces

    def start(self) -> None:
        require_gobgp()
        self.home.mkdir(exist_ok=True)
        file = self.home / "gobgpd.conf"
        file.write_text(self._configuration)
        listens = ("--api-hosts", f"127.0.0.1:{API_PORT}", "--pprof-disable")
        self.launch(
            ["gobgpd", "-f", str(file), "-t", "toml", "--log-plain", *listens], is_ready=self._answers
        )
        for prefix in self._announces:
            self.gobgp("global", "rib", "add", prefix, "-a", family_of(prefix))

    def _answers(self) -> bool:
        try:
            return bool(self.gobgp_json("global"))
        except LabError:
            return False

    def gobgp(self, *command: str, timeout: float = namespaces.COMMAND_TIMEOUT) -> str:
        """What GoBGP's shell answers."""
        return self.sandbox.run(self.namespace, "gobgp", "-p", str(API_PORT), *command, timeout=timeout)

    def gobgp_json(self, *command: str) -> Any:
        answer = self.gobgp("-j", *command)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise LabError(f"gobgp `{' '.join(command)}` gave no JSON: {answer.strip()[:200]}") from error

    def neighbour(self, address: str) -> NeighbourState:
        """The NOTIFICATION is in the log alone."""
        state = self.gobgp_json("neighbor", address)["state"].get("session_state", 0)
        return read_neighbour(state, address, self.words())

    def table(self, family: str = "ipv4") -> dict[str, tuple[Path, ...]]:
        return read_table(self.gobgp_json("global", "rib", "-a", family))

    def refresh(self, address: str) -> None:
        """`softresetin` looks at what is stored."""
        raise LabError("GoBGP does not ask for a route refresh")

    def next_hops(self, prefix: str) -> tuple[str, ...]:
        return ()


def read_neighbour(state: int, address: str, log: str) -> NeighbourState:
    """The state's number in the API, and the last end of a session in the log."""
    lines = [line for line in log.splitlines() if f"Key={address} " in line or f'Key="{address}" ' in line]
    downs = [found[1] for line in lines if (found := _DOWN.search(line))]
    told = [found[1] for line in lines if (found := _TOLD.search(line))]
    return NeighbourState(
        state=str(state),
        is_established=state == _ESTABLISHED,
        last_error=downs[-1] if downs else "",
        communication=told[-1].strip('"') if told else "",
    )


def read_table(answer: dict[str, list[dict[str, Any]]]) -> dict[str, tuple[Path, ...]]:
    """The answer to `global rib -j`: attributes by the numbers of RFC 4271."""
    found = {
        prefix: tuple(_path(one) for one in paths if one.get("source-id") or one.get("neighbor-ip"))
        for prefix, paths in answer.items()
    }
    return {prefix: paths for prefix, paths in found.items() if paths}


def _path(record: Any) -> Path:
    attributes: dict[int, Any] = {one["type"]: one for one in record["attrs"]}

    def value(kind: int, default: Any = None) -> Any:
        return attributes[kind]["value"] if kind in attributes else default

    next_hop = attributes[3]["nexthop"] if 3 in attributes else attributes[14]["nexthop"]
    return Path(
        neighbour=record.get("neighbor-ip", record.get("source-id", "")),
        next_hop=next_hop,
        as_path=tuple(number for segment in attributes[2]["as_paths"] for number in segment["asns"]),
        origin=_ORIGINS[int(value(1, 0))],
        med=attributes[4]["metric"] if 4 in attributes else None,
        local_pref=value(5),
        communities=frozenset(
            (number >> 16, number & 0xFFFF)
            for number in (attributes[8]["communities"] if 8 in attributes else ())
        ),
        large_communities=frozenset(
            (one["ASN"], one["LocalData1"], one["LocalData2"]) for one in value(32, ())
        ),
        is_stale=record.get("stale", False),
    )


def require_gobgp() -> None:
    """`LabError` when GoBGP is not installed."""
    if shutil.which("gobgpd") is None or shutil.which("gobgp") is None:
        raise LabError("GoBGP is not installed: run `apt-get install gobgpd`")
