"""Spaces that the recognition model did not write: seen as gaps between the letters of a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from services.documents.backends.engines.base import Picture, Recognized


@dataclass(frozen=True, slots=True, kw_only=True)
class SpacingPolicy:
    """What putting spaces in trades: a space too few joins two words, one too many parts one."""

    core: float = 0.15
    """Share of a line's height at its top and at its bottom that is not looked at: tails of its neighbours."""
    least_ink: float = 0.04
    """Heights of a column of pixels that are dark where it is part of a letter; with less it is dust."""
    darkness: float = 0.35
    """From the paper's grey to the ink's, from where on a pixel is dark."""
    least_gap: float = 0.15
    """Heights of a line that a gap between words has at least: in print it has 0.25 or more, between letters 0.1."""
    towards_words: float = 0.7
    """Where between the usual gap of letters, 0, and of words, 1, a gap becomes one of words."""
    usual_gap: float = 0.3
    """Heights of a gap between words, where the line tells no other."""
    fewest_spaces: int = 3
    """Spaces of a line that tell how wide its gaps are."""


POLICY = SpacingPolicy()
_FIRST_WITHOUT_SPACES = "\u2e80"
"""From here on, letters are Chinese and Japanese ones, which stand without spaces."""

_CLOSING, _OPENING = ".,;:!?)]}'\u2019\u201d\u00bb", "([{'\u2018\u201c\u00ab"
"""What stands close to the letter before it, and to the one after. A full stop has little ink: its gaps look wide."""


def spaced(line: Picture, read: Recognized, policy: SpacingPolicy = POLICY) -> Recognized:
    """The text of a line with the spaces that its picture shows."""
    pairs = list(_pairs(read))
    if not pairs:
        return read
    widths = _gaps(line, [(read.places[left], read.places[right]) for left, right in pairs], policy)
    is_space = np.array([right - left > 1 for left, right in pairs])
    limit = _limit(widths, is_space, policy)
    is_strayed = is_space & (
        widths < policy.least_gap
    )  # its gap was seen beside it: the place of a letter is not exact
    beside = np.concatenate((is_strayed[1:], [False])) | np.concatenate(([False], is_strayed[:-1]))
    missing = [
        left
        for (left, right), width, is_known in zip(pairs, widths.tolist(), (is_space | beside).tolist(), strict=True)
        if not is_known and width > _least(read.text[left], read.text[right], limit, widths, is_space)
    ]
    return _with_spaces(read, missing)


def _pairs(read: Recognized) -> Iterator[tuple[int, int]]:
    """Indices of letters side by side, or with spaces between them."""
    if len(read.places) != len(read.text):
        return
    letters = [at for at, letter in enumerate(read.text) if not letter.isspace()]
    yield from pairwise(letters)


def _gaps(line: Picture, between: Sequence[tuple[float, float]], policy: SpacingPolicy) -> npt.NDArray[np.float64]:
    """How wide the gap between each two places is, in heights of the line."""
    height, width = line.shape[:2]
    starts, ends = _blanks(line, policy)
    middles = (starts + ends) / 2 / width
    found = np.zeros(len(between))
    lefts = np.array([left for left, _ in between])
    rights = np.array([right for _, right in between])
    owners = np.searchsorted(lefts, middles, side="right") - 1
    for owner, middle, size in zip(owners.tolist(), middles.tolist(), (ends - starts).tolist(), strict=True):
        if owner >= 0 and middle <= rights[owner]:
            found[owner] = max(found[owner], size / height)
    return found


def _blanks(line: Picture, policy: SpacingPolicy) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where stretches of columns without ink begin and end."""
    grey = line.mean(axis=2)
    ink, paper = np.percentile(grey, [1, 80])
    edge = int(policy.core * len(grey))
    dark = grey[edge : len(grey) - edge] < paper - policy.darkness * (paper - ink)
    is_blank = dark.sum(axis=0) < max(1.0, policy.least_ink * len(grey))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_blank, [0]))))
    return edges[0::2], edges[1::2]


def _limit(widths: npt.NDArray[np.float64], is_space: npt.NDArray[np.bool_], policy: SpacingPolicy) -> float:
    """From where on a gap of a line is one between words. Unit: heights of the line."""
    letters = float(np.median(widths[~is_space])) if (~is_space).any() else 0.0
    tells = is_space.sum() >= policy.fewest_spaces
    words = float(np.percentile(widths[is_space], 25)) if tells else max(policy.usual_gap, 3 * letters)
    return max(policy.least_gap, letters + policy.towards_words * (words - letters))


def _least(
    left: str, right: str, limit: float, widths: npt.NDArray[np.float64], is_space: npt.NDArray[np.bool_]
) -> float:
    """How wide the gap between two letters is that means a space; none is between letters that stand without."""
    if left >= _FIRST_WITHOUT_SPACES or right >= _FIRST_WITHOUT_SPACES or left in _OPENING or right in _CLOSING:
        return np.inf
    if left.isdigit() and right.isdigit() and is_space.any():
        return max(limit, float(np.median(widths[is_space])))
    return limit


def _with_spaces(read: Recognized, after: Sequence[int]) -> Recognized:
    text, places = list(read.text), list(read.places)
    for at in reversed(after):
        text.insert(at + 1, " ")
        places.insert(at + 1, (places[at] + places[at + 1]) / 2)
    return replace(read, text="".join(text), places=tuple(places))
