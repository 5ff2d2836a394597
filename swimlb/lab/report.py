"""The report of a demo: one HTML page that needs nothing else, and the timeline as an image."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from swimlb.lab.measure import LATENESS_MAX, longest_outage
from swimlb.lab.story import Fact, Story
from swimlb.lab.timeline import draw_closeup, draw_timeline

SCROLLING_STYLE = """
  .scroll { overflow-x: auto; } .scroll svg { min-width: 720px; }
  @media print { .scroll { overflow: visible; } .scroll svg { min-width: 0; } }
"""
"""What `scrolling` needs."""

_STYLE = (
    """
  :root { color-scheme: light dark; --ink: #1d2733; --faint: #6b7785; --line: #e3e8ee; --ground: #ffffff;
          --good: #0a7d4f; --bad: #c62f2f; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e6ebf1; --faint: #97a3b1; --line: #2c3642; --ground: #12181f; --good: #37c79b; --bad: #ff6b6b; } }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
         max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; margin-bottom: 0.2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
  svg { width: 100%; height: auto; display: block; margin: 0.5rem 0; }
  table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: var(--faint); }
  th, td { text-align: left; padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
  td.figure { font-variant-numeric: tabular-nums; }
  .good { color: var(--good); } .bad { color: var(--bad); } .faint { color: var(--faint); }
"""
    + SCROLLING_STYLE
)


def render_report(story: Story, written_at: str) -> str:
    """The page as text: well-formed, readable without scripts, light or dark as the reader likes."""
    verdict = (
        '<strong class="good">every step held its bound</strong>'
        if story.has_held
        else '<strong class="bad">not every step held its bound</strong>'
    )
    closeups = [scrolling(draw_closeup(story, closeup)) for closeup in story.closeups]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>swimlb demo</title><style>{_STYLE}</style></head>",
            "<body>",
            f"<h1>swimlb demo</h1><p>{verdict}. <span class='faint'>{escape(written_at)}</span></p>",
            *_disturbance(story),
            "<h2>Timeline</h2>",
            scrolling(draw_timeline(story)),
            *(["<h2>Probe by probe</h2>", *closeups] if closeups else []),
            "<h2>Figures</h2>",
            _facts_table(story.facts),
            "<h2>Measurement</h2>",
            _tracks_table(story),
            f'<p class="faint">{escape(_machine())}</p>',
            "</body></html>",
            "",
        ]
    )


def scrolling(wide: str) -> str:
    """HTML that a reader with a phone moves to the side, and not the whole page; texts in drawings keep a size that can be read."""
    return f'<div class="scroll">{wide}</div>'


def write_report(story: Story, path: Path, written_at: str) -> None:
    """Write the page; its directory is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_report(story, written_at), encoding="utf-8")


def write_timeline(story: Story, path: Path) -> None:
    """Write the timeline alone, as an SVG image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(draw_timeline(story) + "\n", encoding="utf-8")


def _disturbance(story: Story) -> list[str]:
    if not story.is_disturbed:
        return []
    text = f"The machine was busy: a prober ran more than {LATENESS_MAX * 1000:g} ms late, so read the figures with care."
    return [f'<p class="bad">{escape(text)}</p>']


def _facts_table(facts: Sequence[Fact]) -> str:
    rows = [
        f'<tr><td>{fact.step}</td><td>{escape(fact.what)}</td><td class="figure">{escape(fact.value)}</td>'
        f'<td class="figure">{escape(fact.bound)}</td><td>{_judgement(fact)}</td></tr>'
        for fact in facts
    ]
    return _table(("step", "what", "measured", "bound", ""), rows)


def _judgement(fact: Fact) -> str:
    if not fact.bound:
        return ""
    return '<span class="good">✔ held</span>' if fact.holds else '<span class="bad">✘ missed</span>'


def _tracks_table(story: Story) -> str:
    rows: list[str] = []
    for track in story.tracks:
        recording = track.recording
        longest = longest_outage(recording.probes)
        answers = ", ".join(f"{node} {count}" for node, count in sorted(recording.answers_by_node().items()))
        figures = (
            track.address,
            str(len(recording.probes)),
            answers,
            str(sum(not probe.is_answered for probe in recording.probes)),
            "none" if longest is None else f"{longest.duration * 1000:.0f} ms",
            f"{recording.lateness_max * 1000:.1f} ms",
        )
        rows.append(
            "<tr>" + "".join(f'<td class="figure">{escape(figure)}</td>' for figure in figures) + "</tr>"
        )
    return _table(
        ("address", "probes", "answered by", "lost", "longest outage", "prober late by at most"), rows
    )


def _table(columns: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    return scrolling(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>")


def _machine() -> str:
    load = " ".join(f"{figure:.2f}" for figure in os.getloadavg())
    return f"Linux {platform.release()}, {os.cpu_count()} cores, load {load}, Python {platform.python_version()}."
