"""The paper of a scan made white, and its ink black: what the models were trained on."""

from __future__ import annotations

import numpy as np
from PIL import Image

_PAPER = 0.80
"""Share of a page's pixels that are no lighter than its paper: margins and gaps are more than half of any page of text,
and pictures are often darker."""
_INK = 0.002
"""Share of the pixels that are surely ink: a page with a heading alone has 0.3 % of them."""
_LEAST_RANGE = 48
"""Grey levels between paper and ink. With less there is no ink on the page, only noise that would grow."""
_LEAST_PAPER = 128
"""A page whose paper is darker is a photograph, or white on black: as it is."""


def cleared(picture: Image.Image) -> Image.Image:
    """A picture with its greys stretched, so that its paper is white and its ink black."""
    counts = np.asarray(picture.convert("L").histogram(), np.float64)
    shares = np.cumsum(counts) / counts.sum()
    ink, paper = int(np.searchsorted(shares, _INK)), int(np.searchsorted(shares, _PAPER))
    if paper < _LEAST_PAPER or paper - ink < _LEAST_RANGE or (ink == 0 and paper == 255):
        return picture
    levels = np.clip((np.arange(256) - ink) * 255 / (paper - ink), 0, 255)
    return picture.point(np.rint(levels).astype(int).tolist() * len(picture.getbands()))
