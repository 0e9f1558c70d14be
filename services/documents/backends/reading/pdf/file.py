"""A PDF as docling-parse and PDFium open it: its pages one at a time, in any order."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from docling.backend.pdf_backend import PdfPageBackend
from docling_core.types.doc.base import BoundingBox, Size
from docling_core.types.doc.page import BoundingRectangle, SegmentedPdfPage, TextCell
from docling_parse.pdf_parser import ContentConfig, ContentLevel, DoclingPdfParser, segmented_page_from_decoder
from PIL import Image

from services.documents.backends.reading.pdf.blank import blank
from services.documents.backends.reading.pdf.bullets import with_bullets
from services.documents.backends.reading.pdf.cells import line_cells, word_cells
from services.documents.backends.reading.pdf.letters import Letter, visible
from services.documents.backends.reading.pdf.lines import lines
from services.documents.backends.reading.pdf.notes import Note, notes, values, written
from services.documents.backends.reading.pdf.opening import count_pages, opened
from services.documents.backends.reading.pdf.paper import paper
from services.documents.backends.reading.pdf.second import missing
from services.documents.backends.reading.pdf.type_sizes import TypeSizes
from services.documents.backends.reading.pdf.view import PLAIN, View, see

_CONTENT = ContentConfig(
    char_cells_content_level=ContentLevel.COMPUTE,
    word_cells_content_level=ContentLevel.SKIP,
    line_cells_content_level=ContentLevel.SKIP,
    shapes_content_level=ContentLevel.COMPUTE,
    include_bitmap_bytes=False,
)
"""Words and lines are made of the letters here; 100 000 shapes as values of Python would take seconds."""
_UNPARSED = (RuntimeError, ValueError, IndexError, KeyError)
"""What docling-parse raises on a damaged page, or a damaged font of it: PDFium often draws that all the same."""
_SCAN = 0.6
"""Of a page: where a picture covers so much of it, text that is not shown is what was recognized in the picture."""


class Drawing(NamedTuple):
    """A path, as straight pieces. Unit: points from the top left."""

    xs: Sequence[float]
    ys: Sequence[float]
    is_white: bool
    """It is filled with white, if it is filled."""


def warm_up() -> None:
    """Have docling-parse fail once: the memory for its first C++ exception must not be asked for when there is none."""
    with suppress(RuntimeError):
        DoclingPdfParser(loglevel="fatal").load(io.BytesIO(b"%PDF-1.7"))


class PdfFile:
    """An opened PDF. Opening costs milliseconds, whatever its length: pages are read when they are asked for.

    Args:
        data: the file.

    Raises:
        Locked: it is protected.
        PdfiumError, RuntimeError: it is no PDF, or too damaged.
    """

    def __init__(self, data: bytes) -> None:
        drawn = opened(data)
        self._drawn = drawn.document
        try:
            self._parsed = DoclingPdfParser(loglevel="fatal").load(io.BytesIO(drawn.data))
        except BaseException:
            self._drawn.close()
            raise
        self.page_count, problems = count_pages(self._drawn, self._parsed.number_of_pages())
        """Pages that are there."""
        self.problems = (*drawn.problems, *problems)
        """What is wrong with the file as a whole, one sentence each."""

    def page(self, number: int) -> PdfPage:
        """A page, by its number from 1 on."""
        # docling-parse first: a page for which there is no memory is an error to it, and to PDFium the process's end.
        try:
            decoder = self._parsed._ensure_page_decoder(number, _CONTENT)
            segmented = segmented_page_from_decoder(decoder, content_config=_CONTENT)
        except _UNPARSED:
            drawn = self._drawn[number - 1]
            return PdfPage(number, blank(*drawn.get_size()), drawn, None, lambda _number: None, is_unparsed=True)
        drawn = self._drawn[number - 1]
        stored = paper(drawn)
        sizes = TypeSizes(drawn, stored)
        problems: list[str] = []
        try:
            found = list(notes(drawn, stored, segmented.dimension.height, problems))
            comments = _set_text(segmented, decoder, sizes, found)
        finally:
            sizes.close()
        return PdfPage(number, segmented, drawn, decoder, self._unload, comments=comments, problems=problems)

    def _unload(self, number: int) -> None:
        self._parsed._parser.unload_document_page(key=self._parsed._key, page=number - 1)
        self._parsed._decoded_content_configs.pop(number, None)

    def close(self) -> None:
        """Give its memory back."""
        with suppress(RuntimeError):
            self._parsed.unload()
        self._drawn.close()


class PdfPage(PdfPageBackend):
    """A page, as Docling's stages see one: boxes are in points from the top left.

    Args:
        number: from 1 on.
        segmented: its text and what else stands on it.
        drawn: the same page, to be drawn.
        decoder: the same page, as docling-parse holds it.
        unload: lets docling-parse forget the page of a number.
        comments: that stand on it.
        problems: what of it could not be read, one sentence each.
        is_unparsed: whether docling-parse cannot read it, so that only its picture tells what it says.
    """

    def __init__(
        self,
        number: int,
        segmented: SegmentedPdfPage,
        drawn: Any,
        decoder: Any,
        unload: Callable[[int], None],
        *,
        comments: Sequence[Note] = (),
        problems: Sequence[str] = (),
        is_unparsed: bool = False,
    ) -> None:
        self.comments = comments
        self.problems = problems
        self.is_unparsed = is_unparsed
        self._number = number
        self._segmented = segmented
        self._drawn = drawn
        self._view = PLAIN
        self._is_picture = False
        self._decoder = decoder
        self._unload = unload

    def missing_words(self) -> list[str]:
        """Words that PDFium finds where this reading has no letters; none where the text was thrown away."""
        if self._is_picture and not self.is_unparsed:
            return []
        size = (self._segmented.dimension.width, self._segmented.dimension.height)
        return missing(self._drawn, paper(self._drawn), self._cells_in_place(), size)

    def _cells_in_place(self) -> list[TextCell]:
        """Its lines, where they are on the page itself."""
        cells = self._segmented.textline_cells
        if self._view == PLAIN:
            return cells
        own = self.own_size
        boxes = (self._view.own(cell.rect.to_bounding_box(), own) for cell in cells)
        return [
            cell.model_copy(update={"rect": BoundingRectangle.from_bounding_box(box)})
            for cell, box in zip(cells, boxes, strict=True)
        ]

    @property
    def page_no(self) -> int:
        """Its number, from 1 on."""
        return self._number

    def is_valid(self) -> bool:
        """A page that could not be read is no `PdfPage`."""
        return True

    @property
    def view(self) -> View:
        """How it is looked at."""
        return self._view

    @property
    def own_size(self) -> Size:
        """Of the page, not of its view. Unit: points."""
        return Size(width=self._segmented.dimension.width, height=self._segmented.dimension.height)

    def look(self, view: View) -> None:
        """Look at it so from now on; only once, since its text and links move along."""
        self._view = replace(view, zoom=self._view.zoom)
        page = self._segmented
        cells = (*page.textline_cells, *page.word_cells, *page.char_cells)
        marks: list[Any] = [*cells, *page.hyperlinks, *page.widgets]  # all of them have a `rect`
        for mark in marks:
            see(mark, self._view, self.own_size)

    def get_size(self) -> Size:
        """Of its view. Unit: points."""
        return self._view.size(self.own_size)

    def get_segmented_page(self) -> SegmentedPdfPage:
        """Its text, in characters, words and lines."""
        return self._segmented

    def get_text_cells(self) -> Iterable[TextCell]:
        """Its lines of text."""
        return self._segmented.textline_cells

    def get_text_in_rect(self, bbox: BoundingBox) -> str:
        """The lines of which most is in a box."""
        lines = self._segmented.textline_cells
        inside = (line for line in lines if line.rect.to_bounding_box().intersection_over_self(bbox) > 0.5)
        return " ".join(line.text for line in inside)

    def take_as_picture(self) -> None:
        """Forget its text, to be read from its picture: what pictures on it are is then not known."""
        self._is_picture = True
        page = self._segmented
        page.textline_cells, page.word_cells, page.char_cells = [], [], []

    def get_bitmap_rects(self, scale: float = 1) -> Iterable[BoundingBox]:
        """Where its pictures are."""
        if self._is_picture:
            return []
        height = self._segmented.dimension.height
        boxes = (image.rect.to_bounding_box() for image in self._segmented.bitmap_resources)
        seen = (self._view.seen(box.to_top_left_origin(height), self.own_size) for box in boxes)
        return [box.scaled(scale) for box in seen]

    @property
    def has_pictures(self) -> bool:
        """Whether pictures are on it."""
        return bool(self.get_bitmap_rects())

    def has_content_in(
        self, *, bbox: BoundingBox, chars: bool = False, shapes: bool = True, bitmaps: bool = True
    ) -> bool | None:
        """Not known."""
        return None

    def get_shape_lines(
        self, *, horizontal: bool = True, vertical: bool = True, tolerance: float = 1e-3
    ) -> list[BoundingBox] | None:
        """Its stroked lines."""
        if self._decoder is None:
            return []
        found = self._decoder.get_shape_lines(horizontal=horizontal, vertical=vertical, tolerance=tolerance)
        return self._boxes(found)

    def get_connected_shape_bounding_boxes(self, *, tolerance: float = 0.0) -> list[BoundingBox] | None:
        """Where its drawings are."""
        if self._decoder is None:
            return []
        return self._boxes(self._decoder.get_connected_shape_bounding_boxes(tolerance=tolerance))

    def get_thin_shape_boxes(self, *, max_thickness: float) -> list[BoundingBox] | None:
        """Not known."""
        return None

    def _boxes(self, found: Iterable[Sequence[float]]) -> list[BoundingBox]:
        own = _from_top(found, self._segmented.dimension.height)
        return [self._view.seen(box, self.own_size) for box in own]

    def get_page_image(self, scale: float = 1, cropbox: BoundingBox | None = None) -> Image.Image:
        """The page, or a part of it, drawn with so many pixels a point."""
        if cropbox is not None and self._view.is_plain:
            return self._draw(scale, cropbox)
        picture: Image.Image = self._view.picture(self._draw(scale))
        return picture if cropbox is None else picture.crop(cropbox.scaled(scale).as_tuple())

    def _draw(self, scale: float, box: BoundingBox | None = None) -> Image.Image:
        """The page itself, or what of it is in a box: a small part at a large scale costs no more than it shows."""
        own = self.own_size
        cut = (0.0, 0.0, 0.0, 0.0) if box is None else (box.l, own.height - box.b, own.width - box.r, box.t)
        picture: Image.Image = self._drawn.render(scale=scale, crop=cut).to_pil().convert("RGB")
        return picture

    def drawings(self) -> Iterator[Drawing]:
        """The paths that are drawn on it."""
        if self._decoder is None:
            return
        own = self.own_size
        for shape in self._decoder.get_page_shapes():
            points = zip(shape.get_x(), (own.height - y for y in shape.get_y()), strict=True)
            xs, ys = self._view.path(points, own)
            yield Drawing(xs, ys, min(shape.get_rgb_filling_ops()) == 255)

    def unload(self) -> None:
        """Give its memory back."""
        self._drawn.close()
        self._decoder = None
        self._unload(self._number)


def _set_text(page: SegmentedPdfPage, decoder: Any, sizes: TypeSizes, found: Sequence[Note]) -> list[Note]:
    """Give a page its lines and words, bring its links into their frame; the comments that stand on it."""
    width, height = page.dimension.width, page.dimension.height
    pictures = (picture.rect.to_bounding_box() for picture in page.bitmap_resources)
    is_scan = any(box.area() > _SCAN * width * height for box in pictures)
    for link in page.hyperlinks:
        link.rect = link.rect.to_top_left_origin(height)
    for widget in page.widgets:
        widget.rect = widget.rect.to_top_left_origin(height)
    letters = visible(decoder.get_char_cells(), width, height, is_scan=is_scan, sizes=sizes)
    letters += _typed(
        letters, [*values(page.widgets), *((note.text, note.box) for note in found if not note.is_comment)]
    )
    drawings = _from_top(decoder.get_connected_shape_bounding_boxes(tolerance=0.0), height)
    read = with_bullets(lines(letters), drawings)
    page.textline_cells = [*line_cells(read, page.hyperlinks)]
    page.word_cells = [*word_cells(read)]
    page.has_lines = page.has_words = bool(read)
    return [note for note in found if note.is_comment]


def _typed(letters: Sequence[Letter], fields: Iterable[tuple[str, BoundingBox]]) -> list[Letter]:
    """The letters of fields and text boxes in which the page's content has none."""
    found: list[Letter] = []
    xs = np.array([letter.left for letter in letters])
    ys = np.array([(letter.top + letter.bottom) / 2 for letter in letters])
    for text, box in fields:
        if not ((xs >= box.l) & (xs <= box.r) & (ys >= box.t) & (ys <= box.b)).any():
            found += written(text, box, len(letters) + len(found))
    return found


def _from_top(boxes: Iterable[Sequence[float]], height: float) -> list[BoundingBox]:
    return [BoundingBox(l=min(a, c), t=height - max(b, d), r=max(a, c), b=height - min(b, d)) for a, b, c, d in boxes]
