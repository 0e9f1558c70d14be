"""PDF files with a page that is no paper, or that is endless to draw."""

from __future__ import annotations

from collections.abc import Iterator

from tests.integration.documents.bait import MANY, Hostile
from tests.integration.documents.pdf_bait import MIDDLE, form, page_file
from tests.pdfs import shown, stream


def sizes() -> Iterator[Hostile]:
    """Pages that are no paper."""
    boxes = {
        "zero": b"[0 0 0 0]",
        "negative": b"[612 792 -612 -792]",
        "reversed": b"[612 792 0 0]",
        "huge": b"[0 0 1000000000 1000000000]",
        "wide": b"[0 0 10000000 1]",
        "tiny": b"[0 0 0.0001 0.0001]",
        "largest": b"[0 0 14400 14400]",
        "far": b"[1e9 1e9 1000000612 1000000792]",
        "overflow": b"[-1e38 -1e38 1e38 1e38]",
        "nan": b"[nan 0 inf --5]",
        "three": b"[0 0 612]",
        "texts": b"[(a) (b) (c) (d)]",
        "itself": b"6 0 R",
    }
    for name, box in boxes.items():
        yield page_file(f"box-{name}", stream(MIDDLE), page=b"/MediaBox %b" % box)
    entries = {
        "missing": b"",
        "user-unit": b"/MediaBox [0 0 612 792] /UserUnit 1000000",
        "user-unit-negative": b"/MediaBox [0 0 612 792] /UserUnit -1",
        "rotate-45": b"/MediaBox [0 0 612 792] /Rotate 45",
        "rotate-overflow": b"/MediaBox [0 0 612 792] /Rotate 99999999999",
        "crop-outside": b"/MediaBox [0 0 612 792] /CropBox [5000 5000 6000 6000]",
        "crop-empty": b"/MediaBox [0 0 612 792] /CropBox [5 5 5 5]",
    }
    for name, page in entries.items():
        yield page_file(f"box-{name}", stream(MIDDLE), page=page)


