"""From the text of one file to its documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import yaml

from swimlb.config import Document, Path
from swimlb.config.document import mapping_of
from swimlb.model import Problem, Severity
from swimlb.sources.yaml_loader import Loader, NodeMarks, check_brackets, check_tree

DOCUMENTS_MAX = 200_000
"""Of one file: some pool, advertisement and peer objects and 100,000 Services, twice over."""


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

    marks: NodeMarks
    index: int

    def line_of(self, path: Path) -> int | None:
        return self.marks.line_of(("items", self.index, *path))


def read_text(text: str, file: str) -> Manifests:
    """All documents of a file. After broken YAML nothing of the file can be read; what stands before it can."""
    documents: list[Document] = []
    problems: list[Problem] = []
    try:
        check_brackets(text)
    except yaml.YAMLError as error:
        return Manifests(problems=(_problem(file, error, None),))
    # JSON may be indented with tabs, which YAML forbids; within a JSON text a tab cannot stand.
    loader = Loader(text.replace("\t", " ") if file.endswith(".json") else text)
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
    return Manifests(tuple(documents[:DOCUMENTS_MAX]), tuple(problems))


def _documents(loader: Loader, node: yaml.Node, file: str) -> Iterator[Document]:
    check_tree(node)
    content: object = loader.construct_document(node)  # pyright: ignore[reportUnknownMemberType]
    marks = NodeMarks(node)
    if content is None:
        return
    fields = mapping_of(content)
    items = fields.get("items")
    if fields.get("kind") != "List" or not isinstance(items, list):
        yield Document(content, file, marks.line_of(()), marks)
        return
    for index, item in enumerate(cast("list[object]", items)):
        of_item = _ItemMarks(marks, index)
        yield Document(item, file, of_item.line_of(()), of_item)


def _problem(file: str, error: Exception, line: int | None) -> Problem:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error)
    return Problem(
        severity=Severity.ERROR,
        object=file,
        field="",
        message=f"cannot be read as YAML: {problem or error}",
        hint="Mend the file around this line; objects that were read from it before stay in force.",
        file=file,
        line=int(mark.line) + 1 if mark is not None else line,
    )
