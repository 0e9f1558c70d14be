"""Text of pages that have none: scans, and pictures of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from docling.datamodel.base_models import Page
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.page import TextCell
from PIL import Image

from services.documents.backends.engines.base import Engines
from services.documents.backends.reading.pdf.areas import areas, uncovered
from services.documents.backends.reading.pdf.contrast import cleared
from services.documents.backends.reading.pdf.cuts import cut_at_gutters
from services.documents.backends.reading.pdf.doubt import is_better, is_doubtful, is_unknown
from services.documents.backends.reading.pdf.file import PdfPage
from services.documents.backends.reading.pdf.lettering import (
    Line,
    boxes_of,
    in_order,
    line_cell,
    read_lines,
    word_cells,
)
from services.documents.backends.reading.pdf.upright import upright
from services.documents.backends.reading.pdf.view import SeenPage, bounded_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class OcrOptions:
    """What of a page is read from its picture."""

    do_ocr: bool = True
    """What only its picture shows."""
    force_ocr: bool = False
    """All of it: its text is thrown away."""
    languages: Sequence[str] = ()
    """Names or tags of languages; none for whatever the letters are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OcrPolicy:
    """What reading pictures trades."""

    finding_scale: float = 1.5
    """Pixels a point in which lines are looked for: 108 an inch."""
    most_finding_pixels: int = 4_000_000
    """Of a page that is looked at at once: two of A4's size, 0.8 s on one core. Larger pages are looked at smaller."""
    reading_scale: float = 3.0
    """Pixels a point in which lines are read: 216 an inch, a line of 10 points is 42 high; the model takes 48."""
    most_reading_pixels: int = 20_000_000
    """Of a page, at once in memory: 60 MB. Larger pages are read smaller."""
    least_score: float = 0.5
    """Of a line of a page without text; below it three of four are no text."""
    least_figure_score: float = 0.7
    """Of a line in a figure on a page of text, where signs and textures are taken for letters more often."""
    whole_page: float = 0.7
    """Share of a page from where on a picture on it is the page."""
    hidden_text: float = 0.5
    """Share of the lines of such a picture that the text of the page covers, if it is the text of that picture."""
    few_lines: int = 5
    """That tell nothing of the rest."""


FROM_PICTURE = "its text is damaged; what is in the answer was read from its picture"
"""What is said of a page whose letters do not say what they are."""
_REPLACED = 0.5
"""Share of a line that one which was read in its place covers."""
_NOT_READ = "it is a picture without text, and its picture was not to be read (do_ocr)"
POLICY = OcrPolicy()
NOTHING_ASKED = OcrOptions()


def read_pictures(
    page: Page, engines: Engines, options: OcrOptions = NOTHING_ASKED, policy: OcrPolicy = POLICY
) -> list[str]:
    """Add the lines that only a picture shows to the page's text, where it has none.

    Args:
        page: with its text; it is turned upright.
        engines: the models.
        options: what is asked for.
        policy: what this trades.

    Returns:
        What could not be read, one sentence each.
    """
    backend = page._backend
    if not isinstance(backend, PdfPage):
        return []
    if not (options.do_ocr or options.force_ocr):
        return [] if page.cells or not backend.has_pictures else [_NOT_READ]
    texts = [cell.text for cell in page.cells]
    reader = _Reader(page, backend, engines, policy)
    if options.force_ocr or not any(map(str.strip, texts)):
        return reader.read_whole()
    if is_doubtful(texts):
        return reader.read_whole(instead_of=texts)
    return reader.read_figures()


