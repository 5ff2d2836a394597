"""From the text of one file to its documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

import yaml

from swimlb.config import Document, Marks, Path
from swimlb.config.document import mapping_of
from swimlb.model import Problem, Severity
from swimlb.sources.json_text import from_json
from swimlb.sources.yaml_loader import Loader, NodeMarks, check_tree

DOCUMENTS_MAX = 200_000
"""Of one file: some pool, advertisement and peer objects and 100,000 Services, twice over."""

_MARK = "\ufeff"
_MARK_IN_FRONT = re.compile(rf"^{_MARK}+", re.MULTILINE)
"""The byte order mark that editors put before a file, and that is in the middle where files were joined."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """What was read, and why the rest was not."""

    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: Manifests) -> Manifests:
        return Manifests(self.documents + other.documents, self.problems + other.problems)


@dataclass(frozen=True, slots=True)
class _ItemMarks:
    """Lines of an item of a List."""

    marks: Marks
    index: int

    def line_of(self, path: Path) -> int | None:
        return self.marks.line_of(("items", self.index, *path))


def read_text(text: str, file: str) -> Manifests:
    """All documents of a file. After broken YAML nothing of the file can be read; what stands before it can."""
    documents: list[Document] = []
    problems: list[Problem] = []
    if _MARK in text:
        text = _MARK_IN_FRONT.sub("", text)
    if file.endswith(".json") or text.lstrip()[:1] in ("{", "["):
        text = from_json(text)
    try:
        loader = Loader(text)
    except yaml.YAMLError as error:
        return Manifests(problems=(_problem(file, error, None),))
    try:
        while loader.check_node():
            node = cast("yaml.Node", loader.get_node())
            try:
                documents.extend(_documents(loader, node, file))
            # Of an explicit tag on the wrong value PyYAML's constructors raise whatever they stumble over.
            except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
                problems.append(_problem(file, error, int(node.start_mark.line) + 1))
            if len(documents) > DOCUMENTS_MAX:
                raise yaml.YAMLError(f"has more than {DOCUMENTS_MAX} documents")
    except (yaml.YAMLError, RecursionError) as error:
        problems.append(_problem(file, error, None))
    finally:
        loader.dispose()
    if problems and _TEMPLATE.search(text):
        problems = [replace(problem, hint=_TEMPLATE_HINT) for problem in problems]
    return Manifests(tuple(documents[:DOCUMENTS_MAX]), tuple(problems))


def _documents(loader: Loader, node: yaml.Node, file: str) -> Iterator[Document]:
    check_tree(node)
    content: object = loader.construct_document(node)  # pyright: ignore[reportUnknownMemberType]
    if content is not None:
        yield from _objects(content, file, NodeMarks(node))


def _objects(content: object, file: str, marks: Marks) -> Iterator[Document]:
    """The object itself, or those in a list: `kind: List`, as kubectl prints it, or `ServiceList`, as the API does."""
    fields = mapping_of(content)
    kind, items = fields.get("kind"), fields.get("items")
    is_list = (
        isinstance(kind, str) and kind.endswith("List") and "name" not in mapping_of(fields.get("metadata"))
    )
    is_empty = "items" in fields and items is None
    if not is_list or not (isinstance(items, list) or is_empty):
        if is_list and kind == "List":
            raise ValueError("a List has its objects in `items`, as a list")
        yield Document(content, file, marks.line_of(()), marks)
        return
    shared = {"apiVersion": fields.get("apiVersion"), "kind": str(kind).removesuffix("List")}
    for index, item in enumerate(cast("list[object]", items or [])):
        whole = item if kind == "List" else _completed(item, shared)
        yield from _objects(whole, file, _ItemMarks(marks, index))


def _completed(item: object, shared: Mapping[str, object]) -> object:
    """The API leaves out of items what the list tells for all."""
    fields = mapping_of(item)
    return {**shared, **fields} if fields and "kind" not in fields else item


_HINT = "Mend the file around this line; objects that were read from it before stay in force."
_HINTS = {
    "something follows": "Put `---` on a line of its own between two documents, or mend the indentation; "
    "objects that were read from the file before stay in force.",
    "there is a tab": "Indent by spaces, and put quotes around a value that begins with @, ` or %; "
    "objects that were read from the file before stay in force.",
}
_TEMPLATE_HINT = "It looks like a template: give what is made of it (`helm template`); what was read before stays in force."
_TEMPLATE = re.compile(r"\{\{[-\s]")
_MEANINGS = {
    "did not find expected <document start>": "something follows the end of a document",
    "found character that cannot start any token": "there is a tab, or a sign that no value begins with",
    "found a tab character that violates indentation": "there is a tab in the indentation",
}
"""What the parser says, in words that help."""


def _problem(file: str, error: Exception, line: int | None) -> Problem:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    problem = (error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error)) or str(error)
    meaning = _MEANINGS.get(problem, problem)
    return Problem(
        severity=Severity.ERROR,
        object=file,
        field="",
        message=f"cannot be read as YAML: {meaning}",
        hint=next((hint for words, hint in _HINTS.items() if words in meaning), _HINT),
        file=file,
        line=int(mark.line) + 1 if mark is not None else line,
    )
