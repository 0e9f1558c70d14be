"""PDF files with a page that unpacks to far more than it is."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial

from tests.integration.documents.bait import MANY, Hostile
from tests.integration.documents.pdf_bait import GIB, MIDDLE, packed_zeros, page_file, zeros
from tests.pdfs import flated, stream


def bombs() -> Iterator[Hostile]:
    """What unpacks to far more than it is."""
    yield page_file("bomb-content", lambda: zeros(b" ", GIB))
    yield page_file("bomb-content-twice", lambda: _twice(b" ", GIB), may_crash=True)
    yield page_file("bomb-content-20", lambda: _nested(20))
    yield page_file("bomb-contents", b"[%b]" % (b"10 0 R " * 200), more=lambda: [zeros(b" ", 16 << 20)])
    yield page_file("bomb-lzw", lambda: stream(b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01" * MANY, b"/Filter /LZWDecode"))
    yield page_file(
        "bomb-run-length", lambda: stream(b"\x81 " * 2_000_000, b"/Filter [/RunLengthDecode /RunLengthDecode]")
    )
    yield page_file(
        "predictor", lambda: flated(b"x" * 1000, b"/DecodeParms << /Predictor 15 /Columns 2147483647 /Colors 32 >>")
    )
    yield page_file("bomb-object-stream", stream(b""), more=lambda: [zeros(b" ", GIB, b"/Type /ObjStm /N 9 /First 9")])
    yield page_file("bomb-xref-stream", stream(b""), more=lambda: [zeros(b" ", GIB, b"/Type /XRef /W [1 1 1] /Size 9")])
    yield page_file(
        "bomb-metadata",
        stream(b""),
        may_crash=True,
        may_be_refused=True,
        more=lambda: [zeros(b" ", GIB, b"/Type /Metadata /Subtype /XML")],
        catalog=b"/Metadata 10 0 R",
    )
    yield _image("bomb-image", lambda: zeros(b"\0", GIB, _picture(8, 8)))
    yield _image("image-30000", lambda: zeros(b"\0", 30_000 * 3_750, _picture(30_000, 30_000, bits=1)))
    yield _image("image-30000-grey", lambda: zeros(b"\0", 30_000 * 30_000, _picture(30_000, 30_000)))
    yield _image("image-overflow", lambda: flated(bytes(1000), _picture(2**31 - 1, 2**31 - 1)))
    yield _image("image-negative", lambda: flated(bytes(1000), _picture(-5, -5)))
    yield _image(
        "image-fax",
        lambda: stream(
            b"\0" * 1000,
            _picture(30_000, 30_000, bits=1)
            + b" /Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 30000 /Rows 30000 >>",
        ),
    )
    yield _image(
        "image-jbig2", lambda: stream(_jbig2(30_000), _picture(30_000, 30_000, bits=1) + b" /Filter /JBIG2Decode")
    )
    yield _image(
        "image-jbig2-overflow",
        lambda: stream(_jbig2(2**32 - 1), _picture(30_000, 30_000, bits=1) + b" /Filter /JBIG2Decode"),
    )
    for name, filter_, head in (
        (
            "jpeg",
            b"DCTDecode",
            b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xda",
        ),
        ("jpx", b"JPXDecode", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 "),
        ("jpx-codestream", b"JPXDecode", b"\xff\x4f\xff\x51\0\x2f\0\0\x7f\xff\xff\xff\x7f\xff\xff\xff\0\0\0\0\0\0\0\0"),
    ):
        noise = head + bytes(range(256)) * 400
        picture = _picture(65_535, 65_535) + b" /Filter /" + filter_
        yield _image(f"image-{name}", partial(stream, noise, picture))
    yield _image("mask-of-itself", lambda: flated(bytes(64), _picture(8, 8) + b" /SMask 10 0 R"))
    yield _image(
        "mask-huge",
        lambda: flated(bytes(64), _picture(8, 8) + b" /SMask 11 0 R"),
        lambda: zeros(b"\0", 30_000 * 30_000, _picture(30_000, 30_000)),
    )
    yield page_file("inline-images", lambda: stream(b"q 9 0 0 9 9 9 cm BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q\n" * MANY))
    yield page_file("inline-image-huge", stream(b"BI /W 100000 /H 100000 /BPC 8 /CS /RGB /F /Fl ID x EI\n" + MIDDLE))
    yield page_file("inline-image-open", stream(b"BI /W 9 /H 9 /BPC 8 /CS /G ID " + b"x" * 1_000_000))
    yield page_file(
        "images-many",
        stream(b"/X Do " * MANY),
        resources=b"/XObject << /X 10 0 R >>",
        more=lambda: [flated(bytes(1_000_000), _picture(1000, 1000))],
    )


def _image(name: str, picture: Callable[[], bytes], *more: Callable[[], bytes]) -> Hostile:
    content = stream(b"q 600 0 0 700 5 5 cm /X Do Q " + MIDDLE)
    return page_file(
        name, content, resources=b"/XObject << /X 10 0 R >>", more=lambda: [picture(), *[each() for each in more]]
    )


def _picture(width: int, height: int, *, bits: int = 8) -> bytes:
    return b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent %d" % (
        width,
        height,
        bits,
    )


def _twice(byte: bytes, size: int) -> bytes:
    return stream(zlib.compress(packed_zeros(byte, size), 9), b"/Filter [/FlateDecode /FlateDecode]")


def _nested(depth: int) -> bytes:
    content = b" " * 1_000_000 + MIDDLE
    for _ in range(depth):
        content = zlib.compress(content, 9)
    return stream(content, b"/Filter [%b]" % (b"/FlateDecode " * depth))


def _jbig2(side: int) -> bytes:
    """The head of a page, and a region that claims as much."""
    page = side.to_bytes(4) * 2 + bytes(8) + b"\0\0\0"
    region = side.to_bytes(4) * 2 + bytes(8) + b"\0" + b"\0\3\xff\xfd\xff\2\xfe\xfe\xfe" + bytes(99)
    head = b"\0\0\0\0\x30\0\1" + len(page).to_bytes(4)
    return head + page + b"\0\0\0\1\x26\0\1" + len(region).to_bytes(4) + region
