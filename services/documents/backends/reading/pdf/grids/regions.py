"""Where tables are on a page that the layout model has not called tables, or not all of a table."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from docling.datamodel.base_models import Cluster
from docling_core.types.doc.labels import DocItemLabel
from docling_core.types.doc.page import TextCell

from services.documents.backends.reading.pdf.grids.grid import Box
from services.documents.backends.reading.pdf.grids.rulings import Rule, Rulings
from services.documents.backends.reading.pdf.grids.sheet import Sheet
from services.documents.backends.reading.pdf.grids.words import Frame, Word, hull, lines_of, phrases_of, size_of

TABLES = frozenset({DocItemLabel.TABLE, DocItemLabel.DOCUMENT_INDEX})
_MAY_BE_TABLE = frozenset(
    {DocItemLabel.TEXT, DocItemLabel.SECTION_HEADER, DocItemLabel.CAPTION, DocItemLabel.PICTURE, DocItemLabel.LIST_ITEM}
)
_WIDE = 0.8
"""A gap of so many heights of a word is wider than the spaces of a justified line: it parts columns."""
_PROSE_WORDS = 4
"""In a line without a wide gap; a line of fewer may be a cell."""
_PROSE_PHRASES = 1.3
"""In a line of prose, on average; wide gaps are rare in it."""
_RUN = 2.2
"""Rows of a table are nearer to each other than so many heights of a word, if no line holds them together."""
_INSIDE = 0.2
"""Share of a piece of text in a table's box from which on it is a part of the table."""
_MOSTLY = 0.7
"""The same of lines of running text, which may only reach into it."""
_ROW = 1.6
"""Gap between two rows, in heights of a word: more is seldom, and as far as a heading is from a table."""
_NEAR = 0.4
"""Text so near above a table, in heights of a word, that it can only be its first row."""
_LEAST_ROWS = 2
"""Of several phrases, in what may be a table."""
_FAR = 60.0
"""What is farther from a table is not a part of it. Unit: points."""
_LABEL_WORDS = 2
"""A caption says more than the number of a table."""
LABEL = re.compile(r"\s*(table|tab\.|figure|fig\.)\s*([\d.]+|[ivx]+)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What a cluster holds."""

    cluster: Cluster
    lines: Sequence[TextCell]
    words: Sequence[Word]

    @cached_property
    def box(self) -> Box:
        """In the frame."""
        return hull(self.words)

    @cached_property
    def is_prose(self) -> bool:
        """Lines of running text, a heading or a caption."""
        is_picture = self.cluster.label is DocItemLabel.PICTURE
        if not is_picture and LABEL.match(self.cluster.cells[0].text):
            return True
        lines = lines_of(self.words)
        phrases = sum(len(phrases_of(line, _WIDE)) for line in lines)
        return len(self.words) >= _PROSE_WORDS * len(lines) and phrases < _PROSE_PHRASES * len(lines)


def pieces(clusters: Iterable[Cluster], sheet: Sheet, frame: Frame, near: Box | None = None) -> list[Piece]:
    """What clusters with text hold.

    Args:
        clusters: of the page.
        sheet: the page.
        frame: in which the words are to be.
        near: leave out what is far from this box.
    """
    found = []
    for cluster in clusters:
        if near is not None and not _are_near(frame.inside(*cluster.bbox.as_tuple()), near):
            continue
        lines = [cell for cell in cluster.cells if cell.text.strip()]
        words = sheet.words(lines, frame)
        if words:
            found.append(Piece(cluster=cluster, lines=lines, words=words))
    return found


def _are_near(box: Box, other: Box) -> bool:
    return (
        box[0] < other[2] + _FAR and box[2] > other[0] - _FAR and box[1] < other[3] + _FAR and box[3] > other[1] - _FAR
    )


def missed(table: Box, others: Iterable[Piece], rules: Rulings) -> Iterator[Piece]:
    """Pieces of text that are parts of a table: in its box, beside its rows, or rows right above and below it.

    Args:
        table: its box.
        others: pieces that are in no table.
        rules: lines of the page.
    """
    loose = [piece for piece in others if piece.cluster.label in _MAY_BE_TABLE - {DocItemLabel.PICTURE}]
    above: list[Piece] = []
    for piece in loose:
        is_prose = piece.is_prose
        if _shared(piece.box, table) > (_MOSTLY if is_prose else _INSIDE) or (
            not is_prose and _is_beside(piece, table)
        ):
            yield piece
        elif not is_prose and _is_above(piece, table):
            above.append(piece)
    if _are_side_by_side(above) or any(_is_over_rule(piece, table, rules) for piece in above):
        yield from above


def _is_above(piece: Piece, table: Box) -> bool:
    """Whether it stands over columns of a table, no farther than rows are from each other."""
    left, _, right, bottom = piece.box
    size = size_of(piece.words)
    return left > table[0] - size and right < table[2] + size and 0 <= table[1] - bottom < _ROW * size


def _are_side_by_side(above: Sequence[Piece]) -> bool:
    return any(abs(one.box[1] - other.box[1]) < size_of(one.words) for one, other in pairwise(above))


def _is_over_rule(piece: Piece, table: Box, rules: Rulings) -> bool:
    is_heading = piece.cluster.label is DocItemLabel.SECTION_HEADER
    return not is_heading and _is_ruled(rules, piece.box[3], table[1], [*piece.words, *piece.words])


def _shared(box: Box, other: Box) -> float:
    wide = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
    high = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
    return wide * high / max((box[2] - box[0]) * (box[3] - box[1]), 1e-6)


def _is_beside(piece: Piece, table: Box) -> bool:
    left, top, right, bottom = piece.box
    size = size_of(piece.words)
    is_in_rows = top > table[1] - _NEAR * size and bottom < table[3] + _NEAR * size
    is_near = max(left - table[2], table[0] - right) < _FAR
    is_in_columns = left > table[0] - size and right < table[2] + size
    is_next = -size < table[1] - bottom < _NEAR * size or -size < top - table[3] < _NEAR * size
    return (is_in_rows and is_near) or (is_in_columns and is_next)


def captions(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Lines at the top and bottom of a table that say which table it is: with nothing beside them."""
    lines = lines_of(words)
    for line in (lines[0], lines[-1]) if len(lines) > 1 else ():
        text = " ".join(word.text for word in line)
        if LABEL.match(text) and len(phrases_of(line, _WIDE)) == 1 and len(line) > _LABEL_WORDS:
            yield line


def suspected(all_pieces: Iterable[Piece], rules: Rulings) -> Iterator[list[Word]]:
    """Text that may be a table: rows one under the other, most of several phrases with wide gaps."""
    loose = [piece for piece in all_pieces if piece.cluster.label in _MAY_BE_TABLE and not piece.is_prose]
    for run in _runs(lines_of(word for piece in loose for word in piece.words), rules):
        rows = _trimmed(run, rules)
        if sum(_is_row(row) for row in rows) >= _LEAST_ROWS:
            yield [word for row in rows for word in row]


def _runs(rows: Sequence[list[Word]], rules: Rulings) -> Iterator[list[list[Word]]]:
    """Rows that are near to each other, or held together by a line between them."""
    if not rows:
        return
    run = [rows[0]]
    for above, below in pairwise(rows):
        gap = (below[0].top - above[0].bottom) / size_of(below)
        if gap > _RUN and not (gap < 2 * _RUN and _is_ruled(rules, above[0].bottom, below[0].top, [*above, *below])):
            yield run
            run = []
        run.append(below)
    yield run


def _is_ruled(rules: Rulings, top: float, bottom: float, words: Sequence[Word]) -> bool:
    """Whether a line goes all along words, between two heights."""
    left, _, right, _ = hull(words)
    wide = 0.8 * (right - left)
    between = rules.rows[bisect_left(rules.rows, top, key=_at) : bisect_right(rules.rows, bottom, key=_at)]
    return any(min(rule.end, right) - max(rule.start, left) >= wide for rule in between)


def _at(rule: Rule) -> float:
    return rule.at


def _is_row(words: Sequence[Word]) -> bool:
    return len(phrases_of(words, _WIDE)) > 1


def _trimmed(run: Sequence[list[Word]], rules: Rulings) -> Sequence[list[Word]]:
    """Without what is of one phrase at both ends, but for what a line or its nearness binds."""
    several = [at for at, row in enumerate(run) if _is_row(row)]
    if not several:
        return []
    first, last = several[0], several[-1] + 1
    while first > 0 and _is_ruled(rules, run[first - 1][0].top - size_of(run[first]), run[first - 1][0].y, run[first]):
        first -= 1
    while last < len(run) and _is_bound(run[last - 1], run[last], rules):
        last += 1
    return run[first:last]


def _is_bound(above: Sequence[Word], below: Sequence[Word], rules: Rulings) -> bool:
    size = size_of(below)
    is_near = below[0].top - above[0].bottom < _NEAR * size
    return is_near or _is_ruled(rules, below[0].y, below[0].bottom + size, above)
