"""How one node's speaker was told to run: the command line's values, checked, as both processes get them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any


class InvalidSettings(ValueError):
    """The operator's. Nothing was started."""

    def __init__(self, option: str, message: str, hint: str) -> None:
        super().__init__(f"{option}: {message}; {hint}")
        self.option, self.message, self.hint = option, message, hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything in it is a plain value, so that it passes to the two processes as one JSON argument."""

    node: str
    manifests: str
    bind_address: str
    bind_port: int = 7946
    join: tuple[str, ...] = ()
    """Other speakers, `address` or `address:port`. This node's own address may stand among them."""
    run_dir: str = "/run/swimlb"
    """Where this node's socket and crash records lie."""
    profile: str = "normal"
    lb_class: str | None = None
    system_namespace: str = "metallb-system"
    is_exclude_label_ignored: bool = False
    excluded_interfaces: tuple[str, ...] | None = None
    """Regular expressions; None: the list that MetalLB's manifests ship."""
    log_level: str = "info"

    def __post_init__(self) -> None:
        if not self.node or len(self.node.encode()) > 255:
            raise InvalidSettings("--node-name", "is empty or longer than 255 octets", "give the node's name")
        _address("--bind-address", self.bind_address)
        for seed in self.seeds():
            if not 0 < seed[1] < 65536:
                raise InvalidSettings("--join", f"{seed[1]} is not a port", "choose a port from 1 to 65535")

    def seeds(self) -> tuple[tuple[IPv4Address | IPv6Address, int], ...]:
        """Addresses and ports to join, this node's own left out."""
        own = (ip_address(self.bind_address), self.bind_port)
        seeds = (_endpoint("--join", text, self.bind_port) for text in self.join)
        return tuple(seed for seed in seeds if seed != own)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        values: dict[str, Any] = json.loads(text)
        for name in ("join", "excluded_interfaces"):
            # JSON has no tuples.
            values[name] = None if values[name] is None else tuple(values[name])
        return cls(**values)


def _endpoint(option: str, text: str, default_port: int) -> tuple[IPv4Address | IPv6Address, int]:
    """`192.0.2.1`, `192.0.2.1:7946`, `2001:db8::1`, `[2001:db8::1]:7946`."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if port and not port.isdecimal():
        raise InvalidSettings(option, f"{port!r} is not a port", "write ADDRESS or ADDRESS:PORT")
    return _address(option, host), int(port) if port else default_port


def _address(option: str, text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidSettings(option, f"{text!r} is not an IP address", "write it like 192.0.2.10") from error
