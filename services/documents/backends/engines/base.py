"""The `Engines` port and its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""Pixels, shape (height, width, 3), RGB."""

Quads = npt.NDArray[np.float32]
"""Corners of quadrilaterals, shape (count, 4, 2): x and y, from the top left on, clockwise. Unit: pixels."""


class RegionKind(StrEnum):
    """What a region of a page is, as the layout model tells it; the small one knows the first ten."""

    TEXT = "text"
    TITLE = "title"
    FIGURE = "figure"
    FIGURE_CAPTION = "figure_caption"
    TABLE = "table"
    TABLE_CAPTION = "table_caption"
    HEADER = "header"
    FOOTER = "footer"
    REFERENCE = "reference"
    EQUATION = "equation"
    LIST_ITEM = "list_item"
    CODE = "code"
    FOOTNOTE = "footnote"
    INDEX = "index"
    """Contents, or where words are: titles with numbers of pages."""
    TICKED_BOX = "ticked_box"
    EMPTY_BOX = "empty_box"
    """A box to be ticked, with what it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A region of a page."""

    kind: RegionKind
    score: float
    """0 to 1."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom. Unit: pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCell:
    """A cell of a table, as the table model sees it."""

    row: int
    column: int
    row_span: int
    column_span: int
    is_header: bool
    box: tuple[float, float, float, float]
    """Of its content: left, top, right, bottom. Unit: pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognized:
    """The text of a line."""

    text: str
    score: float
    """0 to 1, the mean of its characters."""
    places: tuple[float, ...] = ()
    """Where the middle of each character of `text` is: 0, the line's left end, to 1, its right end."""


class Engines(Protocol):
    """The models, called by one thread at a time of each worker."""

    def regions(self, page: Picture) -> Sequence[Region]:
        """The regions of an upright page."""
        ...

    def cells(self, table: Picture) -> Sequence[TableCell]:
        """The cells of a table that fills the picture, row by row."""
        ...

    def lines(self, picture: Picture) -> Quads:
        """Where the lines of text are, from top to bottom."""
        ...

    def upside_down(self, lines: Sequence[Picture]) -> Sequence[float]:
        """How sure it is that each line stands on its head: 0 to 1."""
        ...

    def recognize(self, lines: Sequence[Picture]) -> Sequence[Recognized]:
        """The text of each line."""
        ...
