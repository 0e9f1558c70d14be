"""PDF files with a page whose text is endless, strange or hidden, or whose fonts are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.integration.documents.bait import MANY, Hostile
from tests.integration.documents.pdf_bait import MIDDLE, page_file
from tests.pdfs import flated, shown, stream


def fonts() -> Iterator[Hostile]:
    """Fonts that are none, and maps of letters that are endless."""
    noise = bytes(range(256)) * 2000
    for kind, subtype, head in (
        ("FontFile", b"Type1", b"%!PS-AdobeFont-1.0\n"),
        ("FontFile2", b"TrueType", b"\0\1\0\0\xff\xff\0\0\0\0\0\0"),
        ("FontFile3", b"Type1", b"\1\0\4\4\xff\xff\4\4"),
    ):
        font = (
            b"<< /Type /Font /Subtype /%b /BaseFont /X /FirstChar 0 /LastChar 2147483647 /Widths [-1 1e38] "
            b"/FontDescriptor << /FontName /X /Flags 4 /%b 11 0 R >> >>" % (subtype, kind.encode())
        )
        yield page_file(
            f"font-noise-{kind.lower()}",
            stream(shown(b"ab")),
            resources=b"/Font << /F1 10 0 R >>",
            more=[font, flated(head + noise, b"/Length1 99 /Subtype /Type1C")],
        )
    yield _font("map-damaged", lambda: flated(_map(b"<61> <0041>\n<62>\n<63> <0043>\n")), why="its text is damaged")
    yield _font("map-100mb", lambda: flated(_map(b"<00> <61>\n" * 10_000_000)))
    yield _font("map-ranges", lambda: flated(_map(b"", b"<0000> <ffff> <0041>\n" * 3000)))
    yield _font("map-range-overflow", lambda: flated(_map(b"", b"<00000000> <ffffffff> <0041>\n")))
    yield _font(
        "map-uses-itself",
        lambda: flated(b"/X usecmap\n" + _map(b"<61> <62>\n"), b"/Type /CMap /CMapName /X /UseCMap 11 0 R"),
    )
    yield _font("map-long", lambda: flated(_map(b"<61> <%b>\n" % (b"0041" * 200_000))))
    for name, target in (
        ("surrogate", b"d800"),
        ("nul", b"0000"),
        ("control", b"0007"),
        ("bidi", b"202e0041"),
        ("private", b"f8ff"),
        ("none", b"ffff"),
        ("odd", b"004"),
    ):
        yield _font(f"map-{name}", lambda target=target: flated(_map(b"<61> <%b>\n<62> <%b>\n" % (target, target))))  # type: ignore[misc]
    loop = b"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [10 0 R] >>"
    yield page_file("font-of-itself", stream(shown(b"ab")), resources=b"/Font << /F1 10 0 R >>", more=[loop])
    differences = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding << /Differences [%b] >> >>" % (
        b"0 /a " * 200_000
    )
    yield page_file("font-differences", stream(shown(b"ab")), resources=b"/Font << /F1 10 0 R >>", more=[differences])
    wide = (
        b"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [<< /Type "
        b"/Font /Subtype /CIDFontType2 /BaseFont /X /W [0 2147483647 500] /FontDescriptor << /FontName "
        b"/X >> >>] >>"
    )
    yield page_file("font-widths", stream(shown(b"ab")), resources=b"/Font << /F1 10 0 R >>", more=[wide])
    yield page_file(
        "font-size",
        stream(b"BT /F1 1e30 Tf (x) Tj /F1 -1e30 Tf (x) Tj /F1 0 Tf (x) Tj /F1 nan Tf (x) Tj ET " + MIDDLE),
    )
    yield page_file(
        "fonts-20000",
        lambda: stream(b"BT " + b"".join(b"/F%d 9 Tf (x) Tj " % at for at in range(MANY)) + b"ET"),
        resources=b"/Font << %b >>" % b"".join(b"/F%d 3 0 R " % at for at in range(MANY)),
    )


def words() -> Iterator[Hostile]:
    """Text that is strange, hidden or outside."""
    yield page_file("word-of-a-megabyte", lambda: stream(shown(b"x" * 1_000_000)))
    yield page_file("word-within", lambda: stream(b"BT /F1 1 Tf 0.0001 Tz 72 700 Td (%b) Tj ET" % (b"x" * 100_000)))
    yield page_file("controls", stream(shown(bytes(byte for byte in range(32) if byte not in b"\n\r"))))
    yield page_file("markup", stream(shown(b"<script>alert\\(1\\)</script> ![x]\\(file:///etc/passwd\\) | # $x$ `")))
    yield page_file(
        "paths-as-names", stream(shown(b"../../etc/passwd")), resources=b"/Font << /F1 3 0 R /#2e#2e#2f#00 3 0 R >>"
    )
    yield page_file("text-outside", stream(MIDDLE + shown(b"numbat", b"-5000 9000")), lacks="numbat")
    yield page_file(
        "text-invisible",
        stream(MIDDLE + shown(b"3 Tr numbat".replace(b"3 Tr ", b"")).replace(b"BT", b"BT 3 Tr")),
        lacks="numbat",
    )
    yield page_file("text-white", stream(MIDDLE + b"1 g " + shown(b"white on white", b"72 500")))
    yield page_file("text-tiny", stream(MIDDLE + b"BT /F1 0.0001 Tf 72 500 Td (small) Tj ET"))
    layers = b"/OCProperties << /OCGs [10 0 R] /D << /OFF [10 0 R] /BaseState /ON >> >>"
    properties = b"/Properties << /L 10 0 R >>"
    yield page_file(
        "layer-off",
        stream(MIDDLE + b"/OC /L BDC " + shown(b"numbat", b"72 500") + b"EMC"),
        resources=properties,
        more=[b"<< /Type /OCG /Name (hidden) >>"],
        catalog=layers,
    )
    hidden = (
        b"/MediaBox [0 0 612 792] /Annots [<< /Subtype /FreeText /F 2 /Rect [9 9 99 99] /Contents "
        b"(numbat) /DA (/F1 9 Tf) >>]"
    )
    yield page_file("note-hidden", stream(MIDDLE), page=hidden, lacks="numbat")


def _font(name: str, letters: Callable[[], bytes], *, why: str = "") -> Hostile:
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 11 0 R >>"
    return page_file(
        name, stream(shown(b"abab abab")), resources=b"/Font << /F1 10 0 R >>", more=lambda: [font, letters()], why=why
    )


def _map(letters: bytes, ranges: bytes = b"") -> bytes:
    single = b"%d beginbfchar\n%bendbfchar\n" % (letters.count(b"\n"), letters) if letters else b""
    ranged = b"%d beginbfrange\n%bendbfrange\n" % (ranges.count(b"\n"), ranges) if ranges else b""
    space = b"1 begincodespacerange\n<00> <ff>\nendcodespacerange\n"
    return b"/CIDInit /ProcSet findresource begin\nbegincmap\n" + space + single + ranged + b"endcmap\nend"
