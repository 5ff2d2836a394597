"""Who this member is, and how it keeps time: `Config` and the named profiles."""

from __future__ import annotations

from dataclasses import dataclass, field

from membership.address import Endpoint, host_of, octets_of
from membership.errors import InvalidConfig
from membership.keyring import Encryption
from membership.wire.codec import META_OCTETS_MAX, NAME_OCTETS_MAX
from membership.wire.crypto import SealVersion
from membership.wire.label import LABEL_OCTETS_MAX, overhead

PROTOCOL_VERSIONS = (1, 5, 2)
"""PMin, PMax, PCur, as every known member sends them."""
MESSAGE_OCTETS_MAX = 1200
"""The longest single message, of a long name and a full meta, must fit into a packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The timing of a member. All members of a ring should have the same one: of those that differ, the quicker
    observers accuse first, and it takes a majority of such for a quick verdict.

    The defaults are `normal()`'s; change single fields with `dataclasses.replace(normal(), ...)`.
    """

    name: str = "normal"

    observers: int = 3
    """How many members observe each one, beside the probes; 0: none, as in memberlist."""

    observe_interval: float = 0.125
    """Time between an observer's pings. A member sends `2 * observers / observe_interval` packets a second."""

    observe_timeout: float = 0.08
    """An ack that takes longer is a miss, and starts a burst. Whoever is accused has half of it to refute."""

    burst_interval: float = 0.022
    """Time between the pings of a burst: with `observe_misses`, how soon an observer is sure."""

    observe_misses: int = 9
    """Pings in a row without an answer before an observer accuses.

    Loss decides: with 20 % each way a ping is missed with a chance of 0.36, and nine in a row with one of 0.0001.
    """

    observe_silence: float = 0.36
    """Nothing at all is heard from a member for so long before an observer accuses it.

    The longest stall to be tolerated, and some more: a stalled member answers everything when it wakes.
    """

    accusation_window: float = 1.5
    """How long an observer's accusation counts as a vote."""

    probe_interval: float = 1.0
    """Time between probes. Shorter finds failures sooner and costs packets in proportion."""

    probe_timeout: float = 0.2
    """How long to wait for a direct ack before helpers are asked: about the 99th percentile of the round trip.

    Stays below `probe_interval`, so that the indirect probes fit in the same round.
    """

    indirect_checks: int = 3
    """How many members are asked to ping one that did not answer."""

    disable_tcp_pings: bool = False
    """Do not try TCP when UDP gets no answer. TCP keeps a member alive whose UDP is blocked."""

    suspicion_mult: int = 3
    """The shortest suspicion lasts `suspicion_mult * max(1, log10(n)) * probe_interval`.

    It also sets how many further accusers make it that short: `suspicion_mult - 2`, or as many as there are.
    """

    suspicion_max_timeout_mult: int = 6
    """The longest suspicion, in shortest ones: what a lone accuser has to wait."""

    awareness_max_multiplier: int = 8
    """How many times longer a member waits for answers when it has reason to doubt itself (Lifeguard)."""

    gossip_interval: float = 0.05
    """Time between gossip rounds while there is news. Urgent news does not wait for the next one."""

    gossip_nodes: int = 3
    """Members told in one gossip round."""

    gossip_to_the_dead_time: float = 30.0
    """For how long the dead are still gossiped to and remembered. It is how they learn that they are dead."""

    retransmit_mult: int = 4
    """News is sent `retransmit_mult * ceil(log10(n + 1))` times by each member."""

    push_pull_interval: float = 10.0
    """Time between exchanges of the whole table with one random member, stretched in rings above 32 members."""

    stream_timeout: float = 2.0
    """The longest a TCP exchange may take, all of it."""

    reconnect_interval: float = 1.0
    """Time between pings to a lost member or an unreached seed. It heals a cut within about two of them."""

    dead_node_reclaim_time: float = 0.0
    """After this long a dead member's name may come back from another address; 0 means never, as in memberlist."""

    packet_octets_max: int = 1400
    """Gossip fills packets up to this size, which should pass the network without fragments."""

    compression: bool = False
    """Send compressed: packets that get smaller by it, and every stream. What comes in compressed is read anyway.

    Off here, because a host's network has the octets to spare, and LZW in Python costs more time than all the rest of a
    packet; on in memberlist's own profiles, as it is there.
    """

    members_max: int = 16_384
    """Members known at a time, the dead included. Further ones are ignored and reported: forged joins end here."""

    def __post_init__(self) -> None:
        if self.observers < 0:
            raise InvalidConfig("observers", "choose 0 or more")
        if not 0 < self.observe_timeout < self.observe_interval:
            raise InvalidConfig("observe_timeout", "choose a value between 0 and observe_interval")
        if self.probe_interval <= 0:
            raise InvalidConfig("probe_interval", "choose a value above 0")
        if not 0 < self.probe_timeout < self.probe_interval:
            raise InvalidConfig("probe_timeout", "choose a value between 0 and probe_interval")
        for name in (
            *("gossip_interval", "push_pull_interval", "stream_timeout", "reconnect_interval"),
            *("burst_interval", "observe_silence", "accusation_window"),
        ):
            if getattr(self, name) <= 0:
                raise InvalidConfig(name, "choose a value above 0")
        for name in (
            *("suspicion_mult", "suspicion_max_timeout_mult", "awareness_max_multiplier"),
            *("gossip_nodes", "retransmit_mult", "members_max", "observe_misses"),
        ):
            if getattr(self, name) < 1:
                raise InvalidConfig(name, "choose 1 or more")
        for name in ("indirect_checks", "gossip_to_the_dead_time", "dead_node_reclaim_time"):
            if getattr(self, name) < 0:
                raise InvalidConfig(name, "choose 0 or more")
        if not MESSAGE_OCTETS_MAX <= self.packet_octets_max <= 65_507:
            raise InvalidConfig(
                "packet_octets_max", "choose a value from 1200 to 65507, the largest datagram"
            )

    @property
    def reminder_interval(self) -> float:
        """How often an accuser tells the accused, so that it can refute."""
        return self.observe_timeout if self.observers else self.probe_timeout


