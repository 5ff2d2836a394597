"""YAML as Kubernetes understands it, with the lines on which things stand.

Kubernetes turns YAML into JSON, so timestamps stay text, and `65001:10` is no number in base 60. Mapping
keys may not repeat. Documents whose aliases would unfold to more than they should are refused.
"""

from __future__ import annotations

import re
from itertools import islice

import yaml

from swimlb.config import Path

NODES_MAX = 2_000_000
"""Of one document with its aliases unfolded: far above 100,000 Services in a List, far below what hurts."""
DEPTH_MAX = 100
NUMBER_LENGTH_MAX = 100
"""Of digits and all: Python reads a hexadecimal number of any length, and cannot write it in decimals."""

NESTING_MAX = 250
"""Levels at which the rest of the text is not read. PyYAML's recursion in C overruns the stack at some 20,000, which ends
the process, and the parser's time grows with brackets that are open at once. Up to here one document alone is refused."""
TAG_DIRECTIVES_MAX = 100
"""Of a text. The parser compares each with all before it, and no manifest has one."""

BLANKS_MAX = 10_000
"""In a row, ends of lines included. The parser clears a buffer as long as the longest row at each word after it."""

_BLANKS = re.compile(rf"(?<!\s)\s{{{BLANKS_MAX + 1}}}")
"""Tried where a row begins and nowhere within it, so that the time stays linear."""
_TAG_DIRECTIVE = re.compile(r"^%TAG\b", re.MULTILINE)


def _check_text(text: str) -> None:
    """Refuse what the parser would take minutes for. Raises yaml.MarkedYAMLError."""
    directives = list(islice(_TAG_DIRECTIVE.finditer(text), TAG_DIRECTIVES_MAX + 1))
    if len(directives) > TAG_DIRECTIVES_MAX:
        raise _refusal_at(text, directives[0], f"there are more than {TAG_DIRECTIVES_MAX} %TAG directives")
    if (blanks := _BLANKS.search(text)) is not None:
        raise _refusal_at(text, blanks, f"there are more than {BLANKS_MAX} blanks in a row")


def _refusal_at(text: str, found: re.Match[str], problem: str) -> yaml.MarkedYAMLError:
    line = text.count("\n", 0, found.start())
    return yaml.MarkedYAMLError(problem=problem, problem_mark=yaml.Mark("", 0, line, 0, None, 0))


class Loader(yaml.CSafeLoader):
    """The C parser with Kubernetes' idea of plain scalars, and an end to nesting. Raises yaml.YAMLError."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own way to configure a loader)

    def __init__(self, text: str) -> None:
        _check_text(text)
        super().__init__(text)
        self._depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: object) -> None:
        """Called for each node before what is within it is read: here alone the parser can be stopped in time."""
        self._depth += 1
        if self._depth > NESTING_MAX and current_node is not None:
            raise _refusal(current_node, f"is nested more than {NESTING_MAX} levels deep")

    def ascend_resolver(self) -> None:
        self._depth -= 1


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
        self._fields: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}
        """Of mappings that were walked through: an object may have as many problems as fields."""

    def line_of(self, path: Path) -> int | None:
        """The line of the field's name, or of the nearest field around it that was written."""
        node, line = self._root, _line(self._root)
        for step in path:
            found = self._child(node, step)
            if found is None:
                break
            mark, node = found
            line = _line(mark)
        return line

    def is_literal(self, path: Path) -> bool:
        """Does the text of this field stand below its name, line by line?"""
        node = self._root
        for step in path:
            found = self._child(node, step)
            if found is None:
                return False
            node = found[1]
        return isinstance(node, yaml.ScalarNode) and node.style == "|"

    def _child(self, node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
        """The node that marks a step's line, and the node that it leads to."""
        if isinstance(node, yaml.MappingNode) and isinstance(step, str):
            if id(node) not in self._fields:
                self._fields[id(node)] = {
                    key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)
                }
            return self._fields[id(node)].get(step)
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            return node.value[step], node.value[step]
        return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def check_tree(root: yaml.Node) -> None:
    """Refuse a document before anything is built from it. Raises yaml.MarkedYAMLError."""
    _TreeCheck().measure(root, 0)


class _TreeCheck:
    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def measure(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        """How many nodes and levels there are with every alias unfolded; each node is visited once."""
        known = self._known.get(id(node))
        if known is None:
            if id(node) in self._open:
                raise _refusal(node, "an alias stands inside of what it refers to")
            # Here, too, or the recursion would end in an error before the refusal.
            if depth <= DEPTH_MAX:
                known = self._known[id(node)] = self._visit(node, depth)
        if known is None or depth + known[1] > DEPTH_MAX + 1:
            raise _refusal(node, f"is nested more than {DEPTH_MAX} levels deep")
        return known

    def _visit(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        if (
            isinstance(node, yaml.ScalarNode)
            and node.tag == "tag:yaml.org,2002:int"
            and len(node.value) > NUMBER_LENGTH_MAX
        ):
            raise _refusal(node, f"there is a number of {len(node.value)} digits")
        self._open.add(id(node))
        size, levels = 1, 0
        for child in self._children(node):
            size_of_child, levels_of_child = self.measure(child, depth + 1)
            size, levels = size + size_of_child, max(levels, levels_of_child)
        self._open.discard(id(node))
        if size > NODES_MAX:
            raise _refusal(node, f"its aliases unfold to more than {NODES_MAX} values")
        return size, levels + 1

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
