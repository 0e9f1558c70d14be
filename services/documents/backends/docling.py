"""Docling's parsers for the formats that need no models. Imported in workers only."""

from __future__ import annotations

import codecs
import io
import json
import mimetypes
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from docling.backend.abstract_backend import DeclarativeDocumentBackend
from docling.backend.asciidoc_backend import AsciiDocBackend
from docling.backend.csv_backend import CsvDocumentBackend
from docling.backend.epub_backend import EpubDocumentBackend
from docling.backend.html_backend import HTMLDocumentBackend
from docling.backend.latex_backend import LatexDocumentBackend
from docling.backend.md_backend import MarkdownDocumentBackend
from docling.backend.msexcel_backend import MsExcelDocumentBackend
from docling.backend.mspowerpoint_backend import MsPowerpointDocumentBackend
from docling.backend.msword_backend import MsWordDocumentBackend
from docling.backend.opendocument_backend import OdpDocumentBackend, OdsDocumentBackend, OdtDocumentBackend
from docling.backend.webvtt_backend import WebVTTDocumentBackend
from docling.backend.xml.jats_backend import JatsDocumentBackend
from docling.datamodel.base_models import InputFormat
from docling.datamodel.document import ConversionResult, InputDocument, get_input_rejection_cause
from docling.datamodel.pipeline_options import ConvertPipelineOptions
from docling.pipeline.simple_pipeline import SimplePipeline
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.labels import DocItemLabel

from services.common.errors import InvalidRequest, TooLarge, UnprocessableFile
from services.common.telemetry.logs import get_logger
from services.documents.backends.base import Document, Output, Parsed
from services.documents.backends.formats import detect
from services.documents.backends.nesting import MOST_LEVELS, is_too_deep

# The backends keep their default options: no remote and no local resource is fetched, no page is rendered.
_BACKENDS: dict[str, tuple[InputFormat, type[DeclarativeDocumentBackend]]] = {
    "asciidoc": (InputFormat.ASCIIDOC, AsciiDocBackend),
    "csv": (InputFormat.CSV, CsvDocumentBackend),
    "docx": (InputFormat.DOCX, MsWordDocumentBackend),
    "epub": (InputFormat.EPUB, EpubDocumentBackend),
    "html": (InputFormat.HTML, HTMLDocumentBackend),
    "latex": (InputFormat.LATEX, LatexDocumentBackend),
    "md": (InputFormat.MD, MarkdownDocumentBackend),
    "odp": (InputFormat.ODP, OdpDocumentBackend),
    "ods": (InputFormat.ODS, OdsDocumentBackend),
    "odt": (InputFormat.ODT, OdtDocumentBackend),
    "pptx": (InputFormat.PPTX, MsPowerpointDocumentBackend),
    "vtt": (InputFormat.VTT, WebVTTDocumentBackend),
    "xlsx": (InputFormat.XLSX, MsExcelDocumentBackend),
    "xml_jats": (InputFormat.XML_JATS, JatsDocumentBackend),
}

_WARM_UP = Document(
    filename="warm-up.html",
    data=b"<h1>a</h1><ul><li>b</ul><table><tr><td>c</table>",
    outputs=list(Output),
)

log = get_logger()


class DoclingParser:
    """Parses one file at a time, in this process.

    It runs Docling's simple pipeline itself: `DocumentConverter` would import every pipeline, and with them torch.

    Args:
        max_unpacked_bytes: see `detect`.
        max_output_bytes: largest result, all forms together.
    """

    def __init__(self, *, max_unpacked_bytes: int, max_output_bytes: int) -> None:
        self._max_unpacked_bytes = max_unpacked_bytes
        self._max_output_bytes = max_output_bytes
        self._pipeline = SimplePipeline(ConvertPipelineOptions())

    def warm_up(self) -> None:
        """Load what is loaded on first use, so that the first file is as fast as the second."""
        mimetypes.init()  # reads system files, which a confined worker may not
        self.parse(_WARM_UP)

    def parse(self, document: Document) -> Parsed:
        """Parse a file.

        Raises:
            UnsupportedFormat, UnprocessableFile, TooLarge: see `DocumentBackend.parse`.
        """
        format_ = detect(document.filename, document.data, max_unpacked_bytes=self._max_unpacked_bytes)
        if format_ == "html" and is_too_deep(_decode(document.data)):
            raise UnprocessableFile(f"{document.filename}: nested more than {MOST_LEVELS} levels deep; flatten it")
        try:
            result, errors = self._convert(document, format_)
            outputs = {output: _render(result, output).encode(errors="replace") for output in document.outputs}
        except InvalidRequest:
            raise
        except Exception as exc:
            raise _translated(exc, document, format_) from exc
        if (size := sum(map(len, outputs.values()))) > self._max_output_bytes:
            raise TooLarge(
                f"{document.filename}: the result has {size} bytes; at most {self._max_output_bytes}; "
                "ask for fewer forms or split the file"
            )
        return Parsed(format=format_, outputs=outputs, errors=errors)

    def _convert(self, document: Document, format_: str) -> tuple[DoclingDocument, list[str]]:
        """The document, and what could not be parsed of it."""
        if format_ == "txt":
            return _plain(document), []
        input_format, backend = _BACKENDS[format_]
        source = InputDocument(
            path_or_stream=io.BytesIO(document.data),
            format=input_format,
            backend=backend,
            filename=document.filename,
        )
        if not source.valid:
            raise RuntimeError("Docling takes it for no such file") from get_input_rejection_cause(source)
        result: ConversionResult = self._pipeline.execute(source, raises_on_error=True)
        return result.document, [error.error_message for error in result.errors]


def _plain(document: Document) -> DoclingDocument:
    """Paragraphs as they are: Docling reads plain text as Markdown, which drops whatever looks like a tag."""
    parsed = DoclingDocument(name=PurePath(document.filename).stem)
    for paragraph in re.split(r"\n\s*\n", _decode(document.data).replace("\r\n", "\n")):
        if paragraph.strip():
            parsed.add_text(label=DocItemLabel.TEXT, text=paragraph.strip())
    return parsed


def _decode(data: bytes) -> str:
    """As Docling decodes texts: a byte-order mark, UTF-8, else Windows-1252."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _render(parsed: DoclingDocument, output: Output) -> str:
    match output:
        case Output.MARKDOWN:
            return parsed.export_to_markdown()
        case Output.JSON:
            content: dict[str, Any] = parsed.export_to_dict()
            return json.dumps(content, ensure_ascii=False)
        case Output.HTML:
            return parsed.export_to_html()
        case Output.TEXT:
            return parsed.export_to_text()


def _translated(error: Exception, document: Document, format_: str) -> Exception:
    """What an exception from Docling says about the file."""
    causes = list(_chain(error))
    # Extension modules that run out of memory often raise SystemError ("error return without exception set").
    if any(isinstance(cause, MemoryError | SystemError) for cause in causes):
        return MemoryError()
    if any(isinstance(cause, RecursionError) for cause in causes):
        return UnprocessableFile(f"{document.filename}: nested too deeply; flatten it")
    log.warning("file_refused", format=format_, exc_info=error)
    return UnprocessableFile(
        f"{document.filename}: it cannot be parsed as {format_}; the file is damaged or uses something unknown"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from: Docling wraps what stopped it, more than once."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
