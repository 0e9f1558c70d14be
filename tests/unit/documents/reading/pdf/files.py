"""Small PDFs, written by hand: text with the fonts that every reader of PDF has, in Latin letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FONTS = {"H": "Helvetica", "B": "Helvetica-Bold", "I": "Helvetica-Oblique", "C": "Courier", "T": "Times-Roman"}


def show(text: str, x: float, y: float, *, size: float = 11, font: str = "H", before: str = "") -> str:
    """Operators that write a line; y goes up from the bottom of the page."""
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT {before} /{font} {size} Tf 1 0 0 1 {x} {y} Tm ({escaped}) Tj ET"


def paragraph(
    lines: Sequence[str], x: float, y: float, *, size: float = 11, font: str = "H", step: float = 1.25
) -> str:
    """Lines one below the other."""
    return "\n".join(show(line, x, y - at * size * step, size=size, font=font) for at, line in enumerate(lines))


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A page."""

    content: str
    width: float = 612
    height: float = 792
    extra: str = ""
    """More entries of the page's dictionary."""
    annotations: Sequence[str] = ()
    """Dictionaries."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A PDF."""

    sheets: Sequence[Sheet]
    catalogue: str = ""
    """More entries of the catalogue."""
    objects: Mapping[int, str] = field(default_factory=dict)
    """More objects, by number from 1000 on."""

    def bytes(self) -> bytes:
        """The file."""
        bodies: dict[int, bytes] = {}
        fonts = " ".join(f"/{name} {at} 0 R" for at, name in enumerate(FONTS, 3))
        for at, font in enumerate(FONTS.values(), 3):
            bodies[at] = f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding /WinAnsiEncoding >>".encode()
        kids = []
        number = 3 + len(FONTS)
        for sheet in self.sheets:
            page, content = number, number + 1
            notes = [number + 2 + at for at in range(len(sheet.annotations))]
            number += 2 + len(notes)
            kids.append(f"{page} 0 R")
            stream = sheet.content.encode("cp1252")
            bodies[content] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)
            bodies[page] = (
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {sheet.width} {sheet.height}] {sheet.extra} "
                f"/Resources << /Font << {fonts} >> >> /Contents {content} 0 R "
                f"/Annots [{' '.join(f'{note} 0 R' for note in notes)}] >>"
            ).encode()
            for note, dictionary in zip(notes, sheet.annotations, strict=True):
                bodies[note] = dictionary.encode("cp1252")
        bodies[1] = f"<< /Type /Catalog /Pages 2 0 R {self.catalogue} >>".encode()
        bodies[2] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
        bodies |= {at: body.encode("cp1252") for at, body in self.objects.items()}
        return _assembled(bodies)


def _assembled(bodies: Mapping[int, bytes]) -> bytes:
    out = bytearray(b"%PDF-1.7\n")
    places = {}
    for number, body in sorted(bodies.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in places.items():
        out += b"%d 1\n%010d 00000 n \n" % (number, place)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (max(bodies) + 1, start)
    return bytes(out)


def one(content: str, *, extra: str = "", annotations: Sequence[str] = ()) -> bytes:
    """A file of one page."""
    return File(sheets=[Sheet(content=content, extra=extra, annotations=annotations)]).bytes()
