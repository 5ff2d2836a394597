"""Objects as YAML that every reader takes for what it is: ours, Kubernetes' and PyYAML's."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from swimlb.sources.yaml_loader import SCALARS

_WIDTH = 110


class _Writer(yaml.SafeDumper):
    """Quotes text that any of the readers would take for a number, a boolean or nothing."""

    def ignore_aliases(self, data: object) -> bool:
        return True


for _tag, _pattern, _first in SCALARS:
    _Writer.add_implicit_resolver(_tag, _pattern, _first)  # pyright: ignore[reportUnknownMemberType]


def write_documents(objects: Iterable[object]) -> str:
    """One document after the other, fields in the order given."""
    return "---\n".join(
        yaml.dump(one, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDTH) for one in objects
    )
