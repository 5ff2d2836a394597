"""Objects as the API server writes them: what reflectors decode, and how an object is told from others."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import msgspec

LIST_END = "k8s.io/initial-events-end"
"""Annotation of the bookmark after the list with which a watch began."""


class Metadata(msgspec.Struct, rename="camel", omit_defaults=True):
    """What matters of an object's metadata; a decoded type of ours has it as its field `metadata`."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Identity(msgspec.Struct):
    """Any object, as far as reflectors care."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)

    @property
    def key(self) -> str:
        """`namespace/name`, or the name of what is in no namespace."""
        metadata = self.metadata
        return f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name


class StatusEvent(msgspec.Struct):
    """An event of type ERROR."""

    type: str
    object: dict[str, Any]


@cache
def event_decoder(into: type[Any]) -> msgspec.json.Decoder[Any]:
    """For the lines of a watch: gives `type` and `object`."""
    return msgspec.json.Decoder(msgspec.defstruct("Event", [("type", str), ("object", into)]))


@cache
def object_decoder(into: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(into)


def identity_of(content: Any) -> Identity:
    """Of a decoded object: a Struct with `metadata`, or a dict."""
    if isinstance(content, Identity):
        return content
    if isinstance(content, dict):
        metadata: object = cast("dict[str, Any]", content).get("metadata") or {}
    else:
        metadata = content.metadata
    return Identity(metadata if isinstance(metadata, Metadata) else msgspec.convert(metadata, Metadata))
