"""`make generate`: writes what is made from code: definitions of kinds and tables of their fields, and dashboards."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from swimlb.config.crds import DEFINITIONS, crd
from swimlb.config.manual import table
from swimlb.config.selectors import SelectorSpec
from swimlb.dashboards import BOARDS
from swimlb.dashboards import document as dashboard
from swimlb.sources.yaml_writer import write_documents

CRDS = Path("charts/swimlb/files/crds")
DASHBOARDS = Path("charts/swimlb/files/dashboards")
MANUAL = Path("docs/reference/configuration.md")
_HEAD = "# Made by `make generate` from the declarations in swimlb/config/kinds.\n"
_SECTION = re.compile(r"(<!-- fields of (?P<what>[^>]*) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def generated(root: Path) -> Iterator[tuple[Path, str]]:
    """Each file and what is to be in it."""
    for definition in DEFINITIONS:
        yield root / CRDS / f"metallb.io_{definition.plural}.yaml", _HEAD + write_documents([crd(definition)])
    for board in BOARDS:
        yield root / DASHBOARDS / f"{board.name}.json", dashboard(board)
    yield root / MANUAL, _with_tables((root / MANUAL).read_text())


def _with_tables(text: str) -> str:
    tables = dict(_tables())
    return _SECTION.sub(lambda found: found[1] + tables[found["what"]] + found[3], text)


def _tables() -> Iterator[tuple[str, str]]:
    """By the words that the page marks their place with, such as `BGPPeer v1beta2 spec`."""
    yield "a label selector", table(SelectorSpec, "")
    for definition in DEFINITIONS:
        for version in definition.versions:
            name = f"{definition.kind} {version.name}" if len(definition.versions) > 1 else definition.kind
            if version.spec is not None:
                yield f"{name} spec", table(version.spec, "spec")
            yield f"{name} status", table(version.status, "status")


def main(root: Path) -> None:
    for path, text in generated(root):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(Path())
