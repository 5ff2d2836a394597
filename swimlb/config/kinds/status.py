"""What we write into `status`, and the kinds that hold nothing else. They are described here, and read nowhere."""

from __future__ import annotations

from enum import StrEnum

from swimlb.config.schema import Rule, at, record
from swimlb.config.types import Choice, Integer, ListOf, Nested, Text

_COUNT = Integer(0, 2**63 - 1)
_IMMUTABLE = (Rule("self == oldSelf", "Value is immutable"),)


@record()
class NoFields:
    """A section that every object has, and that holds nothing."""


@record()
class PoolStatus:
    assigned_ipv4: int = at(
        "assignedIPv4", _COUNT, default=0, required=True, about="IPv4 addresses of the pool in use."
    )
    assigned_ipv6: int = at(
        "assignedIPv6", _COUNT, default=0, required=True, about="IPv6 addresses of the pool in use."
    )
    available_ipv4: int = at(
        "availableIPv4", _COUNT, default=0, required=True, about="IPv4 addresses that are free."
    )
    available_ipv6: int = at(
        "availableIPv6",
        _COUNT,
        default=0,
        required=True,
        about="IPv6 addresses that are free; 9223372036854775807 stands for that many or more.",
    )


@record()
class InterfaceStatus:
    name: str = at("name", Text(), default="", about="Name of a network interface.")


@record()
class AnnouncedBy:
    node: str = at("node", Text(), default="", about="The node that announces the Service.", rules=_IMMUTABLE)
    service_name: str = at("serviceName", Text(), default="", about="Name of the Service.", rules=_IMMUTABLE)
    service_namespace: str = at(
        "serviceNamespace", Text(), default="", about="Namespace of the Service.", rules=_IMMUTABLE
    )


@record()
class L2Status(AnnouncedBy):
    interfaces: tuple[InterfaceStatus, ...] = at(
        "interfaces",
        ListOf(Nested(InterfaceStatus)),
        default=(),
        about="The interfaces it is announced on, when advertisements restrict them; absent: all.",
    )


@record()
class BgpStatus(AnnouncedBy):
    peers: tuple[str, ...] = at(
        "peers", ListOf(Text()), default=(), about="Names of the BGPPeers that the Service is advertised to."
    )


class Result(StrEnum):
    VALID = "Valid"
    INVALID = "Invalid"
    UNKNOWN = "Unknown"


class Truth(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@record()
class Condition:
    type: str = at("type", Text(), default="", required=True, about="What is judged.")
    status: Truth = at(
        "status", Choice(Truth), default=Truth.UNKNOWN, required=True, about="Whether it is so."
    )
    reason: str = at("reason", Text(), default="", required=True, about="Why, in one word.")
    message: str = at("message", Text(), default="", required=True, about="Why, for people.")
    last_transition_time: str = at(
        "lastTransitionTime", Text("date-time"), default="", required=True, about="Since when."
    )
    observed_generation: int = at(
        "observedGeneration", _COUNT, default=0, about="The generation of the object that was judged."
    )


@record()
class StateStatus:
    result: Result | None = at(
        "result",
        Choice(Result),
        default=None,
        about="Whether all configuration is in force as it is written.",
    )
    error_summary: str = at("errorSummary", Text(), default="", about="All that is wrong, a line each.")
    conditions: tuple[Condition, ...] = at(
        "conditions",
        ListOf(Nested(Condition), key="type"),
        default=(),
        about="One for each part that judges.",
    )
