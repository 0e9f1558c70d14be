"""Pages of text, set in PDF's standard fonts and drawn by PDFium."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

_LEADING = 1.25
"""Of lines, in sizes of their letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a page is set. Unit: points."""

    face: str = "Times-Roman"
    heading_face: str = "Times-Bold"
    size: float = 11.0
    columns: int = 1
    width: float = 595.0
    height: float = 842.0
    margin: float = 64.0
    gutter: float = 24.0
    is_justified: bool = True

    @property
    def column_width(self) -> float:
        """Of each column."""
        return (self.width - 2 * self.margin - self.gutter * (self.columns - 1)) / self.columns


@dataclass(slots=True)
class Sheet:
    """A page that is being set, and the text that stands on it, in reading order."""

    page: Any
    document: Any
    style: Style
    words: list[str] = field(default_factory=list)

    def drawn(self, dpi: int) -> Image.Image:
        """As grey pixels."""
        self.page.gen_content()
        picture: Image.Image = self.page.render(scale=dpi / 72, grayscale=True).to_pil()
        return picture.convert("L")


class Fonts:
    """Standard fonts of a document, and how wide their letters are."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._fonts: dict[str, Any] = {}
        self._widths: dict[tuple[str, str], float] = {}

    def __getitem__(self, face: str) -> Any:
        if face not in self._fonts:
            self._fonts[face] = pdfium.FPDFText_LoadStandardFont(self._document.raw, face.encode())
        return self._fonts[face]

    def width(self, text: str, face: str, size: float) -> float:
        """Of a text. Unit: points."""
        return sum(self._letter(letter, face) for letter in text) * size

    def _letter(self, letter: str, face: str) -> float:
        if (letter, face) not in self._widths:
            width = ctypes.c_float()
            pdfium.FPDFFont_GetGlyphWidth(self[face], ord(letter), 1000.0, ctypes.byref(width))
            self._widths[letter, face] = width.value / 1000
        return self._widths[letter, face]


def typeset(heading: str, paragraphs: Sequence[str], style: Style) -> Sheet:
    """A page with a heading and as many paragraphs as fit on it whole."""
    document = pypdfium2.PdfDocument.new()
    page = document.new_page(style.width, style.height)
    sheet, fonts = Sheet(page, document, style), Fonts(document)
    top = style.height - style.margin - 1.6 * style.size
    _write(sheet, fonts, heading, style.heading_face, 1.6 * style.size, (style.margin, top))
    sheet.words += heading.split()
    top -= 2.2 * style.size
    column, at = 0, top
    for paragraph in paragraphs:
        lines = list(_broken(paragraph, fonts, style))
        needed = len(lines) * style.size * _LEADING
        if at - needed < style.margin:
            column, at = column + 1, top
            if column == style.columns:
                break
        left = style.margin + column * (style.column_width + style.gutter)
        for words in lines:
            _set_line(sheet, fonts, words, (left, at), is_last=words is lines[-1])
            at -= style.size * _LEADING
        sheet.words += paragraph.split()
        at -= 0.6 * style.size
    return sheet


def _broken(paragraph: str, fonts: Fonts, style: Style) -> Iterator[list[str]]:
    line: list[str] = []
    for word in paragraph.split():
        if line and fonts.width(" ".join([*line, word]), style.face, style.size) > style.column_width:
            yield line
            line = []
        line.append(word)
    yield line


def _set_line(sheet: Sheet, fonts: Fonts, words: list[str], at: tuple[float, float], *, is_last: bool) -> None:
    style = sheet.style
    if is_last or not style.is_justified or len(words) == 1:
        _write(sheet, fonts, " ".join(words), style.face, style.size, at)
        return
    widths = [fonts.width(word, style.face, style.size) for word in words]
    space = (style.column_width - sum(widths)) / (len(words) - 1)
    left = at[0]
    for word, width in zip(words, widths, strict=True):
        _write(sheet, fonts, word, style.face, style.size, (left, at[1]))
        left += width + space


def _write(sheet: Sheet, fonts: Fonts, text: str, face: str, size: float, at: tuple[float, float]) -> None:
    written = pdfium.FPDFPageObj_CreateTextObj(sheet.document.raw, fonts[face], size)
    encoded = (text + "\0").encode("utf-16-le")
    buffer = ctypes.create_string_buffer(encoded)
    pdfium.FPDFText_SetText(written, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)))
    pdfium.FPDFPageObj_Transform(written, 1, 0, 0, 1, *at)
    pdfium.FPDFPage_InsertObject(sheet.page.raw, written)
