"""The head of an AsciiDoc file: its title, authors and revision."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from docling_core.types.doc.document import DoclingDocument

from services.documents.backends.reading.asciidoc.inline import Inline
from services.documents.backends.reading.asciidoc.source import COMMENT, Attributes, entry, section_title
from services.documents.backends.reading.line import add_heading, add_line

_AUTHOR = re.compile(r"(?:[\w'.-]+)(?: +[\w'.-]+){0,2}(?: +<[^>]+>)?(?:; *[\w'.-]+(?: +[\w'.-]+){0,2}(?: +<[^>]+>)?)*$")
_REVISION = re.compile(r"v?(?P<revnumber>\d[\w.]*)?(?:,? *(?P<revdate>[^:]*))?(?:: *(?P<revremark>.*))?$")


def add_header(document: DoclingDocument, inline: Inline, lines: Sequence[str]) -> int:
    """Add the title of the document with its authors and revision; the line where the body begins."""
    number, attributes = 0, inline.attributes
    while number < len(lines) and (not lines[number].strip() or COMMENT.match(lines[number]) or entry(lines[number])):
        if defined := entry(lines[number]):
            attributes.define(*defined)
        number += 1
    title = section_title(lines, number)
    if title is None or title[0] != 0:
        return number
    details: list[str] = []
    before = number + title[2]
    number = before
    while number < len(lines) and lines[number].strip():
        line = lines[number]
        if defined := entry(line):
            attributes.define(*defined)
        elif not COMMENT.match(line):
            if len(details) >= 2 or not (_AUTHOR.match(line) if not details else _is_revision(line)):
                break
            details.append(line)
        number += 1
    heading = attributes.replaced(title[1])
    attributes.values["doctitle"] = heading
    add_heading(document, inline.runs(heading))
    for line in details or _stated(attributes):
        add_line(document, inline.runs(line))
    _define_details(details, attributes)
    return number


def _is_revision(line: str) -> bool:
    return bool(re.match(r"v?\d[\w.]*(?:,|$|:)|[^,]*\d{4}", line))


def _define_details(details: Sequence[str], attributes: Attributes) -> None:
    """What the lines below the title define."""
    if details:
        name, _, address = details[0].split(";")[0].partition(" <")
        attributes.values["author"] = name.strip()
        attributes.values["email"] = address.rstrip(">")
    if len(details) > 1 and (match := _REVISION.match(details[1])):
        for attribute in ("revnumber", "revdate", "revremark"):
            if match[attribute]:
                attributes.values[attribute] = match[attribute].strip()


def _stated(attributes: Attributes) -> Iterator[str]:
    """Authors and revision that attributes state, as Asciidoctor shows them below the title."""
    values = attributes.values
    author = values.get("author") or values.get("authors")
    if author:
        yield author + (f" <{values['email']}>" if values.get("email") else "")
    revision = ", ".join(filter(None, (values.get("revnumber", ""), values.get("revdate", ""))))
    if revision:
        yield revision + (f": {values['revremark']}" if values.get("revremark") else "")
