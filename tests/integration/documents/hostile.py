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
from tests.integration.documents import hostile_pdf_bombs as pdf_bombs
from tests.integration.documents import hostile_pdf_pages as pdf_pages
from tests.integration.documents import hostile_pdf_texts as pdf_texts
from tests.integration.documents import hostile_pdfs as pdfs
from tests.integration.documents import hostile_pictures as pictures
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

_PAGES = (
    pdfs.locks,
    pdfs.cuts,
    pdfs.trees,
    pdfs.loops,
    pdfs.wishes,
    pdfs.faces,
    pdf_pages.sizes,
    pdf_pages.drawings,
    pdf_pages.forms,
    pdf_bombs.bombs,
    pdf_texts.fonts,
    pdf_texts.words,
    pictures.pictures,
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

_SMOKED_PAGES = frozenset(
    [
        "pdf-user-password-aes-256",
        "pdf-owner-password-rc4-128",
        "pdf-cut-at-50",
        "pdf-xref-loop",
        "pdf-tree-count-million",
        "pdf-pages-100000",
        "pdf-launch",
        "pdf-removed-text",
        "pdf-box-huge",
        "pdf-box-wide",
        "pdf-form-of-itself",
        "pdf-image-30000",
        "pdf-map-surrogate",
        "picture-png-bomb",
        "picture-tiff-loop",
    ]
)
"""One or two of each kind, which take half a second each."""

_SMOKED = 2
"""Files of each group that every run of the tests sends; the others are for `just drills`."""


def cases() -> Iterator[Any]:
    """All of them, as parameters of a test."""
    for case in (made for group in _PAGES for made in group()):
        marks = [] if case.name in _SMOKED_PAGES else [pytest.mark.drill]
        yield pytest.param(case, marks=marks, id=case.name)
    for group in _GROUPS:
        for number, made in enumerate(group()):
            case = replace(made, may_be_refused=made.name in _MAY_BE_REFUSED)
            marks = [pytest.mark.drill] if number >= _SMOKED else []
            yield pytest.param(case, marks=marks, id=ascii(case.name)[1:-1])
