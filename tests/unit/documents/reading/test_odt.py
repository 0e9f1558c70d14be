"""OpenDocument texts: every word, whole and in order."""

# ruff: noqa: E501 - XML is easier to read in one line
from __future__ import annotations

import pytest

from services.documents.backends.base import Include
from tests.unit.documents.reading.conftest import Answer, Parse
from tests.unit.documents.reading.opendocument import NAMESPACES, opendocument

_STYLES = """
<style:style style:name="B" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>
<style:style style:name="Up" style:family="text"><style:text-properties style:text-position="super 58%"/></style:style>
<style:style style:name="Gone" style:family="text"><style:text-properties text:display="none"/></style:style>
<style:style style:name="GoneP" style:family="paragraph"><style:text-properties text:display="none"/></style:style>
"""
_BOX = "<draw:frame><draw:text-box>{}</draw:text-box></draw:frame>"


def _everywhere(answer: Answer) -> list[str]:
    return [answer.md, answer.html.partition("<body>")[2], answer.text, answer.json]


def _file(body: str, **more: str) -> bytes:
    return opendocument("text", body, automatic=_STYLES, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('<text:p><text:span text:style-name="B">D</text:span>ocument</text:p>', "**D**ocument"),
        ('<text:p>H<text:span text:style-name="Up">2</text:span>O</text:p>', "H2O"),
        ('<text:p>one <text:span text:style-name="B">two</text:span> three</text:p>', "one **two** three"),
        ("<text:p>many<text:s/>spaces<text:s text:c='2'/>here</text:p>", "many spaces  here"),
        ("<text:p>  a\n      line\n   of XML</text:p>", "a line of XML"),
        ("<text:p>see <text:a xlink:href='https://e.org/x'>a<text:span text:style-name='B'>b</text:span></text:a>.</text:p>", "see [ab](https://e.org/x)."),
        ("<text:p>left<text:tab/>right</text:p>", "left\tright"),
        ("<text:p>over<text:line-break/>under</text:p>", "over\nunder"),
        ("<text:p><text:ruby><text:ruby-base>漢字</text:ruby-base><text:ruby-text>かんじ</text:ruby-text></text:ruby>だ</text:p>",
         "漢字(かんじ)だ"),
        ("<text:p>page <text:page-number>7</text:page-number> of <text:user-defined>nine</text:user-defined></text:p>",
         "page 7 of nine"),
        ("<text:p>run<text:script script:language='x' xmlns:script='urn:s'>alert()</text:script>ning</text:p>", "running"),
    ],
)  # fmt: skip
def test_a_line_is_as_it_is_read(parse: Parse, body: str, line: str) -> None:
    answer = parse("a.odt", _file(body))

    assert answer.md.strip().replace("  \n", "\n") == line
    assert answer.errors == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f"<text:p>host{_BOX.format('<text:p>inner one</text:p><text:p>inner two</text:p>')} ends</text:p>",
         ["host ends", "inner one", "inner two"]),
        ("<text:p><draw:custom-shape><text:p>on a shape</text:p></draw:custom-shape></text:p>", ["on a shape"]),
        (_BOX.format("<text:p>on the page</text:p>") + "<text:p>then</text:p>", ["on the page", "then"]),
        ("<text:p><draw:g><draw:rect><text:p>grouped</text:p></draw:rect></draw:g></text:p>", ["grouped"]),
        ("<text:p>see<draw:frame><svg:title>A dog</svg:title><svg:desc>It barks</svg:desc></draw:frame></text:p>",
         ["see", "A dog", "It barks"]),
        ("<text:table-of-content><text:index-body><text:index-title><text:p>Contents</text:p></text:index-title>"
         "<text:p>First<text:tab/>1</text:p></text:index-body></text:table-of-content>", ["Contents", "First"]),
        ("<text:bibliography><text:index-body><text:p>Knuth 1984</text:p></text:index-body></text:bibliography>",
         ["Knuth 1984"]),
        ("<text:numbered-paragraph><text:p>numbered alone</text:p></text:numbered-paragraph>", ["numbered alone"]),
        ("<text:list><text:list-header><text:p>above</text:p></text:list-header><text:list-item><text:p>one</text:p>"
         "<text:p>more of one</text:p><text:list><text:list-item><text:p>deep</text:p></text:list-item></text:list>"
         "<text:p>last of one</text:p></text:list-item></text:list>",
         ["above", "one", "more of one", "deep", "last of one"]),
        ("<text:section><text:section><text:p>in two sections</text:p></text:section></text:section>",
         ["in two sections"]),
        ("<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>head</text:p>"
         "</table:table-cell></table:table-row></table:table-header-rows><table:table-row-group><table:table-row-group>"
         "<table:table-row><table:table-cell office:value-type='float' office:value='2.5'><text:p>2,50 €</text:p>"
         "</table:table-cell></table:table-row></table:table-row-group></table:table-row-group></table:table>",
         ["head", "2,50 €"]),
        ("<table:table><table:table-row><table:table-cell><text:p>outer</text:p><table:table><table:table-row>"
         "<table:table-cell><text:p>nested</text:p></table:table-cell></table:table-row></table:table>"
         "</table:table-cell></table:table-row></table:table>", ["outer", "nested"]),
        ("<text:p>root <draw:frame><draw:object><math:math><math:mfrac><math:mi>alpha</math:mi><math:mi>beta</math:mi>"
         "</math:mfrac><math:annotation>alpha over beta</math:annotation></math:math></draw:object></draw:frame></text:p>",
         ["root", "alpha", "beta"]),
        ("<text:h text:outline-level='2'>Head<text:span text:style-name='B'>ing</text:span></text:h>", ["Heading"]),
    ],
)  # fmt: skip
def test_every_block_is_kept_in_order(parse: Parse, body: str, words: list[str]) -> None:
    answer = parse("a.odt", _file(body))

    for output in _everywhere(answer):
        places = [output.replace("<strong>", "").replace("</strong>", "").replace("**", "").find(w) for w in words]
        assert -1 not in places or output is answer.json
        assert places == sorted(places) or output is answer.json  # its texts stand apart from their order
    assert answer.errors == []


