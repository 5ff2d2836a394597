"""What a process gives up, as the kernel tells of it: each in a process of its own, since nothing comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from swimlb.runtime.privileges import Capability


def run(body: str, *arguments: object) -> dict[str, str]:
    """What the body has put into `told`, in a new process."""
    script = (
        "import json, os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from swimlb.runtime.privileges import Capability, hide, keep_capabilities\n"
        "told = {}\n"
        f"{textwrap.dedent(body)}\n"
        "print(json.dumps(told))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


STATUS = """
told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
"""


def capabilities(status: dict[str, str], which: str) -> int:
    return int(status[which].strip(), 16)


def test_who_keeps_none_has_none_and_gets_none_back() -> None:
    """Not in any of the sets, and no program that it starts has any either."""
    status = run("keep_capabilities(frozenset())" + STATUS)
    child = run(
        """
        keep_capabilities(frozenset())
        text = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout
        told = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        """
    )

    for found in (status, child):
        assert [capabilities(found, which) for which in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0] * 4
        assert found["NoNewPrivs"].strip() == "1"


def test_what_is_kept_is_all_that_is_left() -> None:
    """Of what there was: nobody gains anything by keeping."""
    before = run(STATUS)
    status = run("keep_capabilities(frozenset(Capability))" + STATUS)

    kept = sum(1 << capability for capability in Capability)
    for which in ("CapPrm", "CapEff"):
        assert capabilities(status, which) == capabilities(before, which) & kept
    may_drop = capabilities(before, "CapEff") & 1 << 8  # CAP_SETPCAP
    assert capabilities(status, "CapBnd") == capabilities(before, "CapBnd") & (kept if may_drop else -1)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A directory like the one that a Pod finds its token in, between others."""
    inner = tmp_path / "secrets" / "serviceaccount"
    (inner / "..data").mkdir(parents=True)
    (inner / "..data" / "token").write_text("secret")
    (inner / "token").symlink_to("..data/token")
    (tmp_path / "secrets" / "other").write_text("open")
    (tmp_path / "link").symlink_to(inner)
    return tmp_path


READ = """
for path in map(Path, sys.argv[1:]):
    try:
        told[str(path)] = path.read_text()
    except OSError as error:
        told[str(path)] = type(error).__name__
"""


def test_what_is_hidden_cannot_be_read_by_any_way(secrets: Path) -> None:
    """Nor through a link, nor by a program that the process starts; what lies beside it can."""
    token, other = secrets / "secrets/serviceaccount/token", secrets / "secrets/other"
    paths = (secrets / "link", token, secrets / "link/token", other, "/etc/passwd")
    told = run(
        f"""
        keep_capabilities(frozenset())
        told["is_hidden"] = hide([Path(sys.argv.pop(1))])
        {textwrap.indent(READ, " " * 8).strip()}
        told["child"] = subprocess.run(["cat", sys.argv[2]], capture_output=True, text=True).stdout
        """,
        *paths,
    )
    if not told.pop("is_hidden"):
        pytest.skip("this kernel has no Landlock")

    assert told[str(token)] == told[str(secrets / "link/token")] == "PermissionError"
    assert told[str(other)] == "open"
    assert told["/etc/passwd"]
    assert told["child"] == ""


def test_nothing_is_hidden_where_there_is_nothing(tmp_path: Path) -> None:
    """As on a host without Kubernetes."""
    told = run(f'told["is_hidden"] = hide([Path(sys.argv.pop(1))]){READ}', tmp_path / "none", "/etc/passwd")

    assert told["is_hidden"] is True
    assert "root" in told["/etc/passwd"]
