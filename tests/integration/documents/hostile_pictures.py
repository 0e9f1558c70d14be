"""Pictures that unpack to far more than they are, are circular, endless or none."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from tests.integration.documents.bait import Hostile, png
from tests.integration.documents.pdf_bait import GIB, packed_zeros

_MANY_PAGES = 20_000


def pictures() -> Iterator[Hostile]:
    """All kinds that are read."""
    yield _picture("png-bomb", "a.png", lambda: png(30_000), is_refused=True)
    yield _picture("png-overflow", "a.png", lambda: _png(2**31 - 1, 2**31 - 1, b"x"), is_refused=True)
    yield _picture("png-zero", "a.png", lambda: _png(0, 0, b""), is_refused=True)
    yield _picture("png-more-than-it-says", "a.png", lambda: _png(64, 64, packed_zeros(b"\0", GIB)))
    yield _picture("png-cut", "a.png", lambda: _saved("PNG")[:200])
    yield _picture("png-text-bomb", "a.png", lambda: _chunked(b"zTXt", b"k\0\0" + packed_zeros(b" ", GIB)))
    yield _picture("png-profile-bomb", "a.png", lambda: _chunked(b"iCCP", b"k\0\0" + packed_zeros(b" ", GIB)))
    yield _picture("png-one-line", "a.png", lambda: _saved("PNG", (30_000, 1)))
    yield _picture("png-one-pixel", "a.png", lambda: _saved("PNG", (1, 1)))
    yield _picture("png-noise", "a.png", lambda: _noise(3000))
    yield _picture("png-stripes", "a.png", _stripes)
    jpeg = b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xda"
    yield _picture("jpeg-overflow", "a.jpg", lambda: jpeg + bytes(range(256)) * 400, is_refused=True)
    yield _picture("jpeg-cut", "a.jpg", lambda: _saved("JPEG")[:700])
    yield _picture("jpeg-scans", "a.jpg", lambda: _saved("JPEG")[:-2] + _saved("JPEG") * 100)
    yield _picture("tiff-loop", "a.tiff", lambda: _tiff(64, 64, following=8))
    yield _picture("tiff-overflow", "a.tiff", lambda: _tiff(2**31 - 1, 2**31 - 1), is_refused=True)
    yield _picture("tiff-strips", "a.tiff", lambda: _tiff(64, 64, bytes_count=2**31 - 1))
    yield _picture("tiff-pages", "a.tiff", _many_pages)
    yield _picture("gif-frames", "a.gif", lambda: b"GIF89a\1\0\1\0\0\0\0" + _GIF_FRAME * 100_000 + b";")
    yield _picture("gif-overflow", "a.gif", lambda: b"GIF89a\xff\xff\xff\xff\0\0\0" + _GIF_FRAME, is_refused=True)
    webp = b"RIFF\xff\xff\0\0WEBPVP8L\xff\xff\0\0\x2f\xff\xff\xff\x0f"
    yield _picture("webp-overflow", "a.webp", lambda: webp + bytes(range(256)) * 99, is_refused=True)
    for name, width, height in (("overflow", 2**31 - 1, 2**31 - 1), ("negative", -5, -(2**31)), ("zero", 0, 0)):
        head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 99, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        yield _picture(f"bmp-{name}", "a.bmp", lambda head=head: head + bytes(99), is_refused=True)  # type: ignore[misc]
    for name, data in (("png", b"\x89PNG\r\n\x1a\n"), ("jpg", b"\xff\xd8\xff"), ("tiff", b"II*\0"), ("gif", b"GIF89a")):
        yield _picture(f"{name}-head", f"a.{name}", lambda data=data: data, is_refused=True)  # type: ignore[misc]


_GIF_FRAME = b"!\xf9\4\0\1\0\0\0,\0\0\0\0\1\0\1\0\x80\0\0\0\xff\xff\xff\2\2L\1\0"


def _picture(name: str, filename: str, make: Callable[[], bytes], *, is_refused: bool = False) -> Hostile:
    return Hostile(
        name=f"picture-{name}",
        filename=filename,
        make=lambda _: make(),
        is_refused=is_refused,
        may_be_refused=not is_refused,
        says="",
    )


def _saved(kind: str, size: tuple[int, int] = (600, 400)) -> bytes:
    target = io.BytesIO()
    Image.effect_noise(size, 50).convert("RGB").save(target, kind)
    return target.getvalue()


def _noise(side: int) -> bytes:
    target = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)).save(target, "PNG")
    return target.getvalue()


def _stripes() -> bytes:
    """20,000 dashes, each of which could be a line of text."""
    pixels = np.full((3000, 3000), 255, np.uint8)
    for at in range(0, 3000, 30):
        pixels[at : at + 10] = np.tile(np.repeat([0, 255], [10, 5]), 200)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, packed: bytes) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunked(kind: bytes, content: bytes) -> bytes:
    """A picture with a chunk before its pixels."""
    good = _saved("PNG")
    return good[:33] + _chunk(kind, content) + good[33:]


def _tiff(width: int, height: int, *, following: int = 0, bytes_count: int = 64 * 64) -> bytes:
    """A picture of grey with one directory, at 8, and where the next one is."""
    entries = (
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 200),
        (279, 4, bytes_count),
    )
    packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    directory = struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)
    return (b"II*\0" + struct.pack("<I", 8) + directory).ljust(200, b"\0") + bytes(64 * 64)


def _many_pages() -> bytes:
    """20,000 white pages of 8 x 8 pixels, which share their pixels."""
    size = 2 + 7 * 12 + 4
    file = bytearray(b"II*\0" + struct.pack("<I", 72) + b"\xff" * 64)
    for at in range(_MANY_PAGES):
        following = 72 + (at + 1) * size if at + 1 < _MANY_PAGES else 0
        entries = ((256, 4, 8), (257, 4, 8), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (279, 4, 64))
        packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
        file += struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)
    return bytes(file)
