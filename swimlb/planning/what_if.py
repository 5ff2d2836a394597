"""The question: what if these nodes were down, draining, or there in addition?"""

from __future__ import annotations

from dataclasses import dataclass

from swimlb.model import Node, labels_of

HOSTNAME_LABEL = "kubernetes.io/hostname"

NO_NODES = (
    "the input has no Node: add them (`kubectl get nodes -o yaml`), or make some up by --add-node NAME=IP"
)


class InvalidWhatIf(ValueError):
    """The operator's: the text names the option, the problem and the way out."""

    def __init__(self, option: str, message: str, hint: str) -> None:
        super().__init__(f"{option}: {message}; {hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """Names of nodes. The default asks for things as they are."""

    down: frozenset[str] = frozenset()
    drained: frozenset[str] = frozenset()
    """They have said that they leave: somebody else takes over what they announce."""
    added: tuple[str, ...] = ()

    @property
    def is_asked(self) -> bool:
        return bool(self.down or self.drained or self.added)

    def nodes(self, known: tuple[Node, ...]) -> tuple[Node, ...]:
        """All nodes there would be, the ones that are down included, by name. Raises InvalidWhatIf."""
        names = {node.name for node in known}
        for name in self.added:
            if name in names:
                raise InvalidWhatIf("--add-node", f"there is a node {name} already", "choose another name")
            names.add(name)
        for option, asked in (("--down", self.down), ("--drain", self.drained)):
            for name in sorted(asked - names):
                told = f"known are {', '.join(sorted(names))}" if names else NO_NODES
                raise InvalidWhatIf(option, f"there is no node {name}", told)
        if both := sorted(self.down & self.drained):
            raise InvalidWhatIf("--drain", f"{both[0]} is also down", "give one of the two")
        added = (Node(name=name, labels=labels_of({HOSTNAME_LABEL: name})) for name in self.added)
        return tuple(sorted((*known, *added), key=lambda node: node.name))
