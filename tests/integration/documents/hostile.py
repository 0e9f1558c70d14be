"""Files that are made to harm: each is to be refused clearly, or answered rightly, in time and in bounded memory.

Sizes are such that linear work takes a second or a few, and quadratic work minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.documents import hostile_office as office
from tests.integration.documents import hostile_packages as packages
from tests.integration.documents import hostile_texts as texts

_GROUPS = (
    packages.zips,
    packages.entities,
    office.deep,
    office.wide,
    office.sheets,
    office.circular,
    office.pictures,
    office.references,
    texts.lies,
    texts.deep,
    texts.wide,
    texts.definitions,
    texts.matches,
    texts.pictures,
    texts.references,
)

_PACKED = ("docx", "xlsx", "odt", "epub")
_ENTITIES = ("docx", "pptx", "xlsx", "odt", "ods", "jats")

_MAY_BE_REFUSED = frozenset(
    [
        *(f"zip-{name}-{format_}" for name in ("lying-size", "almost-too-large") for format_ in _PACKED),
        *(f"xml-{name}-{format_}" for name in ("billion-laughs", "quadratic", "parameters") for format_ in _ENTITIES),
        *(f"xml-external-{format_}" for format_ in ("xlsx", "odt", "ods")),
        *(f"docx-deep-{name}" for name in ("tables", "controls", "insertions", "math")),
        *(f"odt-deep-{name}" for name in ("lists", "spans", "sections")),
        *(f"html-deep-{name}" for name in ("div", "blockquote", "ul><li", "ol><li", "table><tr><td", "span")),
        *(f"html-deep-{name}" for name in ("svg", "math")),
        *(f"jats-deep-{name}" for name in ("sec", "italic", "list", "table-wrap")),
        *(f"html-many-<{name}" for name in ("pre>", "table>", "caption>x", "label>x", "ruby>x<rt>y", "figure>")),
        "html-many-<details><summary>x",
        "html-unclosed-h1",
        "pptx-deep-groups",
        "epub-deep",
        "md-quotes",
        "md-quoted-lines",
        "md-html",
        *(f"xlsx-{name}" for name in ("absurd-cell", "unknown-string", "long-number")),
        "docx-image",
        *(f"csv-{name}" for name in ("million-columns", "million-rows", "ragged", "long-field")),
    ]
)
"""Deeper or larger than a reader has to go, or no such file for the library that reads it; all others are answered."""

_SMOKED = 2
"""Files of each group that every run of the tests sends; the others are for `just drills`."""


def cases() -> Iterator[Any]:
    """All of them, as parameters of a test."""
    for group in _GROUPS:
        for number, made in enumerate(group()):
            case = replace(made, may_be_refused=made.name in _MAY_BE_REFUSED)
            marks = [pytest.mark.drill] if number >= _SMOKED else []
            yield pytest.param(case, marks=marks, id=ascii(case.name)[1:-1])
