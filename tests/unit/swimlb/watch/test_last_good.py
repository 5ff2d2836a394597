"""The last good state: what comes back from the disk is what went there, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import msgpack
import pytest

from swimlb.watch.last_good import FILE_NAME, LastGood, Unusable, load, pack, save, unpack, write

SCHEMA, NODE = 0x1234, "node-a"
TABLE = {"Pool/pool": b"\x00\xff", "Allocation/default/web": b"record"}
CONTENTS = ({"kind": "IPAddressPool", "metadata": {"name": "pool"}, "spec": {"addresses": ["192.0.2.0/24"]}},)


def octets_of(pieces: Iterable[bytes]) -> bytes:
    """The file that they come to."""
    file = BytesIO()
    write(file, pieces)
    return file.getvalue()


STATE = octets_of(pack(SCHEMA, NODE, 1000.5, TABLE, CONTENTS))


@pytest.mark.parametrize(
    ("schema", "node", "why"),
    [(SCHEMA + 1, NODE, "another version"), (SCHEMA, "node-b", "that of node node-a")],
)
def test_what_is_intact_but_not_ours_is_not_believed(schema: int, node: str, why: str) -> None:
    """Records of other fields mean something else; another node's marks are not ours."""
    with pytest.raises(Unusable, match=why):
        unpack(STATE, schema, node)


def test_what_a_later_version_writes_is_refused_by_this_one() -> None:
    """By its first octets, before anything else is looked at."""
    later = b"swimlb-3" + msgpack.packb({"anything": 1})

    with pytest.raises(Unusable, match="this version"):
        unpack(later, SCHEMA, NODE)


def test_goes_to_the_disk_and_back(tmp_path: Path) -> None:
    """In a directory that need not be there, for nobody else's eyes, and the newer one in place of the older."""
    path = tmp_path / "state" / FILE_NAME
    assert load(path, SCHEMA, NODE) is None

    save(path, pack(SCHEMA, NODE, 1.0, {}, ()))
    save(path, pack(SCHEMA, NODE, 1000.5, TABLE, CONTENTS))

    assert load(path, SCHEMA, NODE) == LastGood(TABLE, CONTENTS, 1000.5)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [FILE_NAME]


def test_a_write_that_fails_leaves_the_old_state(tmp_path: Path) -> None:
    """Here because the place of the new file is taken by a directory."""
    path = tmp_path / FILE_NAME
    save(path, pack(SCHEMA, NODE, 1000.5, TABLE, CONTENTS))
    (tmp_path / f".{FILE_NAME}.new").mkdir()

    with pytest.raises(OSError, match=os.strerror(21)):
        save(path, pack(SCHEMA, NODE, 2.0, {}, ()))
    assert load(path, SCHEMA, NODE) == LastGood(TABLE, CONTENTS, 1000.5)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """And is no reason not to start."""
    (tmp_path / FILE_NAME).mkdir()

    with pytest.raises(Unusable, match="cannot be read"):
        load(tmp_path / FILE_NAME, SCHEMA, NODE)