class _Reader:
    """Reads the picture of one page."""

    def __init__(self, page: Page, backend: PdfPage, engines: Engines, policy: OcrPolicy) -> None:
        self._page = page
        self._backend = backend
        self._engines = engines
        self._policy = policy

    def read_whole(self, *, instead_of: Sequence[str] = ()) -> list[str]:
        """Give the page the text of its picture, unless what it held is better."""
        boxes = self._find_upright()
        read, unread = self._read(boxes, self._policy.least_score)
        texts = [line.read.text for line in read]
        if instead_of and not is_better(texts, instead_of):
            return []
        if texts or not instead_of:
            self._backend.take_as_picture()
        self._add(read)
        return [*([FROM_PICTURE] if instead_of else []), *_problems(read, unread, self._policy)]

    def read_figures(self) -> list[str]:
        """Add what pictures on the page say beside its text."""
        self._read_unknown()
        size = self._backend.get_size()
        whole = BoundingBox(l=0, t=0, r=size.width, b=size.height)
        held = [cell.rect.to_bounding_box() for cell in self._page.cells]
        found: list[BoundingBox] = []
        for area in areas(self._backend.get_bitmap_rects(), whole):
            lines = self._find(area)
            missing = uncovered(lines, held)
            if self._is_without_its_text(area, whole, lines, missing):
                return self.read_whole()
            found += missing
        read, _ = self._read(found, self._policy.least_figure_score)
        self._add([line for line in read if not self._is_held(line)])
        return []

    def _is_held(self, line: Line) -> bool:
        """Whether the page's own text in the place of a line says the same: places of short ones are far too large."""
        held = [
            cell
            for cell in self._page.cells
            if cell.rect.to_bounding_box().intersection_over_self(line.box) > _REPLACED
        ]
        return _letters("".join(cell.text for cell in held)) == _letters(line.read.text)

    def _read_unknown(self) -> None:
        """Read the lines whose letters stand for nothing known, as of a font without a map to characters."""
        unknown = [cell.rect.to_bounding_box() for cell in self._page.cells if is_unknown(cell.text)]
        read, _ = self._read(unknown, self._policy.least_score)
        if read:
            self._drop([line.box for line in read])
            self._add(read)

    def _drop(self, places: Sequence[BoundingBox]) -> None:
        """Forget lines, and their words."""
        parsed = self._backend.get_segmented_page()

        def is_gone(cell: TextCell) -> bool:
            box = cell.rect.to_bounding_box()
            return any(box.intersection_over_self(place) > _REPLACED for place in places)

        parsed.word_cells = [word for word in parsed.word_cells if not ("\ufffd" in word.text and is_gone(word))]
        parsed.textline_cells = [
            line for line in parsed.textline_cells if not (is_unknown(line.text) and is_gone(line))
        ]

    def _is_without_its_text(
        self, area: BoundingBox, whole: BoundingBox, lines: Sequence[BoundingBox], missing: Sequence[BoundingBox]
    ) -> bool:
        """Whether a page is a scan, and the text on it is not the scan's: it was put elsewhere, or is a stamp."""
        is_whole = area.area() > self._policy.whole_page * whole.area()
        return (
            is_whole
            and len(lines) > self._policy.few_lines
            and len(missing) > (1 - self._policy.hidden_text) * len(lines)
            and len(self._page.cells) > self._policy.few_lines
        )

    def _find_upright(self) -> list[BoundingBox]:
        """The lines of the page; it is turned upright on the way."""
        scale = self._scale(self._policy.finding_scale, self._policy.most_finding_pixels)
        picture = np.asarray(cleared(self._backend.get_page_image(scale)))
        if picture.min() == picture.max():
            return []  # an empty page: 0.5 s for nothing
        quads = self._engines.lines(picture)
        view = upright(picture, quads, self._engines)
        if not view.is_plain:
            self._backend.look(view)
            _note_view(self._page, self._backend)
            quads = self._engines.lines(np.asarray(cleared(self._backend.get_page_image(scale))))
        return boxes_of(quads, scale)

    def _find(self, area: BoundingBox) -> list[BoundingBox]:
        """The lines of a part of the page."""
        scale = self._scale(self._policy.finding_scale, self._policy.most_finding_pixels)
        picture = self._picture(scale).crop(area.scaled(scale).as_tuple())
        found = boxes_of(self._engines.lines(np.asarray(cleared(picture))), scale)
        return [BoundingBox(l=box.l + area.l, t=box.t + area.t, r=box.r + area.l, b=box.b + area.t) for box in found]

    def _read(self, boxes: Sequence[BoundingBox], least_score: float) -> tuple[list[Line], int]:
        """Lines that could be read, in order, and how many could not."""
        if not boxes:
            return [], 0
        scale = self._scale(self._policy.reading_scale, self._policy.most_reading_pixels)
        picture = self._backend.get_page_image(scale)
        lines = read_lines(picture, in_order(cut_at_gutters(boxes, picture, scale)), scale, self._engines)
        read = [line for line in lines if line.read.score >= least_score and line.read.text.strip()]
        return read, len(lines) - len(read)

    def _picture(self, scale: float) -> Image.Image:
        """The page, drawn once for all its parts."""
        picture = self._page.get_image(scale=scale)
        if picture is None:
            raise RuntimeError("the page cannot be drawn")
        return picture

    def _scale(self, wanted: float, most_pixels: int) -> float:
        return bounded_scale(wanted, self._backend.get_size(), most_pixels=most_pixels)

    def _add(self, lines: Sequence[Line]) -> None:
        parsed = self._backend.get_segmented_page()
        first = len(parsed.textline_cells)
        parsed.textline_cells = [
            *parsed.textline_cells,
            *(line_cell(line, at) for at, line in enumerate(lines, start=first)),
        ]
        parsed.word_cells = [*parsed.word_cells, *(word for line in lines for word in word_cells(line))]
        parsed.has_lines, parsed.has_words = bool(parsed.textline_cells), bool(parsed.word_cells)


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()


def _note_view(page: Page, backend: PdfPage) -> None:
    page.size = backend.get_size()
    page._image_cache = {}
    if isinstance(page, SeenPage):
        page.view, page.own_size = backend.view, backend.own_size


def _problems(read: Sequence[Line], unread: int, policy: OcrPolicy) -> list[str]:
    if unread <= max(len(read), policy.few_lines):
        return []
    return [
        f"{unread} of {len(read) + unread} lines of its picture could not be read: it is not sharp enough, or its "
        "letters are none that are known (Latin, Greek, Chinese, Japanese)"
    ]
