"""PDF files that are locked, cut, circular, endless or lying in their structure, or that want something done."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

from tests.integration.documents.bait import ESCAPED, Bait, Hostile
from tests.integration.documents.pdf_bait import GOOD, form, pdf_file
from tests.pdf_locks import LOCKS, locked
from tests.pdfs import assembled, beside, flated, shown, stream, text_pdf

_PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
)
_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
_TEXT = stream(shown(b"A wombat."))


def locks() -> Iterator[Hostile]:
    """Passwords."""
    for lock in LOCKS:
        yield pdf_file(
            f"user-password-{lock.name}",
            lambda lock=lock: locked(lock, "A wombat.", user=b"secret"),  # type: ignore[misc]
            is_refused=True,
            why="password",
        )
    for lock in LOCKS:
        yield pdf_file(
            f"owner-password-{lock.name}",
            lambda lock=lock: locked(lock, "A wombat.", user=b""),  # type: ignore[misc]
            keeps=("wombat",),
        )
    known = b"/Filter /Standard"
    for name, filter_ in (("unknown", b"/Filter /Nobody"), ("no", b"/Nothing /Nobody")):
        yield pdf_file(
            f"{name}-handler",
            lambda filter_=filter_: locked(LOCKS[1], "x", user=b"").replace(known, filter_),  # type: ignore[misc]
            is_refused=True,
        )
    yield pdf_file("handler-cut", lambda: locked(LOCKS[1], "x", user=b"").replace(b"/R 3", b"/R 9"), is_refused=True)


def cuts() -> Iterator[Hostile]:
    """Files that end too early, or whose table of objects is wrong."""
    yield pdf_file("header-alone", lambda: b"%PDF-1.7\n", is_refused=True)
    yield pdf_file("header-and-end", lambda: b"%PDF-1.7\n%%EOF\n", is_refused=True)
    yield pdf_file("header-and-noise", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 4000, is_refused=True)
    yield pdf_file("cut-at-10", lambda: _long()[: len(_long()) // 10])
    yield pdf_file("cut-at-50", lambda: _long()[: len(_long()) // 2], keeps=("wombat",))
    yield pdf_file("cut-at-90", lambda: _long()[: len(_long()) * 9 // 10], keeps=("wombat",))
    for name, old, new in (
        ("offsets", rb"0000\d{6} 00000 n", b"0000000007 00000 n"),
        ("far-offsets", rb"0000\d{6} 00000 n", b"9999999999 00000 n"),
        ("start", rb"startxref\n\d+", b"startxref\n99999999"),
        ("negative-start", rb"startxref\n\d+", b"startxref\n-1"),
        ("no-start", rb"startxref\n\d+", b""),
        ("size", rb"xref\n0 (\d+)", b"xref\n0 4294967295"),
        ("largest", rb"/Size \d+", b"/Size 2147483647"),
    ):
        yield pdf_file(f"xref-{name}", lambda old=old, new=new: re.sub(old, new, _three()), keeps=GOOD)  # type: ignore[misc]
    yield pdf_file("xref-loop", lambda: _with_previous(_three().index(b"xref\n0")), keeps=GOOD)
    yield pdf_file("xref-previous-nowhere", lambda: _with_previous(2**31), keeps=GOOD)
    yield pdf_file("xref-stream-loop", lambda: _xref_stream(b"/Prev %d"), keeps=("wombat",))
    yield pdf_file("xref-stream-widths", lambda: _xref_stream(b"", widths=b"2147483647 4 1"), keeps=("wombat",))
    yield pdf_file("xref-stream-index", lambda: _xref_stream(b"/Index [0 2147483647]"), keeps=("wombat",))
    yield pdf_file("no-root", lambda: _three().replace(b"/Root 1 0 R", b""), keeps=GOOD)
    yield pdf_file("root-is-a-page", lambda: _three().replace(b"/Root 1 0 R", b"/Root 4 0 R"))


def trees() -> Iterator[Hostile]:
    """Trees of pages that are circular, deep, long or lie."""
    pages = {
        "loop": (b"[4 0 R 2 0 R]", b"2", ()),
        "own-child": (b"[2 0 R 2 0 R]", b"2", ()),
        "of-nothing": (b"[99 0 R null (x) 3 4 0 R]", b"5", ()),
        "count-negative": (b"[5 0 R]", b"-7", ()),
        "count-overflow": (b"[5 0 R]", b"2147483648", ()),
        "count-million": (b"[5 0 R]", b"1000000", ()),
        "count-zero": (b"[5 0 R]", b"0", ()),
        "count-no-number": (b"[5 0 R]", b"(many)", ()),
        "without-kids": (b"7", b"1", ()),
    }
    for name, (kids, count, _) in pages.items():
        yield pdf_file(f"tree-{name}", lambda kids=kids, count=count: _tree(kids, count))  # type: ignore[misc]
    yield pdf_file("tree-deep", lambda: _deep_tree(10_000))
    yield pdf_file("tree-doubling", lambda: _doubling_tree(30))
    yield pdf_file("page-repeated", lambda: _tree(b"[%b]" % (b"5 0 R " * 10_000), b"10000"), keeps=("wombat",))
    yield pdf_file("pages-10000", lambda: _blank_pages(10_000), is_long=True)
    yield pdf_file(
        "pages-that-crash",
        lambda: _crashing_pages(40),
        keeps=("wombat",),
        may_crash=True,
        why="too many pages before them",
    )
    yield pdf_file("pages-100000", lambda: _blank_pages(100_000), is_refused=True, why="page_range")


def loops() -> Iterator[Hostile]:
    """Objects that refer to themselves or to endless others."""
    yield pdf_file(
        "length-of-itself", lambda: _replaced(stream(b"q Q").replace(b"/Length 3", b"/Length 7 0 R")), keeps=GOOD
    )
    yield pdf_file(
        "length-overflow", lambda: _replaced(stream(b"q Q").replace(b"/Length 3", b"/Length 99999999999")), keeps=GOOD
    )
    yield pdf_file(
        "length-negative", lambda: _replaced(stream(b"q Q").replace(b"/Length 3", b"/Length -3")), keeps=GOOD
    )
    yield pdf_file("object-is-itself", lambda: _replaced(b"7 0 R"), keeps=GOOD)
    yield pdf_file("contents-of-itself", lambda: _replaced(b"[7 0 R 7 0 R]"), keeps=GOOD)
    yield pdf_file("contents-100000", lambda: _replaced(b"[%b]" % (b"10 0 R " * 100_000), stream(b"q Q ")), keeps=GOOD)
    yield pdf_file("filter-of-itself", lambda: _replaced(stream(b"q", b"/Filter 7 0 R")), keeps=GOOD)
    yield pdf_file("arrays-deep", lambda: _replaced(b"[" * 100_000 + b"]" * 100_000))
    yield pdf_file("dictionaries-deep", lambda: _replaced(b"<< /A " * 100_000 + b"1" + b" >>" * 100_000))
    yield pdf_file(
        "object-stream-extends-itself",
        lambda: _replaced(_object_stream(b"/Extends 10 0 R"), _object_stream(b"/Extends 10 0 R")),
        keeps=GOOD,
    )
    yield pdf_file(
        "outline-loop",
        lambda: _catalog(
            b"/Outlines 10 0 R",
            b"<< /First 11 0 R /Last 11 0 R /Count 1 >>",
            b"<< /Title (x) /Parent 10 0 R /Next 11 0 R /First 11 0 R /Dest [4 0 R /Fit] >>",
        ),
        keeps=GOOD,
    )
    yield pdf_file("outline-50000", lambda: _outline(50_000), keeps=GOOD, is_long=True)
    yield pdf_file("outline-deep", lambda: _deep_outline(20_000), keeps=GOOD)
    yield pdf_file(
        "labels-loop", lambda: _catalog(b"/PageLabels 10 0 R", b"<< /Kids [10 0 R 10 0 R] /Limits [0 9] >>"), keeps=GOOD
    )
    yield pdf_file(
        "labels-million",
        lambda: _catalog(
            b"/PageLabels 10 0 R", b"<< /Nums [%b] >>" % b"".join(b"%d << /S /R >> " % at for at in range(200_000))
        ),
        keeps=GOOD,
    )
    yield pdf_file(
        "names-loop",
        lambda: _catalog(b"/Names << /Dests 10 0 R /EmbeddedFiles 10 0 R >>", b"<< /Kids [10 0 R 10 0 R] >>"),
        keeps=GOOD,
    )
    yield pdf_file(
        "fields-loop",
        lambda: _catalog(b"/AcroForm << /Fields [10 0 R] >>", b"<< /T (x) /Kids [10 0 R 10 0 R] /Parent 10 0 R >>"),
        keeps=GOOD,
    )
    yield pdf_file(
        "structure-loop",
        lambda: _catalog(
            b"/MarkInfo << /Marked true >> /StructTreeRoot 10 0 R",
            b"<< /Type /StructTreeRoot /K 11 0 R >>",
            b"<< /S /P /P 11 0 R /K [11 0 R 11 0 R] >>",
        ),
        keeps=GOOD,
    )


def wishes() -> Iterator[Hostile]:
    """Actions, files and addresses: nothing is run, opened or connected."""
    actions = {
        "javascript": b"<< /S /JavaScript /JS (app.launchURL\\('%(url)b'\\)) >>",
        "launch": b"<< /S /Launch /F (/bin/sh) /Unix << /F (touch) /P (/tmp/" + ESCAPED.encode() + b") >> >>",
        "uri": b"<< /S /URI /URI (%(url)b) >>",
        "goto-remote": b"<< /S /GoToR /F << /Type /Filespec /FS /URL /F (%(url)b) >> /D [0 /Fit] >>",
        "goto-embedded": b"<< /S /GoToE /F (%(secret)b) /D [0 /Fit] >>",
        "submit": b"<< /S /SubmitForm /F << /FS /URL /F (%(url)b) >> >>",
        "import": b"<< /S /ImportData /F (%(secret)b) >>",
        "rendition": b"<< /S /Rendition /OP 0 /R << /S /MR /C << /S /MCD /D << /FS /URL /F (%(url)b) >> >> >> >>",
    }
    for name, action in actions.items():
        entry = b"/OpenAction " + action + b" /AA << /WC " + action + b" >>"
        page = (
            b"/MediaBox [0 0 612 792] /AA << /O "
            + action
            + b" >> /Annots [<< /Subtype /Link /Rect [0 0 9 9] /A "
            + action
            + b" >>]"
        )
        yield _wish(name, lambda entry=entry, page=page: beside(stream(b""), catalog=entry, page=page))  # type: ignore[misc]
    outside = b"<< /Length 0 /F << /Type /Filespec /F (%(secret)b) >> >>\nstream\n\nendstream"
    yield _wish("external-stream", lambda: beside(outside))
    form = (
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length 0 /Ref << /F (%(secret)b) /Page 0 >> "
        b">>\nstream\n\nendstream"
    )
    yield _wish("external-form", lambda: beside(stream(b"/X Do"), resources=b"/XObject << /X 10 0 R >>", more=[form]))
    font = (
        b"<< /Type /Font /Subtype /TrueType /BaseFont /%(secret)b /FontDescriptor << /FontName /X "
        b"/FontFile2 10 0 R >> >>"
    )
    yield _wish(
        "external-font", lambda: beside(stream(shown(b"x")), resources=b"/Font << /F1 11 0 R >>", more=[outside, font])
    )
    xfa = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file://%(secret)b"><!ENTITY u SYSTEM "%(url)b">]><xdp><x>&e;&u;</x></xdp>'
    yield _wish(
        "xfa",
        lambda: beside(
            stream(b""),
            catalog=b"/AcroForm << /XFA 10 0 R /Fields [] >>",
            more=[b"<< /Length %d >>\nstream\n%b\nendstream" % (900, xfa.ljust(900))],
        ),
    )
    yield _wish(
        "metadata",
        lambda: beside(
            stream(b""),
            catalog=b"/Metadata 10 0 R",
            more=[b"<< /Type /Metadata /Subtype /XML /Length %d >>\nstream\n%b\nendstream" % (900, xfa.ljust(900))],
        ),
    )
    embedded = (
        b"/Names << /EmbeddedFiles << /Names [(../../tmp/%b) << /Type /Filespec /F (../../tmp/%b) /EF << "
        b"/F 10 0 R >> >>] >> >>" % (ESCAPED.encode(), ESCAPED.encode())
    )
    yield _wish("embedded-file", lambda: beside(stream(b""), catalog=embedded, more=[stream(b"MZ")]))
    yield _wish(
        "portfolio",
        lambda: beside(stream(b""), catalog=embedded + b" /Collection << /View /D >>", more=[text_pdf(["inner"])]),
    )


def faces() -> Iterator[Hostile]:
    """Files that are also something else, or say something that is not there any more."""
    yield pdf_file("also-html", lambda: b"<html><script>alert(1)</script><!--\n" + _three(), keeps=GOOD)
    yield pdf_file("also-html-by-name", lambda: b"<html><script>alert(1)</script><!--\n" + _three(), filename="a.html")
    yield pdf_file("also-zip", lambda: _three() + _empty_zip(), keeps=GOOD)
    yield pdf_file("removed-text", lambda: _updated(shown(b"A numbat.")), keeps=GOOD, lacks="numbat")
    yield pdf_file("removed-page", _without_page, keeps=("wombat",), lacks="echidna")
    yield pdf_file("freed-object", lambda: _updated(shown(b"A numbat."), is_freed=True))


def _wish(name: str, make: Callable[[], bytes]) -> Hostile:
    def made(bait: Bait) -> bytes:
        file = make()
        for key, value in ((b"%(url)b", bait.url), (b"%(secret)b", bait.secret)):
            file = file.replace(key, value.encode())
        return file

    return Hostile(name=f"pdf-{name}", filename="a.pdf", make=made, keeps=GOOD)


def _three() -> bytes:
    return beside(stream(shown(b"Between them.")))


def _long() -> bytes:
    return text_pdf(*[[f"A wombat on page {number}."] * 30 for number in range(10)])


def _replaced(content: bytes, *more: bytes) -> bytes:
    """The file whose content stream of the second page is another object."""
    return beside(content, more=more)


def _catalog(entries: bytes, *more: bytes) -> bytes:
    return beside(stream(b""), catalog=entries, more=more)


def _with_previous(offset: int) -> bytes:
    return _three().replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % offset)


def _xref_stream(entries: bytes, *, widths: bytes = b"1 4 1") -> bytes:
    """A file whose table of objects is a stream; `%d` is where that is."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [5 0 R] /Count 1 >>", _FONT, _TEXT, _PAGE]
    file = bytearray(b"%PDF-1.7\n")
    rows = [struct.pack(">BIB", 0, 0, 255)]
    for number, body in enumerate(objects, 1):
        rows.append(struct.pack(">BIB", 1, len(file), 0))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(file)
    rows.append(struct.pack(">BIB", 1, start, 0))
    said = entries % start if b"%d" in entries else entries
    table = stream(b"".join(rows), b"/Type /XRef /Size 7 /W [%b] /Root 1 0 R %b" % (widths, said))
    return bytes(file) + b"6 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (table, start)


