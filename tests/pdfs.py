"""PDF files of text, written by hand: no library of the tests makes any."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

_HEIGHT, _LEFT, _SIZE, _LEADING = 792, 72, 11, 16


def text_pdf(*pages: Sequence[str], size: int = _SIZE) -> bytes:
    """A PDF with these lines on its pages, in Helvetica on letter paper."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for at, lines in enumerate(pages):
        content = _content(lines, size)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 {_HEIGHT}] /Contents {5 + 2 * at} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    return assembled([each.encode("cp1252") for each in objects])


def assembled(objects: Sequence[bytes], *, trailer: bytes = b"") -> bytes:
    """A PDF of these objects; the first is its catalogue.

    Args:
        objects: numbered from 1 on.
        trailer: more entries of the trailer.
    """
    file = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    file += b"trailer\n<< /Size %d /Root 1 0 R %b >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(file)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream as the body of an object.

    Args:
        content: as it is stored.
        entries: of its dictionary beside the length.
    """
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(content), entries, content)


def flated(content: bytes, entries: bytes = b"") -> bytes:
    """A stream that is packed."""
    return stream(zlib.compress(content, 9), b"/Filter /FlateDecode " + entries)


def beside(
    content: bytes,
    *,
    page: bytes = b"/MediaBox [0 0 612 792]",
    resources: bytes = b"",
    more: Sequence[bytes] = (),
    catalog: bytes = b"",
    trailer: bytes = b"",
) -> bytes:
    """A PDF of three pages: the first says "wombat", the last "echidna", the one between them is what is asked for.

    Args:
        content: the body of its content stream, which is object 7.
        page: entries of its dictionary, which is object 6.
        resources: entries of its resources beside the font F1, which is object 3.
        more: further objects, from 10 on.
        catalog: more entries of the catalogue.
        trailer: more entries of the trailer.
    """
    font = b"/Font << /F1 3 0 R >>"
    good = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>"
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %b >>" % catalog,
        b"<< /Type /Pages /Kids [4 0 R 6 0 R 8 0 R] /Count 3 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        good % 5,
        stream(shown(b"A wombat is on the first page.")),
        b"<< /Type /Page /Parent 2 0 R %b /Contents 7 0 R /Resources << %b %b >> >>"
        % (page, b"" if b"/Font" in resources else font, resources),
        content,
        good % 9,
        stream(shown(b"An echidna is on the last page.")),
        *more,
    ]
    return assembled(objects, trailer=trailer)


def shown(text: bytes, at: bytes = b"72 400") -> bytes:
    """Operators that show a line in the font F1."""
    return b"BT /F1 12 Tf %b Td (%b) Tj ET\n" % (at, text)


def _content(lines: Sequence[str], size: int) -> str:
    shown = "".join(f"({_escaped(line)}) Tj T* " for line in lines)
    return f"BT /F1 {size} Tf {size + _LEADING - _SIZE} TL {_LEFT} {_HEIGHT - 80} Td {shown}ET"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
