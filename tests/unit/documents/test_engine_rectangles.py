"""Rectangles around patches of pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from services.documents.backends.engines.rectangles import Mask, patches


def drawn(*shapes: list[tuple[float, float]]) -> Mask:
    picture = Image.new("1", (200, 120))
    for shape in shapes:
        ImageDraw.Draw(picture).polygon(shape, fill=1)
    return np.asarray(picture)


def turned(width: float, height: float, degrees: float, *, middle: tuple[float, float]) -> list[tuple[float, float]]:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(-width, -height), (width, -height), (width, height), (-width, height)]
    return [(middle[0] + (x * cosine - y * sine) / 2, middle[1] + (x * sine + y * cosine) / 2) for x, y in corners]


@pytest.mark.parametrize("degrees", [0, 3, -2.5, 30, 89])
def test_a_rectangle_is_found_as_it_is_turned(degrees: float) -> None:
    [patch] = patches(drawn(turned(120, 20, degrees, middle=(100, 60))), most=9)

    found = patch.rectangle()

    assert sorted([found.width, found.height]) == pytest.approx([21, 121], abs=2.5)
    assert found.middle == pytest.approx([100.5, 60.5], abs=1)
    lean = math.degrees(math.atan2(found.along[1], found.along[0])) % 90
    assert min(abs(lean - degrees % 90), 90 - abs(lean - degrees % 90)) < 1


def test_the_corners_of_a_level_rectangle_are_the_edges_of_its_pixels() -> None:
    mask = np.zeros((50, 60), bool)
    mask[10:20, 5:45] = True
    [patch] = patches(mask, most=9)

    corners = patch.rectangle().corners(grown=2)

    assert (corners.min(axis=0).tolist(), corners.max(axis=0).tolist()) == ([3, 8], [47, 22])


@pytest.mark.parametrize("pixels", [[(4, 4)], [(4, 4), (4, 5), (4, 6)], [(1, 1), (2, 2), (3, 3)]])
def test_pixels_on_one_line_have_a_rectangle_too(pixels: list[tuple[int, int]]) -> None:
    mask = np.zeros((9, 9), bool)
    for row, column in pixels:
        mask[row, column] = True
    [patch] = patches(mask, most=9)

    found = patch.rectangle()

    assert min(found.width, found.height) == pytest.approx(1)
    assert max(found.width, found.height) >= len(pixels)


def test_only_the_largest_patches_are_taken() -> None:
    mask = np.zeros((30, 30), bool)
    mask[0:2, 0:2] = mask[10:15, 10:15] = mask[20:23, 20:23] = True

    found = patches(mask, most=2)

    assert [int(patch.inside.sum()) for patch in found] == [25, 9]


def test_no_pixels_are_no_patches() -> None:
    assert patches(np.zeros((4, 4), bool), most=9) == []
