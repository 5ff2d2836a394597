from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swimlb.sources import read_text

_TOKENS = st.sampled_from(
    [
        "a",
        ":",
        " ",
        "\n",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "&x ",
        "*x",
        "<<: ",
        "---\n",
        "!!int ",
        "|\n",
        '"',
        "#",
        "? ",
        "\t",
        "\x00",
        "é",
    ]
)
TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff"),
    max_size=8,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(_TOKENS, max_size=40).map("".join) | st.text())
def test_any_text_is_read_or_reported(text: str) -> None:
    """Nothing in a file makes the reader raise, and a problem has a line in the file."""
    manifests = read_text(text, "test.yaml")

    for problem in manifests.problems:
        assert problem.message
        assert problem.line is None or 1 <= problem.line <= len(text.splitlines()) + 1


@given(st.dictionaries(TEXT, JSON, max_size=4), st.booleans())
def test_json_means_what_it_says(content: dict[str, Any], is_escaped: bool) -> None:
    """YAML contains JSON, in whichever way it writes characters."""
    (document,) = read_text(json.dumps(content, ensure_ascii=is_escaped), "test.json").documents

    assert document.content == content