def test_embedded_formulas_are_read_from_their_objects(parse: Parse) -> None:
    formula = '<math xmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>x</mi><mn>42</mn></msup></math>'
    body = '<text:p>so <draw:frame><draw:object xlink:href="./Object 1"/></draw:frame> holds</text:p>'

    answer = parse("a.odt", _file(body, parts={"Object 1/content.xml": formula}))  # type: ignore[arg-type]

    assert "so x^{42} holds" in answer.text


def test_an_embedded_document_is_named(parse: Parse) -> None:
    book = "<office:document-content {}><office:body><office:spreadsheet/></office:body></office:document-content>"
    body = (
        "<text:p>one</text:p><text:p>two "
        '<draw:frame draw:name="Costs"><draw:object xlink:href="./Object 1"/></draw:frame></text:p>'
        '<draw:frame><draw:object-ole xlink:href="./Object 2"/></draw:frame>'
    )

    answer = parse("a.odt", _file(body, parts={"Object 1/content.xml": book.format(NAMESPACES)}))  # type: ignore[arg-type]

    assert answer.text.split() == ["one", "two"]
    assert answer.errors == [
        "paragraph 2: an embedded object (Costs) is not in the answer",
        "behind paragraph 2: an embedded object (Object 2) is not in the answer",
    ]


_TRACKED = (
    "<text:tracked-changes><text:changed-region text:id='i'><text:insertion/></text:changed-region>"
    "<text:changed-region text:id='d'><text:deletion><text:p>old price</text:p></text:deletion></text:changed-region>"
    "</text:tracked-changes><text:p>The <text:change text:change-id='d'/><text:change-start text:change-id='i'/>new price"
    "<text:change-end text:change-id='i'/> holds</text:p>"
)


def test_tracked_changes_are_accepted(parse: Parse) -> None:
    answer = parse("a.odt", _file(_TRACKED))

    assert answer.md.strip() == "The new price holds"
    assert not any("old price" in output for output in _everywhere(answer))
    assert answer.errors == []


def test_a_foreign_name_is_no_reason_to_refuse_a_file(parse: Parse) -> None:
    answer = parse(
        "a.odt",
        _file(
            "<text:p xmlns:f='urn:f' f:x='1'>one <f:y>two</f:y></text:p><f:z xmlns:f='urn:f'><text:p>three</text:p></f:z>"
        ),
    )

    assert answer.text.split() == ["one", "two", "three"]


def test_remarks_of_programs_are_no_text_and_no_reason_to_refuse_a_file(parse: Parse) -> None:
    answer = parse("a.odt", _file("<text:p>o<!-- a -->ne <?b c?>two</text:p><!-- d --><text:p>three</text:p>"))

    assert answer.text.split() == ["one", "two", "three"]
    assert answer.errors == []


def test_tracked_changes_are_marked_where_they_are_asked_for(parse: Parse) -> None:
    answer = parse("a.odt", _file(_TRACKED), Include.CHANGES)

    assert answer.text.strip() == "The [-old price-][+new price+] holds"


_NOTE = (
    "<text:p>milk<text:note text:note-class='footnote'><text:note-citation>3</text:note-citation><text:note-body>"
    "<text:p>of cows</text:p><text:p>and goats</text:p></text:note-body></text:note> sours</text:p><text:p>end</text:p>"
)


def test_a_note_leaves_its_number_and_stands_at_the_end_where_asked_for(parse: Parse) -> None:
    without, asked = parse("a.odt", _file(_NOTE)), parse("a.odt", _file(_NOTE), Include.FOOTNOTES)

    assert without.text.split() == ["milk[3]", "sours", "end"]
    assert asked.text.split() == ["milk[3]", "sours", "end", "[3]", "of", "cows", "and", "goats"]
    assert without.errors == asked.errors == []


