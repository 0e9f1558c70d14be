"""What a reader of files in pages is: it opens a file, reads its pages one at a time, and makes the document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from docling.datamodel.base_models import AssembledUnit
from docling_core.types.doc.document import DoclingDocument

from services.documents.backends.base import Paging
from services.documents.backends.engines.base import Engines
from services.documents.backends.reading.pdf.view import SeenPage
from services.documents.backends.reading.reader import Report, Source

_FIELDS = {"page_no", "size", "assembled", "parsed_page", "own_size", "view"}
"""Of a page on its way."""


class PagedFile(Protocol):
    """A file in pages, open."""

    @property
    def page_count(self) -> int:
        """How many pages it has."""
        ...

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with the file as a whole, one sentence each."""
        ...

    def read_page(self, number: int, paging: Paging, engines: Engines, report: Report) -> SeenPage:
        """Read a page, by its number from 1 on; what is large of it is let go.

        Raises whatever Docling and its libraries raise on a damaged one.
        """
        ...

    def assemble(self, pages: Sequence[SeenPage], report: Report) -> DoclingDocument:
        """The document of pages that were read, ascending."""
        ...

    def close(self) -> None:
        """Give its memory back."""
        ...


Open = Callable[[Source], PagedFile]
"""Opens a file; raises whatever the libraries raise on a damaged one."""


def packed(page: SeenPage) -> bytes:
    """A page to be sent: its elements as JSON."""
    unit = page.assembled or AssembledUnit()
    light = page.model_copy(update={"assembled": AssembledUnit(elements=unit.elements)})
    return light.model_dump_json(include=_FIELDS).encode()


def unpacked(content: bytes) -> SeenPage:
    """A page that was sent."""
    return SeenPage.model_validate_json(content)


def text_of(page: SeenPage) -> str:
    """The text of a page alone, before the document is known: its elements as they were found."""
    unit = page.assembled or AssembledUnit()
    texts = (element.text or "\n".join(cell.text for cell in element.cluster.cells) for element in unit.elements)
    return "\n\n".join(filter(None, texts))
