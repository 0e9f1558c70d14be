"""JATS articles, whole."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import pytest

from tests.unit.documents.reading.conftest import Parse, compact

DOCTYPE = '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) v1.2//EN" "JATS-archivearticle1.dtd">'


def article(body: str = "", *, title: str = "T", front: str = "", back: str = "") -> bytes:
    return (
        f'{DOCTYPE}<article xmlns:m="http://www.w3.org/1998/Math/MathML" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<front><article-meta><title-group><article-title>{title}</article-title></title-group>{front}</article-meta></front>"
        f"<body>{body}</body><back>{back}</back></article>"
    ).encode()


def test_title_is_whole(parse: Parse) -> None:
    answer = parse(
        "a.xml",
        article(title="Growth of <italic>E. coli</italic> in H<sub>2</sub>O").replace(
            b"</article-title>", b"</article-title><subtitle>A study</subtitle><alt-title>Short</alt-title>"
        ),
    )

    assert answer.text == "Growth of E. coli in H2O: A study\n\nShort"
    assert "# Growth of E. coli in H2O: A study" in answer.md


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<p>a<bold>b</bold>c <xref rid='x'>[1]</xref>.</p>", "abc [1]."),
        (
            "<boxed-text><p>box</p></boxed-text><disp-quote><p>quote</p><attrib>who</attrib></disp-quote>",
            "box\n\nquote\n\nwho",
        ),
        ("<verse-group><verse-line>one</verse-line><verse-line>two</verse-line></verse-group>", "one\ntwo"),
        ("<code>x = 1\ny = 2</code><preformat>a   b</preformat>", "x = 1\ny = 2\n\na   b"),
        ("<def-list><def-item><term>Term</term><def><p>means</p></def></def-item></def-list>", "- Term: means"),
        (
            "<p>k <inline-formula><m:math><m:mi>k</m:mi><m:mo>=</m:mo><m:mn>3</m:mn></m:math></inline-formula>.</p>",
            "k $k = 3$.",
        ),
        ("<disp-formula><label>(1)</label><tex-math>$$a^2$$</tex-math></disp-formula>", "$$a^2$$\n\n(1)"),
        (
            "<disp-formula><tex-math>\\documentclass{x}\\begin{document}$$b$$\\end{document}</tex-math></disp-formula>",
            "$$b$$",
        ),
        ("<p>note<fn><p>below</p></fn> here</p>", "note[1] here\n\n[1] below"),
        (
            "<list list-type='order'><list-item><p>one</p><list><list-item><p>in</p></list-item></list></list-item></list>",
            "1. one\n    - in",
        ),
        ("<sec><label>1</label><title>Head</title><sec><title>Sub</title><p>p</p></sec></sec>", "1 Head\n\nSub\n\np"),
        ("<fig><label>Fig 1</label><caption><title>Cap</title><p>tion</p></caption></fig>", "Fig 1 Cap tion"),
        ("<supplementary-material><label>S1</label><caption><p>Data</p></caption></supplementary-material>", "S1 Data"),
        ("<p>x <unknown-thing>kept</unknown-thing> y</p>", "x kept y"),
        ("<p>&alpha;&#946; a<!-- no -->b<index-term><term>hidden</term></index-term></p>", "\u03b1\u03b2 ab"),
    ],
)
def test_blocks(parse: Parse, body: str, said: str) -> None:
    answer = parse("a.xml", article(body, title=""))

    assert answer.text == said
    assert answer.errors == []


def test_table_with_foot_notes_and_spans(parse: Parse) -> None:
    table = (
        "<table-wrap><label>Table 1</label><caption><p>Rates</p></caption><table><thead><tr><th>A</th><th>B</th></tr></thead>"
        "<tfoot><tr><td>sum</td><td>9</td></tr></tfoot><tbody><tr><td rowspan='2'>x</td><td>1<sup>a</sup></td></tr><tr><td>"
        "<list><list-item><p>li</p></list-item></list></td></tr></tbody></table>"
        "<table-wrap-foot><fn><label>a</label><p>at night</p></fn></table-wrap-foot></table-wrap>"
    )
    answer = parse("a.xml", article(table))

    for form in (answer.md, answer.text):
        places = [form.index(word) for word in ("Table 1 Rates", "1a", "li", "sum", "at night")]
        assert places[1:] == sorted(places[1:])
    assert answer.errors == []


def test_front_and_back(parse: Parse) -> None:
    front = (
        '<contrib-group><contrib contrib-type="author"><name><surname>Berg</surname><given-names>Ada</given-names></name></contrib>'
        "<aff>A Place</aff></contrib-group><abstract><sec><title>Aim</title><p>To see.</p></sec></abstract>"
        "<kwd-group><kwd>drying</kwd><kwd>paint</kwd></kwd-group>"
    )
    back = (
        "<ack><p>Thanks</p></ack><app-group><app><title>App</title><p>more</p></app></app-group>"
        "<ref-list><ref><label>1</label><element-citation><name><surname>Doe</surname></name><source>Walls</source>"
        "<year>2020</year><edition>third</edition></element-citation></ref></ref-list>"
    )
    answer = parse("a.xml", article(front=front, back=back))
    words = (
        "Ada Berg",
        "A Place",
        "Abstract",
        "Aim",
        "To see.",
        "Keywords: drying, paint",
        "Acknowledgments",
        "Thanks",
        "App",
        "References",
        "1. Doe",
    )

    places = [answer.text.index(word) for word in words]
    assert places == sorted(places)
    assert "third" in answer.text
    assert answer.errors == []


def test_funding_is_told_and_grants_that_the_statement_does_not_name(parse: Parse) -> None:
    front = (
        "<funding-group><award-group><funding-source><institution-wrap><institution-id>id</institution-id>"
        "<institution>Paint Fund</institution></institution-wrap></funding-source><award-id>P-1</award-id></award-group>"
        "<award-group><funding-source>Wall Trust</funding-source><award-id>W-2</award-id></award-group>"
        "<funding-statement>The <italic>Paint</italic> Fund paid (P-1).</funding-statement></funding-group>"
    )

    answer = parse("a.xml", article("<p>x</p>", front=front))

    assert answer.text == "T\n\nThe Paint Fund paid (P-1).\n\nWall Trust, W-2\n\nx"
    assert "The *Paint* Fund paid" in answer.md
    assert answer.errors == []


def test_funding_of_an_article_in_an_article_is_told(parse: Parse) -> None:
    inner = (
        "<front-stub><title-group><article-title>In</article-title></title-group>"
        "<funding-group><funding-statement>A fund paid.</funding-statement></funding-group></front-stub>"
    )
    data = article("<p>x</p>").replace(b"</article>", f"<sub-article>{inner}</sub-article></article>".encode())

    answer = parse("a.xml", data)

    assert answer.text.endswith("In\n\nA fund paid.")
    assert answer.errors == []


def test_article_without_doctype_is_known_by_its_front(parse: Parse) -> None:
    data = b'<?xml version="1.0"?>' + article("<p>x</p>").removeprefix(DOCTYPE.encode())

    assert parse("a.xml", data).format == "xml_jats"


def test_words_beside_marks_and_of_parts_are_not_missed(parse: Parse) -> None:
    body = "<p>A cell<fn><p>note</p></fn> is a cell<xref>2</xref> of H<sub>2</sub>O in cell 2 H O.</p>"

    assert parse("a.xml", article(body)).errors == []


def test_parts_of_keywords_terms_and_addresses_are_apart(parse: Parse) -> None:
    front = "<kwd-group><compound-kwd><compound-kwd-part>cast</compound-kwd-part><compound-kwd-part>iron</compound-kwd-part></compound-kwd><nested-kwd><kwd>metal</kwd><nested-kwd><kwd>tin</kwd></nested-kwd></nested-kwd></kwd-group>"
    body = "<def-list><def-item><label>1</label><term>DNA</term><term>RNA</term><def><p>acid</p></def></def-item></def-list><address><addr-line>Road 1</addr-line><phone>555</phone></address>"

    answer = parse("a.xml", article(body, front=front))

    assert answer.text == "T\n\nKeywords: cast iron, metal, tin\n\n- 1 DNA, RNA: acid\n\nRoad 1, 555"
    assert answer.errors == []


def test_authors_of_an_older_reference_are_apart(parse: Parse) -> None:
    back = "<ref-list><ref><nlm-citation><person-group><string-name>Ann Lee</string-name><collab>The Group</collab></person-group><source>Paint</source></nlm-citation></ref></ref-list>"

    assert "Ann Lee The Group" in parse("a.xml", article(back=back)).text


def test_notes_of_authors_and_tables_are_notes_with_their_label(parse: Parse) -> None:
    front = "<author-notes><corresp>to: x</corresp><fn><label>+</label><p>Equal.</p></fn></author-notes>"
    body = "<table-wrap><table><tr><td>1</td></tr></table><table-wrap-foot><fn><label>a</label><p>night</p></fn></table-wrap-foot></table-wrap>"

    answer = parse("a.xml", article(body, front=front))

    assert [line for line in answer.text.split("\n\n") if "|" not in line] == ["T", "to: x", "+ Equal.", "a night"]


def test_tables_of_oasis_are_tables(parse: Parse) -> None:
    body = '<table-wrap><o:table xmlns:o="http://www.niso.org/standards/z39-96/ns/oasis-exchange/table"><o:tgroup><o:colspec colname="c1"/><o:colspec colname="c2"/><o:thead><o:row><o:entry namest="c1" nameend="c2">Head</o:entry></o:row></o:thead><o:tbody><o:row><o:entry morerows="1">a</o:entry><o:entry>b</o:entry></o:row><o:row><o:entry>c</o:entry></o:row></o:tbody></o:tgroup></o:table></table-wrap>'

    answer = parse("a.xml", article(body))

    assert compact(answer.md) == "# T\n\n| Head | Head |\n| a | b |\n| a | c |"
    assert answer.errors == []


def test_kinds_of_numbers_of_a_list_are_kept(parse: Parse) -> None:
    body = "<list list-type='{}'><list-item><p>one</p></list-item><list-item><p>two</p></list-item></list>"

    found = [parse("a.xml", article(body.format(kind))).text for kind in ("order", "alpha-lower", "roman-upper")]

    assert found == ["T\n\n1. one\n2. two", "T\n\n- a. one\n- b. two", "T\n\n- I. one\n- II. two"]


def test_an_article_in_an_article_has_keywords_and_notes(parse: Parse) -> None:
    inner = "<sub-article><front-stub><title-group><article-title>In</article-title></title-group><author-notes><fn><p>Equal.</p></fn></author-notes><kwd-group><kwd>tin</kwd></kwd-group></front-stub></sub-article>"

    answer = parse("a.xml", article("<p>x</p>").replace(b"</article>", f"{inner}</article>".encode()))

    assert answer.text == "T\n\nx\n\nIn\n\nEqual.\n\nKeywords: tin"
    assert answer.errors == []