def test_comments_stand_behind_their_paragraph_where_asked_for(parse: Parse) -> None:
    comment = "<office:annotation><dc:creator>Ann</dc:creator><text:p>check this</text:p></office:annotation>"
    file = _file(
        f"<text:p>a <text:span text:style-name='B'>claim</text:span>{comment} here</text:p><text:p>next</text:p>"
    )

    without, asked = parse("a.odt", file), parse("a.odt", file, Include.COMMENTS)

    assert "check" not in without.md
    assert (
        asked.text.index("here") < asked.text.index("Ann") < asked.text.index("check this") < asked.text.index("next")
    )
    assert without.errors == asked.errors == []


def test_hidden_text_is_left_out_unless_asked_for(parse: Parse) -> None:
    file = _file(
        "<text:p>seen<text:span text:style-name='Gone'> secret</text:span></text:p><text:p text:style-name='GoneP'>veiled</text:p>"
        "<text:p>masked<text:hidden-paragraph text:is-hidden='true'/></text:p>"
        "<text:section text:display='none'><text:p>buried</text:p></text:section>"
    )

    without, asked = parse("a.odt", file), parse("a.odt", file, Include.HIDDEN)

    assert without.text.split() == ["seen"]
    assert asked.text.split() == ["seen", "secret", "veiled", "masked", "buried"]
    assert without.errors == asked.errors == []


def test_headers_and_footers_stand_at_the_ends_where_asked_for(parse: Parse) -> None:
    master = (
        "<style:master-page style:name='Standard'><style:header><text:p>Acme  Ltd</text:p></style:header>"
        "<style:footer><text:p>page 1</text:p></style:footer></style:master-page>"
    )
    file = _file("<text:p>body</text:p>", styles=master)

    assert parse("a.odt", file).text.split() == ["body"]
    assert parse("a.odt", file, Include.HEADERS).text.split() == ["Acme", "Ltd", "body", "page", "1"]


def test_covered_cells_are_no_text(parse: Parse) -> None:
    covered = "<table:covered-table-cell><text:p>under</text:p></table:covered-table-cell>"
    row = "<table:table-row>{}</table:table-row>"
    wide = "<table:table-cell table:number-columns-spanned='2'><text:p>wide</text:p></table:table-cell>" + covered
    two = "<table:table-cell><text:p>left</text:p></table:table-cell><table:table-cell><text:p>right</text:p></table:table-cell>"

    answer = parse("a.odt", _file(f"<table:table>{row.format(wide)}{row.format(two)}</table:table>"))

    assert "under" not in answer.json
    assert 'colspan="2"' in answer.html
    assert answer.errors == []


_ROW = "<table:table table:name='T'><table:table-row {}>{}</table:table-row>{}</table:table>"
_SAME = "<table:table-cell {}><text:p>wombat</text:p></table:table-cell>"
_DOWN, _ACROSS = "table:number-rows-repeated='{}'", "table:number-columns-repeated='{}'"


@pytest.mark.parametrize(
    ("down", "across", "places"),
    [
        (1_048_576, 1, ["row 1"]),
        (1, 16_384, ["cell A1"]),
        (1_048_576, 16_384, ["row 1", "cell A1"]),
        (99_999_999_999, 99_999_999_999, ["row 1", "cell A1"]),
        (100, 100, ["cell A1"]),
    ],
)
def test_what_is_repeated_without_end_is_said_once(parse: Parse, down: int, across: int, places: list[str]) -> None:
    body = _ROW.format(_DOWN.format(down), _SAME.format(_ACROSS.format(across)), "")

    answer = parse("a.odt", _file(body))

    assert answer.text.count("wombat") == (1 if down != 100 else 100)
    assert answer.errors == [f"{place} of table T is repeated too often; the answer says it once" for place in places]


def test_what_is_repeated_a_few_times_is_said_as_often(parse: Parse) -> None:
    answer = parse("a.odt", _file(_ROW.format(_DOWN.format(3), _SAME.format(_ACROSS.format(4)), "")))

    assert answer.text.count("wombat") == 12
    assert answer.errors == []


def test_empty_cells_cost_nothing_however_often_they_are_repeated(parse: Parse) -> None:
    wide = f"<table:table-cell {_ACROSS.format(16_384)}/>"
    tall = f"<table:table-row {_DOWN.format(1_048_576)}>{wide}</table:table-row>"
    last = f"<table:table-row>{_SAME.format('')}</table:table-row>"

    answer = parse("a.odt", _file(_ROW.format("", _SAME.format("") + wide, tall + last + tall)))

    assert answer.text.count("wombat") == 2
    assert answer.errors == []


def test_tables_in_repeated_rows_multiply_no_further_than_the_bound(parse: Parse) -> None:
    table = _SAME.format("")
    for _ in range(5):
        table = f"<table:table-cell>{_ROW.format(_DOWN.format(30), table, '')}</table:table-cell>"

    answer = parse("a.odt", _file(_ROW.format("", table, "")))

    assert 1 <= answer.text.count("wombat") < 5000
    assert answer.errors


def test_a_billion_spaces_are_some(parse: Parse) -> None:
    answer = parse("a.odt", _file("<text:p>one<text:s text:c='1000000000'/>two</text:p>"))

    assert answer.text.split() == ["one", "two"]
    assert len(answer.text) < 200
