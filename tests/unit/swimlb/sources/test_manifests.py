from __future__ import annotations

from textwrap import dedent

import pytest

from swimlb.sources import Manifests, read_text


def read(text: str, file: str = "test.yaml") -> Manifests:
    return read_text(dedent(text), file)


def contents(manifests: Manifests) -> list[object]:
    assert manifests.problems == ()
    return [document.content for document in manifests.documents]


def lines(manifests: Manifests) -> list[int | None]:
    return [problem.line for problem in manifests.problems]


def test_knows_the_line_of_every_field() -> None:
    """Of fields, of entries of lists, and of what is absent: then it is where it would belong."""
    (first, second) = read("""\
        # A comment.
        kind: A
        ---
        kind: B
        spec:
          list:
          - 1
          - deep: [x,
              y]
        """).documents

    assert (first.line, second.line) == (2, 4)
    assert second.line_of(("spec", "list")) == 6
    assert second.line_of(("spec", "list", 1)) == 8
    assert second.line_of(("spec", "list", 1, "deep", 1)) == 9
    assert second.line_of(("spec", "absent", "deeper")) == 5


def test_a_list_is_its_items() -> None:
    """As `kubectl get -o yaml` prints it, and each item knows its lines."""
    manifests = read("""\
        apiVersion: v1
        kind: List
        items:
        - kind: A
        - kind: B
          spec: x
        """)

    assert contents(manifests) == [{"kind": "A"}, {"kind": "B", "spec": "x"}]
    assert [document.line for document in manifests.documents] == [4, 5]
    assert manifests.documents[1].line_of(("spec",)) == 6


def test_empty_documents_are_none() -> None:
    assert contents(read("---\n---\n# Nothing.\n---\nkind: A\n---\n")) == [{"kind": "A"}]
    assert contents(read("")) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("65001:10", "65001:10"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02", "2026-01-02"),
        ("yes", True),
        ("off", False),
        ("12", 12),
        ("0x10", 16),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("192.0.2.1", "192.0.2.1"),
        ("1.2.3", "1.2.3"),
        ("~", None),
        ("", None),
        ("=", "="),
        ("'12'", "12"),
    ],
)
def test_reads_scalars_as_kubernetes_does(text: str, value: object) -> None:
    """No times, and no numbers in base 60, which communities would be."""
    assert contents(read(f"value: {text}")) == [{"value": value}]


def test_json_may_be_indented_with_tabs() -> None:
    assert contents(read('{\n\t"kind":\t"A"\n}', "test.json")) == [{"kind": "A"}]


def test_what_stands_before_broken_yaml_is_read() -> None:
    """And the problem tells the line."""
    manifests = read("""\
        kind: A
        ---
        kind: B
          spec: x
        ---
        kind: C
        """)

    assert [document.content for document in manifests.documents] == [{"kind": "A"}]
    (problem,) = manifests.problems
    assert (problem.severity.value, problem.file, problem.line) == ("error", "test.yaml", 4)
    assert problem.message == "cannot be read as YAML: mapping values are not allowed in this context"


def test_a_document_that_cannot_be_built_is_refused_alone() -> None:
    """Its syntax is fine, so the ones behind it can be read."""
    manifests = read("""\
        kind: A
        kind: B
        ---
        kind: !!python/name:os.system x
        ---
        kind: !!int text
        ---
        kind: D
        """)

    assert [document.content for document in manifests.documents] == [{"kind": "D"}]
    assert lines(manifests) == [2, 4, 6]


def test_refuses_aliases_that_unfold_to_too_much() -> None:
    """Nine levels of nine are 387 million values in a few hundred octets."""
    levels = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for name, inner in zip("bcdefghi", "abcdefgh", strict=True):
        levels.append(f"{name}: &{name} [{', '.join([f'*{inner}'] * 9)}]")

    manifests = read("\n".join(levels))

    assert manifests.documents == ()
    assert "aliases unfold to more than" in manifests.problems[0].message


def test_refuses_an_alias_within_itself() -> None:
    manifests = read("a: &a\n  b: *a\n")

    assert manifests.documents == ()
    assert "an alias stands inside of what it refers to" in manifests.problems[0].message


@pytest.mark.parametrize("depth", [200, 1_000_000])
def test_refuses_what_is_nested_too_deeply(depth: int) -> None:
    manifests = read("a: " + "[" * depth + "]" * depth)

    assert manifests.documents == ()
    assert len(manifests.problems) == 1


def test_merge_keys_work() -> None:
    """Kubernetes' YAML knows them."""
    assert contents(read("a: &a {x: 1}\nb: {<<: *a, y: 2}\n")) == [{"a": {"x": 1}, "b": {"x": 1, "y": 2}}]
