"""Which way up the text of a page is, and how level its lines are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from docling_core.types.doc.page import TextCell

from services.documents.backends.engines.base import Engines, Picture, Quads
from services.documents.backends.reading.pdf.view import PLAIN, View

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class UprightPolicy:
    """What finding the upright view trades."""

    elongation: float = 1.5
    """How much longer than high a line is that tells a direction. Shorter ones are numbers, and letters alone."""
    samples: int = 12
    """Longest lines that are asked whether they stand on their heads; each costs 2 ms, and 20 ms more to be sure."""
    sample_length: float = 8.0
    """Heights of a line that are cut out to ask: at 3 degrees that rises by 0.4 heights, the whole line by 2."""
    level_length: float = 6.0
    """Heights of a line that tells how level the page is. The corner of a shorter one is off by more than a degree."""
    least_lean: float = 0.3
    """Degrees that are left as they are: a line of 500 points rises by 3, a quarter of its height."""
    most_lean: float = 10.0
    """Degrees of paper that lay askew; what leans more is drawn so."""
    turned_text: float = 0.7
    """Share of the letters of a page that stand on their side, where the page does: a wide table in a book has 0.9, an
    axis of a chart 0.1."""


POLICY = UprightPolicy()


def upright(picture: Picture, quads: Quads, engines: Engines, policy: UprightPolicy = POLICY) -> View:
    """The view in which most of the lines of a picture are upright and level.

    Args:
        picture: of the page as it is.
        quads: its lines.
        engines: what looks at them.
        policy: what this trades.
    """
    if not len(quads):
        return PLAIN
    across, down = _sides(quads)
    sideways = _is_sideways(across, down, policy)
    turned = _turned(quads, picture.shape[0], sideways)
    samples = _samples(np.rot90(picture, -sideways), turned, policy)
    quarters = sideways + 2 * _is_upside_down(samples, engines)
    if sideways and not samples:
        quarters = 0
    return View(quarters=quarters, lean=_lean(turned, policy))


def upright_text(cells: Sequence[TextCell], policy: UprightPolicy = POLICY) -> View:
    """The view in which most of the text that a page holds is upright."""
    letters = Counter[int]()
    for cell in cells:
        letters[round(cell.rect.angle_360 / 90) % 4] += len(cell.text)
    quarters, most = max(letters.items(), key=lambda item: item[1], default=(0, 0))
    return View(quarters=quarters) if most > policy.turned_text * letters.total() else PLAIN


def _sides(quads: Quads) -> tuple[Floats, Floats]:
    """Width and height of each."""
    across = np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1)
    down = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    return across, down


def _is_sideways(across: Floats, down: Floats, policy: UprightPolicy) -> int:
    tall = down > policy.elongation * across
    wide = across > policy.elongation * down
    return int(down[tall].sum() > across[wide].sum())


def _turned(quads: Quads, height: int, quarters: int) -> Quads:
    """Lines of a picture that is turned clockwise by no quarter or one."""
    if not quarters:
        return quads
    turned = np.stack([height - quads[:, :, 1], quads[:, :, 0]], axis=2)
    return np.roll(turned, 1, axis=1)  # what was the bottom left is the top left


def _samples(picture: Picture, quads: Quads, policy: UprightPolicy) -> list[Picture]:
    """Pieces of the longest lines, from their beginnings."""
    across, down = _sides(quads)
    long = [at for at in np.argsort(-across, kind="stable") if across[at] > policy.elongation * down[at]]
    pieces = (_piece(picture, quads[at], across[at], down[at], policy) for at in long[: policy.samples])
    return [piece for piece in pieces if piece.size]


def _piece(picture: Picture, quad: Floats, across: float, down: float, policy: UprightPolicy) -> Picture:
    share = min(1.0, policy.sample_length * down / across)
    top_right = quad[0] + share * (quad[1] - quad[0])
    bottom_right = quad[3] + share * (quad[2] - quad[3])
    corners = np.stack([quad[0], top_right, bottom_right, quad[3]])
    left, top = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int)
    return np.ascontiguousarray(picture[top:bottom, left:right])


def _is_upside_down(samples: Sequence[Picture], engines: Engines) -> bool:
    """Whether most lines look so, and read better so: the classifier alone is wrong about one line in twenty."""
    if not samples or np.mean(engines.upside_down(samples)) <= 0.5:
        return False
    as_they_are = engines.recognize(samples)
    on_their_heads = engines.recognize([np.ascontiguousarray(sample[::-1, ::-1]) for sample in samples])
    return sum(each.score for each in on_their_heads) > sum(each.score for each in as_they_are)


def _lean(quads: Quads, policy: UprightPolicy) -> float:
    """Degrees, clockwise, that bring the lines level: the median of the long ones, a line counted by its length."""
    across, down = _sides(quads)
    long = across > policy.level_length * down
    if not long.any():
        return 0.0
    edges = (quads[long, 1] - quads[long, 0]) + (quads[long, 2] - quads[long, 3])
    angles = np.degrees(np.arctan2(edges[:, 1], edges[:, 0]))
    order = np.argsort(angles)
    shares = np.cumsum(across[long][order])
    lean = -float(angles[order][np.searchsorted(shares, shares[-1] / 2)])
    return lean if policy.least_lean <= abs(lean) <= policy.most_lean else 0.0
