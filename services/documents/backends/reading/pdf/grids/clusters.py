"""Clusters of a page made whole tables: what belongs to a table comes into it, what does not leaves it."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from docling.datamodel.base_models import Cluster
from docling_core.types.doc.labels import DocItemLabel
from docling_core.types.doc.page import TextCell

from services.documents.backends.reading.pdf.columns import columns
from services.documents.backends.reading.pdf.grids.choosing import GridReader
from services.documents.backends.reading.pdf.grids.edges import outside
from services.documents.backends.reading.pdf.grids.grid import Grid, Source
from services.documents.backends.reading.pdf.grids.judging import is_columns_of_text, is_table
from services.documents.backends.reading.pdf.grids.regions import TABLES, Piece, captions, missed, pieces, suspected
from services.documents.backends.reading.pdf.grids.sheet import Sheet, around
from services.documents.backends.reading.pdf.grids.words import Frame, Word, lines_of
from services.documents.backends.reading.pdf.rows import TYPEWRITTEN, mono_share, without_leaders

_ROUNDS = 2
"""Of completing a table: what is added may touch more."""
_CONFIDENCE = 0.5
"""Of a table that the layout model did not find."""
_MOST_TABLES = 50
"""On a page, that are completed, and that are looked for: each takes time that grows with the page."""
_COLUMN_LINES = 10
"""Of a page's column, at least."""
_CODE = 0.8
"""Share of letters of one width from which on a table without lines is code, whose words a typist has aligned."""
_BITMAP = 0.2
"""Share of a picture from which on a bitmap in it makes it one."""


def complete(sheet: Sheet) -> None:
    """Give each table the text that is a part of it, and take its caption out of it."""
    for cluster in [cluster for cluster in sheet.clusters if cluster.label in TABLES][:_MOST_TABLES]:
        frame = sheet.frame(cluster.cells)
        _part_captions(sheet, cluster, frame)
        _part_text(sheet, cluster, frame)
        for _ in range(_ROUNDS):
            others = (other for other in sheet.clusters if other.label not in TABLES)
            box = sheet.extent(cluster, frame)
            parts = list(missed(box, pieces(others, sheet, frame, near=box), sheet.rules(frame)))
            if not parts:
                break
            _give(sheet, cluster, [line for part in parts for line in part.lines])
            cluster.bbox = around(cluster.cells, frame.outside(*box))


def find(sheet: Sheet, reader: GridReader) -> None:
    """Make tables of text that looks like one."""
    frame = sheet.frame(sheet.lines)
    clusters = [cluster for cluster in sheet.clusters if cluster.label not in TABLES and _is_text(sheet, cluster)]
    others = pieces([*clusters, *_unclaimed(sheet)], sheet, frame)
    rules = sheet.rules(frame)
    suspects = chain.from_iterable(suspected(column, rules) for column in _by_column(others, sheet))
    for words in islice(suspects, _MOST_TABLES):
        lines = _lines(words)
        table = _cluster(sheet, DocItemLabel.TABLE, lines)
        if _is_index(words):
            continue
        inside = sheet.rules_in(frame, frame.inside(*table.bbox.as_tuple()))
        is_picture = _are_in_picture(sheet, lines)
        plain = reader.plain(table)
        if plain is None or not is_table(plain, words, inside, is_picture=is_picture):
            continue
        grid = reader.best(table)
        if grid is not None and is_table(grid, words, inside, is_picture=is_picture):
            _give(sheet, table, lines)
            sheet.clusters.append(table)


def _by_column(found: Sequence[Piece], sheet: Sheet) -> list[list[Piece]]:
    """The pieces of each column of the page, of which a table is in one; all of them where there are no columns."""
    upright = [cell for cell in sheet.lines if not cell.rect.angle]
    parts = columns(upright) if upright else []
    if len(parts) < 2 or min(map(len, parts)) < _COLUMN_LINES:
        return [list(found)]
    edges = [min(cell.rect.to_bounding_box().l for cell in part) for part in parts[1:]]
    groups: list[list[Piece]] = [[] for _ in parts]
    for piece in found:
        groups[bisect(edges, piece.cluster.bbox.l)].append(piece)
    return groups


def is_text(sheet: Sheet, cluster: Cluster, grid: Grid | None) -> bool:
    """Whether what the layout model takes for a table is none: it is code, has no columns, or columns of prose."""
    if grid is None:
        return bool(cluster.cells)
    frame = sheet.frame(cluster.cells)
    rules = sheet.rules_in(frame, frame.inside(*cluster.bbox.as_tuple()))
    words = sheet.words(cluster.cells, frame)
    if not rules.columns and grid.source is not Source.RULES and (_is_code(sheet, cluster) or _is_index(words)):
        return True
    return is_columns_of_text(grid, words, rules)


def _is_index(words: Sequence[Word]) -> bool:
    """Whether dots lead from words to numbers in most rows, as in a table of contents: dots are no cells."""
    rows = [" ".join(word.text for word in line) for line in lines_of(words)]
    return 2 * sum(without_leaders(row) != row for row in rows) > len(rows)