def normal() -> Profile:
    """Our default: a crash is known to all in 0.5 s by the median and 0.8 s at worst, for 3 to 20 members.

    Half of the members at once: 1 s. A member that stalls for 300 ms, and 20 % loss each way, cost nobody its life. A
    member sends at most 70 packets a second at rest, whatever the size of the ring.
    """
    return Profile()


def fast() -> Profile:
    """For members on one switch that run on time: a crash is known to all in 0.12 s by the median, 0.25 s at worst.

    A member that stalls for 50 ms, and 5 % loss each way, cost nobody its life. A member sends at most 320 packets a second.
    """
    return Profile(
        name="fast",
        observe_interval=0.02,
        observe_timeout=0.012,
        burst_interval=0.008,
        observe_misses=6,
        observe_silence=0.075,
        accusation_window=0.5,
        probe_interval=0.5,
        probe_timeout=0.1,
        gossip_interval=0.02,
    )


def lan() -> Profile:
    """memberlist's DefaultLANConfig: for a ring with MetalLB speakers or serf agents in it.

    A crash is known to all no later than with memberlist: in 7.5 s by the median, 12 s at worst, for 3 to 20 members. A
    stall of 4.5 s, and 20 % loss each way, cost nobody its life. At most 3 packets a second.
    """
    return Profile(
        name="lan",
        observers=0,
        probe_interval=1.0,
        probe_timeout=0.5,
        suspicion_mult=4,
        gossip_interval=0.2,
        push_pull_interval=30.0,
        stream_timeout=10.0,
        compression=True,
    )


