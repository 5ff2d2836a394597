"""What the operator and the protocol let one choose about a BFD session."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from announce.bfd.errors import InvalidConfig

IpAddress: TypeAlias = IPv4Address | IPv6Address

MILLISECOND_US = 1_000
INTERVAL_US_MIN = 50 * MILLISECOND_US
"""Of both directions. `make soak-bfd` shows what a process in Python can promise on busy cores."""

INTERVAL_US_MAX = 60_000 * MILLISECOND_US
SINGLE_HOP_TTL = 255
"""What a packet has that no router has forwarded (RFC 5881 section 5, RFC 5082)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What may change while the session is up, by a Poll Sequence (RFC 5880 section 6.8.3)."""

    desired_min_tx_us: int = 300 * MILLISECOND_US
    """Microseconds between packets that we would like to send. The peer may ask for fewer."""

    required_min_rx_us: int = 300 * MILLISECOND_US
    """Microseconds between packets that we can take."""

    detect_multiplier: int = 3
    """After how many missing packets of ours the peer gives us up."""

    echo_interval_us: int | None = None
    """Microseconds between Echo packets, in both directions. None: no Echo function."""

    def __post_init__(self) -> None:
        named = {"desired_min_tx_us": self.desired_min_tx_us, "required_min_rx_us": self.required_min_rx_us}
        if self.echo_interval_us is not None:
            named["echo_interval_us"] = self.echo_interval_us
        for name, interval_us in named.items():
            if not INTERVAL_US_MIN <= interval_us <= INTERVAL_US_MAX:
                raise InvalidConfig(name, f"choose from {INTERVAL_US_MIN} to {INTERVAL_US_MAX} microseconds")
        if not 1 <= self.detect_multiplier <= 255:
            raise InvalidConfig("detect_multiplier", "choose from 1 to 255")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    peer_address: IpAddress

    source_address: IpAddress | None = None
    """Local address to send from. None: the kernel chooses."""

    interface: str | None = None
    """Single hop only: packets go out here, and are taken from nowhere else. None: wherever the peer is."""

    device: str | None = None
    """The VRF of the session."""

    is_multihop: bool = False
    """RFC 5883: routers may stand between."""

    minimum_ttl: int = 254
    """Multihop only: what a packet must have left of its TTL."""

    is_passive: bool = False
    """Say nothing before the peer does (RFC 5880 section 6.1)."""

    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        if self.source_address is not None and self.source_address.version != self.peer_address.version:
            raise InvalidConfig("source_address", "choose an address of the family of peer_address")
        if not 1 <= self.minimum_ttl <= 254:
            raise InvalidConfig("minimum_ttl", "choose from 1 to 254")
        if self.is_multihop and self.timing.echo_interval_us is not None:
            raise InvalidConfig("echo_interval_us", "leave it out: RFC 5883 has no Echo function")
