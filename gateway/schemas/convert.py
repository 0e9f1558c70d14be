"""Form and body of docling-serve's conversion API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from msgspec import Raw, Struct

from services.common.errors import InvalidRequest

Form = Literal["markdown", "json", "html", "text"]
"""A form in which a parsed document is returned."""

FORMS: Mapping[str, Form] = MappingProxyType({"md": "markdown", "json": "json", "html": "html", "text": "text"})
"""docling-serve's names of output formats, and ours."""

Include = Literal["footnotes", "headers", "comments", "speaker_notes", "hidden", "changes"]
"""What a document holds beside its text."""

INCLUDES: tuple[Include, ...] = get_args(Include)
"""All of them; docling-serve has no such option."""

NAMES_OF: Mapping[str, tuple[str, ...]] = MappingProxyType({"txt": ("txt", "md")})
"""docling-serve's names of formats that have others here: it takes plain text for Markdown."""

_KNOWN_FORMATS = (
    "afp",
    "asciidoc",
    "audio",
    "boxnote",
    "csv",
    "dclx",
    "doc",
    "docx",
    "ebcdic",
    "email",
    "epub",
    "html",
    "image",
    "iwork_keynote",
    "iwork_numbers",
    "iwork_pages",
    "json_docling",
    "latex",
    "md",
    "mets_gbs",
    "mhtml",
    "odp",
    "ods",
    "odt",
    "pdf",
    "ppt",
    "pptx",
    "rtf",
    "txt",
    "video",
    "vtt",
    "xls",
    "xlsx",
    "xml_doclang",
    "xml_jats",
    "xml_uspto",
    "xml_xbrl",
)
"""Docling's formats and txt; those that are not parsed may be allowed, as docling-serve's clients list all."""

_ANY: frozenset[str] = frozenset()
_NO = frozenset({"", "false", "0", "no", "off"})
_UNSET = frozenset({"", "null", "none"})

_HARMLESS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # These choose and steer models of Docling's, which are others here, or add pictures to the answer.
        **dict.fromkeys(
            (
                "code_formula_custom_config",
                "code_formula_preset",
                "do_code_enrichment",
                "do_formula_enrichment",
                "do_pdf_heading_hierarchy",
                "do_table_structure",
                "images_scale",
                "include_images",
                "include_page_images",
                "layout_custom_config",
                "layout_preset",
                "md_page_break_placeholder",
                "ocr_custom_config",
                "ocr_engine",
                "ocr_preset",
                "pdf_backend",
                "pdf_heading_hierarchy_options",
                "pipeline",
                "table_cell_matching",
                "table_mode",
                "table_structure_custom_config",
                "table_structure_preset",
                "vlm_pipeline_custom_config",
                "vlm_pipeline_model",
                "vlm_pipeline_model_api",
                "vlm_pipeline_model_local",
                "vlm_pipeline_preset",
            ),
            _ANY,
        ),
        # These say how something is done that only the options below ask for.
        **dict.fromkeys(
            (
                "chart_extraction_custom_config",
                "chart_extraction_preset",
                "picture_classification_custom_config",
                "picture_classification_preset",
                "picture_description_api",
                "picture_description_area_threshold",
                "picture_description_custom_config",
                "picture_description_local",
                "picture_description_preset",
            ),
            _ANY,
        ),
        # A single file is aborted on error anyway.
        "abort_on_error": _ANY,
        # These would change the answer, so only values that ask for nothing are taken.
        **dict.fromkeys(
            (
                "do_chart_extraction",
                "do_picture_classification",
                "do_picture_description",
                "md_compact_tables",
                "return_as_file",
            ),
            _NO,
        ),
        **dict.fromkeys(("chunking_options", "chunking_preset"), _UNSET),
        "image_export_mode": frozenset({"embedded", "placeholder"}),
        "target_type": frozenset({"inbody"}),
    }
)
"""Options that are accepted and do nothing, with the values that are; empty: any."""

_YES = frozenset({"true", "1", "yes", "on"})
_NO_LAST = 2**31 - 1
"""docling-serve's clients send the largest number that they know for the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How a file in pages is read."""

    first: int = 1
    """Number of the first page that is wanted, from 1 on."""
    last: int | None = None
    """Number of the last one; None for the file's."""
    do_ocr: bool = True
    """Read what only pictures show."""
    force_ocr: bool = False
    """Read everything from pictures, also where there is text."""
    ocr_languages: tuple[str, ...] = ()
    """Languages of pictures; none for whatever the letters are."""


ALL_PAGES = Paging()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """The options of a conversion that have an effect."""

    to_formats: tuple[Form, ...]
    """Our names of the forms to return, in the order asked for."""
    from_formats: frozenset[str]
    """Formats that the file may have; empty for any."""
    include: tuple[Include, ...]
    """What to return beside the text."""
    paging: Paging
    """How a file in pages is read."""
    document_timeout_s: float | None
    """Time for the document; None for the request's own. Unit: seconds."""


def convert_options(fields: Mapping[str, Sequence[str]]) -> ConvertOptions:
    """The options in a form's text fields.

    Raises:
        InvalidRequest: an option is not known, or its value is not supported; the message names it.
    """
    known = dict(fields)
    to_formats = _to_formats(known.pop("to_formats", ("md",)))
    from_formats = _from_formats(known.pop("from_formats", ()))
    include = _include(known.pop("include", ()))
    timeout_s = _timeout_s(known.pop("document_timeout", ()))
    paging = _paging(known)
    for name, values in known.items():
        _check_harmless(name, values)
    return ConvertOptions(
        to_formats=to_formats, from_formats=from_formats, include=include, paging=paging, document_timeout_s=timeout_s
    )


