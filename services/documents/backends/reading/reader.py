"""What a reader of a format is: Docling's backend for it, with what it lacks mended on the way."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from docling.backend.abstract_backend import DeclarativeDocumentBackend
from docling.datamodel.base_models import InputFormat
from docling.datamodel.document import InputDocument, get_input_rejection_cause
from docling_core.types.doc.document import DoclingDocument

from services.documents.backends.base import Include
from services.documents.backends.reading.guard import Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file as a reader gets it."""

    filename: str
    data: bytes = field(repr=False)
    include: Set[Include] = frozenset()
    """What is wanted beside the text itself."""


@dataclass(slots=True)
class Report:
    """What a reader tells beside the document."""

    problems: list[str] = field(default_factory=list)
    """What could not be kept or had to be guessed: one sentence each, which names what and where."""
    passages: list[Passage] = field(default_factory=list)
    """What the file says, read apart from Docling; see `guard`. Empty where there is no second way to read it."""


Read = Callable[[Source, Report], DoclingDocument]
"""Reads a file of one format; raises whatever Docling and its libraries raise on a damaged one."""


@contextmanager
def opened(source: Source, input_format: InputFormat, backend: type[DeclarativeDocumentBackend]) -> Iterator[Any]:
    """Docling's backend with the file loaded: its own tree may be mended before `convert` is called.

    Backends keep their default options: no remote and no local resource is fetched, no page is rendered.
    """
    document = InputDocument(
        path_or_stream=io.BytesIO(source.data), format=input_format, backend=backend, filename=source.filename
    )
    if not document.valid:
        raise RuntimeError("Docling takes it for no such file") from get_input_rejection_cause(document)
    loaded = document._backend
    try:
        yield loaded
    finally:
        loaded.unload()  # type: ignore[no-untyped-call]
