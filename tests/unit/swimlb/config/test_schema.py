from __future__ import annotations

import pytest

from swimlb.config import Mistake
from swimlb.config.document import Document
from swimlb.config.report import Report, Unreadable
from swimlb.config.schema import at, read_record, record
from swimlb.config.types import Boolean, Integer, ListOf, Nested, Text, parse_duration


@record()
class Inner:
    size: int = at("size", Integer(1, 9), default=1)


@record()
class Outer:
    name: str = at("name", Text(), default="", required=True)
    is_on: bool = at("isOn", Boolean(), default=True)
    inner: Inner = at("inner", Nested(Inner), default=Inner())
    names: tuple[str, ...] = at("names", ListOf(Text(), is_set=True), default=())
    inners: tuple[Inner, ...] = at("inners", ListOf(Nested(Inner)), default=())


@record(is_open=True)
class Open:
    name: str = at("name", Text(), default="")


def report() -> Report:
    return Report("Outer/x", Document({}))


def found(problems: Report) -> list[tuple[str, str]]:
    return [(problem.field, problem.message) for problem in problems.problems]


def test_reads_every_field() -> None:
    problems = report()

    outer = read_record(
        Outer,
        {"name": "a", "isOn": False, "inner": {"size": 3}, "names": ["x", "y"], "inners": [{"size": 4}, {}]},
        problems.place,
    )

    assert outer == Outer(
        name="a", is_on=False, inner=Inner(3), names=("x", "y"), inners=(Inner(4), Inner(1))
    )
    assert problems.problems == []


def test_reports_all_that_is_wrong_in_one_pass() -> None:
    """One mistake must not hide another, neither beside it nor deeper in."""
    problems = report()

    read_record(
        Outer,
        {"isOn": "yes", "inner": {"size": 10}, "names": ["x", 1, "x"], "inners": [{"size": True}, 5]},
        problems.place,
    )

    assert found(problems) == [
        ("name", "is missing"),
        ("isOn", "must be true or false, but is the text 'yes'"),
        ("inner.size", "is 10, must be from 1 to 9"),
        ("names[1]", "must be text, but is the number 1"),
        ("names[2]", "duplicate definition of entry 0"),
        ("inners[0].size", "must be a whole number, but is the boolean true"),
        ("inners[1]", "must be a mapping, but is the number 5"),
    ]


def test_null_is_the_same_as_absent() -> None:
    problems = report()

    outer = read_record(Outer, {"name": "a", "isOn": None, "inner": None, "names": None}, problems.place)

    assert outer == Outer(name="a")
    assert problems.problems == []


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("ison", "Did you mean isOn?"),
        ("nmae", "Did you mean name?"),
        ("colour", "Remove it; known here: inner, inners, isOn, name, names."),
    ],
)
def test_warns_of_an_unknown_field(field: str, hint: str) -> None:
    """It is ignored, not refused: a newer version may know it. A slip of the finger gets a suggestion."""
    problems = report()

    read_record(Outer, {"name": "a", field: 1}, problems.place)

    assert found(problems) == [(field, "unknown field, ignored")]
    assert problems.problems[0].hint == hint
    assert not problems.has_errors


def test_open_records_have_unknown_fields() -> None:
    """Kubernetes' own kinds have many more fields than we read."""
    problems = report()

    assert read_record(Open, {"name": "a", "other": 1}, problems.place) == Open("a")
    assert problems.problems == []


def test_refuses_what_is_no_mapping() -> None:
    problems = report()

    with pytest.raises(Unreadable):
        read_record(Outer, ["name"], problems.place)

    assert found(problems) == [("", "must be a mapping, but is a list")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90.0), ("1m30s", 90.0), ("500ms", 0.5), ("0", 0.0), ("0s", 0.0), ("1.5h", 5400.0), (".5s", 0.5)],
)
def test_reads_durations_as_go_does(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "s", "-1s", "1 s", "1s ", "1d", "1s2", "1" * 5000 + "s"])
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(Mistake):
        parse_duration(text)
