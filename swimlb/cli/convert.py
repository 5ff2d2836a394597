"""`swimlb convert`: other configurations as manifests of ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from swimlb.cli.namespaces import checked_namespace

if TYPE_CHECKING:
    from swimlb.config import Document, Path
    from swimlb.config.document import Marks
    from swimlb.model import Problem

_KEY = ("data", "config")
_FIELDS = ("address-pools", "peers", "bfd-profiles", "bgp-communities")


@click.group()
def convert() -> None:
    """Turn other configurations into manifests."""


@convert.command("metallb-configmap")
@click.argument("file")
@click.option(
    "--namespace",
    default=None,
    callback=checked_namespace,
    help="Of the objects that are made; default: that of the ConfigMap.",
)
def metallb_configmap(file: str, namespace: str | None) -> None:
    """Turn the ConfigMap that MetalLB until 0.12 was configured by into objects.

    FILE holds the ConfigMap, or only the text in it; - is standard input. The objects go to standard output, what is
    wrong to standard error. With an error the exit status is 1, and no object is written.
    """
    from swimlb.cli.inputs import read_manifests
    from swimlb.cli.problems import print_problems
    from swimlb.config import Document, Options, resolve
    from swimlb.config.former import convert as converted
    from swimlb.model import Severity
    from swimlb.sources.yaml_writer import write_documents

    manifests = read_manifests([file])
    problems, objects = list(manifests.problems), list[dict[str, object]]()
    found = list(_configurations(manifests.documents, problems))
    if not found and not any(problem.severity is Severity.ERROR for problem in problems):
        problems.append(_nothing_found(file))
    for one in found:
        made = converted(one.document, namespace or one.namespace or Options().system_namespace)
        objects.extend(made.objects)
        problems.extend(replace(problem, object=one.name) for problem in made.problems)
    if not any(problem.severity is Severity.ERROR for problem in problems):
        options = Options(
            system_namespace=namespace or (found[0].namespace if found else "") or "metallb-system"
        )
        problems.extend(resolve([Document(made) for made in objects], options=options).problems)
    print_problems(problems, err=True)
    if any(problem.severity is Severity.ERROR for problem in problems):
        sys.exit(1)
    click.echo(write_documents(objects), nl=False)


@dataclass(frozen=True, slots=True)
class _Former:
    """A configuration, and the ConfigMap it came from."""

    document: Document
    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class _Within:
    """Lines of a text that stands within a file, below the line of its field."""

    marks: Marks | None
    above: int

    def line_of(self, path: Path) -> int | None:
        line = self.marks.line_of(path) if self.marks is not None else None
        return self.above if line is None else self.above + line


def _configurations(documents: tuple[Document, ...], problems: list[Problem]) -> Iterator[_Former]:
    """Those in ConfigMaps, or the whole file where it is one."""
    from swimlb.config.document import mapping_of
    from swimlb.sources import read_text
    from swimlb.sources.yaml_loader import NodeMarks

    for document in documents:
        fields = mapping_of(document.content)
        if any(name in fields for name in _FIELDS):
            yield _Former(document, document.file or "", "")
            continue
        text = mapping_of(fields.get("data")).get("config")
        if fields.get("kind") != "ConfigMap" or not isinstance(text, str):
            continue
        metadata = mapping_of(fields.get("metadata"))
        namespace, name = str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
        above = document.line_of(_KEY) or 0
        is_below = isinstance(document.marks, NodeMarks) and document.marks.is_literal(_KEY)
        inner = read_text(text, document.file or "")
        problems.extend(
            replace(problem, line=above + (problem.line or 0) * is_below) for problem in inner.problems
        )
        label = "/".join(part for part in ("ConfigMap", namespace, name) if part)
        for one in inner.documents:
            marks = _Within(one.marks if is_below else None, above)
            yield _Former(replace(one, line=marks.line_of(()), marks=marks), label, namespace)


def _nothing_found(file: str) -> Problem:
    from swimlb.model import Problem, Severity

    return Problem(
        severity=Severity.ERROR,
        object=file,
        field="",
        message="holds no configuration of MetalLB until 0.12",
        hint="Give a file with its ConfigMap: kubectl -n metallb-system get configmap config -o yaml.",
        file=file,
    )
