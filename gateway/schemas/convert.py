"""Form and body of docling-serve's conversion API."""

from __future__ import annotations

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

_ANY: frozenset[str] = frozenset()
_NO = frozenset({"", "false", "0", "no", "off"})
_UNSET = frozenset({"", "null", "none"})

_HARMLESS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # These steer the models for scans and PDF pages, which the formats parsed here do not need.
        "do_ocr": _ANY,
        "ocr_engine": _ANY,
        "ocr_preset": _ANY,
        "ocr_lang": _ANY,
        "pdf_backend": _ANY,
        "table_mode": _ANY,
        "table_cell_matching": _ANY,
        "do_table_structure": _ANY,
        "include_images": _ANY,
        "images_scale": _ANY,
        "picture_description_area_threshold": _ANY,
        "pdf_heading_hierarchy_options": _ANY,
        # A single file is aborted on error anyway.
        "abort_on_error": _ANY,
        # These would change the result, so only values that ask for nothing are taken.
        "force_ocr": _NO,
        "do_code_enrichment": _NO,
        "do_formula_enrichment": _NO,
        "do_picture_classification": _NO,
        "do_picture_description": _NO,
        "do_chart_extraction": _NO,
        "do_pdf_heading_hierarchy": _NO,
        "include_page_images": _NO,
        "md_compact_tables": _NO,
        "return_as_file": _NO,
        "md_page_break_placeholder": frozenset({""}),
        "page_range": frozenset({"1", str(2**63 - 1)}),  # all pages
        "image_export_mode": frozenset({"embedded", "placeholder"}),
        "pipeline": frozenset({"standard", "legacy"}),
        "target_type": frozenset({"inbody"}),
        **dict.fromkeys(
            (
                "chart_extraction_custom_config",
                "chart_extraction_preset",
                "chunking_options",
                "chunking_preset",
                "code_formula_custom_config",
                "code_formula_preset",
                "layout_custom_config",
                "layout_preset",
                "ocr_custom_config",
                "picture_classification_custom_config",
                "picture_classification_preset",
                "picture_description_api",
                "picture_description_custom_config",
                "picture_description_local",
                "picture_description_preset",
                "table_structure_custom_config",
                "table_structure_preset",
                "vlm_pipeline_custom_config",
                "vlm_pipeline_model",
                "vlm_pipeline_model_api",
                "vlm_pipeline_model_local",
                "vlm_pipeline_preset",
            ),
            _UNSET,
        ),
    }
)
"""Options that are accepted and do nothing, with the values that are; empty: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """The options of a conversion that have an effect."""

    to_formats: tuple[Form, ...]
    """Our names of the forms to return, in the order asked for."""
    from_formats: frozenset[str]
    """Formats that the file may have; empty for any."""
    include: tuple[Include, ...]
    """What to return beside the text."""
    document_timeout_s: float | None
    """Time for the document; None for the request's own. Unit: seconds."""


def convert_options(fields: Mapping[str, Sequence[str]]) -> ConvertOptions:
    """The options in a form's text fields.

    Raises:
        InvalidRequest: an option is not known, or its value is not supported; the message names it.
    """
    known = dict(fields)
    to_formats = _to_formats(known.pop("to_formats", ("md",)))
    from_formats = frozenset(value.strip().lower() for value in known.pop("from_formats", ()))
    include = _include(known.pop("include", ()))
    timeout_s = _timeout_s(known.pop("document_timeout", ()))
    for name, values in known.items():
        _check_harmless(name, values)
    return ConvertOptions(
        to_formats=to_formats, from_formats=from_formats, include=include, document_timeout_s=timeout_s
    )


def _to_formats(values: Sequence[str]) -> tuple[Form, ...]:
    for value in values:
        if value not in FORMS:
            raise InvalidRequest(
                f"to_formats: {value[:50]!r} is not offered; use {', '.join(FORMS)}", param="to_formats"
            )
    return tuple(dict.fromkeys(FORMS[value] for value in values))


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
            if value.strip(" ").lower() not in allowed:  # a form feed is a page break, not nothing
                choices = " or ".join(sorted(allowed - {""})) or "an empty value"
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
