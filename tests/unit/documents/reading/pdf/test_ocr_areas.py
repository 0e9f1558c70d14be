"""Pictures on a page that are looked at for text."""

from __future__ import annotations

from docling_core.types.doc.base import BoundingBox

from services.documents.backends.reading.pdf.areas import areas, uncovered

PAGE = BoundingBox(l=0, t=0, r=600, b=800)


def box(left: float, top: float, right: float, bottom: float) -> BoundingBox:
    return BoundingBox(l=left, t=top, r=right, b=bottom)


def test_a_figure_is_looked_at_and_a_logo_is_not() -> None:
    figure, logo, rule = box(100, 100, 400, 300), box(10, 10, 50, 50), box(50, 400, 550, 410)

    assert areas([figure, logo, rule], PAGE) == [figure]


def test_strips_of_a_scan_are_one_picture() -> None:
    strips = [box(0, 40 * at, 600, 40 * at + 40) for at in range(20)]

    assert areas(strips, PAGE) == [PAGE]


def test_pictures_apart_stay_apart() -> None:
    pictures = [box(0, 0, 200, 200), box(300, 0, 500, 200)]

    assert areas(pictures, PAGE) == pictures


def test_what_hangs_over_the_edge_is_cut() -> None:
    assert areas([box(-50, -50, 300, 300)], PAGE) == [box(0, 0, 300, 300)]


def test_a_picture_off_the_page_is_not_looked_at() -> None:
    assert areas([box(700, 0, 900, 300)], PAGE) == []


def test_very_many_pictures_are_taken_for_one() -> None:
    tiles = [box(10 * at % 590, 10 * (at // 59), 10 * at % 590 + 5, 10 * (at // 59) + 5) for at in range(3000)]

    assert len(areas(tiles, PAGE)) == 1


def test_lines_that_the_page_holds_are_not_read_again() -> None:
    held, other = box(10, 10, 200, 22), box(10, 100, 200, 112)

    assert uncovered([box(11, 9, 201, 23), other], [held]) == [other]
    assert uncovered([held], [box(10, 10, 100, 22), box(100, 10, 200, 22)]) == []
    assert uncovered([box(5, 2, 205, 30)], [held]) == []
    assert uncovered([box(5, 20, 205, 40)], [held]) == [box(5, 20, 205, 40)]
