"""The least rectangles around patches of pixels, each turned as the patch is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectangle:
    """A rectangle that may be turned."""

    middle: Points
    """x and y. Unit: pixels."""
    along: Points
    """Unit vector along its width."""
    width: float
    height: float

    def corners(self, *, grown: float = 0.0) -> Points:
        """Its corners in a row, shape (4, 2), with so many pixels more on all sides."""
        across = np.array([-self.along[1], self.along[0]])
        half = self.along * (self.width / 2 + grown), across * (self.height / 2 + grown)
        turned = np.array([-half[0] - half[1], half[0] - half[1], half[0] + half[1], half[1] - half[0]])
        corners: Points = self.middle + turned
        return corners


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Pixels that touch each other."""

    place: tuple[slice, slice]
    """Rows and columns that hold it."""
    inside: Mask
    """Which of these pixels are its own."""

    def rectangle(self) -> Rectangle:
        """The least one around its pixels."""
        points = _ends(self.inside) + np.array([self.place[1].start, self.place[0].start])
        return _least(_hull(points))


def patches(mask: Mask, *, most: int) -> list[Patch]:
    """The patches of a mask, so many of the largest; pixels touch at corners too."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    places = ndimage.find_objects(labels)
    largest = np.argsort(-areas, kind="stable")[:most]
    return [Patch(place=places[at], inside=labels[places[at]] == at + 1) for at in largest]


def _ends(inside: Mask) -> Points:
    """The first and the last pixel of each row: all that a hull needs."""
    rows = np.flatnonzero(inside.any(axis=1))
    first = inside[rows].argmax(axis=1)
    last = inside.shape[1] - 1 - inside[rows, ::-1].argmax(axis=1)
    return np.concatenate([np.stack([first, rows], axis=1), np.stack([last, rows], axis=1)]).astype(float)


def _hull(points: Points) -> Points:
    """The corners of the least outline without dents; points on one line are their own."""
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except (QhullError, ValueError):
        return np.unique(points, axis=0)


def _least(hull: Points) -> Rectangle:
    """One side of the least rectangle lies on a side of the outline: each is tried."""
    sides = np.diff(hull, axis=0, append=hull[:1])
    lengths = np.hypot(sides[:, 0], sides[:, 1])
    along = sides[lengths > 0] / lengths[lengths > 0, np.newaxis]
    if not len(along):
        along = np.array([[1.0, 0.0]])
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    widths, heights = hull @ along.T, hull @ across.T
    # From the middle of the first pixel to that of the last; the pixels themselves reach half of one further.
    extents = np.ptp(widths, axis=0), np.ptp(heights, axis=0)
    best = int((extents[0] * extents[1]).argmin())
    middle = (widths[:, best].min() + extents[0][best] / 2) * along[best]
    middle = middle + (heights[:, best].min() + extents[1][best] / 2) * across[best]
    return Rectangle(
        middle=middle + 0.5,
        along=along[best],
        width=float(extents[0][best]) + 1,
        height=float(extents[1][best]) + 1,
    )
