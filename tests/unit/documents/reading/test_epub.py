from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from services.common.errors import UnprocessableFile
from tests.unit.documents.reading.conftest import compact

if TYPE_CHECKING:
    from tests.unit.documents.reading.conftest import Parse

XHTML = 'media-type="application/xhtml+xml"'
CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""


def book(chapters: Mapping[str, str | None], spine: list[str] | None = None, nav: str = "", **kinds: str) -> bytes:
    """A book of the given chapters; one without content is missing in the archive."""
    items = "".join(
        f'<item id="{name}" href="{name.replace(" ", "%20")}" '
        f"{kinds.get(name, XHTML)}"
        f"{' properties=nav'.replace('nav', chr(34) + 'nav' + chr(34)) if name == nav else ''}/>"
        for name in chapters
    )
    order = "".join(f'<itemref idref="{name}"/>' for name in (spine or list(chapters)))
    opf = f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest><spine>{order}</spine></package>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OPS/book.opf", opf)
        for name, body in chapters.items():
            if body is not None:
                archive.writestr(f"OPS/{name}", chapter(body))
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

    answer = parse("a.epub", book(chapters, list(kinds), **kinds))

    assert answer.text == "page\n\nold"
    assert answer.errors == ["chapter OPS/film: its kind, video/mp4, is not read"]


def test_a_book_without_its_table_is_refused(parse: Parse) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")

    with pytest.raises(UnprocessableFile, match="cannot be parsed as epub"):
        parse("a.epub", out.getvalue())
