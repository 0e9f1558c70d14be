"""The rows of one block cut where a paragraph, an item of a list, a heading or code ends and another begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading.pdf import marks
from services.documents.backends.reading.pdf.rows import BOXES, Row, leading

_WIDE_STEP = 1.35
"""Of the usual distance of rows: a wider one parts paragraphs. Rows with indices are up to 1.2 apart, the paragraphs of
word processors from 1.4 on."""
_FEW_ROWS_STEP = 1.9
"""Of a row's height, where there are too few rows to know the usual distance; double-spaced text has 2.3 of it."""
_INDENT = 0.7
"""Of a row's height: the least indent. Letters hang out or are set in by less."""
_OTHER_SIZE = 0.12
"""Of a row's height: type that differs by more is another kind of text."""
_MANY_ROWS = 10
"""Of a block, that tell where its full rows end."""
_FULL = 0.85
"""Share of them that end no later; the others reach over the gutter, as headings of a page that is one block do."""
_FAR_OUT = 4.0
"""Of a row's height: how much further those reach; ragged rows differ by a word."""
_LEAST_ROOM = 2.0
"""Of a row's height, beyond the next word: a row that leaves more room ended on purpose."""
_SHORT = 0.4
"""Of a block's width: a row that leaves so much room ended on purpose, whatever it ends with."""
_ENDS = (".", ":", "?", "!", ";", "؟", "。", ".”", '."', ".)", "…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows that are one item."""

    label: DocItemLabel
    rows: Sequence[Row]


def pieces(block: Sequence[Row], label: DocItemLabel, *, is_typewritten: bool = False) -> list[Piece]:
    """The items of a block, from top to bottom.

    Args:
        block: its rows.
        label: what it is taken for.
        is_typewritten: whether all text of the page has letters of one width, so that these say nothing of code.
    """
    if not block:
        return []
    starts = _Starts(block, is_typewritten=is_typewritten)
    firsts = starts.all()
    return [
        Piece(
            label=_label(label, is_item=starts.is_item[first], is_code=starts.is_code[first], length=end - first),
            rows=block[first:end],
        )
        for first, end in zip(firsts, [*firsts[1:], len(block)], strict=True)
    ]


class _Starts:
    """Where the items of a block begin."""

    def __init__(self, block: Sequence[Row], *, is_typewritten: bool) -> None:
        self.is_code = [row.is_mono and not is_typewritten for row in block]
        self._rows = block
        self._left = min(row.start for row in block)
        self._right = _right_edge(block)
        self._step = leading(block)
        self._marks = [row.mark for row in block]
        self.is_item = [False] * len(block)
        for at in range(len(block)):
            self.is_item[at] = self._is_marked(at)

    def all(self) -> list[int]:
        """The rows that begin something of their own."""
        firsts = [0]
        for at in range(1, len(self._rows)):
            if self._begins(at, firsts[-1] if self.is_item[firsts[-1]] else None):
                firsts.append(at)
        return firsts

    def _begins(self, at: int, item: int | None) -> bool:
        """Whether a row begins something; above it is an item of a list that began in a row, or none."""
        above, row = self._rows[at - 1], self._rows[at]
        if self.is_code[at - 1] and self.is_code[at]:
            return False
        return (
            self.is_item[at]
            or above.is_led
            or row.text[:1] in BOXES
            or self.is_code[at - 1] != self.is_code[at]
            or self._is_far(at)
            or self._is_other_type(above, row)
            or self._is_indented(at)
            or self._is_outdented(at, item)
            or (self._ended(at) and not self._is_within(at, item))
        )

    def _is_far(self, at: int) -> bool:
        above, row = self._rows[at - 1], self._rows[at]
        step = row.box.b - above.box.b
        if len(self._rows) >= 4 and step > _WIDE_STEP * self._step:
            return True
        return row.box.t - above.box.b > (_FEW_ROWS_STEP - 1) * max(row.height, above.height)

    def _is_other_type(self, above: Row, row: Row) -> bool:
        if min(len(above.text), len(row.text)) < 4:
            return False
        apart = abs(above.height - row.height) > _OTHER_SIZE * max(above.height, row.height)
        is_other_weight = above.is_bold != row.is_bold and not above.text.endswith("-")
        return (apart and above.font != row.font) or (is_other_weight and self._is_short(above))

    def _is_short(self, row: Row) -> bool:
        return row.end < self._right - 0.15 * (self._right - self._left) or row.text.endswith(_ENDS)

    def _is_indented(self, at: int) -> bool:
        """Whether a first line is set in: those above and below are not."""
        row, above = self._rows[at], self._rows[at - 1]
        least = _INDENT * row.height
        if row.start - above.start < least or self.is_item[at - 1] or row.start - above.start > 6 * row.height:
            return False
        if at + 1 < len(self._rows):
            return (row.start - self._rows[at + 1].start > least and above.end > self._right - 4 * row.height) or (
                row.start - self._rows[at + 1].start > least and above.text.endswith(_ENDS)
            )
        return above.text.endswith(_ENDS) and abs(above.start - self._left) < least

    def _is_outdented(self, at: int, item: int | None) -> bool:
        """Whether a row behind an item of a list stands outside of it."""
        if item is None:
            return False
        row, first = self._rows[at], self._rows[item]
        near = _INDENT * row.height
        if row.start > first.start + near:
            return False
        if item + 1 < at:
            return self._rows[item + 1].start > first.start + near
        return row.start < first.start - near or self._has_room(at)

    def _is_within(self, at: int, item: int | None) -> bool:
        """Whether a row goes on where the text of an item is set."""
        return item is not None and self._rows[at].start > self._rows[item].start + _INDENT * self._rows[at].height

    def _ended(self, at: int) -> bool:
        """Whether the row above ended on purpose: the first word of this one would have had room there."""
        above, row = self._rows[at - 1], self._rows[at]
        if self._is_centred(above, row) or not self._has_room(at):
            return False
        is_short = self._right - above.end > _SHORT * (self._right - self._left)
        return is_short or above.text.endswith(_ENDS)

    def _has_room(self, at: int) -> bool:
        """Whether the first word of a row would have had room in the row above."""
        above, row = self._rows[at - 1], self._rows[at]
        words = row.text.split(maxsplit=1)
        first = len(words[0]) / max(len(row.text), 1) * row.box.width
        return bool(self._right - above.end > first + _LEAST_ROOM * row.height)

    def _is_centred(self, above: Row, row: Row) -> bool:
        return (
            abs((above.start + above.end) - (row.start + row.end)) < row.height
            and abs(above.start - row.start) > row.height
        )

    def _is_marked(self, at: int) -> bool:
        found = self._marks[at]
        if found is None:
            return False
        if marks.is_sure(found) or found.is_apart:
            return True
        row = self._rows[at]
        is_first = at == 0 or self._is_far(at) or self._rows[at - 1].text.endswith(_ENDS) or self._has_room(at)
        hangs = at + 1 < len(self._rows) and self._hangs(at)
        if not found.is_number:
            return hangs or is_first
        follows = any(
            (other := self._marks[before]) is not None
            and self.is_item[before]
            and other.number is not None
            and found.number == other.number + 1
            and abs(self._rows[before].start - row.start) < row.height
            for before in range(max(0, at - 12), at)
        )
        starts = found.number == 1 and any(
            other is not None and other.number == 2 and abs(self._rows[below].start - row.start) < row.height
            for below, other in enumerate(self._marks[at + 1 : at + 12], at + 1)
        )
        is_reference = found.text.startswith("[")
        return follows or (is_first and (hangs or starts or is_reference)) or (hangs and starts)

    def _text_start(self, at: int) -> float:
        """Where the text behind the mark of a row starts."""
        row, found = self._rows[at], self._marks[at]
        if len(row.cells) > 1 and len(row.cells[0].text.strip()) <= 6 and found:
            box = row.cells[1].rect.to_bounding_box()
            return -box.r if row.is_right_to_left else box.l
        length = len(found.text) + 1 if found else 0
        return row.start + length / max(len(row.text), 1) * (row.end - row.start)

    def _hangs(self, at: int) -> bool:
        """Whether the next row starts where the text behind the mark does."""
        following = self._rows[at + 1]
        return abs(following.start - self._text_start(at)) < 0.6 * following.height and not self._marks[at + 1]


def _right_edge(block: Sequence[Row]) -> float:
    """Where full rows end: the furthest, but of many rows not some that a neighbour's words make longer."""
    ends = sorted(row.end for row in block)
    usual = ends[int(_FULL * len(ends))]
    return usual if len(ends) >= _MANY_ROWS and ends[-1] - usual > _FAR_OUT * block[0].height else ends[-1]


def _label(label: DocItemLabel, *, is_item: bool, is_code: bool, length: int) -> DocItemLabel:
    if is_code and (label is not DocItemLabel.SECTION_HEADER or length > 1):
        return DocItemLabel.CODE
    return DocItemLabel.LIST_ITEM if is_item and label is DocItemLabel.TEXT else label
