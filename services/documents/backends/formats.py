"""Which format a file is: its content decides, its extension only tells texts apart."""

from __future__ import annotations

import io
import lzma
import re
import zipfile
import zlib
from pathlib import PurePath

from services.common.errors import TooLarge, UnprocessableFile, UnsupportedFormat
from services.documents.backends.base import Format
from services.documents.backends.encodings import wide

PACKAGE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    EOFError,
)
"""What `zipfile` raises on a damaged or encrypted archive, or a part of it."""

FORMATS = (
    Format(name="asciidoc", extensions=("adoc", "asciidoc", "asc")),
    Format(name="csv", extensions=("csv",)),
    Format(name="docx", extensions=("docx", "dotx", "docm", "dotm")),
    Format(name="epub", extensions=("epub",)),
    Format(name="html", extensions=("html", "htm", "xhtml")),
    Format(name="image", extensions=("png", "jpg", "jpeg", "tif", "tiff", "webp", "bmp", "gif")),
    Format(name="latex", extensions=("tex", "latex")),
    Format(name="md", extensions=("md", "markdown", "qmd", "rmd")),
    Format(name="odp", extensions=("odp", "otp")),
    Format(name="ods", extensions=("ods", "ots")),
    Format(name="odt", extensions=("odt", "ott")),
    Format(name="pdf", extensions=("pdf",)),
    Format(name="pptx", extensions=("pptx", "potx", "ppsx", "pptm", "potm", "ppsm")),
    Format(name="txt", extensions=("txt", "text")),
    Format(name="vtt", extensions=("vtt",)),
    Format(name="xlsx", extensions=("xlsx", "xlsm", "xltx", "xltm")),
    Format(name="xml_jats", extensions=("xml", "nxml")),
)
"""By name ascending; names as Docling's, except txt."""

_TEXT_FORMATS = frozenset({"asciidoc", "csv", "html", "latex", "md", "txt", "vtt"})
_HEAD_BYTES = 8192
_MAX_MEMBERS = 10_000

_PICTURE = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8|II\*\0|MM\0\*|RIFF.{4}WEBP|BM.{4}\0{4}",
    re.DOTALL,
)
"""First bytes of the pictures that are read as pages."""
_OTHER_PICTURE = "save it as PNG, JPEG or TIFF"
_SIGNATURES = tuple(
    (re.compile(pattern, re.DOTALL), name, remedy)
    for pattern, name, remedy in (
        (rb"II\+\0|MM\0\+", "TIFF image of more than 4 GiB", _OTHER_PICTURE),
        (rb"\0\0.{2}ftyp(?:hei|hev|mif1|msf1)", "HEIF image", _OTHER_PICTURE),
        (rb"\0\0.{2}ftypavi[fs]", "AVIF image", _OTHER_PICTURE),
        (rb"\0\0\0\x0cjP  ", "JPEG 2000 image", _OTHER_PICTURE),
        (rb"\0\0\x01\0[^\0]\0", "icon", _OTHER_PICTURE),
        (rb"8BPS", "Photoshop image", _OTHER_PICTURE),
        (
            rb"\xd0\xcf\x11\xe0",
            "old or password-protected Office file",
            "save it without password as docx, xlsx or pptx",
        ),
        (rb"{\\rtf", "RTF", "save it as docx"),
    )
)
"""What is known but not parsed: first bytes, name, what to do."""

_PDF = b"%PDF-"
_PDF_HEAD_BYTES = 1024
"""Within which a file that is called one says so: readers forgive what mail and scanners put before it."""

_OLE = b"\xd0\xcf\x11\xe0"
_OLD_OFFICE = tuple(name.encode("utf-16-le") for name in ("WordDocument", "Workbook", "PowerPoint Document"))
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OLE_EMAIL = "__properties_version1.0".encode("utf-16-le")
"""Names of OLE streams; an old Office file may hold an e-mail."""

_LOCKED = "it is protected by a password; save it without"
_EMAIL = "e-mail (.eml, .msg) is not parsed yet; save its body as HTML and send attachments as files of their own"
_TEXTS = {
    **dict.fromkeys(("eml", "emlx", "mbox", "msg"), _EMAIL),
    **dict.fromkeys(("mht", "mhtml"), "web archive (.mhtml): save the page as HTML"),
}
"""Texts that are known but not parsed, by extension."""

_ODF = {
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/epub+zip": "epub",
}
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument."
_MANIFEST = "META-INF/manifest.xml"
_MANIFEST_BYTES = 1 << 20
_PARTS = {"word/": "docx", "xl/": "xlsx", "ppt/": "pptx"}

