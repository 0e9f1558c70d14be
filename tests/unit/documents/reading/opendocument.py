"""Small OpenDocument files, made of the XML inside their bodies."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

_NAMES = {
    "office": "office:1.0",
    "text": "text:1.0",
    "table": "table:1.0",
    "draw": "drawing:1.0",
    "style": "style:1.0",
    "fo": "xsl-fo-compatible:1.0",
    "svg": "svg-compatible:1.0",
    "presentation": "presentation:1.0",
    "meta": "meta:1.0",
    "chart": "chart:1.0",
}
NAMESPACES = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{urn}"' for name, urn in _NAMES.items()) + (
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'
    ' xmlns:math="http://www.w3.org/1998/Math/MathML"'
)
_TYPES = {"text": "text", "spreadsheet": "spreadsheet", "presentation": "presentation"}


def opendocument(
    kind: str, body: str, *, automatic: str = "", styles: str = "", parts: Mapping[str, str] | None = None
) -> bytes:
    """A file.

    Args:
        kind: text, spreadsheet or presentation.
        body: what stands in the element of that kind.
        automatic: the content's own styles.
        styles: what stands in the document's styles: master pages.
        parts: further parts by their names.
    """
    content = (
        f"<office:document-content {NAMESPACES}><office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    all_styles = (
        f"<office:document-styles {NAMESPACES}><office:styles/><office:automatic-styles/>"
        f"<office:master-styles>{styles}</office:master-styles></office:document-styles>"
    )
    type_ = f"application/vnd.oasis.opendocument.{_TYPES[kind]}"
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{type_}"/></manifest:manifest>'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", type_)
        archive.writestr("content.xml", content)
        archive.writestr("styles.xml", all_styles)
        archive.writestr("meta.xml", f"<office:document-meta {NAMESPACES}><office:meta/></office:document-meta>")
        archive.writestr("META-INF/manifest.xml", manifest)
        for name, part in (parts or {}).items():
            archive.writestr(name, part)
    return packed.getvalue()