def _tree(kids: bytes, count: bytes) -> bytes:
    """A file with one good page, object 5."""
    root = b"<< /Type /Pages /Kids %b /Count %b >>" % (kids, count)
    return assembled([b"<< /Type /Catalog /Pages 2 0 R >>", root, _FONT, _TEXT, _PAGE])


def _deep_tree(depth: int) -> bytes:
    nodes = [
        b"<< /Type /Pages /Parent %d 0 R /Kids [%d 0 R] /Count 1 >>" % (at - 1, at + 1) for at in range(6, 6 + depth)
    ]
    nodes[-1] = nodes[-1].replace(b"[%d 0 R]" % (6 + depth), b"[5 0 R]")
    root = b"<< /Type /Pages /Kids [6 0 R] /Count 1 >>"
    return assembled([b"<< /Type /Catalog /Pages 2 0 R >>", root, _FONT, _TEXT, _PAGE, *nodes])


def _doubling_tree(depth: int) -> bytes:
    nodes = [b"<< /Type /Pages /Kids [%d 0 R %d 0 R] /Count 2 >>" % (at + 1, at + 1) for at in range(6, 6 + depth)]
    nodes[-1] = b"<< /Type /Pages /Kids [5 0 R 5 0 R] /Count 2 >>"
    root = b"<< /Type /Pages /Kids [6 0 R] /Count %d >>" % 2**depth
    return assembled([b"<< /Type /Catalog /Pages 2 0 R >>", root, _FONT, _TEXT, _PAGE, *nodes])


