"""Plain text, and the bytes of every text format as characters."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath

from docling_core.types.doc.common.origin import DocumentOrigin
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends import encodings
from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.reader import Report, Source

_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")


def empty(source: Source, mimetype: str | None) -> DoclingDocument:
    """A document without content that says which file it is of, as Docling's backends do."""
    name = PurePath(source.filename)
    if mimetype is None:  # Docling knows none for it, and refuses those that it does not know
        return DoclingDocument(name=name.stem or "file")
    digest = hashlib.sha256(source.data, usedforsecurity=False).hexdigest()
    origin = DocumentOrigin(filename=name.name or "file", mimetype=mimetype, binary_hash=digest)
    return DoclingDocument(name=name.stem or "file", origin=origin)


def read(source: Source, report: Report) -> DoclingDocument:
    """Paragraphs as they are: Docling reads plain text as Markdown, which drops whatever looks like a tag."""
    parsed = empty(source, "text/plain")
    text = decoded(source, report)
    report.passages.extend(Passage(f"line {number}", line) for number, line in enumerate(text.split("\n"), 1) if line)
    for paragraph in _BLANK_LINES.split(text):
        if paragraph.strip():
            parsed.add_text(label=DocItemLabel.TEXT, text=paragraph.strip())
    return parsed


def decoded(source: Source, report: Report, page_break: str = "\n") -> str:
    """The text of a file with lines that end in a line feed; what had to be assumed or dropped is reported."""
    text, problems = encodings.decode(source.data, page_break)
    report.problems.extend(problems)
    return text.replace("\r\n", "\n").replace("\r", "\n")
