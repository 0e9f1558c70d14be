"""Paper made white before lines are looked for."""

from __future__ import annotations

from PIL import Image, ImageDraw

from services.documents.backends.reading.pdf.contrast import cleared


def page(paper: int, ink: int | None) -> Image.Image:
    picture = Image.new("RGB", (200, 300), (paper, paper, paper))
    if ink is not None:
        ImageDraw.Draw(picture).rectangle((20, 20, 120, 30), fill=(ink, ink, ink))
    return picture


def test_grey_paper_becomes_white_and_its_ink_black() -> None:
    picture = cleared(page(200, 60))

    assert picture.getpixel((150, 200)) == (255, 255, 255)
    assert picture.getpixel((50, 25)) == (0, 0, 0)


def test_a_page_of_black_on_white_stays() -> None:
    picture = page(255, 0)

    assert cleared(picture) is picture


def test_an_empty_page_stays_empty() -> None:
    picture = page(230, None)

    assert cleared(picture) is picture


def test_white_on_black_stays() -> None:
    picture = page(20, 240)

    assert cleared(picture) is picture
