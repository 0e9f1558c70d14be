"""PPTX: every text of a slide, and what stands beside it where it is asked for."""

# ruff: noqa: E501 - XML is easier to read in one line
from __future__ import annotations

import io
from typing import Any

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.oxml import parse_xml
from pptx.util import Inches

from services.documents.backends.base import Include
from tests.unit.documents.reading.conftest import Parse

_NAMES = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    ' xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    ' xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
)


class _Deck:
    def __init__(self) -> None:
        self.deck = Presentation()

    def slide(self, layout: int = 6) -> Any:
        return self.deck.slides.add_slide(self.deck.slide_layouts[layout])

    def saved(self) -> bytes:
        out = io.BytesIO()
        self.deck.save(out)
        return out.getvalue()


def _box(slide: Any, text: str, top: float = 1, left: float = 1) -> Any:
    box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(0.5))
    box.text_frame.text = text
    return box


def _shape(xml: str) -> str:
    return f'<p:sp><p:nvSpPr><p:cNvPr id="77" name="Added"/><p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>{xml}</p:txBody></p:sp>'


def _part(slide: Any, name: str, kind: str, content: str, owner: Any = None) -> str:
    part = Part(PackURI(name), "application/xml", slide.part.package, content.encode())
    return str((owner or slide.part).relate_to(part, kind))


def test_words_are_whole_and_in_the_order_of_the_slide(parse: Parse) -> None:
    deck = _Deck()
    slide = deck.slide()
    _box(slide, "below", top=3)
    box = _box(slide, "D", top=1)
    for text in ("oc", "ument"):
        box.text_frame.paragraphs[0].add_run().text = text
    broken = _box(slide, "over", top=2).text_frame.paragraphs[0]
    broken.add_line_break()
    broken.add_run().text = "under"

    answer = parse("a.pptx", deck.saved())

    assert answer.text.split() == ["Document", "over", "under", "below"]
    assert answer.errors == []


def test_choices_of_the_file_are_taken_once(parse: Parse) -> None:
    deck = _Deck()
    slide = deck.slide()
    choice = _shape("<a:p><a:r><a:t>new way</a:t></a:r></a:p>")
    fallback = _shape("<a:p><a:r><a:t>old way</a:t></a:r></a:p>")
    both = f'<mc:AlternateContent {_NAMES}><mc:Choice Requires="a14">{choice}</mc:Choice><mc:Fallback>{fallback}</mc:Fallback></mc:AlternateContent>'
    slide.shapes._spTree.append(parse_xml(both))

    answer = parse("a.pptx", deck.saved())

    assert answer.text.split() == ["new", "way"]
    assert answer.errors == []


def test_formulas_stand_in_their_line(parse: Parse) -> None:
    deck = _Deck()
    slide = deck.slide()
    math = "<a14:m><m:oMath><m:r><m:t>E=mc</m:t></m:r></m:oMath></a14:m>"
    slide.shapes._spTree.append(
        parse_xml(
            _shape(f"<a:p><a:r><a:t>so (</a:t></a:r>{math}<a:r><a:t>) holds</a:t></a:r></a:p>").replace(
                "<p:sp>", f"<p:sp {_NAMES}>", 1
            )
        )
    )
    table = slide.shapes.add_table(1, 1, Inches(1), Inches(4), Inches(2), Inches(1)).table
    table.cell(0, 0).text = "in a cell "
    table.cell(0, 0).text_frame.paragraphs[0]._p.append(parse_xml(math.replace("<a14:m>", f"<a14:m {_NAMES}>", 1)))

    answer = parse("a.pptx", deck.saved())

    assert "so ($E=mc$) holds" in answer.md
    assert "in a cell E=mc" in answer.text
    assert answer.errors == []


def test_smartart_is_a_list_of_its_texts(parse: Parse) -> None:
    deck = _Deck()
    slide = deck.slide()
    points = "".join(
        f'<dgm:pt modelId="{key}"><dgm:t><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>'
        for key, text in (("0", ""), ("2", "second"), ("1", "first"), ("3", "below first"))
    )
    links = "".join(
        f'<dgm:cxn modelId="c{to}" srcId="{of}" destId="{to}" srcOrd="{order}" destOrd="0"/>'
        for of, to, order in (("0", "1", 0), ("0", "2", 1), ("1", "3", 0))
    )
    data = f"<dgm:dataModel {_NAMES}><dgm:ptLst>{points}</dgm:ptLst><dgm:cxnLst>{links}</dgm:cxnLst></dgm:dataModel>"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData"
    reference = _part(slide, "/ppt/diagrams/data1.xml", kind, data)
    frame = (
        f'<p:graphicFrame {_NAMES}><p:nvGraphicFramePr><p:cNvPr id="5" name="Diagram"/><p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr>'
        '<p:xfrm><a:off x="9" y="9"/><a:ext cx="9" cy="9"/></p:xfrm><a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/diagram">'
        f'<dgm:relIds r:dm="{reference}" r:lo="" r:qs="" r:cs=""/></a:graphicData></a:graphic></p:graphicFrame>'
    )
    slide.shapes._spTree.append(parse_xml(frame))

    answer = parse("a.pptx", deck.saved())

    assert [line.strip() for line in answer.md.splitlines()] == ["- first", "- below first", "- second"]
    assert answer.errors == []


