"""The last good state, on the node's disk: what *wire* was told to serve, for a start while the API server is away.

One file, written beside the old one and put in its place when it is whole, so that there is always an intact one. It begins with
a digest of the rest: what was torn or altered is not believed. What another version of swimlb wrote, whose records have other
fields, or another node, is not believed either: then the node waits for the API server as if there were no file. It holds the
passwords of BGP peers as the API server gave them, and only its owner may read it.

    octets 0-7    "swimlb-2"
    octets 8-39   SHA-256 of the rest
    the rest      msgpack: [schema of the records, node, when (seconds since 1970), {key: record}, [object]]

The objects are those that were declared to us, each in the version that is in force: where the newest one is refused, the last
good one, which stays in force when the API server has only the newest one to tell.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgpack

from swimlb.config import Ref
from swimlb.kube.in_force import Content, ref_of
from swimlb.model import Allocation, Service
from swimlb.runtime import records

FILE_NAME = "last-good-state"
STATE_OCTETS_MAX = 256 * 1024 * 1024
"""A thousand times what 500 Services take; more is no state of ours."""

_MAGIC = b"swimlb-2"
_RECORDS = {"BGPPeer": "BgpPeer", "BGPAdvertisement": "BgpAdvertisement"}
"""Under which kind of record the table has what outlives the objects that it refers to."""

_HEAD_OCTETS = len(_MAGIC) + sha256().digest_size


class Unusable(ValueError):
    """There is no state to start from; the text says why. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class LastGood:
    table: Mapping[str, bytes]
    """Records by key, as they go over the link."""
    contents: tuple[Content, ...]
    """Objects as manifests have them."""
    saved_at: float
    """Seconds since 1970."""

    def meanings(self) -> Iterator[tuple[Ref, object]]:
        """What those of the objects mean that outlive what they refer to."""
        for ref in map(ref_of, self.contents):
            record = self._record(f"{_RECORDS.get(ref.kind)}/{ref.name}")
            if record is not None:
                yield ref, record

    def service(self, key: str) -> Service | None:
        """As it was announced, with its addresses."""
        record = self._record(f"Allocation/{key}")
        if not isinstance(record, Allocation):
            return None
        return replace(record.service, held_addresses=record.addresses)

    def _record(self, key: str) -> object:
        data = self.table.get(key)
        return None if data is None else records.decode(data)


def pack(
    schema: int, node: str, saved_at: float, table: Mapping[str, bytes], contents: Iterable[Content]
) -> Iterator[bytes]:
    """What follows the digest, in pieces: with 10,000 Services the whole is 4 MB, which nobody has to hold."""
    packer = msgpack.Packer(use_bin_type=True)
    yield packer.pack_array_header(5)
    yield from map(packer.pack, (schema, node, saved_at))
    yield packer.pack_map_header(len(table))
    for key, value in table.items():
        yield packer.pack(key)
        yield packer.pack(value)
    yield packer.pack(list(contents))


def write(file: BinaryIO, pieces: Iterable[bytes]) -> None:
    """Write a state to a file that is empty."""
    digest = sha256()
    file.write(_MAGIC + bytes(digest.digest_size))
    for piece in pieces:
        digest.update(piece)
        file.write(piece)
    file.seek(len(_MAGIC))
    file.write(digest.digest())


def unpack(data: bytes, schema: int, node: str) -> LastGood:
    """What was written, by the same version and node; raises Unusable for anything else."""
    if not data.startswith(_MAGIC):
        raise Unusable("it is not a state of this version of swimlb")
    body = data[_HEAD_OCTETS:]
    if sha256(body).digest() != data[len(_MAGIC) : _HEAD_OCTETS]:
        raise Unusable("it is damaged")
    try:
        its_schema, its_node, saved_at, table, contents = msgpack.unpackb(body, strict_map_key=True)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise Unusable("it is not a state of this version of swimlb") from error
    if its_schema != schema:
        raise Unusable("another version of swimlb wrote it")
    if its_node != node:
        raise Unusable(f"it is that of node {its_node}")
    return LastGood(_table(table), tuple(contents), float(saved_at))


def _table(value: Any) -> dict[str, bytes]:
    assert isinstance(value, dict), "the digest says that we wrote it"
    return cast("dict[str, bytes]", value)


def save(path: Path, pieces: Iterable[bytes]) -> None:
    """Put the file in place of the old one, on the disk and not only in memory. Raises OSError: the old one is intact."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        write(file, pieces)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def load(path: Path, schema: int, node: str) -> LastGood | None:
    """What was saved; None: nothing ever was. Raises Unusable, also for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(STATE_OCTETS_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"it cannot be read: {error.strerror}") from error
    if len(data) > STATE_OCTETS_MAX:
        raise Unusable(f"it is longer than {STATE_OCTETS_MAX} octets")
    return unpack(data, schema, node)
