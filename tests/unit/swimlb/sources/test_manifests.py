from __future__ import annotations

import json
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


def test_a_list_of_one_kind_is_its_items() -> None:
    """As the API server gives it: items do not repeat what the list tells. Lists may be in lists."""
    text = """\
        apiVersion: v1
        kind: List
        items:
        - apiVersion: metallb.io/v1beta1
          kind: IPAddressPoolList
          items:
          - metadata: {name: a}
          - kind: Other
        - kind: B
        """

    assert contents(read(text)) == [
        {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "a"}},
        {"kind": "Other"},
        {"kind": "B"},
    ]
    assert [document.line for document in read(text).documents] == [7, 8, 9]


def test_an_object_of_a_kind_called_list_is_none() -> None:
    """It has a name."""
    whitelist = {"kind": "WhiteList", "metadata": {"name": "a"}, "items": ["b"]}

    assert contents(read(json.dumps(whitelist))) == [whitelist]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\uD83D\uDE00\ud83d\ude01", "\U0001f600\U0001f601"),
        (r"\\ud83d\\ude00", r"\ud83d\ude00"),
        (r"\\\ud83d\ude00", "\\\U0001f600"),
        (r"\ud83d", "\ufffd"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\ud83dx\n\/\"", '\ufffdx\n/"'),
    ],
)
def test_json_writes_characters_in_two_halves(written: str, meant: str) -> None:
    """Those beyond 16 bits; `json.dumps` does. YAML's parser alone takes none of it."""
    assert contents(read(f'{{"a": "{written}"}}', "-")) == [{"a": meant}]


def test_yaml_is_left_as_it_is() -> None:
    """A JSON text within is the text that it is."""
    assert contents(read(r"a: '\ud83d\ude00'")) == [{"a": r"\ud83d\ude00"}]


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


@pytest.mark.parametrize("file", ["test.json", "-"])
def test_json_objects_may_follow_each_other(file: str) -> None:
    """A line each, or over several: as `jq` prints them, and as kubectl reads them. No line is moved by that."""
    text = '{"a": "}\\n{"}\n\n  {\n  "b": 12\n}\n---\n{"c": {}}\n[]\n{"d":\n\n[}'

    manifests = read(text, file)

    assert [one.content for one in manifests.documents] == [{"a": "}\n{"}, {"b": 12}, {"c": {}}, []]
    assert [one.line for one in manifests.documents] == [1, 3, 7, 8]
    assert lines(manifests) == [11]


@pytest.mark.parametrize(
    ("text", "line"), [('{"a": 1}{"b": 2}', 1), ('{"a": 1}\n5', 2), (" a: 1\nb: 2", 2), ("{a: 1}\n{b: 2}", 2)]
)
def test_tells_of_a_document_that_follows_without_a_mark(text: str, line: int) -> None:
    manifests = read_text(text, "test.yaml")

    assert [one.content for one in manifests.documents] == [{"a": 1}]
    (problem,) = manifests.problems
    assert (problem.message, problem.line) == (
        "cannot be read as YAML: something follows the end of a document",
        line,
    )
    assert problem.hint.startswith("Put `---` on a line of its own between two documents")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffa: 1\n---\n\ufeffb: 2\nc: 3\n",
        "a: 1\n\ufeff---\nb: 2\nc: 3\n",
        '{"a": 1}\n\ufeff{"b": 2, "c": 3}',
    ],
)
def test_files_with_a_byte_order_mark_may_be_joined(text: str) -> None:
    assert contents(read_text(text, "test.yaml")) == [{"a": 1}, {"b": 2, "c": 3}]


@pytest.mark.parametrize(
    "text", ["{{- if .Values.pool }}\nkind: A\n{{- end }}", "kind: A\nname: {{ .Values.name }}"]
)
def test_a_template_is_told_to_be_one(text: str) -> None:
    manifests = read(text)

    assert manifests.documents == ()
    assert {problem.hint[:58] for problem in manifests.problems} == {
        "It looks like a template: give what is made of it (`helm t"
    }


