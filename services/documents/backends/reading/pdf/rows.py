"""Rows of a block: its cells side by side, and what a reader sees of the type they are set in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median

from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.page import TextCell, TextDirection

from services.documents.backends.reading.pdf.marks import Mark, is_bare_mark, mark

_SAME_ROW = 0.5
"""Of the lower of two cells: how much of their heights is shared in a row."""
_SPACE = 0.17
"""Of the height: see `lines`."""
BOXES = "☐☑☒"
"""Signs of boxes to be ticked, which say more than bullets."""
_STOP = 0.4
"""Of the height: a gap that is wider than a space."""
_DROPPED = 2
"""Letters of a drop cap; the first may be a quotation mark."""
_LEADERS = re.compile(r"\s*(?:[.․…·]\s?){4,}\s*")
"""Dots from the titles in a table of contents to the numbers of their pages."""
TYPEWRITTEN = 0.9
"""Share of a page's letters that have one width from which on these say nothing of code: a typist's page."""
_ALL = 0.8
"""Share of a row's letters: a few signs are of other fonts."""
_BOLD = re.compile(r"bold|black|heavy|semibold|demi|(?:^|[^a-z])(?:bd|b)$|cmbx|sfbx|-med|medi\b", re.IGNORECASE)
_MONO = re.compile(
    r"mono|courier|consol|menlo|typewriter|cmtt|sftt|ectt|txtt|fixed|lettergothic|terminal|inconsolata|sourcecode|"
    r"firacode|hack-|dejavusansm|ocr-?[ab]",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Cells side by side, in the order of reading. Unit: points from the page's top left."""

    cells: tuple[TextCell, ...]
    is_right_to_left: bool

    @cached_property
    def box(self) -> BoundingBox:
        """Around all cells."""
        return around(cell.rect.to_bounding_box() for cell in self.cells)

    @cached_property
    def text(self) -> str:
        """As a reader reads it."""
        return without_leaders("".join(join(self.cells)).strip())

    @cached_property
    def mark(self) -> Mark | None:
        """What it starts with, if that may be the mark of a list's item."""
        first = self.cells[0].text.strip()
        if (
            len(self.cells) > 1
            and len(first) == 1
            and not (first.isalnum() or first in BOXES)
            and (self._has_gap or not first.isascii())
        ):
            return Mark(first, is_number=False, rest=self.text.removeprefix(first).strip(), is_apart=True)
        found = mark(self.text)
        is_apart = len(self.cells) > 1 and found is not None and is_bare_mark(first) and self._has_gap
        return found._replace(is_apart=is_apart) if found else None

    @property
    def _has_gap(self) -> bool:
        """Whether its first cell stands apart, as before the stop of a tabulator."""
        one, two = self.cells[0].rect.to_bounding_box(), self.cells[1].rect.to_bounding_box()
        return max(two.l - one.r, one.l - two.r) > _STOP * self.height

    @cached_property
    def height(self) -> float:
        """Of its type: the height of the cell with most letters. Unit: points."""
        longest = max(self.cells, key=lambda cell: len(cell.text))
        return float(longest.rect.to_bounding_box().height)

    @cached_property
    def start(self) -> float:
        """Where reading starts: on the left, or on the right with its sign changed, so that it grows inwards."""
        return -self.box.r if self.is_right_to_left else self.box.l

    @cached_property
    def end(self) -> float:
        """Where reading ends, as `start` is measured."""
        return -self.box.l if self.is_right_to_left else self.box.r

    @cached_property
    def font(self) -> str:
        """Of most letters."""
        fonts: Counter[str] = Counter()
        for cell in self.cells:
            fonts[font_name(cell)] += len(cell.text.strip())
        return fonts.most_common(1)[0][0]

    @property
    def is_led(self) -> bool:
        """Whether dots lead to the number of a page, as in a table of contents."""
        return " ... " in self.text and self.text[-1:].isalnum()

    @property
    def is_bold(self) -> bool:
        """Whether most letters are bold."""
        return is_bold(self.font)

    @cached_property
    def is_mono(self) -> bool:
        """Whether all letters have one width, but for a few signs."""
        return mono_share(self.cells) > _ALL


def rows(cells: Iterable[TextCell]) -> list[Row]:
    """The rows of cells, from top to bottom; upright ones."""
    found = list(cells)
    caps = _drop_caps(found)
    groups = _groups([cell for cell in found if not any(cell is cap for cap in caps)])
    for cap in caps:
        min(groups, key=lambda group: abs(group[0].rect.to_bounding_box().t - cap.rect.to_bounding_box().t)).append(cap)
    return [_row(group) for group in groups]


def _drop_caps(cells: Sequence[TextCell]) -> list[TextCell]:
    """Single letters that are as high as two rows and more, which would join these."""
    usual = usual_height(cells)
    large = [
        cell
        for cell in cells
        if len(cell.text.strip()) <= _DROPPED and cell.rect.to_bounding_box().height > 1.7 * usual
    ]
    return large if len(large) < len(cells) and len(large) <= 2 else []


def _groups(cells: Iterable[TextCell]) -> list[list[TextCell]]:
    groups: list[list[TextCell]] = []
    bottom = top = 0.0
    for cell in sorted(cells, key=_middle):
        box = cell.rect.to_bounding_box()
        shared = min(bottom, box.b) - max(top, box.t)
        if groups and shared > _SAME_ROW * min(box.height, bottom - top):
            groups[-1].append(cell)
            if box.height > bottom - top:
                top, bottom = box.t, box.b
        else:
            groups.append([cell])
            top, bottom = box.t, box.b
    return groups


def _row(cells: Sequence[TextCell]) -> Row:
    to_left = sum(len(cell.text) for cell in cells if cell.text_direction is TextDirection.RIGHT_TO_LEFT)
    is_right_to_left = 2 * to_left > sum(len(cell.text) for cell in cells)
    ordered = sorted(cells, key=lambda cell: cell.rect.to_bounding_box().l, reverse=False)
    if is_right_to_left:
        ordered = sorted(cells, key=lambda cell: -cell.rect.to_bounding_box().r)
    return Row(cells=tuple(ordered), is_right_to_left=is_right_to_left)


def join(cells: Sequence[TextCell]) -> Iterator[str]:
    """The texts of cells of a row, each with the space before it that a reader sees."""
    for place, cell in enumerate(cells):
        yield (" " if place and _is_apart(cells[place - 1], cell) else "") + cell.text


def _is_apart(left: TextCell, right: TextCell) -> bool:
    if left.text.endswith(" ") or right.text.startswith(" "):
        return False
    one, two = left.rect.to_bounding_box(), right.rect.to_bounding_box()
    if one.height > 1.5 * two.height and len(left.text) <= _DROPPED and left.text[-1:].isupper():
        return False  # a drop cap
    return bool(max(two.l - one.r, one.l - two.r) > _SPACE * min(one.height, two.height))


def without_leaders(text: str) -> str:
    """Three dots for the many of a table of contents."""
    return _LEADERS.sub(" ... ", text)


def _middle(cell: TextCell) -> float:
    box = cell.rect.to_bounding_box()
    return (box.t + box.b) / 2


def font_name(cell: TextCell) -> str:
    """Of the file's font (see `cells`), without the tag of a subset; "" for what was recognized in a picture."""
    name = "" if cell.from_ocr else cell.orig
    return name.rpartition("+")[2].lstrip("/")


def is_bold(font: str) -> bool:
    """Whether a font's name says that it is bold."""
    return bool(_BOLD.search(font))


def is_mono(font: str) -> bool:
    """Whether a font's name says that all its letters have one width."""
    return bool(_MONO.search(font))


def mono_share(cells: Iterable[TextCell]) -> float:
    """Which part of the letters of cells is of a font whose letters have one width: 0 to 1."""
    letters = [(len(cell.text.strip()), is_mono(font_name(cell))) for cell in cells]
    return sum(count for count, is_fixed in letters if is_fixed) / max(sum(count for count, _ in letters), 1)


def around(boxes: Iterable[BoundingBox]) -> BoundingBox:
    """The box around boxes; at least one."""
    found = list(boxes)
    return BoundingBox(
        l=min(box.l for box in found),
        t=min(box.t for box in found),
        r=max(box.r for box in found),
        b=max(box.b for box in found),
    )


def usual_height(cells: Iterable[TextCell]) -> float:
    """The height of most letters of cells; 0 for none. Unit: points."""
    heights: Counter[float] = Counter()
    for cell in cells:
        heights[round(cell.rect.to_bounding_box().height, 1)] += len(cell.text)
    return heights.most_common(1)[0][0] if heights else 0.0


def leading(block: Sequence[Row]) -> float:
    """The usual distance of rows; 0 for one row. Unit: points."""
    steps = [below.box.b - above.box.b for above, below in pairwise(block)]
    return median(steps) if steps else 0.0
