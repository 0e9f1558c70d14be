"""What an AsciiDoc file says, line by line, with its markup taken off by a few patterns."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from services.documents.backends.reading.guard import Passage

_NO_TEXT = re.compile(
    r"//(?!/)|:!?\w[\w-]*!?:|\[(?:|[\w.#%{,\"'!].*|\[[^\[\]]*\])\]$|toc::|(?:-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|`{3}.*|[|,:!]={3,})$"
)
_MATH = re.compile(r"\b(?:stem|latexmath|asciimath):\[([^\]]{0,500})\]")
_MARKS = re.compile(r"[*_`#^~+]+")
"""Taken out without a space: a word goes on behind them."""
_TORN = re.compile(r"\w[*_`#^~+]+\w")
"""A word whose format changes in the middle: the forms of an answer have it in pieces."""
_MARKUP = (
    re.compile(r"\b(?:kbd|btn|menu):(?=\S{0,500}\[)"),
    re.compile(r"\b(?:video|audio)::\S{0,500}?\[[^\]]{0,500}\]"),
    re.compile(r"\bimage:{1,2}[^\s\[]{0,500}\[\"?([^\",\]=]{0,500}(?=[\",\]]))?[^\]]{0,500}\]"),
    re.compile(r"\b(?:link|xref):\+\+[^\[]{0,500}?\+\+(?=\[)"),
    re.compile(r"\bfootnoteref:\[[^,\]]{0,500}"),
    re.compile(r"\bmailto:[^\s\[]{0,500}\[([^,\]\"]{0,500})[^\]]{0,500}\]"),
    re.compile(r"(?<=\[)([^,\]\"=]{0,500}),[^\]]{0,500}(?=\])|(?<=\[)\w+=[^\]]{0,500}(?=\])"),
    re.compile(r"\[\[\[?[^\]]{0,500}\]\]\]?|\[[^\[\]]{0,500}\](?=[#*_`])"),
    re.compile(
        r"\b(?:link|xref|mailto|image|footnote|footnoteref|icon|anchor|pass|indexterm2?|footnote):{1,2}[^\s\[]{0,500}(?=\[)"
    ),
    re.compile(r"(?:https?|ftp|irc|mailto):[^\s\[\]<>]{0,500}"),
    re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@[\w.-]+"),
    re.compile(r"<<[^<>]{0,500}>>|\(\(\([^()]{0,500}\)\)\)|\{[^{}]{0,500}\}"),
    re.compile(r"(?:(?<=\s)|^)(?:\d*(?:\.\d+)?[+*])?[<^>]?(?:\.[<^>])?[adehlmsv]?(?=[|!])"),
    re.compile(r"\((?:C|R|TM)\)|&[#\w]+;|<[^<>]{0,500}>"),
    re.compile(r"\\(?=\{)"),
    re.compile(r"^\s*(?:\d+\.|[A-Za-z]\.|[ivxIVX]+\))\s"),
)


def passages(lines: Sequence[str], numbers: Sequence[int]) -> Iterator[Passage]:
    """A passage for each line that says something."""
    is_formula = False
    for line, number in zip(lines, numbers, strict=True):
        is_formula ^= line.startswith("++++")
        if not _NO_TEXT.match(line) and (words := _bare(line, " " if is_formula else "")).strip():
            yield Passage(f"line {number}", words)


def _bare(line: str, mark: str) -> str:
    for pattern in _MARKUP:
        line = pattern.sub(r" \1 " if pattern.groups else " ", line)
    line = _MATH.sub(lambda match: _MARKS.sub(" ", match[1]), line)
    if not mark:
        line = " ".join(word for word in line.split() if not _TORN.search(word))
    return html.unescape(_MARKS.sub(mark, line))