def _is_code(sheet: Sheet, cluster: Cluster) -> bool:
    """Whether a table is set in letters of one width, and the page is not."""
    return mono_share(cluster.cells) > _CODE and mono_share(sheet.lines) < TYPEWRITTEN


def to_text(sheet: Sheet, cluster: Cluster) -> None:
    """Put the clusters that the layout model has in a table, and lines that are in none of them, in its place."""
    known = {id(cell) for cell in cluster.cells}
    kept = list(_without(cluster.children, lambda cell: id(cell) not in known))
    held = {id(cell) for child in kept for cell in child.cells}
    sheet.clusters[:] = [other for other in sheet.clusters if other is not cluster] + kept
    left = [cell for cell in cluster.cells if id(cell) not in held]
    if left:
        sheet.clusters.append(_cluster(sheet, DocItemLabel.TEXT, left))


def _lines(words: Iterable[Word]) -> list[TextCell]:
    return list({id(word.line): word.line for word in words if word.line is not None}.values())


def _cluster(sheet: Sheet, label: DocItemLabel, cells: list[TextCell]) -> Cluster:
    number = 1 + max((cluster.id for cluster in _all(sheet.clusters)), default=0)
    return Cluster(id=number, label=label, bbox=around(cells), confidence=_CONFIDENCE, cells=cells)


def _all(clusters: Iterable[Cluster]) -> Iterator[Cluster]:
    for cluster in clusters:
        yield cluster
        yield from _all(cluster.children)


def _part_captions(sheet: Sheet, cluster: Cluster, frame: Frame) -> None:
    for words in captions(sheet.words(cluster.cells, frame)):
        _part(sheet, cluster, words, DocItemLabel.CAPTION)


def _part_text(sheet: Sheet, cluster: Cluster, frame: Frame) -> None:
    words = sheet.words(cluster.cells, frame)
    rules = sheet.rules_in(frame, frame.inside(*cluster.bbox.as_tuple()))
    for edge in outside(words, rules) if words else ():
        _part(sheet, cluster, edge, DocItemLabel.TEXT)


def _part(sheet: Sheet, cluster: Cluster, words: Sequence[Word], label: DocItemLabel) -> None:
    """Make words of a table a cluster of their own."""
    lines = _lines(words)
    rest = [cell for cell in cluster.cells if not any(cell is line for line in lines)]
    if lines and rest:
        cluster.cells, cluster.bbox = rest, around(rest)
        sheet.clusters.append(_cluster(sheet, label, lines))


def _unclaimed(sheet: Sheet) -> Iterator[Cluster]:
    """Lines of text that are in no cluster."""
    claimed = {id(cell) for cluster in _all(sheet.clusters) for cell in cluster.cells}
    for line in sheet.lines:
        if line.text.strip() and id(line) not in claimed:
            box = line.rect.to_bounding_box()
            yield Cluster(id=-1, label=DocItemLabel.TEXT, bbox=box, confidence=_CONFIDENCE, cells=[line])


def _are_in_picture(sheet: Sheet, lines: Sequence[TextCell]) -> bool:
    """Whether the layout model took most of the lines for a picture."""
    pictures = (cluster for cluster in sheet.clusters if cluster.label is DocItemLabel.PICTURE)
    inside = {id(cell) for cluster in pictures for cell in cluster.cells}
    return 2 * sum(id(line) in inside for line in lines) > len(lines)


def _is_text(sheet: Sheet, cluster: Cluster) -> bool:
    """Whether a cluster is not a picture of something else."""
    if cluster.label is not DocItemLabel.PICTURE or any(cell.from_ocr for cell in cluster.cells):
        return True
    bitmaps = sheet.backend.get_bitmap_rects()
    return not any(cluster.bbox.intersection_area_with(box) > _BITMAP * cluster.bbox.area() for box in bitmaps)


def _give(sheet: Sheet, cluster: Cluster, lines: Sequence[TextCell]) -> None:
    """Move lines into a cluster out of the others. A picture of which lines are taken is none: the rest is text."""
    moved = {id(line) for line in lines}
    left: list[Cluster] = []
    for other in sheet.clusters:
        if other is cluster or not any(id(cell) in moved for cell in other.cells):
            left.append(other)
        elif other.label is DocItemLabel.PICTURE:
            left += _without(other.children, lambda cell: id(cell) in moved)
        else:
            left += _without([other], lambda cell: id(cell) in moved)
    sheet.clusters[:] = left
    known = {id(cell) for cell in cluster.cells}
    added = (line for line in lines if id(line) not in known)
    cluster.cells = sorted([*cluster.cells, *added], key=lambda cell: cell.index)


def _without(clusters: Iterable[Cluster], is_gone: Callable[[TextCell], bool]) -> Iterator[Cluster]:
    """The clusters with the cells that stay, if any do."""
    for cluster in clusters:
        cluster.cells = [cell for cell in cluster.cells if not is_gone(cell)]
        if cluster.cells:
            cluster.bbox = around(cluster.cells)
            yield cluster
