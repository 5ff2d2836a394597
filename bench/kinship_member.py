"""A member of PyPI's kinship that writes the lines of tests/interop/ring_member.py; `PROFILE NAME ADDRESS [SEED]`."""

from __future__ import annotations

import asyncio
import json
import sys

import kinship


def _emit(event: str, name: str) -> None:
    print(json.dumps({"event": event, "node": {"name": name}}), flush=True)


async def main(profile: str, name: str, address: str, *seeds: str) -> None:
    make = {"lan": kinship.Config.lan, "local": kinship.Config.local}[profile]
    config = make(name=name, bind=address, seeds=list(seeds), insecure_plaintext=True)
    async with kinship.Cluster(config) as cluster:
        # The events begin with those who are there already, or they are in `members`; both may be told.
        for member in cluster.members():
            _emit("join", member.name)
        async for event in cluster.events():
            match event:
                case kinship.MemberJoined(member=member):
                    _emit("join", member.name)
                case kinship.MemberDead(member=member) | kinship.MemberLeft(member=member):
                    _emit("leave", member.name)
                case _:
                    pass


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
