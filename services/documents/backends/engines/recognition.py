"""The text of lines: PP-OCRv6 recognition, a letter or none for each column of pixels (CTC)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from services.documents.backends.engines.base import Picture, Recognized
from services.documents.backends.engines.graphs import Floats, Graphs, bundled

_MODEL = "PP-OCRv6_rec_small.onnx"
_HEIGHT = 48
"""Pixels of a line that the model takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionPolicy:
    """What recognition trades."""

    widths: tuple[int, ...] = (160, 320, 480, 640, 800, 960, 1120, 1280)
    """Pixels that lines are padded to. Each width costs 6 MB, padding time: 0.03 ms a pixel, one core. What is longer
    than the last is read in parts, as a line of 11 points across a page, of 1600: up to 2560 takes 45 MB more."""
    cut_from: float = 0.6
    """Of the longest width, from where on a line that is longer is cut, at its widest gap."""


class Recognizer:
    """Reads lines, one at a time: batches cost the same and waste what short lines are padded by.

    Args:
        graphs: that compiles the model.
        policy: what it trades.
    """

    def __init__(self, graphs: Graphs, policy: RecognitionPolicy = RecognitionPolicy()) -> None:
        self._policy = policy
        self._graph = graphs.load(bundled("rapidocr", _MODEL))
        self._letters = ("", *self._graph.notes["character"].splitlines(), " ")

    def recognize(self, lines: Sequence[Picture]) -> list[Recognized]:
        """See `Engines.recognize`. Costs 0.04 s for a line of a column, 0.07 s for one of a page, on one core."""
        return [self._read(_scaled(line)) for line in lines]

    def _read(self, line: Picture) -> Recognized:
        """A line of the model's height."""
        ends = [*_cuts(line, self._policy), line.shape[1]]
        starts = [0, *ends[:-1]]
        parts = [self._read_part(line[:, start:end]) for start, end in zip(starts, ends, strict=True)]
        return _joined(parts, starts, ends) if len(parts) > 1 else parts[0]

    def _read_part(self, part: Picture) -> Recognized:
        width = part.shape[1]
        padded = next(candidate for candidate in self._policy.widths if candidate >= width)
        values = np.zeros((1, 3, _HEIGHT, padded), np.float32)
        values[0, :, :, :width] = part[:, :, ::-1].transpose(2, 0, 1) / np.float32(127.5) - 1
        return _decoded(self._graph(values)[0], self._letters, width / padded)


def _scaled(line: Picture) -> Picture:
    height, width = line.shape[:2]
    size = (max(1, round(width * _HEIGHT / height)), _HEIGHT)
    return np.asarray(Image.fromarray(line).resize(size, Image.Resampling.BILINEAR))


def _cuts(line: Picture, policy: RecognitionPolicy) -> list[int]:
    """Columns where a line that is too long is cut: in the middle of the widest stretch without ink."""
    longest, cuts = policy.widths[-1], [0]
    while line.shape[1] - cuts[-1] > longest:
        first = cuts[-1] + int(policy.cut_from * longest)
        cuts.append(first + _widest_gap(line[:, first : cuts[-1] + longest]))
    return cuts[1:]


def _widest_gap(stretch: Picture) -> int:
    """The middle column of the widest gap; the last one where there is none."""
    lightness = stretch.min(axis=(0, 2)).astype(np.int16)
    is_blank = lightness > (int(lightness.min()) + int(lightness.max())) / 2
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_blank, [0]))))
    starts, ends = edges[0::2], edges[1::2]
    if not len(starts):
        return int(stretch.shape[1])
    widest = int(np.argmax(ends - starts))
    return int(starts[widest] + ends[widest]) // 2


def _joined(parts: Sequence[Recognized], starts: Sequence[int], ends: Sequence[int]) -> Recognized:
    """A line of its parts; whether a space is between them is seen in the picture, as it is between letters."""
    letters = sum(len(part.text) for part in parts)
    return Recognized(
        text="".join(part.text for part in parts),
        score=sum(part.score * len(part.text) for part in parts) / max(1, letters),
        places=tuple(
            (start + place * (end - start)) / ends[-1]
            for part, start, end in zip(parts, starts, ends, strict=True)
            for place in part.places
        ),
    )


def _decoded(columns: Floats, letters: Sequence[str], share: float) -> Recognized:
    """The letters of columns: one that repeats is one, blanks part.

    Args:
        columns: probabilities, shape (columns, letters).
        letters: of the model; the first is the blank.
        share: of the columns that the line fills.
    """
    best = columns.argmax(axis=1)
    starts = np.flatnonzero((best != 0) & (best != np.concatenate(([0], best[:-1]))))
    scores = columns[starts, best[starts]]
    return Recognized(
        text="".join(letters[at] for at in best[starts]),
        score=float(scores.mean()) if len(starts) else 0.0,
        places=tuple(min(1.0, (at + 0.5) / len(best) / share) for at in starts.tolist()),
    )
