"""Lines that were read, as cells: their words, their order, and how many are read at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
from docling_core.types.doc.base import BoundingBox
from PIL import Image

from services.documents.backends.engines.base import Engines, Picture, Recognized
from services.documents.backends.reading.pdf.lettering import Line, boxes_of, in_order, read_lines, word_cells


def box(left: float, top: float, width: float = 100, height: float = 10) -> BoundingBox:
    return BoundingBox(l=left, t=top, r=left + width, b=top + height)


def read(text: str, *, score: float = 0.9) -> Recognized:
    return Recognized(text=text, score=score, places=tuple((at + 0.5) / len(text) for at in range(len(text))))


class Reader:
    """Engines that only read, and say how much they were given at a time."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)

    def recognize(self, lines: Sequence[Picture]) -> Sequence[Recognized]:
        self.batches.append(len(lines))
        return [read(f"{line.shape[1]}x{line.shape[0]}") for line in lines]


def test_lines_side_by_side_are_read_from_left_to_right() -> None:
    right, left, below = box(300, 101), box(20, 103), box(20, 120)

    assert in_order([right, below, left]) == [left, right, below]


def test_lines_of_columns_that_are_out_of_step_stay_in_order_in_each() -> None:
    columns = [[box(20, 100 + 12 * at) for at in range(9)], [box(300, 106 + 12 * at) for at in range(9)]]

    ordered = in_order([each for column in columns for each in column])

    for column in columns:
        assert [each for each in ordered if each in column] == column


def test_words_are_where_their_letters_are() -> None:
    line = Line(box=box(0, 0, 110, 10), read=read("hello world"))

    hello, world = word_cells(line)

    assert (hello.text, world.text) == ("hello", "world")
    assert (hello.rect.to_bounding_box().l, hello.rect.to_bounding_box().r) == pytest.approx((0, 50))
    assert (world.rect.to_bounding_box().l, world.rect.to_bounding_box().r) == pytest.approx((60, 110))


def test_a_word_of_one_letter_has_a_width() -> None:
    [cell] = word_cells(Line(box=box(0, 0, 10, 10), read=read("I")))

    assert cell.rect.to_bounding_box().width > 0


def test_spaces_beside_each_other_make_no_word() -> None:
    cells = list(word_cells(Line(box=box(0, 0), read=read(" a  b "))))

    assert [cell.text for cell in cells] == ["a", "b"]
    assert all(left.rect.r_x1 <= right.rect.r_x0 for left, right in pairwise(cells))


def test_a_line_whose_places_are_not_known_has_no_words() -> None:
    assert list(word_cells(Line(box=box(0, 0), read=Recognized(text="a b", score=1.0)))) == []


def test_lines_are_read_a_bounded_length_at_a_time_and_keep_their_order() -> None:
    engines, page = Reader(), Image.new("RGB", (600, 800))
    boxes = [box(0, 12 * at, 500, 10) for at in range(20)]

    lines = read_lines(page, boxes, 1.0, cast(Engines, engines))

    assert [line.box for line in lines] == boxes
    assert engines.batches == [5, 5, 5, 5]  # of 500 * 48 / 10 = 2400 pixels each


def test_what_lies_off_the_page_is_not_read() -> None:
    engines = Reader()

    lines = read_lines(Image.new("RGB", (100, 100)), [box(200, 0)], 1.0, cast(Engines, engines))

    assert lines == []


def test_boxes_are_in_points() -> None:
    quads = np.array([[[10, 20], [110, 20], [110, 40], [10, 40]]], np.float32)

    [found] = boxes_of(quads, 2.0)

    assert found.as_tuple() == (5, 10, 55, 20)
