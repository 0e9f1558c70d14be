"""Which format a file is."""

from __future__ import annotations

import io
import zipfile

import pytest

from services.common.errors import InvalidRequest, TooLarge, UnprocessableFile, UnsupportedFormat
from services.documents.backends.formats import FORMATS, detect

LIMIT = 1000
JATS = (
    b'<?xml version="1.0"?><!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving DTD v1.2//EN" '
    b'"https://jats.nlm.nih.gov/archiving/1.2/JATS-archivearticle1.dtd">'
)


def packed(*names: str, mimetype: str = "", size: int = 1) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, b"0" * size)
    return target.getvalue()


def with_broken_mimetype(compression: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        archive.writestr("mimetype", "application/epub+zip" * 10)
    data = bytearray(target.getvalue())
    data[38:60] = b"\xff" * 22
    return bytes(data)


def locked(*names: str) -> bytes:
    """A zip archive whose parts are encrypted, as their flags say."""
    data = bytearray(packed(*names))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(signature, at + 4)
    return bytes(data)


def locked_odf() -> bytes:
    """An OpenDocument whose manifest says how its parts are encrypted."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("mimetype", ODF + "text")
        archive.writestr("META-INF/manifest.xml", "<manifest:file-entry><manifest:encryption-data/>")
    return target.getvalue()


def compound(*streams: str) -> bytes:
    """A file of OLE streams, as far as their names go."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + b"".join(name.encode("utf-16-le") for name in streams)


ODF = "application/vnd.oasis.opendocument."


@pytest.mark.parametrize(
    ("filename", "data", "expected"),
    [
        ("a.md", b"# Head", "md"),
        ("A.MD", b"# Head", "md"),
        ("a.txt", b"BMW and RIFF are names", "txt"),
        ("a.md", b"<svg></svg> in a line", "md"),
        ("a.txt", b"words", "txt"),
        ("a.csv", b"a,b", "csv"),
        ("a.adoc", b"= Title", "asciidoc"),
        ("a.tex", b"\\section{x}", "latex"),
        ("a.html", b"<p>no head", "html"),
        ("a.html", "<html>".encode("utf-16"), "html"),
        ("page.txt", b"\xef\xbb\xbf\n<!-- c --><!DOCTYPE html><p>", "html"),
        ("page", b"<?xml version='1.0'?><html xmlns='x'>", "html"),
        ("captions", b"WEBVTT\n\n", "vtt"),
        ("paper.txt", b"% note\n  \\documentclass{article}", "latex"),
        ("paper.xml", JATS + b"<article>", "xml_jats"),
        ("paper", JATS + b"<article>", "xml_jats"),
        ("report.txt", packed("word/document.xml"), "docx"),
        ("report.docx", b"%PDF-1.7", "pdf"),
        ("a.pdf", b"\x89PNG\r\n", "image"),
        ("photo", b"\xff\xd8\xff\xe0", "image"),
        ("scan.tif", b"II*\0\x08\0\0\0", "image"),
        ("a.webp", b"RIFF\x24\0\0\0WEBPVP8 ", "image"),
        ("a.bmp", b"BM\x24\1\0\0\0\0\0\0\x36", "image"),
        ("a.gif", b"GIF89a", "image"),
        ("mail.pdf", b"\r\n\r\n%PDF-1.4", "pdf"),
        ("a.md", b"A file begins with %PDF-1.7.", "md"),
        ("report", packed("xl/workbook.xml"), "xlsx"),
        ("report.docx", packed("ppt/presentation.xml"), "pptx"),
        ("a.zip", packed("content.xml", mimetype=ODF + "text"), "odt"),
        ("a.zip", packed("content.xml", mimetype=ODF + "spreadsheet-template"), "ods"),
        ("a.zip", packed("content.xml", mimetype=ODF + "presentation"), "odp"),
        ("a.zip", packed("c.opf", mimetype="application/epub+zip\n"), "epub"),
    ],
)
def test_content_decides_and_the_extension_tells_texts_apart(filename: str, data: bytes, expected: str) -> None:
    assert detect(filename, data, max_unpacked_bytes=LIMIT) == expected


@pytest.mark.parametrize(
    ("filename", "data", "error", "says"),
    [
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1", UnsupportedFormat, "without password"),
        ("a.docx", compound("EncryptionInfo", "EncryptedPackage"), UnprocessableFile, "protected by a password; save"),
        ("a.docx", locked("word/document.xml"), UnprocessableFile, "protected by a password; save it without"),
        ("a.odt", locked_odf(), UnprocessableFile, "protected by a password; save it without"),
        ("a.doc", compound("WordDocument", "__properties_version1.0"), UnsupportedFormat, "old or password-protected"),
        (
            "a.msg",
            compound("__properties_version1.0"),
            UnsupportedFormat,
            "e-mail (.eml, .msg) is not parsed yet; save",
        ),
        ("a.eml", b"From: a@b.c\r\n\r\nhi", UnsupportedFormat, "e-mail (.eml, .msg) is not parsed yet; save its body"),
        ("a.MBOX", b"From a@b.c", UnsupportedFormat, "e-mail (.eml, .msg) is not parsed yet; save its body"),
        ("a.mhtml", b"From: <Saved by a browser>", UnsupportedFormat, "web archive (.mhtml): save the page as HTML"),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0", UnsupportedFormat, "HEIF image: save it as PNG, JPEG or TIFF"),
        ("a.avif", b"\0\0\0\x18ftypavif\0\0\0\0", UnsupportedFormat, "AVIF image: save it as PNG, JPEG or TIFF"),
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n", UnsupportedFormat, "JPEG 2000 image: save it as PNG, JPEG or TIFF"),
        ("a.ico", b"\0\0\1\0\1\0\x20\x20", UnsupportedFormat, "icon: save it as PNG, JPEG or TIFF"),
        ("a.svg", b"<svg xmlns='x'><text>a</text></svg>", UnsupportedFormat, "SVG image: save it as PNG, JPEG or TIFF"),
        (
            "a",
            b"<?xml version='1.0'?>\n<!DOCTYPE svg><svg>",
            UnsupportedFormat,
            "SVG image: save it as PNG, JPEG or TIFF",
        ),
        ("a.docx", b"{\\rtf1", UnsupportedFormat, "save it as docx"),
        ("a.bin", b"\x00\x01\x02", UnsupportedFormat, "binary data"),
        ("notes", b"words", UnsupportedFormat, "name it .txt"),
        ("a.xyz", b"words", UnsupportedFormat, "name it .txt"),
        ("a.xml", b"<?xml version='1.0'?><invoice/>", UnsupportedFormat, "XML of a kind"),
        ("a.nxml", b"<article/>", UnsupportedFormat, "XHTML and JATS articles are"),
        ("a.zip", packed("x.txt"), UnsupportedFormat, "no known document"),
        ("a.docx", b"words", UnprocessableFile, "the content is text"),
        ("a.docx", packed("word/document.xml")[:40], UnprocessableFile, "damaged or encrypted"),
        ("a.epub", with_broken_mimetype(zipfile.ZIP_DEFLATED), UnprocessableFile, "damaged or encrypted"),
        ("a.epub", with_broken_mimetype(zipfile.ZIP_LZMA), UnprocessableFile, "damaged or encrypted"),
        ("a.epub", with_broken_mimetype(zipfile.ZIP_BZIP2), UnprocessableFile, "damaged or encrypted"),
        ("a.docx", packed("word/document.xml", size=LIMIT + 1), TooLarge, "1001 bytes"),
    ],
)
def test_what_is_not_parsed_says_what_it_is(filename: str, data: bytes, error: type[InvalidRequest], says: str) -> None:
    with pytest.raises(error) as caught:
        detect(filename, data, max_unpacked_bytes=LIMIT)

    assert type(caught.value) is error
    assert caught.value.message.startswith(f"{filename}: ")
    assert says in caught.value.message


def test_an_unsupported_file_is_answered_with_what_is_supported() -> None:
    with pytest.raises(UnsupportedFormat, match=r"adoc, .*docx, .*html, .*xlsx"):
        detect("a.rtf", b"{\\rtf1", max_unpacked_bytes=LIMIT)


def test_too_many_parts_are_refused_though_they_are_small() -> None:
    data = packed("word/document.xml", *(f"{number}" for number in range(10_001)), size=0)

    with pytest.raises(TooLarge, match="10002 parts"):
        detect("a.docx", data, max_unpacked_bytes=LIMIT)


@pytest.mark.parametrize("data", [b" " * 8000 + b"x", b"<!--" * 2000, b"%\n" * 4000, b"<article " * 900])
def test_a_text_made_to_be_slow_to_tell_is_told_at_once(data: bytes) -> None:
    assert detect("a.md", data, max_unpacked_bytes=LIMIT) == "md"


def test_formats_are_sorted_and_no_extension_belongs_to_two() -> None:
    extensions = [extension for item in FORMATS for extension in item.extensions]

    assert [item.name for item in FORMATS] == sorted(item.name for item in FORMATS)
    assert len(set(extensions)) == len(extensions)
