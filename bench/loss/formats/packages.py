"""Zip archives of XML parts, as Office and LibreOffice write them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
"""A GIF of one pixel."""

_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """An archive with these members, in their order; the first is not compressed, as EPUB and ODF want `mimetype`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, (name, content) in enumerate(members.items()):
            archive.writestr(name, content, None if index else zipfile.ZIP_STORED)
    return buffer.getvalue()


def content_types(overrides: Mapping[str, str]) -> str:
    """`[Content_Types].xml` of an Office package, from the types of its parts."""
    lines = "".join(f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, kind in overrides.items())
    relations = "application/vnd.openxmlformats-package.relationships+xml"
    defaults = (
        f'<Default Extension="rels" ContentType="{relations}"/><Default Extension="gif" ContentType="image/gif"/>'
    )
    xml = '<Default Extension="xml" ContentType="application/xml"/>'
    return f'{DECLARATION}<Types xmlns="{_PACKAGE}/content-types">{defaults}{xml}{lines}</Types>'


def relations(targets: Mapping[str, tuple[str, str]]) -> str:
    """A part of relations: kind and target by id. Targets with a colon are outside of the package."""
    lines = "".join(
        f'<Relationship Id="{key}" Type="{RELATIONSHIPS}/{kind}" Target="{target}"'
        f"{' TargetMode=' + chr(34) + 'External' + chr(34) if ':' in target else ''}/>"
        for key, (kind, target) in targets.items()
    )
    return f'{DECLARATION}<Relationships xmlns="{_PACKAGE}/relationships">{lines}</Relationships>'
