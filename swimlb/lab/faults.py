"""Faults of the lab's switch: dead links, loss and partitions.

Loss and partitions are one nftables table in the switch's namespace, written whole from the faults in force, so
that any sequence of commands ends in what the last ones said. Loss is of single frames, at random, in each
direction on its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations, product

from swimlb.lab import namespaces
from swimlb.lab.errors import LabError
from swimlb.lab.topology import switch_port

_TABLE = "table bridge lab_faults"
GOSSIP_PORT = 7946
_PER_MILLE = 10
"""Thousandths: loss of less than a percent is a percentage with a decimal."""
_ALL = 1000


def ruleset(loss: Mapping[str, float], partition: Sequence[Sequence[str]]) -> str:
    """The nftables text that puts exactly these faults in force: loss in percent by host, groups apart."""
    apart = [
        f"{switch_port(one)} . {switch_port(other)}"
        for group, others in permutations(partition, 2)
        for one in group
        for other in others
    ]
    elements = f" elements = {{ {', '.join(apart)} }};" if apart else ""
    lines = [
        f"{_TABLE} {{}}",
        f"delete {_TABLE}",
        f"{_TABLE} {{",
        f"  set apart {{ type ifname . ifname;{elements} }}",
        "  chain forward {",
        "    type filter hook forward priority 0; policy accept;",
        "    iifname . oifname @apart counter drop",
    ]
    for host, percent in loss.items():
        # Each frame meets one of the two rules: it comes from the host, or goes to it.
        lines += [
            f'    {direction} "{switch_port(host)}"{_chance(percent)} counter drop'
            for direction in ("iifname", "oifname")
        ]
    return "\n".join([*lines, "  }", "}", ""])


def _chance(percent: float) -> str:
    thousandths = round(percent * _PER_MILLE)
    # nftables refuses a limit that every number is below.
    return "" if thousandths >= _ALL else f" numgen random mod {_ALL} < {thousandths}"


def parse_groups(text: str) -> tuple[tuple[str, ...], ...]:
    """`a,b/c,d` as groups that are to be apart; `none` is no partition."""
    if text == "none":
        return ()
    groups = tuple(tuple(filter(None, part.split(","))) for part in text.split("/"))
    members = [member for group in groups for member in group]
    if len(groups) < 2 or not all(groups) or len(set(members)) != len(members):
        raise LabError(
            f"`{text}` is no partition: write two groups or more, `node-a,node-b/node-c`, or `none`"
        )
    return groups


def check_percent(percent: float) -> float:
    if not 0 <= percent <= 100:
        raise LabError(f"loss is a percentage, 0 to 100, not {percent:g}")
    if percent and not round(percent * _PER_MILLE):
        raise LabError(f"loss comes in tenths of a percent: {percent:g} is less than one")
    return percent


def apply(switch: str, loss: Mapping[str, float], partition: Sequence[Sequence[str]]) -> None:
    """Put exactly these faults in force in the switch's namespace."""
    namespaces.run(namespaces.execute(switch, "nft", "-f", "-"), stdin=ruleset(loss, partition))


def drop(switch: str, name: str, matches: Sequence[str]) -> None:
    """Drop what any of these nftables matches fits, over and above the faults of `apply`, until `end_drop`."""
    rules = "".join(f"    {match} counter drop\n" for match in matches)
    table = f"table bridge {name}"
    text = (
        f"{table} {{}}\ndelete {table}\n{table} {{\n"
        f"  chain forward {{\n    type filter hook forward priority 1; policy accept;\n{rules}  }}\n}}\n"
    )
    namespaces.run(namespaces.execute(switch, "nft", "-f", "-"), stdin=text)


def end_drop(switch: str, name: str) -> None:
    namespaces.run(namespaces.execute(switch, "nft", "delete", "table", "bridge", name))


def from_to(senders: Iterable[str], receivers: Iterable[str], match: str = "") -> list[str]:
    """Matches for frames of any of these hosts to any of those."""
    return [
        f'iifname "{switch_port(sender)}" oifname "{switch_port(receiver)}" {match}'.strip()
        for sender, receiver in product(senders, receivers)
    ]


def gossip_between(groups: Sequence[Sequence[str]], port: int = GOSSIP_PORT) -> list[str]:
    """Matches for what the members of different groups say to each other by gossip, and nothing else."""
    return [
        match
        for group, others in permutations(groups, 2)
        for end in ("sport", "dport")
        for match in from_to(group, others, f"meta l4proto {{ tcp, udp }} th {end} {port}")
    ]


def questions_to(host: str, version: int) -> str:
    """A match for questions of ARP, or of neighbour discovery, that are for everybody and would reach this host.

    Those to the host alone pass: by these neighbours make sure of what they know, and gossip would end without them.
    """
    kind = (
        "ether daddr ff:ff:ff:ff:ff:ff ether type arp"
        if version == 4
        else "ip6 daddr ff02::1:ff00:0/104 icmpv6 type nd-neighbor-solicit"
    )
    return f'oifname "{switch_port(host)}" {kind}'


def set_link(switch: str, host: str, *, is_up: bool) -> None:
    """Cut or mend a host's cable, at the switch: the host itself does not notice."""
    namespaces.ip_batch([f"link set {switch_port(host)} {'up' if is_up else 'down'}"], switch)
