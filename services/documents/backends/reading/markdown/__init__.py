"""Markdown: its HTML, read as any other."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import islice

from docling_core.types.doc.document import DoclingDocument

from services.common.errors import UnprocessableFile
from services.documents.backends.base import Include
from services.documents.backends.reading import text
from services.documents.backends.reading.guard import MOST_SENTENCES
from services.documents.backends.reading.html import tree
from services.documents.backends.reading.html.dom import Element
from services.documents.backends.reading.html.passages import passages
from services.documents.backends.reading.html.reader import HtmlReader
from services.documents.backends.reading.markdown.bounds import narrowed
from services.documents.backends.reading.markdown.syntax import to_html
from services.documents.backends.reading.reader import Report, Source

_FRONT_MATTER = re.compile(
    r"\A(?:---[ \t]*\n(?P<yaml>(?=[ \t]*(?:[\w\"'-]|#))(?:(?!(?:---|\.\.\.)[ \t]*$).*\n)+)(?:---|\.\.\.)"
    r"|\+\+\+[ \t]*\n(?P<toml>(?:(?!\+\+\+[ \t]*$).*\n)+)\+\+\+)[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)
_KEY = re.compile(r"^[ \t]*[\w\"'.-]+[ \t]*[:=]", re.MULTILINE)
_WORD = re.compile(r"[^\W_]+")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_NEVER_SHOWN = re.compile(r"<(script|style|template|noscript|iframe)\b", re.IGNORECASE)
_NO_TEXT = re.compile(
    r"<[A-Za-z/!?][^<>]*>"
    r"|^[ >\t]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*(?:`{3,}|~{3,})[^\n]*$"
    r"|^[ >\t]*\[(?!\^)[^\]\n]+\]:[^\n]*(?:\n[ \t]+[\"'(][^\n]*)?$",
    re.MULTILINE,
)
"""Tags, marks of code and targets of links: what Markdown does not show."""
_TARGET = re.compile(r"\]\((?:[^()\n]|\([^()\n]*\))*\)|\]\[[^\]\n]*\]")
_MARKERS = re.compile(r"^[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*(?:\[[ xX]\](?=\s))?")
"""What begins items and tasks, which have their own number and box in the answer."""
_MOST_CHECKS = 1000
"""Words looked up among all letters."""
_MOST_QUOTES = 100
"""The library needs time that grows with the square of the depth."""
_DEEP = re.compile(rf"^(?:[ \t]{{0,3}}>){{{_MOST_QUOTES + 1}}}", re.MULTILINE)
_UNDERSCORES = re.compile("_{11,}")
_DASHES = re.compile(r"^([ \t]*)(?:-\s+){11,}-?(?=\S)", re.MULTILINE)


def read(source: Source, report: Report) -> DoclingDocument:
    """A text in Markdown."""
    content = text.decoded(source, report)
    if _DEEP.search(content):
        raise UnprocessableFile(f"{source.filename}: quotes are nested more than {_MOST_QUOTES} deep; flatten them")
    front, body = _split(content)
    # Marks without end, for which the library needs time that grows with their square; Docling shortens them as well.
    body = _DASHES.sub(r"\1- ", _UNDERSCORES.sub("_" * 10, narrowed(body)))
    root = tree(source, _head(front) + to_html(body), report)
    document = text.empty(source, "text/markdown")
    reader = HtmlReader(document, include=source.include, infers_headers=False, is_typographic=False)
    reader.read(root)
    report.problems += islice(_unread(body, root), MOST_SENTENCES)
    has_headers = Include.HEADERS in source.include
    report.passages += passages(root, "as HTML, ", shows=reader.shows, has_headers=has_headers)
    return document


def _split(content: str) -> tuple[str, str]:
    """What a file says of itself at its start, and the rest."""
    match = _FRONT_MATTER.match(content)
    front = (match["yaml"] or match["toml"] or "") if match else ""
    if not match or not _KEY.search(front):
        return "", content
    return front, content[match.end() :]


def _head(front: str) -> str:
    """Keys and values as a paragraph of lines."""
    lines = [html.escape(line.strip()) for line in front.splitlines() if line.strip()]
    return f"<p>{'<br>'.join(lines)}</p>\n" if lines else ""


def _unread(body: str, root: Element) -> Iterator[str]:
    """Sentences for the lines whose words the library has dropped: they stand nowhere in its HTML."""
    said = (node if isinstance(node, str) else node.get("alt") for node in root.descendants())
    words = _WORD.findall(" ".join(said))
    known, letters = set(words), "".join(words)
    end = body.rfind("-->") + 3  # behind it, each start of a comment would be followed up to the end
    body = _COMMENT.sub(_line_ends, body[:end]) + body[end:] if end > 2 else body
    body = _NO_TEXT.sub(_line_ends, "".join(_shown(body)))
    body = html.unescape(_TARGET.sub(_line_ends, body))
    checks = _MOST_CHECKS
    for number, line in enumerate(body.split("\n"), start=1):
        missing = [word for word in _WORD.findall(_MARKERS.sub("", line)) if word not in known]
        checks -= len(missing)
        if checks < 0:
            return
        if lost := [word for word in missing if word not in letters]:
            yield f"line {number}: '{' '.join(lost[:8])}' is not in the answer"


def _shown(body: str) -> Iterator[str]:
    """The text without the elements that are never shown; those without end are."""
    at = 0
    without_end = set()
    for match in _NEVER_SHOWN.finditer(body):
        name = match[1].lower()
        if name in without_end or match.start() < at:
            continue
        if end := re.compile(f"</{name}", re.IGNORECASE).search(body, match.end()):
            yield body[at : match.start()]
            yield "\n" * body.count("\n", match.start(), end.start()) or " "
            at = end.start()
        else:
            without_end.add(name)
    yield body[at:]


def _line_ends(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n") or " "