def _paging(known: dict[str, Sequence[str]]) -> Paging:
    """Take the options for files in pages out of the others."""
    first, last = _page_range(known.pop("page_range", ()))
    do_ocr, force_ocr = _flag(known, "do_ocr", default=True), _flag(known, "force_ocr", default=False)
    languages = [part.strip("[]\"' ") for value in known.pop("ocr_lang", ()) for part in value.split(",")]
    # docling-serve's clients switch OCR on by either; asked for one and against the other, more is read.
    return Paging(
        first=first,
        last=last,
        do_ocr=do_ocr or force_ocr,
        force_ocr=force_ocr,
        ocr_languages=tuple(language for language in languages if language),
    )


def _page_range(values: Sequence[str]) -> tuple[int, int | None]:
    """First and last page: two numbers, in two fields or in one with a comma or a hyphen between them."""
    parts = [part for value in values for part in re.split(r"[,\s-]+", value.strip("[] ")) if part]
    if not parts:
        return 1, None
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise InvalidRequest(
            f"page_range: {', '.join(values)[:50]!r} is no first and last page, as 2-5; correct it",
            param="page_range",
        )
    first, last = map(int, parts)
    if not 1 <= first <= last:
        raise InvalidRequest(
            f"page_range: {first} to {last}: pages count from 1, and the last is not before the first",
            param="page_range",
        )
    return min(first, _NO_LAST), last if last < _NO_LAST else None


def _flag(known: dict[str, Sequence[str]], name: str, *, default: bool) -> bool:
    values = [value.strip().lower() for value in known.pop(name, ())]
    for value in values:
        if value not in _YES | _NO:
            raise InvalidRequest(f"{name}: {value[:50]!r} is neither true nor false; correct it", param=name)
    return values[-1] in _YES if values and values[-1] else default


def _to_formats(values: Sequence[str]) -> tuple[Form, ...]:
    for value in values:
        if value not in FORMS:
            raise InvalidRequest(
                f"to_formats: {value[:50]!r} is not offered; use {', '.join(FORMS)}, one in each field of this name",
                param="to_formats",
            )
    return tuple(dict.fromkeys(FORMS[value] for value in values))


def _from_formats(values: Sequence[str]) -> frozenset[str]:
    names = frozenset(value.strip().lower() for value in values) - {""}
    for name in sorted(names.difference(_KNOWN_FORMATS)):
        raise InvalidRequest(
            f"from_formats: {name[:50]!r} is no format; known are {', '.join(_KNOWN_FORMATS)}", param="from_formats"
        )
    return names


def _include(values: Sequence[str]) -> tuple[Include, ...]:
    for value in values:
        if value not in INCLUDES:
            raise InvalidRequest(f"include: {value[:50]!r} is not offered; use {', '.join(INCLUDES)}", param="include")
    return tuple(part for part in INCLUDES if part in values)


def _timeout_s(values: Sequence[str]) -> float | None:
    if not values or not values[0]:
        return None
    try:
        timeout_s = float(values[0])
    except ValueError:
        timeout_s = 0.0
    if not 0.0 < timeout_s < 1e6:  # false for NaN too
        raise InvalidRequest("document_timeout: not a number of seconds above 0; correct it", param="document_timeout")
    return timeout_s


def _check_harmless(name: str, values: Sequence[str]) -> None:
    allowed = _HARMLESS.get(name)
    if allowed is None:
        raise InvalidRequest(f"{name[:50]}: this option is not supported; leave it out", param=name[:50])
    if allowed:
        for value in values:
            if value.strip().lower() not in allowed:
                choices = " or ".join(sorted(allowed - {""}))
                raise InvalidRequest(
                    f"{name}: {value[:50]!r} is not supported; use {choices}, or leave it out", param=name
                )


class ExportedDocument(Struct, kw_only=True):
    """The document in the formats asked for; the others are null."""

    filename: str
    md_content: str | None
    json_content: Raw | None
    """The DoclingDocument."""
    html_content: str | None
    text_content: str | None
    doctags_content: None = None
    """Not offered."""


class ConversionError(Struct, kw_only=True):
    """A part that could not be converted."""

    component_type: str = "document_backend"
    module_name: str = "isolane.documents"
    error_message: str


class ConvertError(Struct, kw_only=True):
    """An error as docling-serve answers it."""

    detail: str


class ConvertResponse(Struct, kw_only=True):
    """One converted document."""

    document: ExportedDocument
    status: str
    """`success` or `partial_success`."""
    errors: list[ConversionError]
    processing_time: float
    """Unit: seconds."""
    timings: dict[str, float]
    """Always empty, as docling-serve has it unless profiling is on."""


class PageRead(Struct, kw_only=True, tag_field="event", tag="page"):
    """A line of the stream: a page was read, or could not be."""

    number: int
    """From 1 on."""
    done: int
    """Pages that were read until now."""
    total: int
    """Pages that are wanted."""
    text: str
    """Provisional: the document settles order, headings and what goes on from page to page."""
    errors: list[str]
    """What could not be read of it."""


class DocumentRead(Struct, kw_only=True, tag_field="event", tag="document"):
    """The last line of the stream."""

    result: ConvertResponse


class ReadingFailed(Struct, kw_only=True, tag_field="event", tag="error"):
    """The last line of a stream without a document."""

    status: int
    """What the answer's status would have been."""
    detail: str
    request_id: str
