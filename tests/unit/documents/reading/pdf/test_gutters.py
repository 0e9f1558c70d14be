"""Columns with a gutter between."""

from __future__ import annotations

from docling.models.postprocessing.reading_order_rb import PageElement
from docling_core.types.doc.base import CoordOrigin, Size
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading.pdf.gutters import columns

SIZE = Size(width=600, height=800)


def box(left: float, top: float, right: float, bottom: float, label: DocItemLabel = DocItemLabel.TEXT) -> PageElement:
    return PageElement(
        cid=0, page_no=1, page_size=SIZE, label=label, text="", l=left, r=right, t=top, b=bottom,
        coord_origin=CoordOrigin.BOTTOMLEFT,
    )  # fmt: skip


LEFT = [box(50, 700 - 100 * at, 290, 620 - 100 * at) for at in range(5)]
RIGHT = [box(310, 710 - 90 * at, 550, 640 - 90 * at) for at in range(5)]


def test_each_column_is_read_alone() -> None:
    assert columns([*RIGHT, *LEFT]) == [LEFT, RIGHT]


def test_a_heading_of_a_column_may_reach_over_the_gutter() -> None:
    heading = box(50, 730, 330, 715)

    assert columns([heading, *LEFT, *RIGHT]) == [[heading, *LEFT], RIGHT]


def test_what_spans_columns_leaves_them_to_the_rules() -> None:
    boxes = [box(50, 780, 550, 740), *LEFT, *RIGHT]

    assert columns(boxes) == [boxes]


def test_paragraphs_below_each_other_are_one_column() -> None:
    assert columns(LEFT) == [LEFT]
    assert columns([]) == [[]]


def test_headers_stay_first_and_footers_last() -> None:
    header = box(310, 790, 550, 780, DocItemLabel.PAGE_HEADER)
    footer = box(50, 20, 290, 10, DocItemLabel.PAGE_FOOTER)

    assert columns([*LEFT, *RIGHT, footer, header]) == [[header, *LEFT], [*RIGHT, footer]]


def test_a_title_beside_a_date_is_no_column() -> None:
    boxes = [box(50, 780, 290, 740), box(400, 780, 550, 740)]

    assert columns(boxes) == [boxes]
