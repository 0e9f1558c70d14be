"""The constructs of every format."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from bench.loss.constructs import Format

_MODULES = (
    "asciidoc",
    "csv",
    "docx",
    "epub",
    "html",
    "latex",
    "markdown",
    "odp",
    "ods",
    "odt",
    "pptx",
    "txt",
    "vtt",
    "xlsx",
    "jats",
)

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        format_.name: format_
        for format_ in (importlib.import_module(f"bench.loss.formats.{module}").FORMAT for module in _MODULES)
    }
)
"""By the name of `services.documents.backends.formats`."""
