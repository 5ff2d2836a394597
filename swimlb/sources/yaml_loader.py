"""YAML as Kubernetes understands it, with the lines on which things stand.

Kubernetes turns YAML into JSON, so timestamps stay text, and `65001:10` is no number in base 60. Mapping
keys may not repeat. Documents whose aliases would unfold to more than they should are refused.
"""

from __future__ import annotations

import re

import yaml

from swimlb.config import Path

NODES_MAX = 2_000_000
"""Of one document with its aliases unfolded: far above 100,000 Services in a List, far below what hurts."""
DEPTH_MAX = 100
NUMBER_LENGTH_MAX = 100
"""Of digits and all: Python reads a hexadecimal number of any length, and cannot write it in decimals."""

BRACKETS_MAX = 1000
"""Open at once in a text. The parser's time grows with the square of them, and no manifest has ten."""

INDENT_MAX = 1000
"""Of spaces and indicators in a row, as `- - - `. Each may open a level, and PyYAML's recursion in C overruns the stack
at some 20,000 levels: that ends the process, and no manifest has a tenth of this."""

_BRACKET = re.compile(r"[\[\]{}]")
_INDENT = re.compile(rf"(?<![-?: \t])[-?: \t]{{{INDENT_MAX + 1}}}")
"""Tried where a row begins and nowhere within it, so that the time stays linear."""


def check_nesting(text: str) -> None:
    """Refuse a text that the parser would take minutes for, or die of. What stands in strings counts too.

    Raises yaml.YAMLError.
    """
    indent = _INDENT.search(text)
    if indent is not None:
        line = text.count("\n", 0, indent.start()) + 1
        raise yaml.YAMLError(f"line {line} is indented by more than {INDENT_MAX} columns")
    opened = 0
    for bracket in _BRACKET.finditer(text):
        opened = opened + 1 if bracket[0] in "[{" else max(0, opened - 1)
        if opened > BRACKETS_MAX:
            raise yaml.YAMLError(f"more than {BRACKETS_MAX} brackets are open at once")


class Loader(yaml.CSafeLoader):
    """The C parser with Kubernetes' idea of plain scalars."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own way to configure a loader)


SCALARS = tuple(
    (f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), [*first, ""])
    for tag, pattern, first in (
        ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
        ("int", r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)", "-+0123456789"),
        (
            "float",
            r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?",
            "-+0123456789.",
        ),
        ("merge", r"<<", "<"),
        ("null", r"~|null|Null|NULL|", "~nN\0"),
    )
)
"""What unquoted text is more than text: tag, pattern, and how it may begin."""

for _tag, _pattern, _first in SCALARS:
    Loader.add_implicit_resolver(_tag, _pattern, _first)  # pyright: ignore[reportUnknownMemberType]


class NodeMarks:
    """Finds lines in the tree that the parser left; walks it only when there is a problem to report."""

    def __init__(self, root: yaml.Node) -> None:
        self._root = root

    def line_of(self, path: Path) -> int | None:
        """The line of the field's name, or of the nearest field around it that was written."""
        node, line = self._root, _line(self._root)
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            mark, node = found
            line = _line(mark)
        return line

    def is_literal(self, path: Path) -> bool:
        """Does the text of this field stand below its name, line by line?"""
        node = self._root
        for step in path:
            found = _child(node, step)
            if found is None:
                return False
            node = found[1]
        return isinstance(node, yaml.ScalarNode) and node.style == "|"


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The node that marks a step's line, and the node that it leads to."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def check_tree(root: yaml.Node) -> None:
    """Refuse a document before anything is built from it. Raises yaml.MarkedYAMLError."""
    _TreeCheck().size(root, 0)


class _TreeCheck:
    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def size(self, node: yaml.Node, depth: int) -> int:
        """How many nodes there are with every alias unfolded; each node is visited once."""
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise _refusal(node, "an alias stands inside of what it refers to")
        if depth > DEPTH_MAX:
            raise _refusal(node, f"is nested more than {DEPTH_MAX} levels deep")
        if (
            isinstance(node, yaml.ScalarNode)
            and node.tag == "tag:yaml.org,2002:int"
            and len(node.value) > NUMBER_LENGTH_MAX
        ):
            raise _refusal(node, f"there is a number of {len(node.value)} digits")
        self._open.add(id(node))
        total = 1 + sum(self.size(child, depth + 1) for child in self._children(node))
        self._open.discard(id(node))
        if total > NODES_MAX:
            raise _refusal(node, f"its aliases unfold to more than {NODES_MAX} values")
        self._sizes[id(node)] = total
        return total

    def _children(self, node: yaml.Node) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return node.value
        if not isinstance(node, yaml.MappingNode):
            return []
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise _refusal(key, f"the key {key.value[:60]!r} is there twice")
                seen.add(key.value)
        return [child for pair in node.value for child in pair]


def _refusal(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
