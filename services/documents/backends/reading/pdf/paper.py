"""Where a place of a page as it is shown is on the page as the file stores it, and back."""

from __future__ import annotations

from typing import Any, NamedTuple


class Paper(NamedTuple):
    """A page as the file stores it. PDFium speaks of that, docling-parse of the page as it is shown; y goes up."""

    angle: int
    """By which it is turned clockwise to be shown: 0, 90, 180 or 270 degrees."""
    left: float
    bottom: float
    right: float
    top: float
    """Of the part that is shown. Unit: points."""

    def stored(self, x: float, y: float) -> tuple[float, float]:
        """A place of the page as it is shown, as the file stores it."""
        match self.angle % 360:
            case 90:
                return self.right - y, self.bottom + x
            case 180:
                return self.right - x, self.top - y
            case 270:
                return self.left + y, self.top - x
            case _:
                return self.left + x, self.bottom + y

    def shown(self, x: float, y: float) -> tuple[float, float]:
        """A stored place, on the page as it is shown."""
        match self.angle % 360:
            case 90:
                return y - self.bottom, self.right - x
            case 180:
                return self.right - x, self.top - y
            case 270:
                return self.top - y, x - self.left
            case _:
                return x - self.left, y - self.bottom


def paper(page: Any) -> Paper:
    """Of a page of PDFium."""
    left, bottom, right, top = page.get_cropbox()
    return Paper(page.get_rotation(), left, bottom, right, top)
