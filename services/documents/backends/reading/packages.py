"""Office's packages as their libraries open them: templates, shows, files with macros and strict ones."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

_MAIN = (
    (
        re.compile(
            rb"vnd\.(?:openxmlformats-officedocument\.wordprocessingml\.template"
            rb"|ms-word\.(?:document\.macroEnabled|template\.macroEnabledTemplate))\.main\+xml"
        ),
        b"vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    ),
    (
        re.compile(
            rb"vnd\.(?:openxmlformats-officedocument\.presentationml\.(?:template|slideshow)"
            rb"|ms-powerpoint\.(?:presentation|template|slideshow)\.macroEnabled)\.main\+xml"
        ),
        b"vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
    ),
)
"""Types of the main part, and the one that python-docx and python-pptx open."""
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/([\w/]+)")
"""Names of ISO/IEC 29500 Strict; others are as ECMA-376 first had them."""
_SPELLED = {b"extendedProperties": b"extended-properties", b"customProperties": b"custom-properties"}
_TEMPLATE = re.compile(rb"(application/vnd\.oasis\.opendocument\.\w+)-template")
_TYPES, _RELATIONS, _MIMETYPE, _MANIFEST = "[Content_Types].xml", "_rels/.rels", "mimetype", "META-INF/manifest.xml"

_MOST_PACKED = 200
"""How often odfdo lets a part be larger than it is packed; what a file may hold at all is checked in `formats`."""

_Change = Callable[[bytes], bytes]


def usual(data: bytes) -> bytes:
    """A package as the kind of file that it is a variant of; the same bytes for all other files."""
    if not data.startswith(b"PK\x03\x04"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        changes = _changes(archive)
        if not changes and not _is_dense(archive):
            return data
        return _rewritten(archive, changes)


def _changes(archive: zipfile.ZipFile) -> dict[str, _Change]:
    """What to do with some of the parts."""
    names = archive.namelist()
    changes: dict[str, _Change] = {}
    if _MIMETYPE in names and _TEMPLATE.match(archive.read(_MIMETYPE)):
        changes.update(dict.fromkeys({_MIMETYPE, _MANIFEST} & {*names}, lambda part: _TEMPLATE.sub(rb"\1", part)))
    if _RELATIONS in names and _STRICT.search(archive.read(_RELATIONS)):
        changes.update(dict.fromkeys((name for name in names if name.endswith((".xml", ".rels"))), _transitional))
    if _TYPES in names and any(variant.search(archive.read(_TYPES)) for variant, _ in _MAIN):
        changes[_TYPES] = _with_usual_types
    return changes


def _is_dense(archive: zipfile.ZipFile) -> bool:
    parts = archive.infolist() if _MIMETYPE in archive.namelist() else []
    return any(part.file_size > _MOST_PACKED * part.compress_size for part in parts)


def _with_usual_types(types: bytes) -> bytes:
    for variant, usual_type in _MAIN:
        types = variant.sub(usual_type, types)
    return types


def _transitional(part: bytes) -> bytes:
    return _STRICT.sub(
        lambda name: b"http://schemas.openxmlformats.org/%b/2006/%b" % (name[1], _SPELLED.get(name[2], name[2])), part
    )


def _rewritten(archive: zipfile.ZipFile, changes: dict[str, _Change]) -> bytes:
    """The archive with changed parts; it lives in memory only, so nothing is packed again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as copy:
        for name in dict.fromkeys(archive.namelist()):
            content = archive.read(name)
            copy.writestr(name, changes[name](content) if name in changes else content)
    return buffer.getvalue()
