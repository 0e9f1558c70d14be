"""The grid of a table: of all that can be thought of, the one that explains its words and lines best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from docling.datamodel.base_models import Cluster
from docling_core.types.doc.base import BoundingBox

from services.documents.backends.engines.base import Engines, Picture
from services.documents.backends.reading.pdf.grids import model, rows
from services.documents.backends.reading.pdf.grids.gaps import gaps
from services.documents.backends.reading.pdf.grids.grid import Box, Grid, Source
from services.documents.backends.reading.pdf.grids.judging import badness
from services.documents.backends.reading.pdf.grids.lattice import banded, lattice
from services.documents.backends.reading.pdf.grids.rulings import Rulings
from services.documents.backends.reading.pdf.grids.sheet import Sheet, with_rules
from services.documents.backends.reading.pdf.grids.spans import spanned
from services.documents.backends.reading.pdf.grids.words import Frame, Word, hull, lines_of

_MARGINS = (2.0, 6.0)
"""Around the words and lines of a table, of the pictures that the model is shown: with less the outer lines are lost,
with more it sees empty columns. Where it is unsure the two differ. Unit: points."""
_PIXELS = 976
"""Of the longer side of a picture: the model sees 488, and makes it smaller by itself."""
_MOST_SCALE = 6.0
"""Pixels a point, of small tables."""
_MOST_LINES = 45
"""Of text in a picture; a longer table is shown in parts. Each line has 10 of the 488 pixels then."""
_MOST_PARTS = 8
"""Of a table that the model is shown, at 0.1 s each; longer ones go by their lines and gaps alone."""
_MOST_WORDS = 8_000
"""Of a table: 4 s. A page of small type has 2,000."""
_MOST_CELLS = 20_000
"""Of a table; what would have more is text. Each costs 20 microseconds, and 1 KB in the document."""


class GridReader:
    """Reads the grids of tables.

    Args:
        sheet: the page.
        engines: the models.
        is_model_alone: take what the table model sees first, as it is.
    """

    def __init__(self, sheet: Sheet, engines: Engines, *, is_model_alone: bool = False) -> None:
        self._sheet = sheet
        self._engines = engines
        self._is_model_alone = is_model_alone

    def best(self, cluster: Cluster) -> Grid | None:
        """The grid of a table; None if there is none, or it has too many cells."""
        if (seen := self._seen(cluster)) is None:
            return None
        frame, words, rules = seen
        if self._is_model_alone:
            return next((model.alone(each) for each in self._sketches(frame, words, rules)), None)
        grids = [grid for grid in self._grids(frame, words, rules) if grid.rows * grid.columns <= _MOST_CELLS]
        whole = [grid if grid.source is Source.RULES else spanned(grid, grids, words, rules) for grid in grids]
        return min(whole, key=lambda grid: badness(grid, words, rules), default=None)

    def plain(self, cluster: Cluster) -> Grid | None:
        """The grid that lines and gaps tell, without the model, which takes 0.1 s."""
        if (seen := self._seen(cluster)) is None:
            return None
        _, words, rules = seen
        grids = (grid for grid in (lattice(rules, words), *gaps(words, rules)) if grid is not None)
        found = [grid for grid in grids if grid.rows * grid.columns <= _MOST_CELLS]
        return min(found, key=lambda grid: badness(grid, words, rules), default=None)

    def _seen(self, cluster: Cluster) -> tuple[Frame, Sequence[Word], Rulings] | None:
        """How the text of a table runs, its words and its lines; None where there are no words, or too many."""
        frame = self._sheet.frame(cluster.cells)
        words = self._sheet.words(cluster.cells, frame)
        if not 0 < len(words) <= _MOST_WORDS:
            return None
        return frame, words, self._sheet.rules_in(frame, frame.inside(*cluster.bbox.as_tuple()))

    def _grids(self, frame: Frame, words: Sequence[Word], rules: Rulings) -> Iterator[Grid]:
        drawn = lattice(rules, words)
        if drawn is not None:
            yield drawn
        for sketch in self._sketches(frame, words, rules):
            grid = model.seen(sketch, words, rules)
            yield grid
            yield from banded(grid, words, rules)
            yield from rows.aligned(grid, words)
            yield from rows.split(grid, words)
        yield from gaps(words, rules)

    def _sketches(self, frame: Frame, words: Sequence[Word], rules: Rulings) -> Iterator[model.Sketch]:
        """What the model sees, with each of the margins."""
        left, top, right, bottom = with_rules(hull(words), rules)
        cuts = [top, *_cuts(words), bottom]
        if len(cuts) - 1 > _MOST_PARTS:
            return
        boxes = [(left, first, right, last) for first, last in pairwise(cuts)]
        drawn = [self._draw(frame, box) for box in boxes]
        for margin in _MARGINS:
            cut = (part.cut(box, margin) for part, box in zip(drawn, boxes, strict=True) if part is not None)
            parts = [model.sketch(self._engines.cells(part.pixels), part.left, part.top, part.scale) for part in cut]
            found = [part for part in parts if part is not None]
            if found:
                yield model.stacked(found)

    def _draw(self, frame: Frame, box: Box) -> _Drawn | None:
        """A part of the page with the widest margin, if it is on the page."""
        size, margin = self._sheet.size, max(_MARGINS)
        wide = frame.outside(box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin)
        shown = BoundingBox(l=max(wide.l, 0), t=max(wide.t, 0), r=min(wide.r, size.width), b=min(wide.b, size.height))
        if min(shown.width, shown.height) < 1:
            return None
        scale = min(_PIXELS / max(shown.width, shown.height), _MOST_SCALE)
        picture = np.rot90(np.asarray(self._sheet.backend.get_page_image(scale, shown)), -frame.turns)
        left, top, _, _ = frame.inside(*shown.as_tuple())
        return _Drawn(pixels=picture, left=left, top=top, scale=scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """A part of a page, upright."""

    pixels: Picture
    left: float
    """In the frame, as `top`. Unit: points."""
    top: float
    scale: float
    """Pixels a point."""

    def cut(self, box: Box, margin: float) -> _Drawn:
        """A box with a margin, as much as there is of it."""
        x, y = (
            max(0, int((start - margin - at) * self.scale)) for start, at in ((box[0], self.left), (box[1], self.top))
        )
        right, bottom = (
            round((end + margin - at) * self.scale) for end, at in ((box[2], self.left), (box[3], self.top))
        )
        pixels = np.ascontiguousarray(self.pixels[y : max(bottom, y + 1), x : max(right, x + 1)])
        return _Drawn(pixels=pixels, left=self.left + x / self.scale, top=self.top + y / self.scale, scale=self.scale)


def _cuts(words: Sequence[Word]) -> Iterator[float]:
    """Heights between lines at which a long table is cut into parts."""
    lines = lines_of(words)
    count, bottom = 0, lines[0][0].bottom
    for line in lines:
        top = min(word.top for word in line)
        if count >= _MOST_LINES and top > bottom:
            yield (top + bottom) / 2
            count = 0
        count += 1
        bottom = max(bottom, *(word.bottom for word in line))
