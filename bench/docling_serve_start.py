"""Starts docling-serve without the models that it loads for PDF pages; run by `bench.docling_serve`, with its Python.

Before any file, an HTML one too, it makes a PDF pipeline, whose weights come from a hub. After the first file of each
worker that is a look into a table, so that nothing is left out of what is measured.
"""

from __future__ import annotations

import importlib
from typing import Any


def main() -> None:
    """Run docling-serve's own command line."""
    converter: Any = importlib.import_module("docling.document_converter").DocumentConverter
    converter.initialize_pipeline = lambda _self, format: None  # noqa: A006, ARG005 - the name is Docling's
    importlib.import_module("docling_serve.__main__").main()


if __name__ == "__main__":
    main()
