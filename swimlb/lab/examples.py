"""Where the example manifests are, in a checkout and in an installed product."""

from __future__ import annotations

from pathlib import Path

from swimlb.lab.errors import LabError

_PRODUCT = Path(__file__).parents[1]


def find_examples(name: str) -> Path:
    """The directory `examples/NAME`: of the checkout if this is one, else of the installed package."""
    for directory in (_PRODUCT.parent / "examples" / name, _PRODUCT / "examples" / name):
        if directory.is_dir():
            return directory
    raise LabError(f"the example manifests `{name}` are not installed: give a directory with --manifests")
