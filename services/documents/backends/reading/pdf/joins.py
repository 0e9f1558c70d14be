"""Rows to the text of an item: what stands at the ends of lines is closed up, a hyphen only where a word was cut."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from services.documents.backends.reading.pdf.rows import Row, without_leaders

_SOFT = "\u00ad"
_HYPHENS = ("-", "\u2010", "\u00ac", _SOFT)
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
_LAST = re.compile(r"([^\W\d_]+(?:[-\u2010][^\W\d_]+)*)[-\u2010\u00ac\u00ad]$")
_FIRST = re.compile(r"[^\W\d_]+")
_WHOLE = 4
"""Letters: shorter parts of cut words (`con-`, `ward`) are often words by chance."""
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uff00-\uffef\u3000-\u303f]")
"""Scripts that put no space between words."""


class Words:
    """The words of a document, to tell a hyphen that belongs to a word from one that cuts it.

    Args:
        texts: its rows.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._counts: Counter[str] = Counter()
        was_cut = False
        for text in texts:
            found = [word.lower() for word in _WORD.findall(text)]
            is_cut = text.endswith(_HYPHENS)
            self._counts.update(found[was_cut : len(found) - is_cut])
            was_cut = is_cut

    def is_cut(self, left: str, right: str) -> bool:
        """Whether `left-` and `right`, at the end and the start of lines, are one word.

        Where the document has either way of writing elsewhere, that tells. Else the parts are two words where the
        document has both elsewhere, and one where the second starts with a small letter: typesetters cut words more
        often than they break at hyphens.
        """
        last, first = _LAST.search(left), _FIRST.match(right)
        if last is None or first is None:
            return False
        whole = self._counts[(last[1] + first[0]).lower()]
        hyphened = self._counts[f"{last[1]}-{first[0]}".lower()]
        if whole != hyphened:
            return whole > hyphened
        if (
            min(len(last[1]), len(first[0])) >= _WHOLE
            and self._counts[last[1].lower()]
            and self._counts[first[0].lower()]
        ):
            return False
        return first[0][0].islower() and not last[1].isupper()


def joined(rows: Sequence[Row], words: Words) -> str:
    """The text of rows that are one paragraph."""
    return "".join(pieces([row.text for row in rows], words))


def pieces(texts: Sequence[str], words: Words) -> Iterator[str]:
    """The texts of rows, each as it goes before the next one."""
    for text, following in zip(texts, [*texts[1:], ""], strict=True):
        yield ending(text, following, words) if following else text


def ending(text: str, following: str, words: Words) -> str:
    """A text that another one follows: without the hyphen of a cut word, or with a space."""
    if text.endswith((_SOFT, _SOFT + "-")):
        return text[: text.rindex(_SOFT)]
    if text.endswith(_HYPHENS) and len(text) > 1 and text[-2].isalnum():
        return text[:-1] if words.is_cut(text, following) else text
    if _NO_SPACES.match(text[-1:]) and _NO_SPACES.match(following[:1]):
        return text
    return text + " "


def clean(text: str) -> str:
    """Without the hyphens that are seen at the ends of lines alone, and without leaders."""
    return without_leaders(text.replace(_SOFT, ""))


def code(rows: Sequence[Row]) -> str:
    """Code as it is set: a line for each row, set in as on the page."""
    left = min(row.box.l for row in rows)
    widths = [row.box.width / len(row.text) for row in rows if row.text]
    width = sorted(widths)[len(widths) // 2] or 1.0
    lines = [" " * round((row.box.l - left) / width) + row.text for row in rows]
    gaps = [0, *(_empty_lines(above, below) for above, below in pairwise(rows))]
    return "".join("\n" * gap + line + "\n" for gap, line in zip(gaps, lines, strict=True)).rstrip("\n")


def _empty_lines(above: Row, below: Row) -> int:
    step = (below.box.b - above.box.b) / max(above.height, 1.0)
    return min(1, max(0, round(step / 1.3) - 1))
