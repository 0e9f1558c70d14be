"""Lines that reach over the gutter between two columns."""

from __future__ import annotations

from docling_core.types.doc.base import BoundingBox
from PIL import Image, ImageDraw

from services.documents.backends.reading.pdf.cuts import cut_at_gutters


def box(left: float, top: float, right: float) -> BoundingBox:
    return BoundingBox(l=left, t=top, r=right, b=top + 16)


LEFT = [box(50, 100 + 20 * at, 290) for at in range(6)]
RIGHT = [box(310, 100 + 20 * at, 550) for at in range(6)]
JOINED = box(50, 240, 550)


def page(*inked: BoundingBox) -> Image.Image:
    picture = Image.new("RGB", (600, 800), "white")
    for each in inked:
        ImageDraw.Draw(picture).rectangle(each.as_tuple(), fill="black")
    return picture


def test_a_line_of_two_columns_is_cut_in_the_gutter() -> None:
    picture = page(*LEFT, *RIGHT, box(50, 240, 290), box(310, 240, 550))

    found = cut_at_gutters([*LEFT, *RIGHT, JOINED], picture, 1.0)

    assert found[:-2] == [*LEFT, *RIGHT]
    left, right = found[-2:]
    assert left.l == 50
    assert left.r == right.l
    assert 290 <= left.r <= 310
    assert right.r == 550


def test_full_lines_far_below_tell_of_the_gutter_where_those_nearby_are_short() -> None:
    short = [
        *(box(50, 260 + 20 * at, 150 + 30 * at) for at in range(4)),
        *(box(310, 260 + 20 * at, 420) for at in range(4)),
    ]
    full = [line.model_copy(update={"t": line.t + 400, "b": line.b + 400}) for line in (*LEFT, *RIGHT)]
    picture = page(*short, *full, box(50, 240, 290), box(310, 240, 550))

    found = cut_at_gutters([*short, *full, JOINED], picture, 1.0)

    assert [line.l for line in found[-2:]] == [50, found[-2].r]


def test_a_heading_over_both_columns_stays_whole() -> None:
    boxes = [*LEFT, *RIGHT, JOINED]

    assert cut_at_gutters(boxes, page(*boxes), 1.0) == boxes


def test_a_page_of_one_column_is_not_cut() -> None:
    boxes = [box(50, 100 + 20 * at, 550 if at % 2 else 300) for at in range(12)]

    assert cut_at_gutters(boxes, page(), 1.0) == boxes


def test_a_few_lines_tell_of_no_gutter() -> None:
    boxes = [LEFT[0], RIGHT[0], JOINED]

    assert cut_at_gutters(boxes, page(), 1.0) == boxes
    assert cut_at_gutters([], page(), 1.0) == []
