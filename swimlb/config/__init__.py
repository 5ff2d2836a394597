"""From manifests to the configuration in force: `resolve` judges all documents at once, without I/O.

    resolved = resolve(documents, previous=resolved)

Each object is first read by itself (`kinds/`, in the declarative manner of `schema.py`), then linked with
the others (`linking.py`). Whatever is wrong becomes a `Problem` that names object, field, file and line.
"""

from __future__ import annotations

from swimlb.config.document import Document, Marks, Path, Ref, path_text
from swimlb.config.health import ANNOTATION as HEALTH_CHECK_ANNOTATION
from swimlb.config.health import parse_health_check
from swimlb.config.kinds import Options
from swimlb.config.ranges import parse_address, parse_pool_entry
from swimlb.config.report import Mistake
from swimlb.config.resolve import Kept, Resolved, recall, resolve
from swimlb.config.single import Judged, judge

__all__ = [
    "Document",
    "HEALTH_CHECK_ANNOTATION",
    "Judged",
    "Kept",
    "Marks",
    "Mistake",
    "Options",
    "Path",
    "Ref",
    "Resolved",
    "judge",
    "parse_address",
    "parse_health_check",
    "parse_pool_entry",
    "path_text",
    "recall",
    "resolve",
]
