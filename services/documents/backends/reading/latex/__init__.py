"""LaTeX as the reader of the printed page sees it, as far as that can be told without running TeX."""

from services.documents.backends.reading.latex.blocks import read

__all__ = ["read"]
