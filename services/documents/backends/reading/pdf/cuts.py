"""Lines of two columns that were found as one, cut where the other lines show a gutter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from docling_core.types.doc.base import BoundingBox
from PIL import Image

Sides = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPolicy:
    """What cutting trades: one too few mixes two columns, one too many cuts a heading over both."""

    wide: float = 1.5
    """Usual widths of a line from where on one may be two: columns are as wide as each other."""
    around: float = 30.0
    """Heights of a line above and below it within which others tell where a gutter is: half of a page, as few lines of
    ragged columns reach the gutter."""
    witnesses: int = 3
    """Lines that end at a gutter, and that begin at it."""
    crossing: float = 0.1
    """Share of the lines around that reach over it all the same: headings."""
    near: float = 2.0
    """Heights of a line between such an end and the gutter."""
    least_gap: float = 0.6
    """Heights of a line without ink at the gutter. Between words it has 0.3, in type that is set wide 0.5."""
    paper: float = 0.5
    """From the ink's grey to the paper's, from where on a pixel is paper."""


POLICY = CutPolicy()


def cut_at_gutters(
    boxes: Sequence[BoundingBox], page: Image.Image, scale: float, policy: CutPolicy = POLICY
) -> list[BoundingBox]:
    """The lines, those that reach over a gutter as two.

    Args:
        boxes: in points.
        page: the page's picture.
        scale: its pixels a point.
        policy: what this trades.
    """
    if len(boxes) < 2 * policy.witnesses:
        return list(boxes)
    sides = np.array([box.as_tuple() for box in boxes])
    widths = sides[:, 2] - sides[:, 0]
    is_wide = widths > policy.wide * np.median(widths)
    narrow = sides[~is_wide]
    return [
        part
        for box, wide in zip(boxes, is_wide.tolist(), strict=True)
        for part in (_parts(box, narrow, page, scale, policy) if wide else [box])
    ]


def _parts(box: BoundingBox, narrow: Sides, page: Image.Image, scale: float, policy: CutPolicy) -> list[BoundingBox]:
    gutter = _gutter(box, narrow, policy)
    if gutter is None:
        return [box]
    middle = _middle_of_gap(box, gutter, page, scale, policy)
    if middle is None:
        return [box]
    return [box.model_copy(update={"r": middle}), box.model_copy(update={"l": middle})]


def _gutter(box: BoundingBox, narrow: Sides, policy: CutPolicy) -> tuple[float, float] | None:
    """From where to where the lines around a line leave a gutter in it."""
    height = box.b - box.t
    reach = policy.around * height
    near = narrow[(narrow[:, 3] > box.t - reach) & (narrow[:, 1] < box.b + reach)]
    for left in np.unique(near[:, 2]).tolist():
        starts = near[near[:, 0] >= left, 0]
        if not box.l < left < box.r or not len(starts):
            continue
        right = float(starts.min())
        ends_there = ((near[:, 2] <= left) & (near[:, 2] > left - policy.near * height)).sum()
        starts_there = (starts < right + policy.near * height).sum()
        crossing = ((near[:, 0] < left) & (near[:, 2] > right)).sum()
        if (
            crossing <= policy.crossing * len(near)
            and right < box.r
            and min(ends_there, starts_there) >= policy.witnesses
        ):
            return left, right
    return None


def _middle_of_gap(
    box: BoundingBox, gutter: tuple[float, float], page: Image.Image, scale: float, policy: CutPolicy
) -> float | None:
    """Where in a gutter the widest stretch without ink is, if it is wide enough. Unit: points."""
    height = box.b - box.t
    left, right = max(box.l, gutter[0] - height), min(box.r, gutter[1] + height)
    edge = 0.15 * height
    sides = left, box.t + edge, right, box.b - edge
    left_px, top_px, right_px, bottom_px = (round(side * scale) for side in sides)
    grey = np.asarray(page.crop((left_px, top_px, right_px, bottom_px)).convert("L"))
    if not grey.size:
        return None
    ink, paper = np.percentile(grey, [1, 80])
    is_blank = (grey > ink + policy.paper * (paper - ink)).mean(axis=0) > 0.96  # dust is no ink
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_blank, [0]))))
    starts, ends = edges[0::2], edges[1::2]
    if not len(starts):
        return None
    widest = int(np.argmax(ends - starts))
    if ends[widest] - starts[widest] < policy.least_gap * height * scale:
        return None
    return left + float(starts[widest] + ends[widest]) / 2 / scale
