"""What hostile files are made of, and the simplest ways to make one."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from tests.integration.documents.packages import changed

MANY = 20_000
"""Of a thing that a reader could handle in quadratic time. Each is an item of the document, which takes 0.25 ms."""
DEEP = 5_000
ESCAPED = "isolane-escaped"


@dataclass(frozen=True, kw_only=True)
class Bait:
    """What files are made of."""

    samples: Mapping[str, bytes]
    """A good file of every format, by name; each says "wombat"."""
    url: str
    """Of a server that notices every connection."""
    secret: str
    """Path of a file whose content must never be shown."""

    def good(self, extension: str) -> bytes:
        """The good file with an extension."""
        return self.samples[f"a.{extension}"]


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One file."""

    name: str
    filename: str
    make: Callable[[Bait], bytes]
    is_refused: bool = False
    """True for what must not be answered."""
    may_be_refused: bool = False
    """True for what may be answered or refused; see `hostile`."""
    says: str = "wombat"
    """What an answer without errors holds."""
    keeps: tuple[str, ...] = ()
    """What an answer holds in every form, with errors or without."""
    lacks: str = ""
    """What no form of an answer holds."""
    why: str = ""
    """What the refusal, or one of the errors, says."""
    may_crash: bool = False
    """True for what is known to end the process that reads it: a flaw of a library, which costs that page alone."""
    is_long: bool = False
    """True where Markdown alone is asked for: the other forms would take as long again, for the size that it has."""


MAIN = {
    "docx": "word/document.xml",
    "xlsx": "xl/worksheets/sheet1.xml",
    "pptx": "ppt/slides/slide1.xml",
    "odt": "content.xml",
    "ods": "content.xml",
    "epub": "x.xhtml",
}


def text_file(
    name: str,
    filename: str,
    text: str = "",
    *,
    make: Callable[[Bait], bytes] | None = None,
    says: str = "wombat",
    is_long: bool = False,
) -> Hostile:
    """A text, or what `make` makes."""
    return Hostile(name=name, filename=filename, make=make or (lambda _: text.encode()), says=says, is_long=is_long)


def docx_file(name: str, content: str) -> Hostile:
    """Content in front of the good file's own."""
    return Hostile(
        name=f"docx-{name}",
        filename="a.docx",
        make=lambda bait: changed(bait.good("docx"), MAIN["docx"], "<w:body>", f"<w:body>{content}"),
    )


def odt_file(name: str, content: str) -> Hostile:
    """Content behind the good file's own."""
    return Hostile(
        name=f"odt-{name}",
        filename="a.odt",
        make=lambda bait: changed(bait.good("odt"), MAIN["odt"], "</office:text>", f"{content}</office:text>"),
    )


def xlsx_file(name: str, old: str, new: str, *, says: str = "wombat") -> Hostile:
    """The good file with something else in its sheet."""
    return Hostile(
        name=f"xlsx-{name}",
        filename="a.xlsx",
        make=lambda bait: changed(bait.good("xlsx"), MAIN["xlsx"], old, new),
        says=says,
    )


def jats(content: str) -> Callable[[Bait], bytes]:
    """The good article with content in front of its paragraph."""
    return lambda bait: bait.good("nxml").decode().replace("<p>", f"{content}<p>", 1).encode()


@cache
def png(side: int) -> bytes:
    """A black picture, so many pixels wide and high."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    line = bytes(1 + side // 8)
    pixels = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
