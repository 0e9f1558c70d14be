"""What is measured: our parser, Docling's backends called directly, and docling-rs where it is installed."""

from __future__ import annotations

import importlib
import io
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docling.datamodel.base_models import InputFormat
from docling.datamodel.document import InputDocument

from bench.loss.constructs import FORMS, Sample
from bench.loss.counting import Answer
from services.documents.backends.base import Document, Include, Output
from services.documents.backends.engines.local import LocalEngines
from services.documents.backends.reading.parser import DoclingParser

Read = Callable[[Sample, Include | None], Answer]
"""Parses a sample; raises what the system raises."""

_BACKENDS: Mapping[str, tuple[InputFormat, str, str]] = {
    "asciidoc": (InputFormat.ASCIIDOC, "asciidoc_backend", "AsciiDocBackend"),
    "csv": (InputFormat.CSV, "csv_backend", "CsvDocumentBackend"),
    "docx": (InputFormat.DOCX, "msword_backend", "MsWordDocumentBackend"),
    "epub": (InputFormat.EPUB, "epub_backend", "EpubDocumentBackend"),
    "html": (InputFormat.HTML, "html_backend", "HTMLDocumentBackend"),
    "latex": (InputFormat.LATEX, "latex_backend", "LatexDocumentBackend"),
    "md": (InputFormat.MD, "md_backend", "MarkdownDocumentBackend"),
    "odp": (InputFormat.ODP, "opendocument_backend", "OdpDocumentBackend"),
    "ods": (InputFormat.ODS, "opendocument_backend", "OdsDocumentBackend"),
    "odt": (InputFormat.ODT, "opendocument_backend", "OdtDocumentBackend"),
    "pptx": (InputFormat.PPTX, "mspowerpoint_backend", "MsPowerpointDocumentBackend"),
    "txt": (InputFormat.MD, "md_backend", "MarkdownDocumentBackend"),  # as Docling does
    "vtt": (InputFormat.VTT, "webvtt_backend", "WebVTTDocumentBackend"),
    "xlsx": (InputFormat.XLSX, "msexcel_backend", "MsExcelDocumentBackend"),
    "xml_jats": (InputFormat.XML_JATS, "xml.jats_backend", "JatsDocumentBackend"),
}


def isolane() -> Read:
    """Our parser, as a worker runs it."""
    parser = DoclingParser(engines=LocalEngines(), max_unpacked_bytes=2**28, max_output_bytes=2**26)

    def read(sample: Sample, include: Include | None) -> Answer:
        asked = () if include is None else (include,)
        document = Document(filename=sample.filename, data=sample.data, outputs=FORMS, include=asked)
        parsed = parser.parse_whole(document)
        outputs = {form: content.decode() for form, content in parsed.outputs.items()}
        return Answer(outputs=outputs, errors=parsed.errors)

    return read


def docling(sample: Sample, include: Include | None) -> Answer:  # noqa: ARG001 - Docling has no such option
    """Docling's backend and its own renderers."""
    return rendered(docling_document(sample.format.name, sample.filename, sample.data))


def docling_document(format_: str, filename: str, data: bytes) -> Any:
    """What Docling's own backend for a format makes of a file, untouched by us."""
    input_format, module, name = _BACKENDS[format_]
    backend = getattr(importlib.import_module(f"docling.backend.{module}"), name)
    document = InputDocument(path_or_stream=io.BytesIO(data), format=input_format, backend=backend, filename=filename)
    if not document.valid:
        raise ValueError(f"{filename}: Docling takes it for no {format_}")
    loaded: Any = document._backend
    try:
        return loaded.convert()
    finally:
        loaded.unload()


def docling_rs(folder: Path) -> Read:
    """docling-rs from a folder of packages: `pip install --no-deps --target FOLDER docling-rs`."""
    sys.path.append(str(folder))
    converter = importlib.import_module("docling_rs").DocumentConverter()

    def read(sample: Sample, include: Include | None) -> Answer:  # noqa: ARG001 - it has no such option
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / sample.filename
            path.write_bytes(sample.data)
            return rendered(converter.convert(str(path)).document)

    return read


def rendered(document: Any) -> Answer:
    """A DoclingDocument in all forms, by its own methods."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Answer(
            outputs={
                Output.MARKDOWN: document.export_to_markdown(),
                Output.HTML: document.export_to_html(),
                Output.TEXT: document.export_to_text(),
                Output.JSON: json.dumps(document.export_to_dict(), ensure_ascii=False),
            }
        )
