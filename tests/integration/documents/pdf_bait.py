"""What hostile PDF files are made with: most of them are one hostile page between two good ones."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import cache

from tests.integration.documents.bait import Hostile
from tests.pdfs import beside, shown, stream

GOOD = ("wombat", "echidna")
"""What the pages beside the hostile one say; see `beside`."""
MIDDLE = shown(b"Between them.")
GIB = 1 << 30


def pdf_file(
    name: str,
    make: Callable[[], bytes],
    *,
    keeps: tuple[str, ...] = (),
    lacks: str = "",
    why: str = "",
    is_refused: bool = False,
    may_crash: bool = False,
    may_be_refused: bool = False,
    filename: str = "a.pdf",
    is_long: bool = False,
) -> Hostile:
    """A PDF; see `Hostile`."""
    return Hostile(
        name=f"pdf-{name}",
        filename=filename,
        make=lambda _: make(),
        keeps=keeps,
        lacks=lacks,
        why=why,
        is_refused=is_refused,
        may_crash=may_crash,
        may_be_refused=may_be_refused or not (is_refused or keeps),
        is_long=is_long,
    )


def page_file(
    name: str,
    content: bytes | Callable[[], bytes],
    *,
    page: bytes = b"/MediaBox [0 0 612 792]",
    resources: bytes = b"",
    more: Sequence[bytes] | Callable[[], Sequence[bytes]] = (),
    catalog: bytes = b"",
    lacks: str = "",
    why: str = "",
    may_crash: bool = False,
    may_be_refused: bool = False,
) -> Hostile:
    """A hostile page between two good ones, whose text is kept."""

    def make() -> bytes:
        return beside(
            content() if callable(content) else content,
            page=page,
            resources=resources,
            more=more() if callable(more) else more,
            catalog=catalog,
        )

    return pdf_file(name, make, keeps=GOOD, lacks=lacks, why=why, may_crash=may_crash, may_be_refused=may_be_refused)


@cache
def packed_zeros(byte: bytes, size: int) -> bytes:
    packer = zlib.compressobj(9)
    block = byte * (1 << 20)
    return b"".join(packer.compress(block) for _ in range(-(-size // len(block)))) + packer.flush()


def zeros(byte: bytes, size: int, entries: bytes = b"") -> bytes:
    """A stream that unpacks to so many equal bytes."""
    return stream(packed_zeros(byte, size), b"/Filter /FlateDecode " + entries)


def form(content: bytes, called: bytes, resources: bytes = b"", entries: bytes = b"") -> bytes:
    inner = b"/Resources << /Font << /F1 3 0 R >> /XObject << /X %b >> %b >> %b" % (called, resources, entries)
    return stream(content, b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] " + inner)
