"""Which way up a page is, told from where its lines are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from docling_core.types.doc.base import CoordOrigin
from docling_core.types.doc.page import BoundingRectangle, TextCell

from services.documents.backends.engines.base import Picture, Quads, Recognized, Region, TableCell
from services.documents.backends.reading.pdf.upright import upright, upright_text
from services.documents.backends.reading.pdf.view import View

WIDTH, HEIGHT = 800, 1000
PAGE = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)


class Scripted:
    """Engines that find lines on their heads, or not, and read such lines badly."""

    def __init__(self, *, upside_down: float = 0.0, better_as_they_are: bool = False) -> None:
        self.score = upside_down
        self.better_as_they_are = better_as_they_are
        self.calls = 0

    def regions(self, page: Picture) -> Sequence[Region]:
        raise NotImplementedError

    def cells(self, table: Picture) -> Sequence[TableCell]:
        raise NotImplementedError

    def lines(self, picture: Picture) -> Quads:
        raise NotImplementedError

    def upside_down(self, lines: Sequence[Picture]) -> Sequence[float]:
        return [self.score] * len(lines)

    def recognize(self, lines: Sequence[Picture]) -> Sequence[Recognized]:
        self.calls += 1
        is_good = (self.calls == 1) == self.better_as_they_are
        return [Recognized(text="x", score=0.9 if is_good else 0.2)] * len(lines)


def lines(*, count: int = 20, width: float = 400, height: float = 14, lean: float = 0.0) -> Quads:
    """Lines down a page, each turned clockwise by some degrees about its top left."""
    cosine, sine = math.cos(math.radians(lean)), math.sin(math.radians(lean))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turned = corners @ np.array([[cosine, sine], [-sine, cosine]], np.float32)
    return np.stack([turned + np.array([100, 100 + 30 * at]) for at in range(count)]).astype(np.float32)


def on_its_side(quads: Quads) -> Quads:
    """The same page turned by a quarter, counter-clockwise, corners again from the top left on."""
    turned = np.stack([quads[:, :, 1], WIDTH - quads[:, :, 0]], axis=2)
    return np.roll(turned, -1, axis=1).astype(np.float32)


def test_a_page_without_lines_is_looked_at_as_it_is() -> None:
    assert upright(PAGE, np.empty((0, 4, 2), np.float32), Scripted()).is_plain


def test_an_upright_page_is_looked_at_as_it_is() -> None:
    assert upright(PAGE, lines(), Scripted()).is_plain


def test_a_page_of_tall_lines_is_turned_by_a_quarter() -> None:
    page = np.full((WIDTH, HEIGHT, 3), 255, np.uint8)

    assert upright(page, on_its_side(lines()), Scripted()).quarters == 1


def test_a_page_of_tall_lines_on_their_heads_is_turned_by_three_quarters() -> None:
    page = np.full((WIDTH, HEIGHT, 3), 255, np.uint8)

    assert upright(page, on_its_side(lines()), Scripted(upside_down=0.9)).quarters == 3


def test_a_page_on_its_head_is_turned_by_two_quarters() -> None:
    assert upright(PAGE, lines(), Scripted(upside_down=0.9)).quarters == 2


def test_a_page_that_reads_better_as_it_is_stays() -> None:
    assert upright(PAGE, lines(), Scripted(upside_down=0.9, better_as_they_are=True)).quarters == 0


@pytest.mark.parametrize("lean", [3.0, -3.0, 0.5])
def test_a_page_that_leans_is_brought_level(lean: float) -> None:
    assert upright(PAGE, lines(lean=lean), Scripted()).lean == pytest.approx(-lean, abs=0.05)


def test_a_page_on_its_side_that_leans_is_brought_level() -> None:
    page = np.full((WIDTH, HEIGHT, 3), 255, np.uint8)

    assert upright(page, on_its_side(lines(lean=2)), Scripted()).lean == pytest.approx(-2, abs=0.05)


def test_a_lean_that_hardly_shows_is_left() -> None:
    assert upright(PAGE, lines(lean=0.1), Scripted()).is_plain


def test_a_drawing_of_slanted_words_is_not_turned() -> None:
    assert upright(PAGE, lines(lean=30), Scripted()).lean == 0


def test_short_lines_do_not_tell_the_lean() -> None:
    assert upright(PAGE, lines(width=40, lean=5), Scripted()).lean == 0


def cell(text: str, *, angle: int) -> TextCell:
    """A line that is turned counter-clockwise by some degrees."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = [(0, 0), (100, 0), (100, -10), (0, -10)]
    points = {f"r_x{at}": 300 + x * cosine + y * sine for at, (x, y) in enumerate(corners)}
    points |= {f"r_y{at}": 300 - x * sine + y * cosine for at, (x, y) in enumerate(corners)}
    rect = BoundingRectangle(**points, coord_origin=CoordOrigin.TOPLEFT)
    return TextCell(index=0, rect=rect, text=text, orig=text, from_ocr=False)


@pytest.mark.parametrize("quarters", range(4))
def test_a_page_of_turned_text_is_turned_back(quarters: int) -> None:
    cells = [cell("a line of a table", angle=90 * quarters), cell("7", angle=0)]

    assert upright_text(cells) == View(quarters=quarters)


def test_a_label_beside_a_chart_does_not_turn_the_page() -> None:
    assert upright_text([cell("an axis", angle=90), cell("a long line of text", angle=0)]) == View()


def test_a_page_without_text_is_not_turned() -> None:
    assert upright_text([]) == View()
