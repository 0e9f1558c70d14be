"""Plain text, and the bytes of every text format as characters."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePath

from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading.reader import Report, Source


def read(source: Source, report: Report) -> DoclingDocument:  # noqa: ARG001 - nothing to report
    """Paragraphs as they are: Docling reads plain text as Markdown, which drops whatever looks like a tag."""
    parsed = DoclingDocument(name=PurePath(source.filename).stem)
    for paragraph in re.split(r"\n\s*\n", decode(source.data).replace("\r\n", "\n")):
        if paragraph.strip():
            parsed.add_text(label=DocItemLabel.TEXT, text=paragraph.strip())
    return parsed


def decode(data: bytes) -> str:
    """As Docling decodes texts: a byte-order mark, UTF-8, else Windows-1252."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
