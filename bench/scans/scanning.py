"""What printing and scanning do to a page: askew, grey, blurred, noisy, kept as JPEG in a PDF."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

_DATES = {"creationDate": time.gmtime(0), "modDate": time.gmtime(0)}
"""The same scan is the same file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """How bad a scan is."""

    dpi: int = 200
    lean: float = 0.0
    """Degrees, counter-clockwise; at most 3."""
    paper: int = 255
    """Grey of the paper, 0 to 255."""
    ink: int = 0
    """Grey of the ink."""
    shade: float = 0.0
    """How much darker the paper is at one side, as a share."""
    blur: float = 0.0
    """Of the lens. Unit: pixels, standard deviation."""
    noise: float = 0.0
    """Of the sensor. Unit: grey levels, standard deviation."""
    specks: float = 0.0
    """Share of pixels that are dust."""
    quality: int = 75
    """Of the JPEG, 1 to 95."""
    is_bilevel: bool = False
    """Black and white only, as a fax."""


def scanned(picture: Image.Image, wear: Wear, random: np.random.Generator) -> Image.Image:
    """A grey picture of a page, worn."""
    leaning = picture.rotate(wear.lean, resample=Image.Resampling.BICUBIC, fillcolor=255)
    values = np.asarray(leaning.filter(ImageFilter.GaussianBlur(wear.blur)), np.float64)
    values = wear.ink + values / 255 * (wear.paper - wear.ink)
    values = values * np.linspace(1.0, 1.0 - wear.shade, values.shape[1])
    values += random.normal(0, wear.noise, values.shape)
    if wear.specks:
        values[random.random(values.shape) < wear.specks] = wear.ink
    if wear.is_bilevel:
        values = np.where(values > (wear.paper + wear.ink) / 2, 255, 0)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def as_pdf(picture: Image.Image, wear: Wear) -> bytes:
    """A PDF with a picture on its page and no text."""
    file = io.BytesIO()
    picture.save(file, format="PDF", resolution=wear.dpi, quality=wear.quality, **_DATES)
    return file.getvalue()
