"""Columns that the layout model takes for one block."""

from __future__ import annotations

from collections.abc import Sequence

from docling_core.types.doc.page import TextCell, TextDirection

from services.documents.backends.reading.pdf.rows import rows, usual_height

_GUTTER = 0.8
"""Of the size of the type."""
_PROSE = 20
"""Letters of a usual line of prose: shorter ones are labels and marks beside a text, which belong to it."""
_MARK = 4
"""Letters: groups of shorter ones are marks of items."""
_LEAST_LINES = 2
_LEAST_LISTS = 2
"""Side by side, which tell that what else stands beside them is a column too."""


def columns(cells: Sequence[TextCell]) -> list[list[TextCell]]:
    """The cells of each column, from left to right; all cells together where there are no columns of prose or lists."""
    size = usual_height(cells)
    groups: list[list[TextCell]] = []
    right = 0.0
    for cell in sorted(cells, key=lambda cell: cell.rect.to_bounding_box().l):
        box = cell.rect.to_bounding_box()
        if groups and box.l < right + _GUTTER * size:
            groups[-1].append(cell)
        else:
            groups.append([cell])
        right = max(right, box.r) if len(groups[-1]) > 1 else box.r
    groups = _with_marks(groups)
    is_prose = all(len(group) >= _LEAST_LINES and _mean_length(group) >= _PROSE for group in groups)
    are_lists = len(groups) > 1 and sum(map(_is_list, groups)) >= _LEAST_LISTS
    return groups if len(groups) > 1 and (is_prose or are_lists) else [list(cells)]


def _is_list(group: Sequence[TextCell]) -> bool:
    found = rows(group)
    return len(found) >= _LEAST_LINES and all(row.mark is not None for row in found)


def _with_marks(groups: Sequence[list[TextCell]]) -> list[list[TextCell]]:
    """The groups, each of marks of items with the text that they stand before."""
    joined: list[list[TextCell]] = []
    waiting: list[TextCell] = []
    for group in groups:
        if _mean_length(group) >= _MARK:
            joined.append([*waiting, *group])
            waiting = []
        elif joined and joined[-1][0].text_direction is TextDirection.RIGHT_TO_LEFT:
            joined[-1].extend(group)
        else:
            waiting.extend(group)
    return [*joined[:-1], [*joined[-1], *waiting]] if joined else [waiting]


def _mean_length(cells: Sequence[TextCell]) -> float:
    return sum(len(cell.text) for cell in cells) / len(cells)