def test_a_list_without_items_is_no_empty_one() -> None:
    """But one that says that it has none."""
    assert contents(read("kind: List\nitems:\n---\nkind: PodList\nitems: []")) == []
    assert "a List has its objects in `items`" in read("kind: List\nitmes: []").problems[0].message


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


@pytest.mark.parametrize(
    "text",
    [
        "- " * 100_000,
        "? " * 100_000,
        "a:\n" + "  -" * 100_000,
        '[ "]", ' * 100_000,
        "[ ']', " * 100_000,
        "[ # ]\n" * 100_000,
        "!<]> [" * 100_000,
    ],
    ids=lambda text: text[:8],
)
def test_refuses_what_would_overrun_the_stack(text: str) -> None:
    """The parser goes down level by level, and the process with it. A bracket in a text closes nothing."""
    manifests = read(text)

    assert manifests.documents == ()
    (problem,) = manifests.problems
    assert "is nested more than 250 levels deep" in problem.message
    assert problem.line is not None


@pytest.mark.parametrize(
    "text", ["a: '" + "[" * 5000 + "'", "a: |\n  " + "[" * 5000, "# " + "-" * 5000 + "\na: b"], ids=len
)
def test_what_only_looks_nested_is_read(text: str) -> None:
    assert len(contents(read(text))) == 1


def test_levels_that_aliases_stand_for_count() -> None:
    """One alias a level, which the rest of the process would have to go down. Other documents are read."""
    merged = ", ".join(f"c{one}: &c{one} {{<<: *c{one - 1}}}" for one in range(1, 500))

    manifests = read(f"deep: [[{{c0: &c0 {{a: b}}, {merged}}}]]\nmerged: {{<<: *c499}}\n---\na: b")

    assert [document.content for document in manifests.documents] == [{"a": "b"}]
    (problem,) = manifests.problems
    assert "is nested more than 100 levels deep" in problem.message
    assert problem.line == 1


def test_refuses_directives_without_end() -> None:
    """The parser compares each with all before it: these would keep it busy for minutes."""
    (problem,) = read("%TAG !a! b\n" * 100_000).problems

    assert problem.line == 1
    assert "more than 100 %TAG directives" in problem.message


@pytest.mark.parametrize("text", ["a: x{}y y y", 'a: "x{}y y y"', "a: |\n{}  y"])
@pytest.mark.parametrize("blank", [" ", "\n", " \n"])
def test_refuses_blanks_without_end(text: str, blank: str) -> None:
    """The parser would go over them again at each word after them."""
    (problem,) = read_text("b: c\n" + text.format(blank * 10_001), "test.yaml").problems

    assert "more than 10000 blanks in a row" in problem.message
    assert problem.line in (2, 3)


@pytest.mark.parametrize("text", ["a:\n\tb: c", "a: @b", "a: `b`", "a: b\n\t- c\n"])
def test_tells_of_tabs_and_signs_in_words_that_help(text: str) -> None:
    (problem,) = read_text(text, "test.yaml").problems

    assert "there is a tab" in problem.message
    assert problem.hint.startswith("Indent by spaces, and put quotes around")


def test_refuses_a_number_that_nobody_could_tell() -> None:
    """Python reads it, and raises an error when it is to be written in decimals."""
    manifests = read_text(f"port: 0x{4000 * 'f'}\n---\nport: 80\n", "a.yaml")

    assert [one.content for one in manifests.documents] == [{"port": 80}]
    (problem,) = manifests.problems
    assert "there is a number of 4002 digits" in problem.message
    assert problem.line == 1


def test_merge_keys_work() -> None:
    """Kubernetes' YAML knows them."""
    assert contents(read("a: &a {x: 1}\nb: {<<: *a, y: 2}\n")) == [{"a": {"x": 1}, "b": {"x": 1, "y": 2}}]
