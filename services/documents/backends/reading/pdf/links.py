"""Where the words of pages lead."""

from __future__ import annotations

from collections.abc import Sequence

from docling.datamodel.base_models import Page
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.page import TextCell


class Links:
    """The links of pages. The cells of lines are cut where a link starts and ends, so each is wholly in one or in none.

    Args:
        pages: with the links in `parsed_page`, in the frame of the cells.
    """

    def __init__(self, pages: Sequence[Page]) -> None:
        self._boxes: dict[int, list[tuple[BoundingBox, str]]] = {}
        for page in pages:
            if page.parsed_page is not None:
                self._boxes[page.page_no] = [
                    (link.rect.to_bounding_box(), str(link.uri)) for link in page.parsed_page.hyperlinks if link.uri
                ]

    def at(self, page: int, cell: TextCell) -> str:
        """Where a cell leads; "" for nowhere."""
        boxes = self._boxes.get(page)
        if not boxes:
            return ""
        inside = cell.rect.to_bounding_box()
        x, y = (inside.l + inside.r) / 2, (inside.t + inside.b) / 2
        return next((uri for box, uri in boxes if box.l <= x <= box.r and box.t <= y <= box.b), "")
