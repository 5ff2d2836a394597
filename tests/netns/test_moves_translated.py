"""Addresses move between nodes that translate, as kube-proxy does: connections that began elsewhere are kept.

    inside ──► the node that has the address now ──► the node where the connection began ──► server
       ▲                                                               │  ▲                     │
       └───────────────────────────────────────────────────────────────┘  └─────────────────────┘

The server has none of the addresses and sees only nodes. What a packet is translated to stands in the kernel of one node, so
a packet that arrives at another one is lost unless it is sent on (`--keep-connections`).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from itertools import islice

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from announce.net.daisy_chain import gateway_for
from swimlb.lab import namespaces
from swimlb.lab.errors import LabError
from swimlb.lab.lab import Lab
from swimlb.lab.measure import Connection
from swimlb.lab.observers import LoadRun
from swimlb.lab.sandbox import Sandbox
from swimlb.lab.topology import INSIDE, SWITCH, Host, walkthrough
from swimlb.lab.waiting import pause, wait_until
from swimlb.runtime import clock
from swimlb.speaker.departed import MISSES, QUESTION_INTERVAL
from tests.netns.dual import (
    PORT,
    Pair,
    addresses4,
    addresses6,
    find_pair,
    owners,
    rest,
    restart_under_load,
    write_manifests,
)

ADDRESSES = [*addresses4(6), *addresses6(6)]
SERVER = Host("server", "192.168.3.50")
FORGETFUL = ("--data-path", "forward", "--no-keep-connections")
KEEPING = ("--data-path", "forward", "--keep-connections")
STREAMS = 60
RATE = 100.0
FEW = 4
"""Streams where each one tells the same, two for each address of a pair."""
GOODBYE_MAX = 30.0
"""The speaker's, which has no option."""
FOUND_OUT = MISSES * QUESTION_INTERVAL
STREAM_GIVES_UP = 3.0
"""Where nobody answers."""
RESET = "ConnectionResetError"
MANY_LINKS = 30
CAUGHT_MAX = 2
"""New connections that are caught in the very moment of one of 24 moves: on a crowded machine one was, in one of ten runs."""
STRAY_PORT = 4321
_ETH_P_ALL = 0x0003
_BRIDGE = "br0"
_FRAME_OCTETS_MAX = 2048
_FRAMES_MAX = 1000
"""More than there are in the time; of a packet that goes back and forth there is no end."""

_TRANSLATION = """
table inet lab_translation {{
    chain prerouting {{
        type nat hook prerouting priority dstnat
        ip daddr {{ {addresses4} }} tcp dport {port} dnat ip to {server}
        ip6 daddr {{ {addresses6} }} tcp dport {port} dnat ip6 to {server6}
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat
        ct status dnat masquerade fully-random
    }}
    chain forward {{
        type filter hook forward priority filter
        ct state invalid drop
    }}
}}
"""


class TranslatingLab(Lab):
    """Its nodes have rules instead of workloads, before their speakers start: so connections are tracked from then on."""

    def start_backend(self, node: str) -> None:
        namespace = self.sandbox.namespace(node)
        namespaces.set_sysctls(namespace, namespaces.KUBERNETES_NODE_SYSCTLS)
        rules = _TRANSLATION.format(
            addresses4=", ".join(one for one in ADDRESSES if ":" not in one),
            addresses6=", ".join(one for one in ADDRESSES if ":" in one),
            port=PORT,
            server=SERVER.address,
            server6=SERVER.address6,
        )
        namespaces.run(namespaces.execute(namespace, "nft", "-f", "-"), stdin=rules)


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    check = f"tcp://{SERVER.address}:{PORT}"
    manifests = write_manifests(tmp_path_factory.mktemp("manifests"), ADDRESSES, check)
    lab = TranslatingLab(sandbox, walkthrough(3, (SERVER,)), manifests, KEEPING)
    lab.build()
    options = ("--name", SERVER.name, "--port", str(PORT))
    sandbox.start_module("workload", "swimlb.lab.backend", *options, namespace=SERVER.name)
    rest(lab)
    wait_until(
        lambda: all(owners(lab).get(address) for address in ADDRESSES),
        timeout=20,
        what="the server to be found ready, and every address to have an owner",
        seen=lambda: owners(lab),
    )
    rest(lab)
    wait_until_ready(lab)
    return lab


@pytest.fixture
def pair(lab: Lab) -> Pair:
    """Of a lab at rest, whose nodes know where all connections of other nodes' addresses are."""
    rest(lab)
    wait_until_ready(lab)
    return find_pair(lab)


