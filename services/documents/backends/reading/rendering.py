"""A parsed document in the forms that are returned, each with every word as the file has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from docling_core.transforms.serializer.base import SerializationResult
from docling_core.transforms.serializer.common import DocSerializer, create_ser_result
from docling_core.transforms.serializer.html import HTMLDocSerializer, HTMLInlineSerializer, HTMLParams
from docling_core.transforms.serializer.markdown import (
    MarkdownDocSerializer,
    MarkdownInlineSerializer,
    MarkdownParams,
)
from docling_core.transforms.serializer.plain_text import PlainTextDocSerializer, PlainTextParams
from docling_core.types.doc.common.constants import DOCUMENT_TOKENS_EXPORT_LABELS
from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.document import DoclingDocument

from services.documents.backends.base import Output
from services.documents.backends.reading import glue

_COMMON: dict[str, Any] = {"labels": DOCUMENT_TOKENS_EXPORT_LABELS, "layers": {ContentLayer.BODY}}


def render(document: DoclingDocument, output: Output) -> str:
    """The document in a form. JSON holds all layers of content, the others the body.

    Args:
        document: what was parsed; `glue.keep_at_ends` was applied to it.
        output: the form.
    """
    if output is Output.JSON:
        content: dict[str, Any] = document.export_to_dict()
        return glue.clean(json.dumps(content, ensure_ascii=False))
    serializer: Any = _SERIALIZERS[output](document)
    return glue.clean(serializer.serialize().text)


class _MarkdownInline(MarkdownInlineSerializer):
    def serialize(
        self,
        *,
        item: Any,
        doc_serializer: Any,
        doc: Any,  # noqa: ARG002 - Docling's
        list_level: int = 0,
        visited: Any = None,
        **kwargs: Any,
    ) -> SerializationResult:
        """Serialize a line of pieces; see `glue`."""
        return _inline(item, doc_serializer, list_level, visited, kwargs)


class _HtmlInline(HTMLInlineSerializer):
    def serialize(
        self,
        *,
        item: Any,
        doc_serializer: Any,
        doc: Any,  # noqa: ARG002 - Docling's
        list_level: int = 0,
        visited: Any = None,
        **kwargs: Any,
    ) -> SerializationResult:
        """Serialize a line of pieces; see `glue`."""
        line = _inline(item, doc_serializer, list_level, visited, kwargs)
        if line.text:
            line.text = f"<span class='inline-group'>{line.text}</span>"
        return line


def _inline(item: Any, serializer: Any, list_level: int, visited: Any, options: dict[str, Any]) -> SerializationResult:
    parts = serializer.get_parts(
        item=item,
        list_level=list_level,
        is_inline_scope=True,
        visited=visited if visited is not None else set(),
        **options,
    )
    return create_ser_result(text=glue.join(part.text for part in parts), span_source=parts)


class _Markdown(MarkdownDocSerializer):
    inline_serializer: Any = _MarkdownInline()


class _Text(PlainTextDocSerializer):
    inline_serializer: Any = _MarkdownInline()


class _Html(HTMLDocSerializer):
    inline_serializer: Any = _HtmlInline()


_SERIALIZERS: Mapping[Output, Callable[[DoclingDocument], DocSerializer]] = MappingProxyType(
    {
        Output.MARKDOWN: lambda document: _Markdown(doc=document, params=MarkdownParams(**_COMMON)),
        Output.HTML: lambda document: _Html(doc=document, params=HTMLParams(**_COMMON)),
        Output.TEXT: lambda document: _Text(doc=document, params=PlainTextParams(**_COMMON)),
    }
)
