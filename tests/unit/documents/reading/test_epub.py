from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from services.common.errors import UnprocessableFile
from tests.unit.documents.reading.conftest import compact

if TYPE_CHECKING:
    from tests.unit.documents.reading.conftest import Parse

XHTML = 'media-type="application/xhtml+xml"'
CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""


ENCRYPTION = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"
xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:CipherData><enc:CipherReference URI="{}"/>
</enc:CipherData></enc:EncryptedData></encryption>"""


def book(
    chapters: Mapping[str, str | bytes | None],
    spine: list[str] | None = None,
    nav: str = "",
    encrypted: str = "",
    method: int = zipfile.ZIP_STORED,
    kinds: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """A book of the given chapters: bodies, or whole files as bytes; one without content is missing in the archive."""
    items = "".join(
        f'<item id="{name}" href="{name.replace(" ", "%20")}" '
        f"{kinds.get(name, XHTML)}"
        f"{' properties=nav'.replace('nav', chr(34) + 'nav' + chr(34)) if name == nav else ''}/>"
        for name in chapters
    )
    order = "".join(f'<itemref idref="{name}"/>' for name in (spine or list(chapters)))
    opf = f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest><spine>{order}</spine></package>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OPS/book.opf", opf)
        for name, body in chapters.items():
            if body is not None:
                archive.writestr(f"OPS/{name}", chapter(body) if isinstance(body, str) else body)
        if encrypted:
            archive.writestr("META-INF/encryption.xml", ENCRYPTION.format(encrypted))
    return out.getvalue()


def chapter(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>t</title></head><body>{body}</body></html>'
    )


def test_chapters_come_in_the_order_of_the_spine(parse: Parse) -> None:
    data = book({"a first.xhtml": "<h1>Two</h1>", "b.xhtml": "<p>Front</p><h1>One</h1>"}, ["b.xhtml", "a first.xhtml"])

    answer = parse("a.epub", data)

    assert answer.md == "Front\n\n# One\n\n# Two"
    assert answer.errors == []


def test_the_list_of_chapters_is_no_content(parse: Parse) -> None:
    nav = '<nav epub:type="toc"><ol><li><a href="a.xhtml">One</a></li></ol></nav>'

    answer = parse("a.epub", book({"nav.xhtml": nav, "a.xhtml": "<h1>One</h1>"}, nav="nav.xhtml"))

    assert answer.md == "# One"
    assert answer.errors == []


def test_a_book_has_all_that_a_page_has(parse: Parse) -> None:
    table = "<table><tfoot><tr><td>Sum</td></tr></tfoot><tbody><tr><td>Chair</td></tr></tbody></table>"
    note = '<p>It began<a epub:type="noteref" href="b.xhtml#n1">1</a> late.</p>'

    answer = parse("a.epub", book({"a.xhtml": f"{note}<p><b>D</b>ocument<br/><a id='x'/>two</p>{table}"}))

    assert compact(answer.md) == "It began [1](#n1) late.\n\n**D**ocument  \ntwo\n\n| Chair |\n| Sum |"
    assert answer.errors == []


def test_notes_are_kept_and_marked(parse: Parse) -> None:
    data = book({"a.xhtml": '<p>text</p><aside epub:type="footnote" id="n1"><p>A <i>note</i>.</p></aside>'})

    answer = parse("a.epub", data)

    assert answer.text == "text\n\nA note."
    assert '"label": "footnote"' in answer.json


def test_sections_of_characters_are_text(parse: Parse) -> None:
    answer = parse("a.epub", book({"a.xhtml": "<p>one <![CDATA[two < three]]></p>"}))

    assert answer.text == "one two < three"


def test_a_chapter_that_is_missing_is_named(parse: Parse) -> None:
    answer = parse("a.epub", book({"a.xhtml": "<p>here</p>", "gone.xhtml": None}))

    assert answer.text == "here"
    assert answer.errors == ["chapter OPS/gone.xhtml: it is missing from the book, or damaged"]


def test_what_stands_in_for_a_chapter_of_another_kind_is_read_and_one_without_is_named(parse: Parse) -> None:
    kinds = {
        "scan": "media-type='application/pdf' fallback='page'",
        "film": "media-type='video/mp4' fallback='film'",
        "cover": "media-type='image/png'",
        "old": "media-type='text/x-oeb1-document'",
    }
    chapters = {name: f"<p>{name}</p>" for name in [*kinds, "page"]}

    answer = parse("a.epub", book(chapters, list(kinds), kinds=kinds))

    assert answer.text == "page\n\nold"
    assert answer.errors == ["chapter OPS/film: its kind, video/mp4, is not read"]


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" \n", id="blank"),
        pytest.param(chapter("<p>x</p>").encode()[:60], id="cut in its first tag"),
        pytest.param(b"<html><head><title>x</title>", id="cut in its head"),
        pytest.param(random.Random(0).randbytes(400), id="noise"),
        pytest.param(random.Random(1).randbytes(60_000), id="long noise"),
    ],
)
def test_a_chapter_that_is_damaged_is_named_and_leaves_nothing(parse: Parse, damaged: bytes) -> None:
    answer = parse("a.epub", book({"a.xhtml": damaged, "b.xhtml": "<p>here</p>"}))

    assert answer.text == "here"
    assert answer.errors == ["chapter OPS/a.xhtml: it is missing from the book, or damaged"]


def test_a_chapter_that_cannot_be_unpacked_is_named(parse: Parse) -> None:
    data = bytearray(book({"a.xhtml": "<p>here</p>", "b.xhtml": "<p>gone</p>" * 99}, method=zipfile.ZIP_DEFLATED))
    start = data.rindex(b"OPS/b.xhtml", 0, data.index(b"PK\x01\x02")) + len("OPS/b.xhtml")
    data[start : start + 8] = b"\xff" * 8

    answer = parse("a.epub", bytes(data))

    assert answer.text == "here"
    assert answer.errors == ["chapter OPS/b.xhtml: it is missing from the book, or damaged"]


def test_a_chapter_that_ends_early_says_so(parse: Parse) -> None:
    whole = chapter("<p>one</p><p class='x'>two</p>").encode()

    answer = parse(
        "a.epub", book({"a.xhtml": whole[: whole.index(b"two") + 2], "b.xhtml": whole[: whole.index(b"='")]})
    )

    assert answer.text == "one\n\ntw\n\none"
    assert answer.errors == [
        "chapter OPS/a.xhtml: it ends before its end tag </html>; what followed is not in the answer",
        "chapter OPS/b.xhtml: it ends inside of a tag, which is not in the answer: <p class",
    ]


@pytest.mark.parametrize("body", [b"<html>text</html>", b"<p>text</p>", b"<html><body></body></html>", b"<svg/>"])
def test_a_chapter_without_a_body_or_words_is_whole(parse: Parse, body: bytes) -> None:
    assert parse("a.epub", book({"a.xhtml": body})).errors == []


def test_bad_bytes_of_a_chapter_are_named(parse: Parse) -> None:
    answer = parse(
        "a.epub", book({"a.xhtml": chapter("<p>Gr\u00fc\u00dfe \x01</p>\n?").encode().replace(b"?</b", b"\xff</b")})
    )

    assert answer.errors == [
        "chapter OPS/a.xhtml: 1 byte is not UTF-8, the first in line 2; shown as U+FFFD",
        "chapter OPS/a.xhtml: 1 control character was dropped, the first in line 1",
    ]


def test_a_book_whose_chapters_are_encrypted_is_refused(parse: Parse) -> None:
    data = book({"a first.xhtml": random.Random(0).randbytes(400)}, encrypted="OPS/a%20first.xhtml")

    with pytest.raises(UnprocessableFile, match=r"^a\.epub: protected by DRM; send a copy without$"):
        parse("a.epub", data)


@pytest.mark.parametrize("encrypted", ["OPS/font.otf", '"<'])
def test_a_book_whose_fonts_are_encrypted_is_read(parse: Parse, encrypted: str) -> None:
    answer = parse("a.epub", book({"a.xhtml": "<p>here</p>"}, encrypted=encrypted))

    assert (answer.text, answer.errors) == ("here", [])


def test_a_book_without_its_table_is_refused(parse: Parse) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")

    with pytest.raises(UnprocessableFile, match="cannot be parsed as epub"):
        parse("a.epub", out.getvalue())
