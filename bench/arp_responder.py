"""The LAN side of the *wire* process by itself, for a benchmark: owns addresses, answers for them until SIGTERM.

python -m bench.arp_responder --first 198.18.0.1 --count 10000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import signal
from ipaddress import IPv4Address

from announce import l2
from announce.net.prompt_loop import PromptLoop
from swimlb.observe.logs import configure
from swimlb.runtime.priority import take_precedence
from swimlb.runtime.recorder import Recorder
from swimlb.speaker import effects as fx
from swimlb.wire.lan import Lan

_QUIET = l2.Config(announce_at=(0.0,), refresh_interval=None, frames_per_second=1e6, frames_at_once=100_000)
"""Its announcements are not what is measured: at their ordinary pace those of 10,000 addresses take two minutes."""


async def run(first: IPv4Address, count: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    log = configure("error", process="wire", node="bench")
    responder = l2.Responder(_QUIET, random.Random())
    lan = Lan(responder, Recorder(), log, lambda _: None, is_data_path_local=False)
    lan.start()
    for number in range(count):
        lan.perform(fx.Announce(first + number, None))
    await ended.wait()
    lan.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.arp_responder")
    parser.add_argument("--first", required=True, type=IPv4Address)
    parser.add_argument("--count", required=True, type=int)
    options = parser.parse_args()
    # As *wire* does.
    take_precedence()
    gc.freeze()
    with asyncio.Runner(loop_factory=PromptLoop) as runner:
        runner.run(run(options.first, options.count))


if __name__ == "__main__":
    main()
