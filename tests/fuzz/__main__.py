"""`python -m tests.fuzz [TARGET] [--seconds N]`: all targets, or one, for so long in all. Needs atheris.

What a fuzzer finds is left in tests/fuzz/findings/, and each file there is one argument more for the same command.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.fuzz import TARGETS

FINDINGS = Path(__file__).parent / "findings"
_MEMORY_MIB = 1024
"""libFuzzer ends the run as a finding when the process needs more."""
_INPUT_SECONDS = 5
_INPUT_OCTETS = 16_384
_STATISTIC = re.compile(r"^stat::((?:number_of|average|new|peak).*)$", re.MULTILINE)


def fuzz(target: str, seconds: int, inputs: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    atheris: Any = importlib.import_module("atheris")

    with atheris.instrument_imports(include=["membership", "announce", "tests.fuzz"]):
        from tests.fuzz.corpus import seeds
        from tests.fuzz.targets import FUNCTIONS

    FINDINGS.mkdir(exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={_MEMORY_MIB}",
        f"-timeout={_INPUT_SECONDS}",
        f"-max_len={_INPUT_OCTETS}",
        f"-artifact_prefix={FINDINGS}/{target}-",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(target)):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, *(inputs or [corpus])], FUNCTIONS[target])
        atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("inputs", nargs="*", help="files to run the target on, instead of searching")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    options = parser.parse_intermixed_args()
    if options.target is not None:
        fuzz(options.target, options.seconds, options.inputs)
    failed = [target for target in TARGETS if not _run(target, max(1, options.seconds // len(TARGETS)))]
    print("found by:", ", ".join(failed) if failed else "nobody")
    return 1 if failed else 0


def _run(target: str, seconds: int) -> bool:
    """In a process of its own, because libFuzzer ends it."""
    command = [sys.executable, "-m", "tests.fuzz", target, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120, check=False)
    print(f"{target:12} {seconds} s", *_STATISTIC.findall(done.stderr), flush=True)
    if done.returncode != 0:
        print(done.stderr[-4000:])
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
