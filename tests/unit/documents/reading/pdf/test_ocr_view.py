"""A page that is turned to be read, and the places on it that are told of it."""

from __future__ import annotations

import pytest
from docling_core.types.doc.base import BoundingBox, Size
from PIL import Image, ImageDraw

from services.documents.backends.reading.pdf.view import View

OWN = Size(width=400, height=600)
MARK = BoundingBox(l=30, t=50, r=90, b=70)


def drawn(box: BoundingBox) -> Image.Image:
    picture = Image.new("RGB", (400, 600), "white")
    ImageDraw.Draw(picture).rectangle(box.as_tuple(), fill="black")
    return picture


def ink(picture: Image.Image) -> tuple[int, int, int, int]:
    box = picture.convert("L").point([255] * 128 + [0] * 128).getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("lean", [0.0, 2.5, -3.0])
def test_a_box_is_where_the_picture_shows_it(quarters: int, lean: float) -> None:
    view = View(quarters=quarters, lean=lean)

    picture, seen = view.picture(drawn(MARK)), view.seen(MARK, OWN)

    assert ink(picture) == pytest.approx(seen.as_tuple(), abs=2)
    assert picture.size == pytest.approx((view.size(OWN).width, view.size(OWN).height), abs=2)


@pytest.mark.parametrize("quarters", range(4))
def test_a_box_of_a_turned_page_comes_back_to_its_place(quarters: int) -> None:
    view = View(quarters=quarters)

    back = view.own(view.seen(MARK, OWN), OWN)

    assert back.as_tuple() == pytest.approx(MARK.as_tuple())


def test_a_box_of_a_levelled_page_comes_back_around_its_place() -> None:
    view = View(quarters=1, lean=3.0)

    back = view.own(view.seen(MARK, OWN), OWN)

    assert back.l <= MARK.l
    assert back.t <= MARK.t
    assert back.r >= MARK.r
    assert back.b >= MARK.b
    assert back.area() < 1.5 * MARK.area()