def drawings() -> Iterator[Hostile]:
    """Content that is endless to draw."""
    yield page_file(
        "letters-200000",
        lambda: stream(
            b"BT /F1 4 Tf "
            + b"".join(b"1 0 0 1 %d %d Tm (%b) Tj " % (9 + at % 50, at % 790, b"word " * 40) for at in range(1000))
            + b"ET"
        ),
    )
    yield page_file(
        "letters-apart",
        lambda: stream(
            b"BT /F1 4 Tf "
            + b"".join(b"1 0 0 1 %d %d Tm (x) Tj " % (at * 7 % 600, at * 11 % 790) for at in range(MANY))
            + b"ET"
        ),
    )
    yield page_file(
        "letters-on-each-other", lambda: stream(b"BT /F1 9 Tf " + b"1 0 0 1 99 99 Tm (x) Tj " * 100_000 + b"ET")
    )
    yield page_file(
        "paths-100000",
        lambda: stream(
            b"".join(
                b"%d %d m %d %d l S\n" % (at % 600, at % 790, at * 7 % 600, at * 11 % 790) for at in range(100_000)
            )
        ),
    )
    yield page_file(
        "rectangles-100000",
        lambda: stream(b"".join(b"%d %d 5 5 re f\n" % (at * 7 % 600, at * 11 % 790) for at in range(100_000))),
    )
    yield page_file(
        "ruling-lines",
        lambda: stream(
            b"".join(b"0 %d m 612 %d l S %d 0 m %d 792 l S\n" % (at, at, at, at) for at in range(600)) + MIDDLE
        ),
    )
    yield page_file(
        "path-of-a-million",
        lambda: stream(
            b"0 0 m " + b"".join(b"%d %d l " % (at * 7 % 600, at * 11 % 790) for at in range(1_000_000)) + b"f*"
        ),
    )
    yield page_file("curves", lambda: stream(b"0 0 m " + b"9e9 -9e9 -9e9 9e9 600 700 c " * MANY + b"S"))
    yield page_file(
        "links-100000",
        stream(MIDDLE),
        page=b"/MediaBox [0 0 612 792] /Annots [%b]"
        % (
            b"<< /Type /Annot /Subtype /Link /Rect [70 690 200 720] /A << /S /URI /URI (http://x.example/) >> >>"
            * 100_000
        ),
    )
    yield page_file(
        "fields-20000",
        stream(MIDDLE),
        page=b"/MediaBox [0 0 612 792] /Annots [%b]"
        % (b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /V (value) /Rect [70 690 200 720] >>" * MANY),
    )
    yield page_file("states-open", lambda: stream(b"q " * 1_000_000 + MIDDLE))
    yield page_file("states-closed", lambda: stream(b"Q " * 1_000_000 + MIDDLE))
    yield page_file("states-alternating", lambda: stream(b"q Q " * 500_000 + MIDDLE))
    yield page_file(
        "clips", lambda: stream(b"".join(b"0 0 m 612 %d l 0 792 l h W n " % (at % 792) for at in range(MANY)) + MIDDLE)
    )
    yield page_file(
        "dashes", lambda: stream(b"[0.00001 0.00001] 0 d 5 w 0 0 m 600 700 l S [0 0] 0 d 0 0 m 600 700 l S " + MIDDLE)
    )
    yield page_file("line-widths", lambda: stream(b"1e30 w 0 0 m 600 700 l S -5 w 0 0 m 9 9 l S " + MIDDLE))
    yield page_file(
        "matrices", lambda: stream(b"1e38 1e38 1e38 1e38 1e38 1e38 cm " * 50 + MIDDLE + b"0 0 0 0 0 0 cm " + MIDDLE)
    )
    yield page_file("arguments", lambda: stream(b"1 " * 1_000_000 + b"re " + MIDDLE))
    yield page_file("arrays-open", lambda: stream(b"[" * 1_000_000 + MIDDLE))
    yield page_file("dictionaries-open", lambda: stream(b"/A << /B " * 100_000 + b" BDC " + MIDDLE))
    yield page_file(
        "marks-open", lambda: stream(b"/Span << /ActualText (x) >> BDC " * 100_000 + MIDDLE), may_crash=True
    )
    yield page_file("string-open", lambda: stream(MIDDLE + b"(" * 1_000_000))
    yield page_file("no-operators", lambda: stream(bytes(range(128, 256)) * 20_000 + b"\n" + MIDDLE))
    pattern = (
        b"/PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep %b /YStep %b /Resources << "
        b"/Pattern << /P 10 0 R >> >>"
    )
    fill = b"/Pattern cs /P scn 0 0 612 792 re f "
    for name, step, content in (
        ("tiny", b"0.001", b"0 0 1 1 re f"),
        ("zero", b"0", b"0 0 1 1 re f"),
        ("of-itself", b"1", fill),
    ):
        tiling = stream(content, pattern % (step, step))
        yield page_file(f"pattern-{name}", stream(fill + MIDDLE), resources=b"/Pattern << /P 10 0 R >>", more=[tiling])
    for name, shading in (
        ("function-huge", b"/ShadingType 1 /ColorSpace /DeviceRGB /Domain [0 1e9 0 1e9] /Function 10 0 R"),
        (
            "radial",
            b"/ShadingType 3 /ColorSpace /DeviceRGB /Coords [0 0 0 1e9 1e9 1e9] /Extend [true true] /Function 10 0 R",
        ),
        ("axial", b"/ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 1e-9 0] /Extend [true true] /Function 10 0 R"),
    ):
        sampled = stream(
            b"\0" * 99,
            b"/FunctionType 0 /Domain [0 1 0 1] /Range [0 1 0 1 0 1] /Size [2147483647 2147483647] /BitsPerSample 8",
        )
        yield page_file(
            f"shading-{name}",
            stream(b"/S sh " + MIDDLE),
            resources=b"/Shading << /S << %b >> >>" % shading,
            more=[sampled],
        )
    program = stream(
        b"{ " * 100_000 + b"pop pop 0 0 0" + b" }" * 100_000, b"/FunctionType 4 /Domain [0 1 0 1] /Range [0 1 0 1 0 1]"
    )
    yield page_file(
        "function-deep",
        stream(b"/S sh " + MIDDLE),
        resources=b"/Shading << /S << /ShadingType 1 /ColorSpace /DeviceRGB /Function 10 0 R >> >>",
        more=[program],
    )
    stitched = b"<< /FunctionType 3 /Domain [0 1] /Functions [10 0 R 10 0 R] /Bounds [0.5] /Encode [0 1 0 1] >>"
    yield page_file(
        "function-of-itself",
        stream(b"/S sh " + MIDDLE),
        resources=b"/Shading << /S << /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 9 9] /Function 10 0 R >> >>",
        more=[stitched],
    )
    yield page_file(
        "colour-of-itself",
        stream(b"/C cs 1 scn 0 0 9 9 re f " + MIDDLE),
        resources=b"/ColorSpace << /C 10 0 R >>",
        more=[b"[/Indexed 10 0 R 255 10 0 R]"],
    )


def forms() -> Iterator[Hostile]:
    """Content in content."""
    resources = b"/XObject << /X 10 0 R >>"
    call = stream(b"/X Do " + MIDDLE)
    yield page_file("form-of-itself", call, resources=resources, more=[form(b"/X Do /X Do", b"10 0 R")])
    yield page_file(
        "form-of-each-other",
        call,
        resources=resources,
        more=[form(b"/X Do /X Do", b"11 0 R"), form(b"/X Do /X Do", b"10 0 R")],
    )
    yield page_file("form-chain", call, resources=resources, more=lambda: _chain(2000, b"/X Do"))
    yield page_file("form-laughs", call, resources=resources, more=lambda: _chain(30, b"/X Do /X Do"))
    yield page_file("form-laughs-of-text", call, resources=resources, more=lambda: _chain(8, b"/X Do " * 10))
    yield page_file(
        "form-repeated",
        lambda: stream(b"/X Do " * 100_000),
        resources=resources,
        more=[form(b"0 0 9 9 re f", b"10 0 R")],
    )
    glyph = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [1 0 0 1 0 0] /FirstChar 97 "
        b"/LastChar 97 /Widths [1] /Encoding << /Differences [97 /a] >> /CharProcs << /a 11 0 R >> "
        b"/Resources << /Font << /F1 10 0 R >> >> >>"
    )
    again = stream(b"1 0 d0 BT /F1 1 Tf (aaaaaaaaaa) Tj ET")
    yield page_file(
        "type3-of-itself",
        stream(b"BT /F1 9 Tf 99 99 Td (aaaa) Tj ET"),
        resources=b"/Font << /F1 10 0 R >>",
        more=[glyph, again],
    )
    yield page_file(
        "type3-laughs",
        stream(b"BT /F1 9 Tf 99 99 Td (aaaa) Tj ET"),
        resources=b"/Font << /F1 10 0 R >>",
        more=_glyphs(12),
    )
    mask = b"/ExtGState << /G << /SMask << /S /Luminosity /G 10 0 R >> >> >>"
    yield page_file(
        "mask-group-of-itself",
        stream(b"/G gs 0 0 600 700 re f " + MIDDLE),
        resources=mask,
        more=[form(b"/G gs 0 0 9 9 re f", b"10 0 R", mask + b" ", b"/Group << /S /Transparency >>")],
    )
    group = b"/Group << /S /Transparency /I true /K true >>"
    yield page_file("groups-deep", call, resources=resources, more=lambda: _chain(200, b"/X Do", group))
    yield page_file(
        "appearance-of-itself",
        stream(MIDDLE),
        may_crash=True,
        page=b"/MediaBox [0 0 612 792] /Annots [<< /Subtype /Stamp /Rect [0 0 99 99] /AP << /N 10 0 R >> >>]",
        more=[form(b"/X Do /X Do", b"10 0 R")],
    )


def _chain(depth: int, content: bytes, entries: bytes = b"") -> list[bytes]:
    """Forms of which each calls the next one."""
    calling = [form(content, b"%d 0 R" % (at + 1), entries=entries) for at in range(10, 10 + depth)]
    return [*calling, form(shown(b"deep inside"), b"%d 0 R" % (10 + depth), entries=entries)]


def _glyphs(depth: int) -> list[bytes]:
    """Fonts of which each draws its letter with ten of the next one's."""
    made = []
    for at in range(depth):
        font = 10 + 2 * at
        inner = b"/Font << /F1 %d 0 R >>" % (font + 2 if at < depth - 1 else 3)
        made.append(
            b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] /FontMatrix [1 0 0 1 0 0] /FirstChar 97 /LastChar 97 "
            b"/Widths [1] /Encoding << /Differences [97 /a] >> /CharProcs << /a %d 0 R >> /Resources << %b >> >>"
            % (font + 1, inner)
        )
        made.append(stream(b"1 0 d0 BT /F1 1 Tf (aaaaaaaaaa) Tj ET"))
    return made
