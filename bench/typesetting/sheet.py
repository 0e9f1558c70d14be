"""A page of a PDF, written by hand: text in the standard fonts, rules and fills."""

from __future__ import annotations

import ctypes
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

WIDTH, HEIGHT = 612.0, 792.0
"""US letter. Unit: points."""
FONTS = ("Helvetica", "Helvetica-Bold", "Times-Roman", "Times-Bold", "Courier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text as it was set, in points from the top left."""

    text: str
    left: float
    baseline: float
    width: float
    size: float


@cache
def _font(name: str) -> tuple[pypdfium2.PdfDocument, pdfium.FPDF_FONT]:
    document = pypdfium2.PdfDocument.new()
    return document, pdfium.FPDFText_LoadStandardFont(document, name.encode())


@cache
def _advance(name: str, character: str) -> float:
    width = ctypes.c_float()
    pdfium.FPDFFont_GetGlyphWidth(_font(name)[1], ord(character), 1000.0, ctypes.byref(width))
    return width.value / 1000


def text_width(text: str, font: str, size: float) -> float:
    """Unit: points."""
    return size * sum(_advance(font, character) for character in text)


@dataclass(slots=True)
class Sheet:
    """What stands on a page; positions are in points from its top left.

    Attributes:
        is_turned: what is drawn is turned by a quarter, so that its top is at the left edge of the page.
    """

    is_turned: bool = False
    lines: list[Line] = field(default_factory=list)
    _content: list[str] = field(default_factory=list)

    @property
    def width(self) -> float:
        """Of what can be drawn on. Unit: points."""
        return HEIGHT if self.is_turned else WIDTH

    @property
    def height(self) -> float:
        """Of what can be drawn on. Unit: points."""
        return WIDTH if self.is_turned else HEIGHT

    def text(self, text: str, left: float, baseline: float, *, font: str = "Times-Roman", size: float = 10.0) -> float:
        """Set a line, and say how wide it is. Unit: points."""
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        where = f"{left:.2f} {self.height - baseline:.2f} Td"
        self._content.append(f"BT /F{FONTS.index(font)} {size:g} Tf {where} ({escaped}) Tj ET")
        width = text_width(text, font, size)
        self.lines.append(Line(text=text, left=left, baseline=baseline, width=width, size=size))
        return width

    def rule(self, left: float, top: float, right: float, bottom: float, *, thickness: float = 0.5) -> None:
        """Draw a line."""
        ends = f"{left:.2f} {self.height - top:.2f} m {right:.2f} {self.height - bottom:.2f} l"
        self._content.append(f"{thickness:g} w {ends} S")

    def fill(self, left: float, top: float, right: float, bottom: float, *, grey: float) -> None:
        """Fill a rectangle; 0 is black."""
        box = f"{left:.2f} {self.height - bottom:.2f} {right - left:.2f} {bottom - top:.2f} re f"
        self._content.append(f"q {grey:g} g {box} Q")

    def pdf(self) -> bytes:
        """The file, with its text."""
        turn = f"0 1 -1 0 {WIDTH:g} 0 cm\n" if self.is_turned else ""
        fonts = " ".join(f"/F{at} {4 + at} 0 R" for at in range(len(FONTS)))
        kinds = [f"<</Type/Font/Subtype/Type1/BaseFont/{name}/Encoding/WinAnsiEncoding>>".encode() for name in FONTS]
        content = (turn + "\n".join(self._content)).encode("cp1252")
        return _file(f"<</Font<<{fonts}>>>>", content, kinds)

    def picture(self, dpi: int) -> Image.Image:
        """What it looks like, in grey."""
        document = pypdfium2.PdfDocument(self.pdf())
        drawn: Image.Image = document[0].render(scale=dpi / 72).to_pil().convert("L")
        document.close()
        return drawn

    def scan(self, dpi: int) -> bytes:
        """The file as a picture, without text."""
        drawn = self.picture(dpi)
        pixels = io.BytesIO()
        drawn.save(pixels, "JPEG", quality=85)
        header = f"/Type/XObject/Subtype/Image/Width {drawn.width}/Height {drawn.height}/ColorSpace/DeviceGray"
        image = _stream(f"{header}/BitsPerComponent 8/Filter/DCTDecode", pixels.getvalue())
        content = f"q {WIDTH:g} 0 0 {HEIGHT:g} 0 0 cm /I Do Q".encode()
        return _file("<</XObject<</I 4 0 R>>>>", content, [image])


def _stream(entries: str, data: bytes) -> bytes:
    return f"<<{entries}/Length {len(data)}>>stream\n".encode() + data + b"\nendstream"


def _file(resources: str, content: bytes, more: Sequence[bytes]) -> bytes:
    """A file of one page; `more` are objects from number 4 on."""
    last = 4 + len(more)
    box = f"[0 0 {WIDTH:g} {HEIGHT:g}]"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox{box}/Resources{resources}/Contents {last} 0 R>>".encode(),
        *more,
        _stream("", content),
    ]
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)
