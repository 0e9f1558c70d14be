"""The letters of a page as docling-parse gives them, without those that a reader does not see."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from services.documents.backends.reading.pdf.signs import sign
from services.documents.backends.reading.pdf.type_sizes import TypeSizes

NO_CHARACTER = "\ufffd"
"""Of a glyph that stands for nothing known."""
_TWICE = 0.25
"""Of a letter's height: the same letter so near is drawn twice, to look bold or to cast a shadow. Doubled letters
(`ll`) are at least a letter's width apart, some 0.2 of the height for the narrowest."""
_ABOVE = 0.75
"""Of the type's size: what of a letter's box is above the baseline, whatever the font."""
_INVISIBLE = 3
"""Rendering mode of a text that is neither filled nor stroked."""
_NARROWEST = 0.12
"""Of the type's size: what is narrower for each of three letters or more is the name of a glyph (`SM590000` for a
square of half the size), which docling-parse gives where a font does not say what it stands for; `ffi` is 0.25."""
MONO = " mono"
"""Behind the name of a font whose letters have one width, whatever it is called."""
_NARROW_OR_WIDE: Mapping[str, int] = MappingProxyType(
    dict.fromkeys("ijlt.,:;'|!", 0) | dict.fromkeys("mwMWADGHNOQUC", 1)
)
_LEAST_OF_KIND = 5
"""Narrow letters, and wide ones, that tell."""
_ONE_WIDTH = 0.03
"""Of the type's size: how much letters of one width differ; `i` and `m` of other fonts by 0.5."""
_UNSEEN = frozenset("\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff")


class Letter(NamedTuple):
    """A letter, or several drawn as one. Unit: points from the top left, in a frame where it is upright."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    font: str
    angle: int
    """By how much its line is turned, counterclockwise. Unit: degrees."""
    order: int
    """Its place in the page's content."""
    is_widget: bool = False
    """Whether it is the value of a form's field."""

    @property
    def height(self) -> float:
        """The size of its type. Unit: points."""
        return self.bottom - self.top


def visible(
    cells: Iterable[Any], width: float, height: float, *, is_scan: bool, sizes: TypeSizes | None = None
) -> list[Letter]:
    """The letters of a page that a reader sees, in the order of the content.

    Args:
        cells: docling-parse's letters; y goes up.
        width: of the page.
        height: of the page.
        is_scan: whether the page is one picture: then the invisible text is what was recognized in it.
        sizes: of the page's type.
    """
    found = list(_once(_letters(cells, width, height, is_scan=is_scan, sizes=sizes)))
    fixed = _of_one_width(found)
    return [letter._replace(font=letter.font + MONO) if letter.font in fixed else letter for letter in found]


def _letters(
    cells: Iterable[Any], width: float, height: float, *, is_scan: bool, sizes: TypeSizes | None
) -> Iterator[Letter]:
    last: Letter | None = None
    for order, cell in enumerate(cells):
        told = sizes.decoded(cell) if sizes is not None else cell.text
        text = NO_CHARACTER if _is_name(cell) else _clean(sign(told, cell.font_name))
        if text == NO_CHARACTER and sizes is not None:
            text = _clean(sizes.character(cell)) or text
        if not text or (cell.rendering_mode == _INVISIBLE and not is_scan):
            continue
        box = _box(cell, height)
        if box is None or not _is_on_page(cell, width, height):
            continue
        left, top, right, bottom, angle = box
        if text == " " and last is not None and last.angle == angle and abs(left - last.right) < last.height:
            top, bottom = last.top, last.bottom
        elif sizes is not None and (size := sizes.of(cell)) is not None:
            baseline = bottom - size.below
            top, bottom = baseline - _ABOVE * size.height, baseline + (1 - _ABOVE) * size.height
        if bottom > top:
            last = Letter(text, left, top, right, bottom, cell.font_name, angle, order, cell.widget)
            yield last


def _is_name(cell: Any) -> bool:
    """Whether a letter's text is the name of its glyph."""
    count = len(cell.text)
    if count < 3 or not cell.text.isascii():
        return False
    width = math.hypot(cell.r_x1 - cell.r_x0, cell.r_y1 - cell.r_y0)
    return width < _NARROWEST * count * math.hypot(cell.r_x3 - cell.r_x0, cell.r_y3 - cell.r_y0)


def _box(cell: Any, height: float) -> tuple[float, float, float, float, int] | None:
    """Left, top, right and bottom of a letter in the frame of its line, and its angle; None where it has no height."""
    if cell.r_y0 == cell.r_y1 and cell.r_x0 <= cell.r_x1 and cell.r_x1 == cell.r_x2 and cell.r_y2 > cell.r_y1:
        return cell.r_x0, height - cell.r_y2, cell.r_x1, height - cell.r_y0, 0
    angle = _angle(cell.r_x1 - cell.r_x0, cell.r_y1 - cell.r_y0)
    corners = ((cell.r_x0, cell.r_y0), (cell.r_x1, cell.r_y1), (cell.r_x2, cell.r_y2), (cell.r_x3, cell.r_y3))
    points = [turned(x, height - y, angle) for x, y in corners]
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    return (min(x for x, _ in points), top, max(x for x, _ in points), bottom, angle) if bottom > top else None