def _blank_pages(count: int) -> bytes:
    kids = b" ".join(b"%d 0 R" % (3 + at) for at in range(count))
    root = b"<< /Type /Pages /MediaBox [0 0 200 200] /Kids [%b] /Count %d >>" % (kids, count)
    return assembled([b"<< /Type /Catalog /Pages 2 0 R >>", root, *[b"<< /Type /Page /Parent 2 0 R >>"] * count])


def _crashing_pages(count: int) -> bytes:
    """A good page and others that each end their worker, by a stamp that draws itself."""
    stamp = form(b"/X Do /X Do", b"6 0 R")
    notes = b"/Annots [<< /Subtype /Stamp /Rect [0 0 99 99] /AP << /N 6 0 R >> >>]"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R %b >>" % notes
    kids = b"5 0 R " + b"".join(b"%d 0 R " % at for at in range(7, 7 + count))
    root = b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, count + 1)
    return assembled([b"<< /Type /Catalog /Pages 2 0 R >>", root, _FONT, _TEXT, _PAGE, stamp, *[page] * count])


def _object_stream(entries: bytes) -> bytes:
    return flated(b"20 0 21 3 1 2", b"/Type /ObjStm /N 2 /First 10 " + entries)


def _outline(count: int) -> bytes:
    root = b"<< /First 11 0 R /Last %d 0 R /Count %d >>" % (10 + count, count)
    items = [
        b"<< /Title (x) /Parent 10 0 R /Next %d 0 R /Dest [4 0 R /Fit] >>" % (at + 1) for at in range(11, 11 + count)
    ]
    return _catalog(b"/Outlines 10 0 R", root, *items)


