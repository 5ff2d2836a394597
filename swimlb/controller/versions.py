"""Resource versions: which of two views of an object is the older one."""

from __future__ import annotations


def is_older(version: str, than: str) -> bool:
    """Whether a view is out of date beside another of the same object, as far as anybody can tell.

    Kubernetes long called resource versions opaque, though its API server has always counted up, and of
    late promises so. What is no number is never older: it is taken for news, which costs a call at most.
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
