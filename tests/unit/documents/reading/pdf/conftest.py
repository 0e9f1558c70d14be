"""PDFs read in this process; the layout is what a test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from docling_core.types.doc.document import DoclingDocument

from services.documents.backends.base import Include, Output
from services.documents.backends.engines.base import Picture, Region
from services.documents.backends.engines.fake import FakeEngines
from services.documents.backends.reading import glue, guard
from services.documents.backends.reading.pdf.reader import read
from services.documents.backends.reading.reader import Report, Source
from services.documents.backends.reading.rendering import render


class NoLayout(FakeEngines):
    """Finds nothing on a page but what it is given: the rules have to do."""

    def __init__(self, regions: Sequence[Region] = ()) -> None:
        self._regions = regions

    def regions(self, page: Picture) -> Sequence[Region]:
        return self._regions


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a file."""

    document: DoclingDocument
    md: str
    text: str
    errors: list[str]
    """Problems, and what the guard misses."""


Pdf = Callable[..., Answer]


@pytest.fixture
def pdf() -> Pdf:
    """Reads a PDF: bytes, what to include, the regions of its pages."""

    def read_pdf(data: bytes, *include: Include, regions: Sequence[Region] = ()) -> Answer:
        report = Report()
        source = Source(filename="a.pdf", data=data, include=frozenset(include))
        document = read(source, report, NoLayout(regions))
        glue.keep_at_ends(document)
        outputs = {form: render(document, form) for form in Output}
        return Answer(
            document=document,
            md=glue.clean(outputs[Output.MARKDOWN]),
            text=glue.clean(outputs[Output.TEXT]),
            errors=[*report.problems, *guard.lost(report.passages, outputs)],
        )

    return read_pdf
