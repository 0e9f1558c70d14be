"""A parsed document in the forms that are returned, each with every word as the file has it.

These renderers take the place of Docling's serializers, which put a space between any two pieces of a line, escape
some of what Markdown reads as markup and none of the rest, escape in plain text, and need time that grows with the
square of a list's length.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from docling_core.types.doc.document import DoclingDocument

from services.documents.backends.base import Output
from services.documents.backends.reading.rendering.hypertext import HypertextRenderer
from services.documents.backends.reading.rendering.markdown import MarkdownRenderer, PlainRenderer
from services.documents.backends.reading.rendering.renderer import Renderer

_RENDERERS: Mapping[Output, type[Renderer]] = MappingProxyType(
    {Output.MARKDOWN: MarkdownRenderer, Output.HTML: HypertextRenderer, Output.TEXT: PlainRenderer}
)


def render(document: DoclingDocument, output: Output) -> str:
    """The document in a form, JSON with its glue. JSON holds all layers of content, the others the body.

    Args:
        document: what was parsed; `glue.keep_at_ends` was applied to it.
        output: the form.
    """
    if output is Output.JSON:
        content: dict[str, Any] = document.export_to_dict()
        return json.dumps(content, ensure_ascii=False)
    return _RENDERERS[output](document).document()
