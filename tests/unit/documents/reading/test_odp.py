"""OpenDocument slides: all shapes, and what stands beside them where it is asked for."""

# ruff: noqa: E501 - XML is easier to read in one line
from __future__ import annotations

from services.documents.backends.base import Include
from tests.unit.documents.reading.conftest import Parse
from tests.unit.documents.reading.opendocument import opendocument

_HIDDEN = '<style:style style:name="off" style:family="drawing-page"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>'


def _box(text: str, attributes: str = "") -> str:
    return f"<draw:frame {attributes}><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"


def _page(inside: str, attributes: str = "") -> str:
    return f'<draw:page draw:name="p" draw:master-page-name="M" {attributes}>{inside}</draw:page>'


def _file(*pages: str, styles: str = "", before: str = "") -> bytes:
    return opendocument("presentation", before + "".join(pages), automatic=_HIDDEN, styles=styles)


def test_texts_of_all_shapes_are_kept_in_order(parse: Parse) -> None:
    table = "<draw:frame><table:table><table:table-row><table:table-cell><text:p>in a table</text:p></table:table-cell></table:table-row></table:table></draw:frame>"
    file = _file(
        _page(
            _box("Title here", 'presentation:class="title"')
            + "<draw:g><draw:g>" + _box("grouped deep") + "</draw:g><draw:rect><text:p>on a rect</text:p></draw:rect></draw:g>"
            + "<draw:custom-shape><text:p>on <text:span>a</text:span>rrow</text:p></draw:custom-shape>"
            + "<draw:frame><svg:desc>A red dog</svg:desc></draw:frame>"
            + table
            + "<draw:frame><draw:text-box><text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>below one</text:p></text:list-item></text:list></text:list-item></text:list></draw:text-box></draw:frame>"
        )
    )  # fmt: skip

    answer = parse("a.odp", file)

    for output in (answer.md, answer.html, answer.text):
        body = output.partition("<body>")[2] or output
        places = [
            body.find(w)
            for w in (
                "Title here",
                "grouped deep",
                "on a rect",
                "on arrow",
                "A red dog",
                "in a table",
                "one",
                "below one",
            )
        ]
        assert -1 not in places
        assert places == sorted(places)
    assert answer.errors == []


def test_notes_comments_and_hidden_slides_stand_where_they_belong(parse: Parse) -> None:
    notes = "<presentation:notes>" + _box("say it slowly", 'presentation:class="notes"') + "</presentation:notes>"
    comment = "<office:annotation><dc:creator>Ann</dc:creator><text:p>too long</text:p></office:annotation>"
    file = _file(
        _page(_box("First") + comment + notes), _page(_box("Unshown"), 'draw:style-name="off"'), _page(_box("Third"))
    )

    without = parse("a.odp", file)
    asked = parse("a.odp", file, Include.SPEAKER_NOTES, Include.COMMENTS, Include.HIDDEN)

    assert not any(word in without.text for word in ("slowly", "Ann", "too long", "Unshown"))
    order = [
        asked.text.index(word) for word in ("First", "say it slowly", "[author: Ann]: too long", "Unshown", "Third")
    ]
    assert order == sorted(order)
    assert without.errors == asked.errors == []


def test_what_the_master_page_adds_is_given_where_it_is_asked_for(parse: Parse) -> None:
    master = (
        '<style:master-page style:name="M">'
        + _box("Acme")
        + _box("prompt", 'presentation:class="outline"')
        + "</style:master-page>"
    )
    declared = '<presentation:footer-decl presentation:name="f">Confidential</presentation:footer-decl>'
    file = _file(_page(_box("Body"), 'presentation:use-footer-name="f"'), styles=master, before=declared)

    without, asked = parse("a.odp", file), parse("a.odp", file, Include.HEADERS)

    assert "Acme" not in without.text
    assert "Acme" in asked.text
    assert "Confidential" in asked.text
    assert "prompt" not in asked.text


def test_a_title_of_many_pieces_is_one_title(parse: Parse) -> None:
    bold = (
        '<style:style style:name="B" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>'
    )
    page = _page(_box('T<text:span text:style-name="B">it</text:span>le', 'presentation:class="title"'))

    answer = parse("a.odp", opendocument("presentation", page, automatic=bold))

    assert answer.md == "# Title"


def test_formulas_of_a_slide_are_text(parse: Parse) -> None:
    formula = '<math xmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>x</mi><mn>42</mn></msup></math>'
    shape = '<draw:frame><draw:object xlink:href="./Object 1"/><draw:image xlink:href="./ObjectReplacements/Object 1"/></draw:frame>'
    file = opendocument("presentation", _page(_box("beside") + shape), parts={"Object 1/content.xml": formula})

    answer = parse("a.odp", file)

    assert answer.text.split()[-2:] == ["beside", "x^{42}"]
    assert answer.errors == []


def test_shapes_in_links_in_groups_are_read(parse: Parse) -> None:
    link = '<draw:a xlink:href="https://e.org"><draw:custom-shape><text:p>linked</text:p></draw:custom-shape></draw:a>'

    answer = parse("a.odp", _file(_page(f"{_box('before')}<draw:g>{link}</draw:g>{link}")))

    assert answer.text.split()[-3:] == ["before", "linked", "linked"]
    assert answer.errors == []
