"""What `make image` has put into the archive. That it runs as the chart says is tested in tests/kube/test_image.py."""

from __future__ import annotations

import gzip
import io
import json
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from swimlb import __version__

ARCHIVE = Path(__file__).parents[2] / "dist/swimlb.oci.tar"
PACKED_MAX, UNPACKED_MAX = 42_000_000, 115_000_000
"""Octets: a tenth more than it has."""

pytestmark = pytest.mark.interop


@dataclass(frozen=True, slots=True)
class Image:
    configuration: dict[str, Any]
    files: dict[str, tarfile.TarInfo]
    """By path, without a slash at its head."""


@pytest.fixture(scope="module")
def image() -> Image:
    assert ARCHIVE.exists(), "`make image` builds it"
    with tarfile.open(ARCHIVE) as archive:

        def blob(described: dict[str, str]) -> bytes:
            found = archive.extractfile(f"blobs/{described['digest'].replace(':', '/')}")
            assert found is not None
            return found.read()

        index = archive.extractfile("index.json")
        assert index is not None
        manifest = json.loads(blob(json.load(index)["manifests"][0]))
        files: dict[str, tarfile.TarInfo] = {}
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layer)))) as content:
                files |= {one.name.removeprefix("./").rstrip("/"): one for one in content}
        return Image(json.loads(blob(manifest["config"])), files)


def test_it_is_small(image: Image) -> None:
    """Every node pulls it, and a node that comes back waits for it."""
    assert ARCHIVE.stat().st_size < PACKED_MAX
    assert sum(one.size for one in image.files.values()) < UNPACKED_MAX


def test_nothing_in_it_starts_or_installs_anything_else(image: Image) -> None:
    """Two programs: Python and ours."""
    programs = {name for name, one in image.files.items() if one.isfile() and "bin" in name.split("/")[:3]}

    assert programs == {"usr/bin/python3.11", "usr/local/bin/swimlb"}
    modules = {
        name.split("/")[5] for name in image.files if name.count("/") >= 5 and "dist-packages/" in name
    }
    assert {"swimlb", "membership", "announce", "aiohttp"} <= modules
    assert not {"pip", "setuptools", "hatchling"} & modules


def test_only_root_may_change_it(image: Image) -> None:
    for name, one in image.files.items():
        assert (one.uid, one.gid) == (0, 0), name
        assert not one.mode & (stat.S_ISUID | stat.S_ISGID), name
        assert one.issym() or name == "tmp" or not one.mode & stat.S_IWOTH, name


def test_every_module_is_compiled(image: Image) -> None:
    """On a read-only root nobody could keep what compiling gives."""
    sources = [Path(name) for name in image.files if name.endswith(".py") and "/swimlb/" in name]

    assert len(sources) > 200
    missing = [
        one for one in sources if f"{one.parent}/__pycache__/{one.stem}.cpython-311.pyc" not in image.files
    ]
    assert missing == []


def test_it_tells_what_it_is_and_what_it_is_made_of(image: Image) -> None:
    """For registries, for scanners, and for lawyers."""
    assert image.configuration["config"]["Entrypoint"] == ["/usr/local/bin/swimlb"]
    assert image.configuration["config"]["Labels"]["org.opencontainers.image.version"] == __version__
    packages = {name.rpartition("/")[2] for name in image.files if name.startswith("var/lib/dpkg/status.d/")}
    assert {"libc6", "libssl3", "python3.11"} <= packages
    assert "usr/share/doc/libssl3/copyright" in image.files
