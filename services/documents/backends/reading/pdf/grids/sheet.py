"""A page as its tables are read: its words and lines, in the frame of each table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docling.datamodel.base_models import Cluster, Page
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.page import TextCell

from services.documents.backends.reading.pdf.file import PdfPage
from services.documents.backends.reading.pdf.grids.grid import Box
from services.documents.backends.reading.pdf.grids.rulings import Rulings, rulings
from services.documents.backends.reading.pdf.grids.text import PageText
from services.documents.backends.reading.pdf.grids.words import Frame, Word, hull

_MOST_RULES = 3000
"""Lines of one direction in a table; more are a drawing, and the time that they take grows with the cells."""


class Sheet:
    """A page that is laid out.

    Args:
        page: with its text and layout.
        backend: the page in its file.
    """

    def __init__(self, page: Page, backend: PdfPage) -> None:
        if page.parsed_page is None or page.predictions.layout is None:
            raise RuntimeError("the page is not laid out")
        self.backend = backend
        self.size = backend.get_size()
        self.lines: Sequence[TextCell] = page.parsed_page.textline_cells
        self.clusters: list[Cluster] = page.predictions.layout.clusters
        self._text = PageText(page.parsed_page)
        self._rules: dict[int, Rulings] = {}

    def frame(self, cells: Iterable[TextCell]) -> Frame:
        """In which most cells are upright."""
        return Frame.of(cells, self.size.width, self.size.height)

    def words(self, cells: Iterable[TextCell], frame: Frame) -> list[Word]:
        """The words of lines, as a frame has them."""
        return self._text.words(cells, frame)

    def rules(self, frame: Frame) -> Rulings:
        """The lines of the page, as a frame has them."""
        if frame.turns not in self._rules:
            self._rules[frame.turns] = rulings(self.backend.drawings(), frame)
        return self._rules[frame.turns]

    def rules_in(self, frame: Frame, box: Box) -> Rulings:
        """The lines in a box of a frame, if they are so few that they may be those of a table."""
        found = self.rules(frame).within(box)
        return found if max(len(found.rows), len(found.columns)) <= _MOST_RULES else Rulings()

    def extent(self, cluster: Cluster, frame: Frame) -> Box:
        """Of a table: its box, its words and its lines."""
        box = frame.inside(*cluster.bbox.as_tuple())
        words = self.words(cluster.cells, frame)
        if not words:
            return box
        around = with_rules(hull(words), self.rules_in(frame, box))
        return min(box[0], around[0]), min(box[1], around[1]), max(box[2], around[2]), max(box[3], around[3])


def with_rules(box: Box, rules: Rulings) -> Box:
    """The box around a box and lines."""
    left, top, right, bottom = box
    return (
        min([left, *(rule.start for rule in rules.rows), *(rule.at for rule in rules.columns)]),
        min([top, *(rule.at for rule in rules.rows), *(rule.start for rule in rules.columns)]),
        max([right, *(rule.end for rule in rules.rows), *(rule.at for rule in rules.columns)]),
        max([bottom, *(rule.at for rule in rules.rows), *(rule.end for rule in rules.columns)]),
    )


def around(cells: Iterable[TextCell], *boxes: BoundingBox) -> BoundingBox:
    """The box around cells, in points of the page."""
    return BoundingBox.enclosing_bbox([*(cell.rect.to_bounding_box() for cell in cells), *boxes])
