"""Engines without models: a page is one text, a table one cell, and nothing is read from pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.documents.backends.engines.base import Picture, Quads, Recognized, Region, RegionKind, TableCell


class FakeEngines:
    """See `Engines`."""

    def regions(self, page: Picture) -> Sequence[Region]:
        """The whole page."""
        return [Region(kind=RegionKind.TEXT, score=1.0, box=_whole(page))]

    def cells(self, table: Picture) -> Sequence[TableCell]:
        """The whole table."""
        cell = TableCell(row=0, column=0, row_span=1, column_span=1, is_header=False, box=_whole(table))
        return [cell]

    def lines(self, picture: Picture) -> Quads:  # noqa: ARG002 - of no picture
        """None."""
        return np.empty((0, 4, 2), np.float32)

    def upside_down(self, lines: Sequence[Picture]) -> Sequence[float]:
        """None."""
        return [0.0] * len(lines)

    def recognize(self, lines: Sequence[Picture]) -> Sequence[Recognized]:
        """Nothing."""
        return [Recognized(text="", score=0.0)] * len(lines)


def _whole(picture: Picture) -> tuple[float, float, float, float]:
    height, width = picture.shape[:2]
    return 0.0, 0.0, float(width), float(height)