def _is_on_page(cell: Any, width: float, height: float) -> bool:
    """Whether the middle of a letter is."""
    x, y = float(cell.r_x0 + cell.r_x2), float(cell.r_y0 + cell.r_y2)
    return 0 <= x <= 2 * width and 0 <= y <= 2 * height


def turned(x: float, y: float, angle: int) -> tuple[float, float]:
    """A point of the page in the frame where lines that are turned by an angle run from left to right; y goes down."""
    if not angle:
        return x, y
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return x * cos - y * sin, x * sin + y * cos


def _angle(dx: float, dy: float) -> int:
    """Steps of 5 degrees: the letters of a curved line stay together, a skewed scan counts as upright."""
    return 0 if abs(dy) <= abs(dx) * 0.05 and dx >= 0 else round(math.degrees(math.atan2(dy, dx)) / 5) * 5 % 360


def _clean(text: str) -> str:
    """Ligatures and presentation forms as the letters they stand for; no control characters."""
    if text.isascii():
        return text if text.isprintable() else {"\x02": "-", "\t": " "}.get(text, "")
    shown = "".join(map(_usual, text))
    return " " if shown and shown.isspace() else shown


def _usual(char: str) -> str:
    if "\ufb00" <= char <= "\ufdff" or "\ufe70" <= char <= "\ufefc" or char in "\u0132\u0133\u2126\u212b":
        usual = unicodedata.normalize("NFKC", char)
        return usual.strip() or char
    if char in _UNSEEN or unicodedata.category(char) in ("Cc", "Cn", "Cs"):
        return ""
    return "•" if char in "\uf0b7\uf0a7\uf076\uf0d8\uf0fc\uf06e\uf0a8" else char


def _once(letters: Iterable[Letter]) -> Iterator[Letter]:
    """Each letter once, where it is drawn again in the same place: in the longer of the two runs of letters.

    A drawing program may write a line a second time, whole, over single letters of it.
    """
    drawn = list(letters)
    lengths = _run_lengths(drawn)
    seen: dict[tuple[str, int, int], list[int]] = {}
    again: set[int] = set()
    for at, letter in enumerate(drawn):
        if letter.text == " ":
            continue
        x, y = int(letter.left // 4), int(letter.top // 4)
        near = (
            other
            for column in (x - 1, x, x + 1)
            for row in (y - 1, y, y + 1)
            for other in seen.get((letter.text, column, row), ())
        )
        twin = next((other for other in near if _is_again(letter, drawn[other])), None)
        if twin is None:
            seen.setdefault((letter.text, x, y), []).append(at)
        elif lengths[twin] < lengths[at] and twin not in again:
            again.add(twin)
        else:
            again.add(at)
    return (letter for at, letter in enumerate(drawn) if at not in again)


def _run_lengths(letters: Sequence[Letter]) -> list[int]:
    """For each letter how many follow each other where it stands, side by side."""
    lengths: list[int] = []
    start = 0
    for at, letter in enumerate(letters, start=1):
        if at < len(letters) and _follows(letter, letters[at]):
            continue
        lengths += [at - start] * (at - start)
        start = at
    return lengths


def _of_one_width(letters: Iterable[Letter]) -> set[str]:
    """The fonts whose narrow letters are as wide as their wide ones."""
    widths: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for letter in letters:
        kind = _NARROW_OR_WIDE.get(letter.text)
        if kind is not None:
            widths[letter.font][kind].append((letter.right - letter.left) / letter.height)
    return {
        font
        for font, (narrow, wide) in widths.items()
        if min(len(narrow), len(wide)) >= _LEAST_OF_KIND and max(wide) - min(narrow) < _ONE_WIDTH
    }


def _follows(last: Letter, letter: Letter) -> bool:
    reach = 0.5 * last.height
    return abs(letter.left - last.right) < reach and abs(letter.bottom - last.bottom) < reach


def _is_again(letter: Letter, other: Letter) -> bool:
    reach = _TWICE * letter.height
    apart = min(reach, 0.5 * max(letter.right - letter.left, 0.1))
    return abs(letter.left - other.left) < apart and abs(letter.top - other.top) < reach


def right_to_left_share(texts: Sequence[str]) -> float:
    """Which part of the letters of texts is written from right to left: 0 to 1."""
    kinds = [unicodedata.bidirectional(char) for text in texts for char in text]
    strong = [kind for kind in kinds if kind in ("L", "R", "AL")]
    return sum(kind != "L" for kind in strong) / len(strong) if strong else 0.0
