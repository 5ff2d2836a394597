"""A real router: BIRD 2 in a namespace of a sandbox. Its control socket and its files are in the sandbox's home."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

from swimlb.lab import namespaces
from swimlb.lab.daemon import Daemon
from swimlb.lab.errors import LabError
from swimlb.lab.frr import kernel_next_hops
from swimlb.lab.router import FAMILIES, Neighbour, NeighbourState, Path, RouterConfig, as_numbers
from swimlb.lab.sandbox import Sandbox

_HEAD = re.compile(
    r"^(?P<prefix>\S+/\d+)? +(?:unicast|unreachable|blackhole) "
    r"\[\S+ \S+(?: from (?P<sender>\S+))?\](?P<flags>[ *!sE]*)\("
)
_GATEWAY = re.compile(r"^\s+via (\S+) on ")
_ATTRIBUTE = re.compile(r"^\s+BGP\.(?P<name>\w+): ?(?P<value>.*)$")
_COMMUNITY = re.compile(r"\(([\d, ]+)\)")
_ORIGINS = {"IGP": "igp", "EGP": "egp", "Incomplete": "incomplete"}


def bird_text(config: RouterConfig) -> str:
    """bird.conf. A protocol is called after its neighbour, `n192_0_2_10`."""
    lines = [
        "log stderr all;",
        f"router id {config.router_id};",
        # An interface of a namespace comes and goes with tests.
        "protocol device { scan time 1; }",
        "protocol direct { ipv4; ipv6; }",
    ]
    table = "" if config.kernel_table is None else f"kernel table {config.kernel_table}; "
    for family in FAMILIES:
        lines.append(
            f"protocol kernel kernel_{family} {{ {table}merge paths on limit {config.paths_max}; "
            f"{family} {{ import none; export where source = RTS_BGP; }}; }}"
        )
        own = "".join(f" route {prefix} unreachable;" for prefix in config.announced(family))
        lines.append(f"protocol static own_{family} {{ {family};{own} }}")
    lines += _bfd(config)
    for neighbour in config.neighbours:
        lines += _neighbour(config, neighbour)
    return "\n".join(lines) + "\n"


def _bfd(config: RouterConfig) -> Iterator[str]:
    """The timers of BIRD's BFD are those of interfaces, not of neighbours: the first one's count for all."""
    timers = next((one.bfd for one in config.neighbours if one.bfd), None)
    if timers is None:
        return
    settings = f"interval {timers.interval_ms} ms; multiplier {timers.detect_multiplier};"
    yield f'protocol bfd {{ interface "*" {{ {settings} }}; multihop {{ {settings} }}; }}'


def _neighbour(config: RouterConfig, neighbour: Neighbour) -> Iterator[str]:
    # `allow`: a name that is also a network makes any node of it a neighbour.
    is_range = "/" in neighbour.address
    target = f"range {neighbour.address}" if is_range else neighbour.address
    yield f"protocol bgp {protocol_name(neighbour.address)} {{"
    yield f"  local as {config.asn};"
    yield f"  neighbor {target} as {neighbour.asn};"
    if is_range:
        yield '  dynamic name "node";'
    if neighbour.is_passive:
        yield "  passive on;"
    yield f"  hold time {config.hold_time}; keepalive time {config.keepalive};"
    # By default it waits for over 40 s before it talks again to a neighbour that has failed.
    yield "  error wait time 1,2; connect retry time 1; connect delay time 1; startup hold time 10;"
    if neighbour.multihop is not None:
        yield f"  multihop {neighbour.multihop};"
    else:
        yield "  direct;"
    if neighbour.has_ttl_security:
        yield "  ttl security on;"
    if neighbour.password is not None:
        yield f'  password "{neighbour.password}";'
    if neighbour.role is not None:
        yield f"  local role {neighbour.role.replace('-', '_')};"
    if neighbour.bfd is not None:
        # Otherwise BFD's silence, while the neighbour restarts, ends what was kept for it.
        yield f"  bfd {'graceful' if neighbour.helps_restart else 'on'};"
    yield f"  graceful restart {'aware' if neighbour.helps_restart else 'off'};"
    yield "  enable extended messages on;"
    for family in neighbour.families:
        yield f"  {family} {{"
        yield f'    import all; export where proto = "own_{family}"; next hop self;'
        if family == "ipv4" and neighbour.has_extended_next_hop:
            yield "    extended next hop on;"
        if neighbour.max_prefixes is not None:
            yield f"    receive limit {neighbour.max_prefixes} action restart;"
        yield "  };"
    yield "}"


def protocol_name(address: str) -> str:
    return "n" + re.sub(r"\W", "_", address)


class Bird(Daemon):
    def __init__(self, sandbox: Sandbox, namespace: str, *, configuration: str) -> None:
        """`configuration` is the text of bird.conf, for example of `bird_text`."""
        super().__init__(sandbox, namespace, "bird")
        self._configuration = configuration
        self._control = self.home / "bird.ctl"

    def start(self) -> None:
        require_bird()
        self.home.mkdir(exist_ok=True)
        file = self.home / "bird.conf"
        file.write_text(self._configuration)
        self._control.unlink(missing_ok=True)  # A killed daemon leaves it behind.
        files = ("-c", str(file), "-s", str(self._control), "-P", str(self.home / "bird.pid"))
        self.launch(["bird", "-f", *files], is_ready=self._control.exists)

    def birdc(self, command: str) -> str:
        """What BIRD's shell answers."""
        return namespaces.run(("birdc", "-s", str(self._control), *command.split()))

    def neighbour(self, address: str) -> NeighbourState:
        return read_neighbour(self.birdc(f"show protocols all {protocol_name(address)}"))

    def table(self, family: str = "ipv4") -> dict[str, tuple[Path, ...]]:
        return read_table(self.birdc(f"show route table master{family[-1]} all where source = RTS_BGP"))

    def refresh(self, address: str) -> None:
        self.birdc(f"reload in {protocol_name(address)}")

    def detection_time(self, address: str) -> float | None:
        """BFD's, as agreed; None: it is not up."""
        return read_detection_time(self.birdc("show bfd sessions"), address)

    def next_hops(self, prefix: str) -> tuple[str, ...]:
        return kernel_next_hops(self.sandbox.namespace(self.namespace), prefix)


