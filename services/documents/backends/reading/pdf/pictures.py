"""Pictures as pages: PNG, JPEG, TIFF with any number of pages, WebP, BMP, GIF."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import numpy as np
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.common.origin import DocumentOrigin
from docling_core.types.doc.document import DoclingDocument
from PIL import Image, ImageOps, UnidentifiedImageError

from services.common.errors import TooLarge, UnprocessableFile
from services.documents.backends.reading.pdf.blank import blank
from services.documents.backends.reading.pdf.file import PdfFile, PdfPage
from services.documents.backends.reading.pdf.reader import PdfReader
from services.documents.backends.reading.pdf.view import SeenPage, View
from services.documents.backends.reading.reader import Report, Source

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "PNG": "image/png",
        "JPEG": "image/jpeg",
        "MPO": "image/jpeg",
        "TIFF": "image/tiff",
        "WEBP": "application/octet-stream",  # `image/webp` is none that docling-core takes before Python 3.13
        "BMP": "image/bmp",
        "GIF": "image/gif",
    }
)
"""What is read, by Pillow's names. No other decoder of it sees a file: some run programs."""
MOST_SIDE = 30_000
"""Of a picture. Unit: pixels."""
MOST_PIXELS = 80_000_000
"""Of a picture: A3 at 600 dots an inch has 70 million. Decoded it takes 4 bytes each at most, 320 MB."""
_KEPT_PIXELS = 16_000_000
"""Of a picture once it is decoded: A4 at 400 dots an inch."""
_MANY_PAGED = frozenset({"TIFF"})
"""Frames of the others are a film, of which the first is shown."""
_LEAST_DPI, _MOST_DPI = 60, 1300
"""Of a file that says how large it is on paper; cameras and programs write 1 or 72 where they know nothing."""
_UNKNOWN_DPI = 72
_LONGEST = 1000.0
"""Of a picture of unknown size, as it is looked at: somewhat more than A4. Unit: points."""
_SCREEN = 0.75
"""Points a pixel of a screen, at most: a small picture is no page."""


