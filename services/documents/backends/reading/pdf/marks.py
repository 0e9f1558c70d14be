"""What the start of a line says of it: marks of lists, captions, footnotes."""

from __future__ import annotations

import re
from typing import NamedTuple

_BULLETS = "•‣◦⁃∙▪▫■□●○◆◇►▶▸➢➤✓✔✗✘❖·"
_DASHES = "-–—*"
_MARK = re.compile(
    rf"(?P<bullet>[{_BULLETS}])\s*(?=\S)"
    rf"|(?P<dash>[{_DASHES}])\s+(?=\S)"
    r"|(?P<number>\(?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxlcIVXLC]{1,6}|[\u0660-\u0669\u06f0-\u06f9]{1,3}|[\u0621-\u064a\u05d0-\u05ea])[.)\-]|\[\d{1,4}\])\s+(?=\S)"
)  # fmt: skip
_CAPTION = re.compile(
    r"(?:figure|fig|table|tab|listing|chart|scheme|plate|exhibit|algorithm|abbildung|abb|tabelle|figura|tabla|tableau|"
    r"quadro|tabela|gráfico|figuur|tabel|рис(?:унок)?|табл(?:ица)?|εικόνα|πίνακας|شکل|جدول|الشكل|الجدول|איור|טבלה)"
    r"\.?\s*(?:[a-z]\.?)?[\divx\u0660-\u0669\u06f0-\u06f9]+(?:[.\-][\da-z]+)*\s*(?P<end>[.:)|–—]|$)?"
    r"|[図表图]\s*\d+",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"\s+[^\W\d_A-ZÀ-Þ].*[.:]", re.DOTALL)
"""What goes on behind the number of a figure in a sentence about it: `Table 2 shows the rest.`"""
_FOOTNOTE = re.compile(r"(?:\d{1,3}|[*†‡§¶‖]{1,3}|[¹²³⁰⁴-⁹]+)[.)]?\s*(?=[^\W\d])")
_NUMBERED = re.compile(
    r"(?P<word>(?:chapter|part|section|article|appendix|annex|kapitel|teil|abschnitt|artikel|anhang|chapitre|partie|"
    r"capítulo|parte|sección|artículo|capitolo|глава|часть)\s+)?"
    r"(?P<number>\d{1,3}(?:\.\d{1,3})*|[A-Z](?:\.\d{1,3})*(?=[.)\s])|[IVXLC]+(?=[.)\s]))(?P<end>[.):\-–]?)(?:\s+|$)",
    re.IGNORECASE,
)


class Mark(NamedTuple):
    """What an item of a list starts with."""

    text: str
    is_number: bool
    rest: str
    """The line behind it."""
    is_apart: bool = False
    """Whether a gap wider than a space follows."""

    @property
    def number(self) -> int | None:
        """Its value: the last number of 2.3, 2 of b); None for a bullet."""
        if not self.is_number:
            return None
        core = self.text.strip("()[].-").rpartition(".")[2]
        if core.isdigit():
            return int(core)
        return ord(core.lower()) - ord("a") + 1 if len(core) == 1 else _roman(core)


def mark(text: str) -> Mark | None:
    """The mark of a list's item at the start of a line."""
    match = _MARK.match(text)
    if match is None:
        return None
    return Mark(match[0].strip(), match["number"] is not None, text[match.end() :])


def is_bare_mark(text: str) -> bool:
    """Whether a text is the mark of an item and nothing else."""
    found = mark(f"{text.strip()} x")
    return found is not None and found.rest == "x"


def is_sure(found: Mark) -> bool:
    """Whether nothing but a list has such a mark."""
    return not found.is_number and (found.is_apart or found.text in _BULLETS)


def is_caption(text: str, *, is_surely: bool) -> bool:
    """Whether a text starts as the caption of a figure or a table.

    Args:
        text: of a block.
        is_surely: only when something ends the number, or all is said with it.
    """
    match = _CAPTION.match(text)
    if match is None:
        return False
    if match["end"] is not None or match.end() == len(text):
        return True
    return not is_surely and not _SENTENCE.fullmatch(text, match.end())


def is_footnote(text: str) -> bool:
    """Whether a text starts with the mark of a footnote."""
    return _FOOTNOTE.match(text) is not None


def depth(text: str) -> int:
    """How many parts the number of a heading has; 0 where it has none: 2 for `1.1 Aims`, 1 for `Chapter 3`."""
    match = _NUMBERED.match(text)
    if match is None or (
        not match["word"] and "." not in match[0] and not match["number"].isdigit() and not match["end"]
    ):
        return 0
    return match["number"].count(".") + 1


_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


def _roman(text: str) -> int | None:
    values = [_ROMAN.get(char, 0) for char in text.lower()]
    if not values or 0 in values:
        return None
    return sum(
        -value if value < following else value for value, following in zip(values, [*values[1:], 0], strict=True)
    )
