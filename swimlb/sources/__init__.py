"""Where documents come from when there is no Kubernetes: files of YAML or JSON.

`read_paths` and `read_text` read once; `Directory` tells when to read again. This is the only place that knows YAML.
"""

from __future__ import annotations

from swimlb.sources.directory import Directory
from swimlb.sources.files import SUFFIXES, manifest_files, read_files, read_octets, read_paths
from swimlb.sources.manifests import Manifests, read_text
from swimlb.sources.names import name_of

__all__ = [
    "Directory",
    "Manifests",
    "SUFFIXES",
    "manifest_files",
    "name_of",
    "read_files",
    "read_octets",
    "read_paths",
    "read_text",
]