class PictureReader(PdfReader):
    """See `PagedFile`.

    Args:
        source: a picture.

    Raises:
        UnprocessableFile: it is damaged, or none of the kinds that are read.
        TooLarge: it has too many pixels.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pictures = PictureFile(source.filename, source.data)
        self._file = self._pictures

    def assemble(self, pages: Sequence[SeenPage], report: Report) -> DoclingDocument:
        """See `PagedFile`."""
        document = super().assemble(pages, report)
        if document.origin is not None:
            document.origin = DocumentOrigin(
                mimetype=self._pictures.media_type,
                filename=document.origin.filename,
                binary_hash=document.origin.binary_hash,
            )
        return document


class PictureFile(PdfFile):
    """An opened picture: its header is read, its pixels when a page is asked for.

    Args:
        filename: for what is said of it.
        data: the file.

    Raises:
        UnprocessableFile, TooLarge: see `PictureReader`.
    """

    def __init__(self, filename: str, data: bytes) -> None:
        self._filename = filename
        with _translated(filename):
            self._image = Image.open(io.BytesIO(data), formats=[name for name in MEDIA_TYPES if name != "MPO"])
            self._check_size()
            self.page_count = getattr(self._image, "n_frames", 1) if self._image.format in _MANY_PAGED else 1
        self.problems = ()

    @property
    def media_type(self) -> str:
        """Of the file."""
        return MEDIA_TYPES[self._image.format or ""]

    def page(self, number: int) -> PicturePage:
        """A page, by its number from 1 on.

        Raises:
            UnprocessableFile, TooLarge: see `PictureReader`.
        """
        with _translated(self._filename):
            if self.page_count > 1:
                self._image.seek(number - 1)
            self._check_size()
            zoom = _zoom(self._image)
            full = _exif_size(self._image)
            picture = _decoded(self._image)
        return PicturePage(number, picture, full, zoom)

    def close(self) -> None:
        """Give its memory back."""
        self._image.close()

    def _check_size(self) -> None:
        width, height = self._image.size
        if max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
            raise TooLarge(
                f"{self._filename}: the picture has {width} x {height} pixels; at most {MOST_SIDE} a side and "
                f"{MOST_PIXELS // 1_000_000} million in all; make it smaller"
            )


class PicturePage(PdfPage):
    """A picture as a page without text: its own units are pixels, those of its view points.

    Args:
        number: from 1 on.
        picture: its pixels, RGB; of a large picture fewer than it has.
        size: in pixels of the file.
        zoom: points a pixel.
    """

    def __init__(self, number: int, picture: Image.Image, size: tuple[int, int], zoom: float) -> None:
        super().__init__(number, blank(*size), None, None, lambda _number: None)
        self._picture = picture
        self._view = View(zoom=zoom)

    def missing_words(self) -> list[str]:
        """None: it has no text."""
        return []

    @property
    def has_pictures(self) -> bool:
        """It is one."""
        return True

    def unload(self) -> None:
        """Give its memory back."""
        self._picture.close()

    def _draw(self, scale: float, box: BoundingBox | None = None) -> Image.Image:
        """The picture, or what of it is in a box of the view."""
        own, factor = self.own_size, self._view.zoom * scale
        kept = self._picture.width / own.width
        seen = (0.0, 0.0, own.width, own.height) if box is None else self._view.own(box, own).as_tuple()
        left, top, right, bottom = seen
        size = max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor))
        end = min(right * kept, self._picture.width), min(bottom * kept, self._picture.height)
        source = (max(0, left) * kept, max(0, top) * kept, *end)
        return self._picture.resize(size, Image.Resampling.BICUBIC, source, reducing_gap=2.0)


@contextmanager
def _translated(filename: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is odd in a file, and read all the same
            yield
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as exc:
        raise UnprocessableFile(
            f"{filename}: the picture cannot be read; the file is damaged or uses something unknown"
        ) from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise TooLarge(f"{filename}: the picture has too many pixels; make it smaller") from exc


def _zoom(image: Image.Image) -> float:
    """Points a pixel."""
    longest = max(image.size)
    told = image.info.get("dpi", (0, 0))
    dpi = float(told[0]) if isinstance(told, tuple) and told else 0.0
    if _LEAST_DPI <= dpi <= _MOST_DPI and round(dpi) != _UNKNOWN_DPI:
        return 72 / dpi
    return min(_SCREEN, _LONGEST / longest)


def _exif_size(image: Image.Image) -> tuple[int, int]:
    """As it is shown: cameras tell how they were held."""
    width, height = image.size
    return (height, width) if image.getexif().get(0x0112, 1) in (5, 6, 7, 8) else (width, height)


def _decoded(image: Image.Image) -> Image.Image:
    """As RGB on white paper, the right way up, with no more pixels than are of use."""
    if image.format == "JPEG":
        image.draft("RGB", _reduced_size(image.size))
    picture: Image.Image = image
    factor = _factor(image.size)
    if image.mode.startswith(("I", "F")):
        picture = _from_deep(image)
    elif factor > 1 and image.mode not in ("P", "PA"):
        picture = image.convert("L") if image.mode == "1" else image
        picture = picture.reduce(factor)
    return ImageOps.exif_transpose(_on_white(picture))


def _factor(size: tuple[int, int]) -> int:
    pixels = size[0] * size[1]
    return max(1, int((pixels / _KEPT_PIXELS) ** 0.5))


def _reduced_size(size: tuple[int, int]) -> tuple[int, int]:
    factor = _factor(size)
    return size[0] // factor, size[1] // factor


def _from_deep(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits, stretched from its darkest to its lightest."""
    values = np.asarray(image, np.float32)
    low, high = float(values.min()), float(values.max())
    grey = Image.fromarray(((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8))
    grey.info = dict(image.info)
    return grey


def _on_white(image: Image.Image) -> Image.Image:
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        drawn = image.convert("RGBA")
        paper = Image.new("RGB", drawn.size, "white")
        paper.paste(drawn, mask=drawn.getchannel("A"))
        return paper
    return image.convert("RGB")
