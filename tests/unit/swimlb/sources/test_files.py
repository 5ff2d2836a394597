from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from swimlb.config import resolve
from swimlb.sources import Directory, Manifests, manifest_files, read_paths
from swimlb.sources.files import FILE_OCTETS_MAX, FILES_MAX, read_directory
from tests.unit.swimlb.sources.rights import forbidding


def kinds(manifests: Manifests | None) -> list[str]:
    assert manifests is not None
    return [str(document.content) for document in manifests.documents]


def told(manifests: Manifests | None) -> list[tuple[str | None, str]]:
    assert manifests is not None
    return [(problem.file, problem.message) for problem in manifests.problems]


def test_reads_manifests_by_name(tmp_path: Path) -> None:
    """Not other files, hidden ones or subdirectories."""
    for name in ("b.yml", "a.yaml", "c.json", "notes.txt", ".hidden.yaml", "d.yaml~"):
        (tmp_path / name).write_text(f"'{name}'")
    (tmp_path / "e.yaml").mkdir()

    assert [file.name for file in manifest_files(tmp_path)] == ["a.yaml", "b.yml", "c.json"]
    assert kinds(read_paths([tmp_path])) == ["a.yaml", "b.yml", "c.json"]


@pytest.mark.parametrize(
    ("content", "message", "line"),
    [
        (b"a: 1\nb: \xff\n", "is not UTF-8 text", 2),
        (b" " * (FILE_OCTETS_MAX + 1), "is larger than 8 MiB", None),
        (b"", "is empty", None),
    ],
    ids=["encoding", "size", "nothing"],
)
def test_tells_of_a_file_that_is_no_manifest(
    tmp_path: Path, content: bytes, message: str, line: int | None
) -> None:
    """Other files are read all the same."""
    (tmp_path / "a.yaml").write_bytes(content)
    (tmp_path / "b.yaml").write_text("b")

    manifests = read_paths([tmp_path])

    assert kinds(manifests) == ["b"]
    assert [(problem.message, problem.line, problem.file) for problem in manifests.problems] == [
        (message, line, str(tmp_path / "a.yaml"))
    ]


def test_tells_of_a_path_that_is_not_there(tmp_path: Path) -> None:
    (problem,) = read_paths([tmp_path / "gone.yaml"]).problems

    assert problem.message == "cannot be read: No such file or directory"


def test_a_name_that_is_no_text_can_be_told(tmp_path: Path) -> None:
    """It would end any command that prints it. What the file held stays in force as that of any other."""
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml"))
    file.write_text(
        "{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: gold, namespace: metallb-system}, spec: {addresses: [192.0.2.0/24]}}"
    )
    before = resolve(read_paths([tmp_path]).documents)
    file.write_text("[")

    broken = read_paths([tmp_path])

    (problem,) = broken.problems
    assert problem.file == problem.object == f"{tmp_path}/\\xff.yaml"
    after = resolve(broken.documents, before, source_problems=broken.problems)
    assert after.configuration == before.configuration


def test_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    """Opening one for reading waits until somebody writes, perhaps for ever."""
    os.mkfifo(tmp_path / "pipe.yaml")

    (problem,) = read_paths([tmp_path / "pipe.yaml"]).problems

    assert problem.message == "is no regular file"
    assert "pipe what it gives to a command with `-f -`" in problem.hint


def test_a_directory_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    """By content, by a new file, by a file that is gone; and not when nothing happened."""
    directory = Directory(tmp_path)
    (tmp_path / "a.yaml").write_text("a")

    assert kinds(directory.poll()) == ["a"]
    assert directory.poll() is None

    (tmp_path / "a.yaml").write_text("other")
    assert kinds(directory.poll()) == ["other"]

    (tmp_path / "b.yaml").write_text("b")
    assert kinds(directory.poll()) == ["other", "b"]

    (tmp_path / "a.yaml").unlink()
    assert kinds(directory.poll()) == ["b"]
    assert directory.poll() is None


@pytest.mark.parametrize(("changes", "found"), [(1, "new!"), (9, "new!!")], ids=["once", "all the time"])
def test_what_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int, found: str
) -> None:
    """But not for ever; then the next poll goes on."""
    file, readings = tmp_path / "a.yaml", itertools.count(1)
    file.write_text("old")

    def read_while_edited(path: Path) -> Manifests:
        manifests = read_directory(path)
        if (reading := next(readings)) <= changes:
            file.write_text("new" + "!" * reading)
        return manifests

    monkeypatch.setattr("swimlb.sources.directory.read_directory", read_while_edited)
    directory = Directory(tmp_path)

    assert kinds(directory.poll()) == [found]
    assert (directory.poll() is None) == (changes == 1)