_PROLOGUE = re.compile(rb"(?:\s|<\?xml[^>]*\?>|<!--.*?-->)*+", re.DOTALL)
_HTML = re.compile(rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_SVG = re.compile(rb"(?:<!DOCTYPE\s+svg\b[^>]*>\s*)?<(?:\w+:)?svg\b")
_JATS = re.compile(
    rb"<!DOCTYPE\s+article\b[^>]*(?:JATS|NLM|journalpublishing|archivearticle)"
    rb"|(?:<!DOCTYPE[^>\[]*>\s*)?<article\b(?=[^>]*\b(?:article-type|dtd-version)\s*=|[^>]*>\s*(?:<!--.*?-->\s*)*<front\b)",
    re.DOTALL,
)
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_TEXT_BYTES_PER_CONTROL = 20
_VTT_ALONE = re.compile(rb"WEBVTT[ \t]*(?:[\r\n]|$)")
"""Behind the word there may be a title, and a text may begin with it."""
_LATEX = re.compile(rb"(?:\s|%[^\n]*\n)*+\\documentclass\b")


def detect(filename: str, data: bytes, *, max_unpacked_bytes: int) -> str:
    """Name of the file's format.

    Raises:
        UnsupportedFormat: no format of `FORMATS`; says what it is where that is known.
        UnprocessableFile: the content contradicts the extension, a packed file is damaged, or it has a password.
        TooLarge: a packed file holds more than `max_unpacked_bytes`.
    """
    if data.startswith(_OLE):
        _check_compound(filename, data)
    for signature, name, remedy in _SIGNATURES:
        if signature.match(data):
            raise _unsupported(f"{filename}: {name}: {remedy}")
    if data.startswith(_PDF) or (_extension(filename) == "pdf" and _PDF in data[:_PDF_HEAD_BYTES]):
        return "pdf"
    if _PICTURE.match(data):
        return "image"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _packed(filename, data, max_unpacked_bytes)
    head = data[:_HEAD_BYTES]
    if encoding := wide(head):
        head = head.decode(encoding, "replace").lstrip("\ufeff").encode()
    elif _is_binary(head):
        raise _unsupported(f"{filename}: the content is binary data of no known format")
    return _markup(filename, head.removeprefix(b"\xef\xbb\xbf")) or _text(filename)


def _check_compound(filename: str, data: bytes) -> None:
    """Refuse a file of OLE streams that is no old Office file."""
    if any(name in data for name in _OLD_OFFICE):
        return
    if _OLE_ENCRYPTED in data:
        raise UnprocessableFile(f"{filename}: {_LOCKED}")
    if _OLE_EMAIL in data:
        raise _unsupported(f"{filename}: {_EMAIL}")


def supported() -> str:
    """The extensions that are parsed, for error messages."""
    return ", ".join(sorted(extension for format_ in FORMATS for extension in format_.extensions))


def _packed(filename: str, data: bytes, max_unpacked_bytes: int) -> str:
    """Format of a zip archive, whose size is checked before anything is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if len(members) > _MAX_MEMBERS or size > max_unpacked_bytes:
                raise TooLarge(
                    f"{filename}: unpacked it is {len(members)} parts and {size} bytes; "
                    f"at most {_MAX_MEMBERS} parts and {max_unpacked_bytes} bytes"
                )
            names = archive.namelist()
            is_encrypted = any(member.flag_bits & 1 for member in members)
            kind = _mimetype(archive) if "mimetype" in names and not is_encrypted else b""
            is_encrypted |= kind.startswith(_OPEN_DOCUMENT) and _MANIFEST in names and _has_password(archive)
    except PACKAGE_ERRORS as exc:
        raise UnprocessableFile(f"{filename}: the packed file is damaged or encrypted; send a readable copy") from exc
    if is_encrypted:
        raise UnprocessableFile(f"{filename}: {_LOCKED}")
    format_ = _ODF.get(kind.removesuffix(b"-template")) or next(
        (format_ for folder, format_ in _PARTS.items() if any(name.startswith(folder) for name in names)), None
    )
    if format_ is None:
        raise _unsupported(f"{filename}: a zip archive that holds no known document; unpack it")
    return format_


def _mimetype(archive: zipfile.ZipFile) -> bytes:
    """What the archive says that it is, as OpenDocument and EPUB do."""
    with archive.open("mimetype") as member:
        return member.read(128).strip()


def _has_password(archive: zipfile.ZipFile) -> bool:
    """Whether an OpenDocument's manifest says how to decrypt its parts."""
    try:
        with archive.open(_MANIFEST) as member:
            return b"encryption-data" in member.read(_MANIFEST_BYTES)
    except PACKAGE_ERRORS:  # the content may be whole
        return False


def _markup(filename: str, head: bytes) -> str | None:
    """Format of a text that names itself in its first bytes; None for other texts."""
    if head.startswith(b"WEBVTT") and (b"-->" in head or _VTT_ALONE.match(head) or _extension(filename) == "vtt"):
        return "vtt"
    if _LATEX.match(head):
        return "latex"
    start = _PROLOGUE.match(head)
    body = head[start.end() :] if start else head
    if _HTML.match(body):
        return "html"
    if not (head.startswith(b"<?xml") or _extension(filename) in {"xml", "nxml", "svg"}):
        return None
    if _SVG.match(body):
        raise _unsupported(f"{filename}: SVG image: {_OTHER_PICTURE}")
    if _JATS.match(body):
        return "xml_jats"
    raise _unsupported(f"{filename}: XML of a kind that is not known (XHTML and JATS articles are)")


def _text(filename: str) -> str:
    """Format of a text by its extension."""
    extension = _extension(filename)
    claimed = next((format_.name for format_ in FORMATS if extension in format_.extensions), None)
    if claimed is None and extension in _TEXTS:
        raise _unsupported(f"{filename}: {_TEXTS[extension]}")
    if claimed is None:
        raise _unsupported(f"{filename}: a text whose extension does not tell its format; name it .txt, .md or .csv")
    if claimed not in _TEXT_FORMATS:
        raise UnprocessableFile(f"{filename}: the extension says {claimed} but the content is text; send the real file")
    return claimed


def is_noise(head: bytes) -> bool:
    """True for first bytes with as many control characters as random ones have, and as no markup has."""
    return not wide(head) and _has_controls(head)


def _is_binary(head: bytes) -> bool:
    """True for NULs among other control characters; a text may have a stray one."""
    return b"\0" in head and _has_controls(head)


def _has_controls(head: bytes) -> bool:
    return len(_CONTROLS.findall(head)) * _TEXT_BYTES_PER_CONTROL > len(head)


def _extension(filename: str) -> str:
    return PurePath(filename).suffix.removeprefix(".").lower()


def _unsupported(what: str) -> UnsupportedFormat:
    return UnsupportedFormat(f"{what}. Supported: {supported()}", param="data")
