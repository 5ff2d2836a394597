"""Rings of any size that begin whole, for measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

from membership import Config, Profile, State
from membership.members import Record, Table
from swimlb.lab.simnet.network import MakeTable, SimNet
from swimlb.lab.simnet.prefilled import Population
from swimlb.lab.simnet.wire import Conditions

_BASE = IPv4Address("198.18.0.1")
"""Of the addresses for benchmarks (RFC 2544): the examples' networks are too small for thousands."""
_TABLES_OF_THEIR_OWN_MAX = 64
_NEVER = 1e9


def build(
    seed: int, count: int, profile: Profile, conditions: Conditions | None = None, *, push_pull: bool = True
) -> SimNet:
    """A ring of `count` members who all know each other. Small ones have tables of their own.

    `push_pull` off saves large rings the exchange of whole tables, which has nothing to tell them here and would be
    most of the work: 10,000 rows both ways, for each member every 100 seconds.
    """
    if not push_pull:
        profile = replace(profile, push_pull_interval=_NEVER)
    configs = [
        Config(name=f"node-{number}", address=str(_BASE + number), profile=profile) for number in range(count)
    ]
    net = SimNet(seed, conditions)
    make_table = Population(configs).table if count > _TABLES_OF_THEIR_OWN_MAX else _full_table(configs)
    for config in configs:
        net.add(config, make_table=make_table)
    return net


def _full_table(configs: Sequence[Config]) -> MakeTable:
    def make(local: Record, rng: Random) -> Table:
        table = Table(local, rng)
        for config in configs:
            if config.name != local.name:
                row = (config.name, config.octets, config.port, config.meta, config.versions)
                table.add(Record(*row, 1, State.ALIVE, changed_at=0.0))
        return table

    return make
