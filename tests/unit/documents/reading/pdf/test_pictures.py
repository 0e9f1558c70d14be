"""Pictures as pages: which are read, how large they may be, which way up they are, and where their boxes are."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from docling_core.types.doc.base import BoundingBox
from PIL import Image, ImageDraw

from services.common.errors import TooLarge, UnprocessableFile
from services.documents.backends.base import Paging
from services.documents.backends.engines.fake import FakeEngines
from services.documents.backends.reading.pdf.pictures import PictureFile, PictureReader
from services.documents.backends.reading.reader import Report, Source

MARK = (20, 10, 60, 30)
"""Where every picture here has its ink, from the top left."""


def drawn(mode: str = "RGB", size: tuple[int, int] = (200, 100)) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).rectangle((MARK[0], MARK[1], MARK[2] - 1, MARK[3] - 1), fill="black")
    return picture.convert(mode)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


def ink(data: bytes, number: int = 1) -> tuple[int, ...]:
    """Where the ink of a page is, in pixels of the file."""
    page = PictureFile("a", data).page(number)
    picture = page.get_page_image(1 / page.view.zoom).convert("L").point([255] * 128 + [0] * 128)
    box = picture.getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "L"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("TIFF", "1"),
        ("TIFF", "CMYK"),
        ("WEBP", "RGB"),
        ("BMP", "RGB"),
        ("GIF", "P"),
    ],
)
def test_every_kind_of_picture_is_read(kind: str, mode: str) -> None:
    data = saved(drawn(mode), kind)

    assert PictureFile("a", data).page_count == 1
    assert ink(data) == pytest.approx(MARK, abs=1)


def test_grey_of_16_bits_is_stretched() -> None:
    deep = Image.fromarray(np.asarray(drawn("L")).astype(np.uint16) * 100)

    assert ink(saved(deep, "PNG")) == pytest.approx(MARK, abs=1)


def test_what_is_transparent_is_white() -> None:
    picture = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), MARK)

    assert ink(saved(picture, "PNG")) == pytest.approx(MARK, abs=1)


def test_each_page_of_a_tiff_is_a_page() -> None:
    data = saved(drawn(), "TIFF", save_all=True, append_images=[drawn().transpose(Image.Transpose.ROTATE_180)])
    file = PictureFile("a", data)

    assert file.page_count == 2
    assert ink(data, 1) == pytest.approx(MARK, abs=1)
    assert ink(data, 2) == pytest.approx((140, 70, 180, 90), abs=1)


def test_of_a_film_the_first_picture_is_the_page() -> None:
    data = saved(drawn("P"), "GIF", save_all=True, append_images=[Image.new("P", (200, 100), 1)])

    assert PictureFile("a", data).page_count == 1
    assert ink(data) == pytest.approx(MARK, abs=1)


def test_a_camera_that_was_held_upright_is_believed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # its right side is up
    data = saved(drawn().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)
    page = PictureFile("a", data).page(1)

    assert (page.own_size.width, page.own_size.height) == (200, 100)
    assert ink(data) == pytest.approx(MARK, abs=1)


def test_a_scan_is_as_large_as_it_says() -> None:
    page = PictureFile("a", saved(drawn(size=(1240, 1754)), "PNG", dpi=(150, 150))).page(1)

    assert (page.get_size().width, page.get_size().height) == pytest.approx((595, 842), abs=1)
    assert (page.own_size.width, page.own_size.height) == (1240, 1754)


@pytest.mark.parametrize("dpi", [(1, 1), (72, 72), (0, 0)])
def test_a_picture_that_does_not_know_its_size_is_as_large_as_a_page(dpi: tuple[int, int]) -> None:
    page = PictureFile("a", saved(drawn(size=(4000, 3000)), "JPEG", dpi=dpi)).page(1)

    assert (page.get_size().width, page.get_size().height) == pytest.approx((1000, 750))


def test_boxes_come_back_in_pixels_of_the_file() -> None:
    page = PictureFile("a", saved(drawn(size=(4000, 3000)), "PNG")).page(1)

    own = page.view.own(BoundingBox(l=100, t=50, r=200, b=75), page.own_size)

    assert own.as_tuple() == pytest.approx((400, 200, 800, 300))


def test_a_part_of_a_picture_is_drawn_alone() -> None:
    page = PictureFile("a", saved(drawn(), "PNG")).page(1)
    left, top, right, bottom = (side * page.view.zoom for side in MARK)

    part = page.get_page_image(2 / page.view.zoom, BoundingBox(l=left, t=top, r=right, b=bottom))

    assert part.size == (80, 40)
    assert np.asarray(part).mean() < 16


def test_a_large_picture_keeps_its_size_though_not_its_pixels() -> None:
    page = PictureFile("a", saved(drawn("L", size=(9000, 8000)), "PNG")).page(1)

    assert (page.own_size.width, page.own_size.height) == (9000, 8000)
    assert max(page.get_page_image(1.0).size) == 1000


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has nothing else."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = (
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (body, data)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("size", [(30_001, 10), (10, 30_001), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(TooLarge, match=r"a\.png: the picture has"):
        PictureFile("a.png", png_header(*size))


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n", saved(drawn(), "JPEG")[:20], b"II*\0\x08\0\0\0"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(UnprocessableFile, match=r"a\.png: the picture cannot be read"):
        PictureFile("a.png", data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_a_picture_that_was_cut_off_is_refused(kind: str) -> None:
    data = saved(Image.effect_noise((200, 200), 90).convert("P" if kind == "GIF" else "RGB"), kind)

    with pytest.raises(UnprocessableFile, match="cannot be read"):
        PictureFile("a", data[: len(data) // 2]).page(1)


@pytest.mark.parametrize("do_ocr", [True, False])
def test_a_picture_that_is_not_to_be_read_is_named(do_ocr: bool) -> None:
    report = Report()
    reader = PictureReader(Source(filename="a.png", data=saved(drawn(), "PNG")))

    reader.read_page(1, Paging(do_ocr=do_ocr), FakeEngines(), report)

    assert any("do_ocr" in problem for problem in report.problems) is not do_ocr