def _deep_outline(depth: int) -> bytes:
    items = [
        b"<< /Title (x) /Parent %d 0 R /First %d 0 R /Last %d 0 R /Count 1 >>" % (at - 1, at + 1, at + 1)
        for at in range(11, 11 + depth)
    ]
    return _catalog(b"/Outlines 10 0 R", b"<< /First 11 0 R /Last 11 0 R /Count 1 >>", *items)


def _empty_zip() -> bytes:
    return b"PK\x05\x06" + bytes(18)


def _updated(old: bytes, *, is_freed: bool = False) -> bytes:
    """A file whose second page was changed after it was written: the old text is in the bytes still."""
    file = beside(stream(old))
    previous = int(re.findall(rb"startxref\n(\d+)", file)[-1])
    start = len(file)
    body = b"" if is_freed else b"7 0 obj\n%b\nendobj\n" % stream(shown(b"Something new."))
    entry = b"0000000000 00001 f \n" if is_freed else b"%010d 00000 n \n" % start
    table = b"xref\n7 1\n%btrailer\n<< /Size 10 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
    return file + body + table % (entry, previous, start + len(body))


def _without_page() -> bytes:
    """A file whose last page was removed after it was written."""
    file = _three()
    previous = int(re.findall(rb"startxref\n(\d+)", file)[-1])
    start = len(file)
    body = b"2 0 obj\n<< /Type /Pages /Kids [4 0 R 6 0 R] /Count 2 >>\nendobj\n"
    table = b"xref\n2 1\n%010d 00000 n \ntrailer\n<< /Size 10 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
    return file + body + table % (start, previous, start + len(body))