def wan() -> Profile:
    """memberlist's DefaultWANConfig: for members whose paths are long, or that stop for seconds.

    A crash is known to all no later than with memberlist: in 50 s by the median, 75 s at worst, for 3 to 20 members. A
    stall of 30 s, and 20 % loss each way, cost nobody its life. At most 1 packet a second.
    """
    return Profile(
        name="wan",
        observers=0,
        probe_interval=5.0,
        probe_timeout=3.0,
        suspicion_mult=6,
        gossip_interval=0.5,
        gossip_nodes=4,
        gossip_to_the_dead_time=60.0,
        push_pull_interval=60.0,
        stream_timeout=30.0,
        reconnect_interval=5.0,
        compression=True,
    )


def local() -> Profile:
    """memberlist's DefaultLocalConfig: members on one host."""
    return Profile(
        name="local",
        observers=0,
        probe_interval=1.0,
        probe_timeout=0.2,
        indirect_checks=1,
        suspicion_mult=3,
        gossip_interval=0.1,
        gossip_to_the_dead_time=15.0,
        retransmit_mult=2,
        push_pull_interval=15.0,
        stream_timeout=1.0,
        compression=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a member is started with."""

    name: str
    """Unique in the ring, and the same after a restart: the name of the node."""

    address: str
    """The numeric address that others reach this member at. Never a wildcard."""

    port: int = 7946
    """UDP and TCP port of `address`."""

    meta: bytes = b""
    """What every member shall know of this one; see MetaChanged for later values."""

    delegate_versions: tuple[int, int, int] | None = (0, 0, 0)
    """Min, max and current version of the application, the same in all of the ring: 0,0,0 with MetalLB, 2,5,5 with serf.

    None: those of the ring that is joined, 0,0,0 until then. The first join finds out, and is done once more.
    """

    label: str = ""
    """The ring's name in front of every packet, at most 255 octets; memberlist 0.2 and MetalLB have none."""

    encryption: Encryption = field(default_factory=Encryption)
    """Keys, primary first; none: plaintext. See EncryptionChanged for later ones."""

    profile: Profile = field(default_factory=normal)

    capability_prefix: bytes = b""
    """How the meta of a member begins that can keep the pace of a profile with observers.

    While somebody is in the ring whose meta begins otherwise, memberlist's LAN timing is in force. Empty: all can.
    """

    def __post_init__(self) -> None:
        if not 0 < len(self.name.encode()) <= NAME_OCTETS_MAX:
            raise InvalidConfig("name", f"choose a name of 1 to {NAME_OCTETS_MAX} octets")
        try:
            octets = octets_of(self.address)
        except ValueError:
            raise InvalidConfig("address", "give a numeric IP address") from None
        if not any(octets):
            raise InvalidConfig("address", "give the address others reach this member at, not a wildcard")
        if not 0 < self.port <= 65_535:
            raise InvalidConfig("port", "choose a port from 1 to 65535")
        if len(self.meta) > META_OCTETS_MAX:
            raise InvalidConfig("meta", f"shorten it to {META_OCTETS_MAX} octets")
        low, high, current = self.delegate_versions or (0, 0, 0)
        if not 0 <= low <= current <= high <= 255:
            raise InvalidConfig(
                "delegate_versions", "give min, max, current with min <= current <= max <= 255"
            )

        label = self.label.encode()
        if len(label) > LABEL_OCTETS_MAX:
            raise InvalidConfig("label", f"shorten it to {LABEL_OCTETS_MAX} octets")
        around = overhead(label) + SealVersion.PADDED.overhead
        if label and self.profile.packet_octets_max - around < MESSAGE_OCTETS_MAX:
            raise InvalidConfig(
                "label", f"shorten it, or let packet_octets_max be {MESSAGE_OCTETS_MAX + around} or more"
            )

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(host_of(self.octets), self.port)

    @property
    def octets(self) -> bytes:
        return octets_of(self.address)

    @property
    def versions(self) -> bytes:
        return bytes((*PROTOCOL_VERSIONS, *(self.delegate_versions or (0, 0, 0))))