def test_tables_keep_lines_and_say_merged_cells_once(parse: Parse) -> None:
    deck = _Deck()
    table = deck.slide().shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "wide", "covered"
    table.cell(0, 0).merge(table.cell(0, 1))
    table.cell(1, 0).text = "two\vlines"

    answer = parse("a.pptx", deck.saved())

    assert 'colspan="2"' in answer.html
    assert "two\\nlines" in answer.json
    assert "\v" not in answer.text
    assert answer.errors == []


def test_charts_and_pictures_are_told_in_words(parse: Parse) -> None:
    deck = _Deck()
    data: Any = CategoryChartData()  # type: ignore[no-untyped-call]
    data.categories = ["Apr", "May"]
    data.add_series("sold", (3, 4))
    frame = deck.slide().shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(1), Inches(4), Inches(3), data
    )
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "Sales chart"
    frame.chart.value_axis.axis_title.text_frame.text = "tons"
    frame._element.nvGraphicFramePr.cNvPr.set("descr", "Bars that grow")

    answer = parse("a.pptx", deck.saved())

    assert all(word in answer.text for word in ("Sales chart", "Apr", "May", "sold", "tons", "Bars that grow"))
    assert answer.errors == []


def test_points_of_a_scatter_chart_keep_both_numbers(parse: Parse) -> None:
    deck = _Deck()
    data: Any = XyChartData()  # type: ignore[no-untyped-call]
    series = data.add_series("path")
    series.add_data_point(11, 12)
    series.add_data_point(13, 14)
    deck.slide().shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, Inches(1), Inches(1), Inches(4), Inches(3), data)

    answer = parse("a.pptx", deck.saved())

    assert all(word in answer.text for word in ("path", "11", "12", "13", "14"))


def test_notes_comments_footers_and_hidden_slides_stand_where_they_belong(parse: Parse) -> None:
    deck = _Deck()
    slide = deck.slide()
    _box(slide, "First")
    slide.notes_slide.notes_text_frame.text = "say it slowly"
    authors = '<p188:authorLst xmlns:p188="urn:x"><p188:author id="{A}" name="Ann"/></p188:authorLst>'
    thread = (
        f'<p188:cmLst xmlns:p188="urn:x" {_NAMES}><p188:cm id="1" authorId="{{A}}"><p188:replyLst><p188:reply id="2" authorId="{{A}}"><p188:txBody><a:bodyPr/>'
        "<a:p><a:r><a:t>agreed</a:t></a:r></a:p></p188:txBody></p188:reply></p188:replyLst><p188:txBody><a:bodyPr/><a:p><a:r><a:t>too long</a:t></a:r></a:p></p188:txBody></p188:cm></p188:cmLst>"
    )
    base = "http://schemas.microsoft.com/office/2018/10/relationships/"
    _part(slide, "/ppt/authors.xml", base + "authors", authors, deck.deck.part)
    _part(slide, "/ppt/comments/modernComment_1.xml", base + "comments", thread)
    footer = _shape("<a:p><a:r><a:t>Acme</a:t></a:r></a:p>").replace(
        "<p:nvPr/>", '<p:nvPr><p:ph type="ftr" idx="11"/></p:nvPr>'
    )
    slide.shapes._spTree.append(parse_xml(footer.replace("<p:sp>", f"<p:sp {_NAMES}>", 1)))
    hidden = deck.slide()
    _box(hidden, "Unshown")
    hidden._element.set("show", "0")
    _box(deck.slide(), "Third")
    file = deck.saved()

    without = parse("a.pptx", file)
    asked = parse("a.pptx", file, Include.SPEAKER_NOTES, Include.COMMENTS, Include.HIDDEN, Include.HEADERS)

    assert without.text.split() == ["First", "Third"]
    words = ("First", "Acme", "say it slowly", "too long", "agreed", "Unshown", "Third")
    order = [asked.text.index(word) for word in words]
    assert order == sorted(order)
    assert "[author: Ann]: too long" in asked.text
    assert without.errors == asked.errors == []