def read_neighbour(answer: str) -> NeighbourState:
    """The answer to `show protocols all NAME`."""

    def field(name: str) -> str:
        found = re.search(rf"^ +{name}: +(.*)$", answer, re.MULTILINE)
        return found[1].strip() if found else ""

    state = field("BGP state")
    return NeighbourState(
        state=state,
        is_established=state == "Established",
        last_error=field("Last error"),
        communication=field("Message").strip('"'),
    )


def read_detection_time(answer: str, address: str) -> float | None:
    """The answer to `show bfd sessions`: address, interface, state, since, interval, timeout."""
    rows = (line.split() for line in answer.splitlines())
    return next((float(row[-1]) for row in rows if row[:1] == [address] and row[2] == "Up"), None)


def read_table(answer: str) -> dict[str, tuple[Path, ...]]:
    """The answer to `show route all`: a prefix stands at the left once, its paths below each other."""
    found: dict[str, list[Path]] = {}
    prefix, neighbour, is_stale = "", "", False
    attributes: dict[str, str] = {}

    def finish() -> None:
        if attributes:
            found.setdefault(prefix, []).append(_path(neighbour, attributes, is_stale=is_stale))
            attributes.clear()

    for line in answer.splitlines():
        if head := _HEAD.match(line):
            finish()
            prefix, neighbour = head["prefix"] or prefix, head["sender"] or ""
            is_stale = head["flags"] is not None and "s" in head["flags"]
        elif (gateway := _GATEWAY.match(line)) and not neighbour:
            neighbour = gateway[1]  # BIRD names the sender only where another is to forward.
        elif attribute := _ATTRIBUTE.match(line):
            attributes[attribute["name"]] = attribute["value"]
    finish()
    return {prefix: tuple(paths) for prefix, paths in found.items()}


def _path(neighbour: str, attributes: dict[str, str], *, is_stale: bool) -> Path:
    def number(name: str) -> int | None:
        return int(attributes[name]) if name in attributes else None

    def communities(name: str) -> Iterator[list[int]]:
        for group in _COMMUNITY.findall(attributes.get(name, "")):
            yield [int(part) for part in group.split(",")]

    return Path(
        neighbour=neighbour,
        # Of IPv6 the global one is named first, then perhaps the link-local one.
        next_hop=attributes["next_hop"].split()[0],
        as_path=as_numbers(attributes.get("as_path", "")),
        origin=_ORIGINS[attributes["origin"]],
        med=number("med"),
        local_pref=number("local_pref"),
        communities=frozenset((one[0], one[1]) for one in communities("community")),
        large_communities=frozenset((one[0], one[1], one[2]) for one in communities("large_community")),
        is_stale=is_stale,
    )


def require_bird() -> None:
    """`LabError` when BIRD is not installed."""
    if shutil.which("bird") is None or shutil.which("birdc") is None:
        raise LabError("BIRD is not installed: run `apt-get install bird2`")
