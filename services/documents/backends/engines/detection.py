"""Where lines of text are: PP-OCRv6 detection (differentiable binarization, https://arxiv.org/abs/1911.08947)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.documents.backends.engines.base import Picture, Quads
from services.documents.backends.engines.graphs import Floats, Graphs, bundled
from services.documents.backends.engines.rectangles import patches

_MODEL = "PP-OCRv6_det_small.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionPolicy:
    """What detection trades. Values of the model's makers unless said."""

    tile_height: int = 640
    tile_width: int = 896
    """Pixels that the model sees at a time. One shape for all pictures: memory is 100 MB, and does not grow with each
    new size (720 MB after five sizes of pages)."""
    tile_margin: int = 64
    """Pixels at a tile's inner edges that are taken from its neighbour, which sees what is around them."""
    least_contrast: int = 32
    """Levels between the darkest and the lightest part of a tile; one with less is blank. The model sees text in
    large areas of one grey."""
    least_probability: float = 0.3
    """Of a pixel of text."""
    least_score: float = 0.5
    """Of a line, the mean of its pixels."""
    growth: float = 1.6
    """The model is trained on shrunk lines; each grows by area * growth / perimeter on all sides: a line of 200 x 8
    pixels by 200 * 8 * 1.6 / 416 = 6 pixels."""
    least_side: float = 3.0
    """Pixels; what is thinner before it grows is a speck."""
    most_lines: int = 3000
    """A page of a telephone book has 500. Noise has any number: the largest are taken."""


class Detector:
    """Finds lines in pictures of any size.

    Args:
        graphs: that compiles the model.
        policy: what it trades.
    """

    def __init__(self, graphs: Graphs, policy: DetectionPolicy = DetectionPolicy()) -> None:
        self._policy = policy
        self._graph = graphs.load(bundled("rapidocr", _MODEL), shape=(1, 3, policy.tile_height, policy.tile_width))

    def lines(self, picture: Picture) -> Quads:
        """See `Engines.lines`. Costs 0.1 s a tile of half a million pixels, on one core."""
        return _quads(self._probabilities(picture), self._policy)

    def _probabilities(self, picture: Picture) -> Floats:
        """Of each pixel, that it is of text: what the model says of tiles, put together."""
        policy = self._policy
        height, width = picture.shape[:2]
        whole = np.zeros((height, width), np.float32)
        for rows in _spans(height, policy.tile_height, policy.tile_margin):
            for columns in _spans(width, policy.tile_width, policy.tile_margin):
                seen = self._look(picture[rows.first : rows.end, columns.first : columns.end])
                kept = seen[rows.kept - rows.first :, columns.kept - columns.first :]
                whole[rows.kept : rows.end, columns.kept : columns.end] = kept
        return whole

    def _look(self, tile: Picture) -> Floats:
        height, width = tile.shape[:2]
        if int(tile.max()) - int(tile.min()) < self._policy.least_contrast:
            return np.zeros((height, width), np.float32)
        values = np.ones((1, 3, self._policy.tile_height, self._policy.tile_width), np.float32)  # white around
        np.divide(tile[:, :, ::-1].transpose(2, 0, 1), 127.5, out=values[0, :, :height, :width])
        values[0, :, :height, :width] -= 1
        return self._graph(values)[0, 0, :height, :width]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A stretch of rows or columns that the model sees at once, and from where on what it says is taken."""

    first: int
    kept: int
    end: int


def _spans(length: int, size: int, margin: int) -> Iterator[_Span]:
    """Stretches that cover a length; each overwrites the last `margin` of the one before."""
    first = 0
    while True:
        end = min(first + size, length)
        yield _Span(first=first, kept=first + margin if first else 0, end=end)
        if end == length:
            return
        first = max(end - 2 * margin, 0)


def _quads(probabilities: Floats, policy: DetectionPolicy) -> Quads:
    found = []
    for patch in patches(probabilities > policy.least_probability, most=policy.most_lines):
        line = patch.rectangle()
        score = float(probabilities[patch.place][patch.inside].mean())
        if min(line.width, line.height) < policy.least_side or score < policy.least_score:
            continue
        grown = line.width * line.height * policy.growth / (2 * (line.width + line.height))
        found.append(_corners(line.corners(grown=grown).astype(np.float32)))
    if not found:
        return np.empty((0, 4, 2), np.float32)
    quads = np.stack(found)
    limits = np.array(probabilities.shape[::-1], np.float32)
    return np.clip(quads, 0, limits)[np.argsort(quads[:, :, 1].min(axis=1), kind="stable")]


def _corners(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """From the top left on, clockwise; of a box that leans by less than 45 degrees."""
    by_x = points[np.argsort(points[:, 0], kind="stable")]
    left = by_x[:2][np.argsort(by_x[:2, 1], kind="stable")]
    right = by_x[2:][np.argsort(by_x[2:, 1], kind="stable")]
    return np.stack([left[0], right[0], right[1], left[1]])
