"""Pieces of a line that belong together.

Docling cuts a line where its format changes, strips each piece and puts a space between any two: `**D**ocument`
becomes `**D** ocument`, which is other words. So a reader ends a piece that touches the next one with `GLUE`, which
goes through Docling as a letter does, and the renderers put no space behind such a piece. What leaves them has none.
"""

from __future__ import annotations

from collections.abc import Iterable

from docling_core.types.doc.document import DoclingDocument

GLUE = "\ufdd0"
"""A noncharacter of Unicode: free for such use inside a program, and in no text that is exchanged."""


def is_glued(left: str, right: str) -> bool:
    """True when nothing stands between two pieces, as the file has them."""
    return bool(left and right) and not left[-1].isspace() and not right[0].isspace()


def join(pieces: Iterable[str]) -> str:
    """The rendered pieces of a line: a space between two, none behind a glued one; glued if its last piece is."""
    line, separator = "", ""
    for piece in filter(None, pieces):
        line += separator + clean(piece)
        separator = "" if GLUE in piece else " "  # it stands inside the piece's markup: `**D⟨glue⟩**`
    return line + GLUE if line and not separator else line


def clean(text: str) -> str:
    """The text as it goes out, without the space that Docling puts between pieces where it joins them itself."""
    return text.replace(GLUE + " ", "").replace(GLUE, "")


def keep_at_ends(document: DoclingDocument) -> None:
    """Take the glue out of the middle of texts, where Docling has joined two pieces itself."""
    for item in document.texts:
        for field in ("text", "orig"):
            value: str = getattr(item, field)
            if GLUE in value:
                end = GLUE if value.endswith(GLUE) else ""
                setattr(item, field, clean(value) + end)
    for table in document.tables:
        for cell in table.data.table_cells:
            if GLUE in cell.text:
                cell.text = clean(cell.text)