def _placed(text: str, left: int = 9, top: int = 9) -> str:
    place = f'<p:spPr><a:xfrm><a:off x="{left}" y="{top}"/><a:ext cx="9" cy="9"/></a:xfrm></p:spPr>'
    return _shape(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>").replace("<p:spPr/>", place)


def _group(*shapes: str, place: str = "") -> str:
    return (
        f'<p:grpSp {_NAMES}><p:nvGrpSpPr><p:cNvPr id="8" name="G"/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>'
        f"<p:grpSpPr>{place}</p:grpSpPr>{''.join(shapes)}</p:grpSp>"
    )


_NOWHERE = '<a:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/><a:chOff x="0" y="0"/><a:chExt cx="0" cy="0"/></a:xfrm>'


@pytest.mark.parametrize("place", ["", "<a:xfrm/>", _NOWHERE])
def test_a_group_without_a_place_is_read_where_its_shapes_are(parse: Parse, place: str) -> None:
    deck = _Deck()
    slide = deck.slide()
    inner = _group(_group(_placed("two"), place=place), place=place)
    slide.shapes._spTree.append(parse_xml(_group(_placed("one"), inner, _placed("three"), place=place)))
    below = _placed("four", top=5_000_000).replace("<p:sp>", f"<p:sp {_NAMES}>", 1)
    slide.shapes._spTree.insert(2, parse_xml(below))

    answer = parse("a.pptx", deck.saved())

    assert answer.text.split() == ["one", "two", "three", "four"]
    assert '"l": 9' in answer.json
    assert answer.errors == []


@pytest.mark.parametrize(
    ("needed", "shown"),
    [
        ("p99", "old"),
        ("undeclared", "old"),
        ("a14 p99", "old"),
        ("a14", "new"),
    ],
)
def test_a_fallback_is_shown_where_nobody_knows_what_its_choice_needs(parse: Parse, needed: str, shown: str) -> None:
    deck = _Deck()
    slide = deck.slide()
    choice, fallback = _placed("new shape"), _group(_placed("old shape"))
    both = (
        f'<mc:AlternateContent {_NAMES} xmlns:p99="urn:x"><mc:Choice Requires="{needed}">{choice}</mc:Choice>'
        f"<mc:Fallback>{fallback}</mc:Fallback></mc:AlternateContent>"
    )
    slide.shapes._spTree.append(parse_xml(both))

    answer = parse("a.pptx", deck.saved())

    assert answer.text.split() == [shown, "shape"]
    assert answer.errors == []


def test_what_is_drawn_by_hand_is_its_picture(parse: Parse) -> None:
    deck = _Deck()
    slide = deck.slide()
    _box(slide, "beside")
    ink = '<p:contentPart r:id="rId9"/>'
    both = (
        f'<mc:AlternateContent {_NAMES}><mc:Choice Requires="a14">{ink}</mc:Choice>'
        f"<mc:Fallback>{_placed('signed')}</mc:Fallback></mc:AlternateContent>"
    )
    slide.shapes._spTree.append(parse_xml(both))
    slide.shapes._spTree.append(parse_xml(ink.replace("<p:contentPart", f"<p:contentPart {_NAMES}")))

    answer = parse("a.pptx", deck.saved())

    assert sorted(answer.text.split()) == ["beside", "signed"]
    assert answer.errors == []


def test_formulas_are_whole(parse: Parse) -> None:
    deck = _Deck()
    slide = deck.slide()
    framed = "<m:borderBox><m:e><m:r><m:t>скорость</m:t></m:r></m:e></m:borderBox>"
    line = "".join(f"<a:r><a:t>so </a:t></a:r><a14:m><m:oMath>{math}</m:oMath></a14:m>" for math in (framed, framed))
    slide.shapes._spTree.append(parse_xml(_shape(f"<a:p>{line}</a:p>").replace("<p:sp>", f"<p:sp {_NAMES}>", 1)))

    answer = parse("a.pptx", deck.saved())

    assert answer.md.strip() == r"so $\boxed{скорость}$so $\boxed{скорость}$"
    assert "ufdd1" not in ascii(answer.json)
    assert answer.errors == []


@pytest.mark.parametrize(("hidden", "told"), [("", True), (' hidden="1"', False)])
def test_an_embedded_document_is_named_unless_it_is_hidden(parse: Parse, hidden: str, told: bool) -> None:
    deck = _Deck()
    slide = deck.slide()
    _box(slide, "beside")
    held = (
        f'<p:graphicFrame {_NAMES}><p:nvGraphicFramePr><p:cNvPr id="4" name="Costs"{hidden}/><p:cNvGraphicFramePr/><p:nvPr/>'
        '</p:nvGraphicFramePr><p:xfrm><a:off x="9" y="9"/><a:ext cx="9" cy="9"/></p:xfrm><a:graphic>'
        '<a:graphicData uri="http://schemas.openxmlformats.org/presentationml/2006/ole">'
        '<p:oleObj name="Sheet" progId="Excel.Sheet.12" r:id="rId9"><p:embed/></p:oleObj></a:graphicData></a:graphic></p:graphicFrame>'
    )
    slide.shapes._spTree.append(parse_xml(held))

    answer = parse("a.pptx", deck.saved())

    named = "slide 1, shape Costs: an embedded object (Excel.Sheet.12) is not in the answer"
    assert answer.text.split() == ["beside"]
    assert answer.errors == ([named] if told else [])
