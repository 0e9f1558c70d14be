"""The outline of a PDF (its bookmarks)."""

from __future__ import annotations

from itertools import islice

import pypdfium2

from services.documents.backends.reading.pdf.headings import Entry

_MOST = 20_000
"""Entries that are looked at: books have some hundreds."""


def outline(data: bytes) -> list[Entry]:
    """Its entries in order; none where it has none or cannot be read."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        return []
    try:
        return [_entry(bookmark) for bookmark in islice(document.get_toc(max_depth=10), _MOST)]
    except (pypdfium2.PdfiumError, ValueError):
        return []
    finally:
        document.close()


def _entry(bookmark: pypdfium2.PdfBookmark) -> Entry:
    target = bookmark.get_dest()
    page = target.get_index() if target is not None else None
    return Entry(text=bookmark.get_title() or "", page=0 if page is None else page + 1, level=bookmark.level + 1)