def test_streams_live_on_while_every_speaker_is_restarted(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Streams live on and new connections are made while every address moves away and back, for IPv4 and IPv6."""
    before = owners(lab)
    seen = restart_under_load(lab, ADDRESSES, streams=STREAMS, rate=RATE)
    sent_on = {version: packets_sent_on(lab, version) for version in (4, 6)}

    with capsys.disabled():
        print(
            f"\n  rolling restart in {seen.took:.0f} s, traffic translated: {len(seen.broken)} of {len(seen.streams)} "
            f"streams and {len(seen.fresh)} new connections failed, {sent_on[4]} packets of IPv4 and {sent_on[6]} of IPv6 "
            "were sent on by the speakers that are there in the end",
            end="",
        )
    assert [one for one in seen.broken if one.is_stream] == []
    assert len(seen.broken) <= CAUGHT_MAX
    seen.check(STREAMS, RATE, SERVER.name)
    assert owners(lab) == before
    assert min(sent_on.values()) > 0


def test_streams_break_when_they_are_not_sent_on(lab: Lab, pair: Pair) -> None:
    """The same without the option: what has begun on the successor does not live when the owner returns."""
    lab.stop(pair.node)
    wait_until_moved(lab, pair)
    with LoadRun(lab.sandbox, pair.addresses, PORT, streams=FEW, rate=0) as load:
        pause(1.0)
        restart_with(lab, pair.node, FORGETFUL)
        pause(1.0)
    lab.stop(pair.node)
    restart_with(lab, pair.node, KEEPING)

    first = first_streams(load, FEW)
    assert {one.address for one in first} == set(pair.addresses)
    assert {one.error for one in first} == {RESET}


def test_a_stray_packet_goes_one_hop_and_no_further(lab: Lab, pair: Pair) -> None:
    """Of two nodes that take each other for the former owner neither gets it twice, and who has sent it is told."""
    lab.stop(pair.node)
    restart_with(lab, pair.node, KEEPING)
    for address in pair.addresses:
        successor = former(lab, pair.node)[address]
        assert successor is not None
        assert former(lab, successor)[address] == pair.node, "they would send it back and forth"

        frames = frames_of_stray(lab, address, lab.mac(pair.node))

        told, seen = split(frames, address)
        client, owner, other = (lab.mac(name) for name in (INSIDE.name, pair.node, successor))
        assert [(one.src, one.dst) for one in seen] == [(client, owner), (owner, other)]
        assert [str(one[TCP].flags) for one in told] == ["R"]


def test_nothing_is_sent_on_by_who_could_not_be_recognized(lab: Lab, pair: Pair) -> None:
    """With more interfaces than a node can tell the others of, these do not know from whom a packet comes: they might send it back."""
    namespace = lab.sandbox.namespace(pair.node)
    others = range(MANY_LINKS // 2)
    namespaces.ip_batch([f"link add a{one} type veth peer name b{one}" for one in others], namespace)
    for one in others:
        for end, host in (("a", 1), ("b", 2)):
            namespaces.ip_batch(
                [f"address add 10.{one}.{host}.1/24 dev {end}{one}", f"link set {end}{one} up"], namespace
            )
    try:
        wait_until(
            lambda: not any(":" not in address for address in former(lab, pair.node)),
            timeout=5,
            what=f"{pair.node} to send nothing on",
            seen=lambda: former(lab, pair.node),
        )
        assert not former(lab, pair.node)
    finally:
        namespaces.ip_batch([f"link delete a{one}" for one in others], namespace)
    wait_until_ready(lab)


def test_what_a_dead_owner_had_is_reset(lab: Lab, pair: Pair) -> None:
    """Nothing is sent to a host that was not heard of any more; its streams end at once instead of hanging."""
    survivors = [node.name for node in lab.network.nodes if node.name != pair.node]
    assert all(former(lab, name)[address] == pair.node for name in survivors for address in pair.addresses)

    with LoadRun(lab.sandbox, pair.addresses, PORT, streams=FEW, rate=0) as load:
        pause(1.0)
        lab.kill(pair.node)
        tables = swimlb_tables(lab, pair.node)
        wait_until_moved(lab, pair)
        wait_until_forgotten(lab, survivors, pair.node, timeout=2)
        pause(1.0)
    lab.start(pair.node)

    assert tables == []
    first = first_streams(load, FEW)
    assert {one.address for one in first} == set(pair.addresses)
    assert {one.error for one in first} == {RESET}


def test_who_has_left_for_good_is_sent_on_to_for_a_while(
    lab: Lab, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its streams live for as long as a speaker may take that is replaced, and are reset then."""
    survivors = [node.name for node in lab.network.nodes if node.name != pair.node]
    with LoadRun(lab.sandbox, pair.addresses, PORT, streams=FEW, rate=0) as load:
        pause(1.0)
        lab.stop(pair.node)
        left_at = clock.monotonic()
        tables, neighbours = swimlb_tables(lab, pair.node), stand_ins(lab, pair.node)
        successors = wait_until_moved(lab, pair)
        led = {former(lab, name)[address] for address, name in successors.items()}
        wait_until_forgotten(lab, survivors, pair.node, timeout=GOODBYE_MAX + 5)
        took = clock.monotonic() - left_at
        pause(1.0)
    lab.start(pair.node)

    first = first_streams(load, FEW)
    lived = min(one.ended for one in first) - left_at
    with capsys.disabled():
        print(
            f"\n  a speaker that does not return is forgotten after {took:.0f} s, streams lived for {lived:.0f} s",
            end="",
        )
    assert (tables, neighbours) == ([], []), "what a speaker has told the kernel ends with it"
    assert led == {pair.node}
    assert GOODBYE_MAX - 2 < took < GOODBYE_MAX + 2
    assert {one.error for one in first} == {RESET}
    assert lived > GOODBYE_MAX - 2


def test_who_is_switched_off_after_its_goodbye_is_found_out(
    lab: Lab, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a machine is that is shut down: until then its streams live, and not for long they hang."""
    survivors = [node.name for node in lab.network.nodes if node.name != pair.node]
    with LoadRun(lab.sandbox, pair.addresses, PORT, streams=FEW, rate=0) as load:
        pause(1.0)
        lab.stop(pair.node)
        wait_until_moved(lab, pair)
        pause(4.0)
        broken_before = [one for one in load.connections() if one.error is not None]
        off_at = clock.monotonic()
        lab.cut(pair.node)
        try:
            wait_until_forgotten(lab, survivors, pair.node, timeout=GOODBYE_MAX)
            took = clock.monotonic() - off_at
            pause(STREAM_GIVES_UP)
        finally:
            lab.heal(pair.node)
    lab.start(pair.node)

    with capsys.disabled():
        print(f"\n  a node that is switched off after its goodbye is forgotten after {took:.1f} s", end="")
    assert broken_before == []
    assert FOUND_OUT - 1 < took < FOUND_OUT + 3
    assert all(off_at < one.ended < off_at + took + STREAM_GIVES_UP for one in first_streams(load, FEW))


def test_a_kernel_that_picks_up_no_connections_is_told_of(lab: Lab, pair: Pair) -> None:
    """Once, with what to do; and what is done is noticed."""
    loose = "net/netfilter/nf_conntrack_tcp_loose"
    namespace = lab.sandbox.namespace(pair.node)
    lab.stop(pair.node)
    namespaces.set_sysctls(namespace, {loose: "0"})
    try:
        lab.start(pair.node)
        rest(lab)

        def refusals() -> list[str]:
            return [
                line for line in lab.log(pair.node).read_text().splitlines() if "connections_not_kept" in line
            ]

        wait_until(lambda: refusals() != [], timeout=10, what="the speaker to say why", seen=refusals)
        before = former(lab, pair.node)
    finally:
        namespaces.set_sysctls(namespace, {loose: "1"})
    wait_until_ready(lab)

    assert before == {}
    [refusal] = refusals()
    assert loose.replace("/", ".") in refusal


def restart_with(lab: Lab, node: str, options: tuple[str, ...]) -> None:
    """Start the node's speaker with these options, until all is as before."""
    lab.options = options
    try:
        lab.start(node)
    finally:
        lab.options = KEEPING
    rest(lab)
    if options == KEEPING:
        wait_until_ready(lab)


def wait_until_ready(lab: Lab) -> None:
    """Until each node knows where to send what it does not know, were it to own the addresses of others."""

    def missing() -> dict[str, list[str]]:
        owned, found = owners(lab), dict[str, list[str]]()
        for node in lab.network.nodes:
            known = former(lab, node.name)
            absent = [one for one in ADDRESSES if owned.get(one) != node.name and known.get(one) is None]
            if absent:
                found[node.name] = absent
        return found

    wait_until(
        lambda: not missing(),
        timeout=20,
        what="the kernel of each node to know who has the others' addresses",
        seen=missing,
    )


def wait_until_moved(lab: Lab, pair: Pair) -> dict[str, str]:
    """Until others have what the node had; who, by address."""
    witness = next(node.name for node in lab.network.nodes if node.name != pair.node)

    def successors() -> dict[str, str] | None:
        owned = owners(lab, seen_by=witness)
        found = {
            address: owner
            for address in pair.addresses
            if (owner := owned.get(address)) is not None and owner != pair.node
        }
        return found if len(found) == len(pair.addresses) else None

    return wait_until(
        successors,
        timeout=10,
        what=f"others to own what {pair.node} had",
        seen=lambda: owners(lab, seen_by=witness),
    )


def wait_until_forgotten(lab: Lab, survivors: Iterable[str], gone: str, timeout: float) -> None:
    """Until no survivor sends anything to that node."""

    def leading() -> dict[str, list[str]]:
        found = {
            name: [address for address, to in former(lab, name).items() if to == gone] for name in survivors
        }
        return {name: addresses for name, addresses in found.items() if addresses}

    wait_until(
        lambda: not leading(), timeout=timeout, what=f"nothing to lead to {gone} any more", seen=leading
    )


def former(lab: Lab, node: str) -> dict[str, str | None]:
    """Which node the kernel of this one sends unknown connections to, by address."""
    hops = {host.address: host.name for host in lab.network.nodes}
    for host in lab.network.nodes:
        mac = bytes.fromhex(lab.mac(host.name).replace(":", ""))
        hops[str(gateway_for(mac))] = host.name
    found: dict[str, str | None] = {}
    for family in ("ip", "ip6"):
        try:
            told = lab.sandbox.run(node, "nft", "-j", "list", "map", family, "swimlb", "former")
        except LabError:
            continue  # There is none yet.
        (of_map,) = (one["map"] for one in json.loads(told)["nftables"] if "map" in one)
        found.update({address: hops[gateway] for address, gateway in of_map.get("elem", ())})
    return found


def packets_sent_on(lab: Lab, version: int) -> int:
    """As the kernels of all nodes have counted them since the speakers have started."""
    family = "ip" if version == 4 else "ip6"
    total = 0
    for node in lab.network.nodes:
        told = lab.sandbox.run(node.name, "nft", "-j", "list", "chain", family, "swimlb", "prerouting")
        (rule,) = (one["rule"] for one in json.loads(told)["nftables"] if "rule" in one)
        total += sum(part["counter"]["packets"] for part in rule["expr"] if "counter" in part)
    return total


def swimlb_tables(lab: Lab, node: str) -> list[str]:
    tables = lab.sandbox.run(node, "nft", "list", "tables").splitlines()
    assert "table inet lab_translation" in tables
    return [one for one in tables if "swimlb" in one]


def stand_ins(lab: Lab, node: str) -> list[str]:
    """Neighbours that stand for members of which only the MAC is known."""
    neighbours = namespaces.ip_json(lab.sandbox.namespace(node), "-6", "neigh", "show", "nud", "permanent")
    return [one["dst"] for one in neighbours]


def first_streams(load: LoadRun, count: int) -> list[Connection]:
    """Those that the load began with; those that break are opened anew."""
    streams = [one for one in load.connections() if one.is_stream]
    return sorted(streams, key=lambda one: one.begun)[:count]


def frames_of_stray(lab: Lab, address: str, mac: str) -> list[Packet]:
    """What is seen on the LAN of a packet that belongs to no connection, and of what it brings about."""
    is_ipv6 = ":" in address
    network = IPv6(src=INSIDE.address6, dst=address) if is_ipv6 else IP(src=INSIDE.address, dst=address)
    stray = (
        Ether(src=lab.mac(INSIDE.name), dst=mac)
        / network
        / TCP(sport=STRAY_PORT, dport=PORT, flags="A", seq=1000, ack=2000)
    )
    with namespaces.entered(lab.sandbox.namespace(INSIDE.name)):
        client = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with namespaces.entered(lab.sandbox.namespace(SWITCH)):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    with client, tap:
        tap.setblocking(False)
        client.bind(("eth0", 0))
        client.send(bytes(stray))
        pause(0.5)
        return [Ether(frame) for frame in islice(frames_at(tap), _FRAMES_MAX)]


def frames_at(tap: socket.socket) -> Iterable[bytes]:
    """Each once: a frame enters the switch by one port, leaves by others, and is shown to the bridge itself."""
    while True:
        try:
            frame, (port, _, kind, *_) = tap.recvfrom(_FRAME_OCTETS_MAX)
        except BlockingIOError:
            return
        if kind != socket.PACKET_OUTGOING and port != _BRIDGE:
            yield frame


def split(frames: Iterable[Packet], address: str) -> tuple[list[Packet], list[Packet]]:
    """Frames from the address to the stray's sender, and those that hold the stray itself."""
    told: list[Packet] = []
    seen: list[Packet] = []
    for frame in frames:
        if TCP in frame and frame[TCP].dport == STRAY_PORT and frame.payload.src == address:
            told.append(frame)
        elif TCP in frame and frame[TCP].sport == STRAY_PORT and frame.payload.dst == address:
            seen.append(frame)
    return told, seen
