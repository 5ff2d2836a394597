"""What all kinds share: their identity, and what it takes to read one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

from swimlb.config.document import Document, Ref, mapping_of
from swimlb.config.report import Place
from swimlb.config.schema import at, read_record, record, shorten
from swimlb.config.types import Converted, LabelMap, Text
from swimlb.model import Labels

T = TypeVar("T")


class Scope(Enum):
    CLUSTER = auto()
    NAMESPACED = auto()
    SYSTEM = auto()
    """Namespaced, and only read from the system namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the operator tells on the command line rather than in manifests."""

    system_namespace: str = "metallb-system"
    lb_class: str = ""
    """Only Services of this loadBalancerClass are ours; empty: only those without a class."""
    node: str = ""
    """Whose speaker asks: peers that clash on other nodes alone are well there. Empty: all nodes count."""
    are_secrets_apart: bool = False
    """Who asks needs no password: that of a Secret that is not among the documents is taken to be empty."""


def is_name(text: str) -> bool:
    """What Kubernetes takes for a name of any kind has no more in it; keys are made of names and slashes."""
    return text.isprintable() and not set(text) & set("/% ")


def _name(text: str, place: Place) -> str:
    if not text:
        raise place.refuse("is empty", "Give the object a name.")
    return _namespace(text, place)


def _namespace(text: str, place: Place) -> str:
    if not is_name(text):
        raise place.refuse(
            f"{shorten(text)!r} cannot be a name", "Write it in lower-case letters, digits, `-` and `.`."
        )
    return text


@record(is_open=True)
class Metadata:
    name: str = at("name", Converted(Text(), _name), default="", required=True)
    namespace: str = at("namespace", Converted(Text(), _namespace), default="")
    labels: Labels = at("labels", LabelMap(), default=())
    annotations: Labels = at("annotations", LabelMap(), default=())
    created: str = at("creationTimestamp", Text(), default="")

    def annotation(self, key: str) -> str | None:
        return next((value for name, value in self.annotations if name == key), None)


@dataclass(frozen=True, slots=True)
class Object:
    """A document whose kind and metadata have been read, handed to the decoder of its kind."""

    ref: Ref
    metadata: Metadata
    document: Document
    place: Place
    options: Options

    def read(self, section: str, cls: type[T]) -> T:
        """A part of the object, such as `spec`; when it is absent, its fields are."""
        content = mapping_of(self.document.content).get(section)
        return read_record(cls, {} if content is None else content, self.place / section)

    def read_root(self, cls: type[T]) -> T:
        """The object itself, for kinds whose fields stand beside metadata."""
        return read_record(cls, self.document.content, self.place)


Decoder = Callable[[Object], object]
"""Gives the record of the object. What it gives is not used when it reported errors; may raise Unreadable."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object that we read, in one of its versions."""

    api_version: str
    name: str
    scope: Scope
    decode: Decoder