def test_a_file_put_in_the_place_of_another_is_seen(tmp_path: Path) -> None:
    """Even with the same size and time: editors and deployment tools write beside and rename."""
    directory = Directory(tmp_path)
    old, new = tmp_path / "a.yaml", tmp_path / "new"
    old.write_text("one")
    directory.poll()
    new.write_text("two")
    os.utime(new, ns=(old.stat().st_atime_ns, old.stat().st_mtime_ns))

    new.rename(old)

    assert kinds(directory.poll()) == ["two"]


def test_rights_that_were_mended_are_seen(tmp_path: Path) -> None:
    """A file that could not be read for them is read again."""
    (tmp_path / "pool.yaml").write_text("")
    directory = Directory(tmp_path)
    directory.poll()

    (tmp_path / "pool.yaml").chmod(0o640)
    assert directory.poll() is not None


def test_a_mounted_config_map_is_followed(tmp_path: Path) -> None:
    """Its files are links through `..data`, which is switched from one version to the next."""
    for version in ("..1", "..2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(version)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    directory = Directory(tmp_path)

    assert kinds(directory.poll()) == ["..1"]

    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")
    assert kinds(directory.poll()) == ["..2"]


def test_a_link_that_leads_nowhere_is_no_deletion(tmp_path: Path) -> None:
    """It is told until it is mended or removed; only then what it held is gone."""
    link = tmp_path / "a.yaml"
    link.symlink_to("..data/a.yaml")
    (tmp_path / "b.yaml").write_text("b")
    directory = Directory(tmp_path)

    manifests = directory.poll()

    assert kinds(manifests) == ["b"]
    assert told(manifests) == [(str(link), "cannot be read: No such file or directory")]
    assert directory.poll() is None

    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.yaml").write_text("a")
    assert kinds(directory.poll()) == ["a", "b"]

    (tmp_path / "..data").rename(tmp_path / "..old")
    assert told(directory.poll()) == [(str(link), "cannot be read: No such file or directory")]

    link.unlink()
    assert told(directory.poll()) == []


def test_a_link_to_where_we_may_not_look_is_told_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other files are read all the same."""
    link = tmp_path / "a.yaml"
    link.symlink_to(tmp_path / "private" / "a.yaml")
    (tmp_path / "b.yaml").write_text("b")
    for name in ("stat", "open"):
        monkeypatch.setattr(os, name, forbidding(str(link), getattr(os, name)))

    manifests = Directory(tmp_path).poll()

    assert kinds(manifests) == ["b"]
    assert told(manifests) == [(str(link), "cannot be read: Permission denied")]


def test_a_directory_that_is_gone_is_not_an_empty_one(tmp_path: Path) -> None:
    """What it held is still in force; the caller tells the operator."""
    directory = Directory(tmp_path / "gone")

    with pytest.raises(FileNotFoundError):
        directory.poll()


def test_a_file_that_has_been_emptied_takes_nothing_out_of_force(tmp_path: Path) -> None:
    """`helm template > pools.yaml` empties it a second before it fills it. A comment alone is meant."""
    file = tmp_path / "pools.yaml"
    file.write_text(
        "{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: gold, namespace: metallb-system}, spec: {addresses: [192.0.2.0/24]}}"
    )
    before = resolve(read_paths([tmp_path]).documents)

    file.write_text("")
    emptied = read_paths([tmp_path])
    file.write_text("# nothing")
    cleared = read_paths([tmp_path])

    kept = resolve(emptied.documents, before, source_problems=emptied.problems)
    gone = resolve(cleared.documents, before, source_problems=cleared.problems)
    assert kept.configuration == before.configuration
    assert gone.configuration.pools == ()


def test_tells_of_files_that_are_too_many(tmp_path: Path) -> None:
    """A new one takes nothing out of force that was read before."""
    pool = "{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: gold, namespace: metallb-system}, spec: {addresses: [192.0.2.0/24]}}"
    (tmp_path / "z.yaml").write_text(pool)
    before = resolve(read_paths([tmp_path]).documents)
    for number in range(FILES_MAX):
        (tmp_path / f"{number}.yaml").write_text("#")

    manifests = read_paths([tmp_path])
    after = resolve(manifests.documents, before, source_problems=manifests.problems)

    (problem,) = manifests.problems
    assert problem.message == f"holds {FILES_MAX + 1} files, of which the first {FILES_MAX} by name are read"
    assert problem.object == str(tmp_path)
    assert manifests.documents == ()
    assert after.configuration == before.configuration
