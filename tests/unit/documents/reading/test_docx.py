"""Word files: what a reader of Word sees is in the answer, whole and in order."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pytest

from services.documents.backends.base import Include
from services.documents.backends.reading.docx import xpath
from tests.unit.documents.reading.conftest import Parse

_TYPES = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "r": _RELATIONSHIPS,
        "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
        "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
        "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
        "c": "http://schemas.openxmlformats.org/drawingml/2006/chart",
        "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
        "v": "urn:schemas-microsoft-com:vml",
        "o": "urn:schemas-microsoft-com:office:office",
        "w14": "http://schemas.microsoft.com/office/word/2010/wordml",
        "w16se": "http://schemas.microsoft.com/office/word/2015/wordml/symex",
    }.items()
)
_STYLES = (
    '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/>'
    '<w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/></w:style>'
    '<w:style w:type="character" w:styleId="Secret"><w:name w:val="Secret"/><w:rPr><w:vanish/></w:rPr></w:style>'
)
_NUMBERING = (
    '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/>'
    '<w:lvlText w:val="%1."/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
)
_PARTS = {  # name: (root, type of relationship, type of content)
    "styles": ("styles", "styles", f"{_TYPES}.styles+xml"),
    "numbering": ("numbering", "numbering", f"{_TYPES}.numbering+xml"),
    "footnotes": ("footnotes", "footnotes", f"{_TYPES}.footnotes+xml"),
    "endnotes": ("endnotes", "endnotes", f"{_TYPES}.endnotes+xml"),
    "comments": ("comments", "comments", f"{_TYPES}.comments+xml"),
    "header": ("hdr", "header", f"{_TYPES}.header+xml"),
    "footer": ("ftr", "footer", f"{_TYPES}.footer+xml"),
}


def word(body: str, *, files: Mapping[str, tuple[str, str]] | None = None, **parts: str) -> bytes:
    """A Word file.

    Args:
        body: what stands in `w:body`.
        files: other parts by relationship id: the end of the relationship's type, and the content.
        parts: the content of the root of each part of `_PARTS`; its relationship has its name as id.
    """
    parts = {"styles": _STYLES, "numbering": _NUMBERING, **parts}
    overrides = [("/word/document.xml", f"{_TYPES}.document.main+xml")]
    relationships, members = [], {}
    for name, content in parts.items():
        root, kind, type_ = _PARTS[name]
        overrides.append((f"/word/{name}.xml", type_))
        relationships.append(f'<Relationship Id="{name}" Type="{_RELATIONSHIPS}/{kind}" Target="{name}.xml"/>')
        members[f"word/{name}.xml"] = f"<w:{root} {_NAMESPACES}>{content}</w:{root}>"
    for name, (kind, content) in (files or {}).items():
        is_link = content.startswith("https:")
        target = f'Target="{content}" TargetMode="External"' if is_link else f'Target="{name}.xml"'
        relationships.append(f'<Relationship Id="{name}" Type="{_RELATIONSHIPS}/{kind}" {target}/>')
        if not is_link:
            members[f"word/{name}.xml"] = content
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    members["[Content_Types].xml"] = (
        f'<Types xmlns="{types}"><Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        + "".join(f'<Override PartName="{name}" ContentType="{type_}"/>' for name, type_ in overrides)
        + "</Types>"
    )
    members["_rels/.rels"] = (
        f'<Relationships xmlns="{package}"><Relationship Id="d" Type="{_RELATIONSHIPS}/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    )
    members["word/_rels/document.xml.rels"] = (
        f'<Relationships xmlns="{package}">{"".join(relationships)}</Relationships>'
    )
    members["word/document.xml"] = f"<w:document {_NAMESPACES}><w:body>{body}</w:body></w:document>"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def r(text: str, properties: str = "") -> str:
    """A run."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def p(*runs: str, properties: str = "") -> str:
    """A paragraph; what is not markup becomes a run."""
    content = "".join(run if run.startswith("<") else r(run) for run in runs)
    return f"<w:p><w:pPr>{properties}</w:pPr>{content}</w:p>"


def mark(name: str) -> str:
    """Properties of a paragraph whose end was changed."""
    return f'<w:rPr><w:{name} w:id="1"/></w:rPr>'


def tc(*blocks: str, properties: str = "") -> str:
    """A cell; what is not markup becomes a paragraph."""
    content = "".join(block if block.startswith("<") else p(block) for block in blocks)
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{content}</w:tc>"


def tr(*cells: str, properties: str = "") -> str:
    """A row."""
    return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(c if c.startswith('<') else tc(c) for c in cells)}</w:tr>"


def tbl(*rows: str, columns: int = 2) -> str:
    """A table."""
    return f"<w:tbl><w:tblPr/><w:tblGrid>{'<w:gridCol/>' * columns}</w:tblGrid>{''.join(rows)}</w:tbl>"


def sdt(content: str, properties: str = "") -> str:
    """A content control."""
    return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"


def ins(*runs: str, name: str = "ins") -> str:
    """Runs that were put there."""
    return f'<w:{name} w:id="1" w:author="A">{"".join(x if x.startswith("<") else r(x) for x in runs)}</w:{name}>'


def deleted(text: str, name: str = "del") -> str:
    """A run that was taken away."""
    return f'<w:{name} w:id="1"><w:r><w:delText xml:space="preserve">{text}</w:delText></w:r></w:{name}>'


def field(instruction: str, result: str | None) -> str:
    """A field of the kind with a beginning and an end."""
    mark_ = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    code = instruction if instruction.startswith("<") else f"<w:r><w:instrText>{instruction}</w:instrText></w:r>"
    shown = "" if result is None else mark_.format("separate") + (result if result.startswith("<") else r(result))
    return mark_.format("begin") + code + shown + mark_.format("end")


def box(*paragraphs: str) -> str:
    """A run with a text box."""
    return (
        f'<w:r><w:drawing><wp:inline><a:graphic><a:graphicData uri="x"><wps:wsp><wps:txbx><w:txbxContent>'
        f"{''.join(paragraphs)}</w:txbxContent></wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:inline>"
        "</w:drawing></w:r>"
    )


BOLD, ITALIC, LOW = "<w:b/>", "<w:i/>", '<w:vertAlign w:val="subscript"/>'
HEADING = '<w:pStyle w:val="Heading1"/>'
LISTED = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
FRACTION = "<m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath>"


def words(text: str) -> list[str]:
    """The words of an answer, without what tables are drawn with."""
    return [word for word in text.split() if word.strip("|-")]


ACCEPTED = {
    "a sentence": (p("fee ", deleted("900"), ins("1200"), " euros"), "fee 1200 euros"),
    "half a word": (p("un", deleted("think"), ins("believ"), "able"), "unbelievable"),
    "moved": (p("a", ins(" here", name="moveTo")) + p("b", deleted(" there", "moveFrom")), "a here b"),
    "a link": (
        p("<w:hyperlink w:anchor='x'>" + r("old") + ins("er") + deleted("est") + "</w:hyperlink>", " man"),
        "older man",
    ),
    "around a link": (p("go ", ins(f'<w:hyperlink w:anchor="x">{r("home")}</w:hyperlink>')), "go home"),
    "a control": (p("x", ins(sdt(r("inside"))), sdt(ins("more") + deleted("less"))), "xinsidemore"),
    "around a control": (ins(sdt(p("whole"))) + sdt(p(deleted("gone"), "left")), "whole left"),
    "a cell": (tbl(tr(tc(p(ins("in"), deleted("out"))), "same")), "in same"),
    "a nested table": (tbl(tr(tc(tbl(tr(tc(p(ins("deep"), deleted("no"))), "b")), "<w:p/>"), "same")), "deep b same"),
    "a text box": (p(box(p("box ", ins("new"), deleted("old"))), "text"), "box new text"),
    "a deleted row": (tbl(tr("a", "b"), tr("c", "d", properties='<w:del w:id="1"/>'), tr("e", "f")), "a b e f"),
    "an inserted row": (tbl(tr("a", "b"), tr("c", "d", properties='<w:ins w:id="1"/>')), "a b c d"),
    "a deleted cell": (tbl(tr("a", tc("b", properties='<w:cellDel w:id="1"/>'), "c"), columns=3), "a c"),
    "an inserted cell": (tbl(tr("a", tc("b", properties='<w:cellIns w:id="1"/>'))), "a b"),
    "a deleted table": (p("a") + tbl(tr("b", "c", properties='<w:del w:id="1"/>')) + p("d"), "a d"),
    "a deleted end": (p("un", properties=mark("del")) + p("broken"), "unbroken"),
    "three deleted ends": ("".join(p(x, properties=mark("del")) for x in "abc") + p("d"), "abcd"),
    "joined words that stand elsewhere": (p("un") + p("un", properties=mark("del")) + p("broken"), "un unbroken"),
    "a joined cell": (tbl(tr("un", tc(p("un", properties=mark("del")), p("broken")))), "un unbroken"),
    "a deleted paragraph": (p("a") + p(deleted("b"), properties=mark("del")) + p("c"), "a c"),
    "an end before a table": (p("a", properties=mark("del")) + tbl(tr("b", "c")), "a b c"),
    "a deleted end in a control": (sdt(p("un", properties=mark("del"))) + p("broken"), "unbroken"),
    "a formula": (p("x ", "<m:oMath>" + "<w:ins w:id='1'><m:r><m:t>q</m:t></m:r></w:ins></m:oMath>"), "x $q$"),
    "ranges": (
        '<w:moveToRangeStart w:id="1" w:name="m"/>' + p(ins("moved", name="moveTo")) + '<w:moveToRangeEnd w:id="1"/>',
        "moved",
    ),
    "a deleted field": (p("a ", f'<w:del w:id="1">{field("PAGE", "7")}</w:del>', ins(field("REF x", "b"))), "a b"),
    "old properties": (
        p(r("a", '<w:rPrChange w:id="1"><w:rPr><w:b/><w:vanish/></w:rPr></w:rPrChange>'), "b"),
        "ab",
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_changes_are_accepted(parse: Parse, name: str) -> None:
    body, expected = ACCEPTED[name]

    answer = parse("a.docx", word(body))

    assert words(answer.text) == expected.split()
    assert words(answer.md) == expected.split()
    assert answer.errors == []


SHOWN = {
    "a sentence": (p("fee ", deleted("900"), ins("1200"), " euros"), "fee [-900-][+1200+] euros"),
    "moved": (p(ins("to", name="moveTo"), " b ", deleted("from", "moveFrom")), "[+to+] b [-from-]"),
    "rows": (
        tbl(tr("a", "b", properties='<w:del w:id="1"/>'), tr("c", tc(p(ins("d"))), properties='<w:ins w:id="1"/>')),
        "[-a-] [-b-] [+c+] [+d+]",
    ),
    "cells": (tbl(tr(tc("a", properties='<w:cellDel w:id="1"/>'), "b")), "[-a-] b"),
    "ends": (p("un", properties=mark("del")) + p("broken", properties=mark("ins")), "un[-¶-] broken[+¶+]"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_changes_are_shown_where_they_are_asked_for(parse: Parse, name: str) -> None:
    body, expected = SHOWN[name]

    answer = parse("a.docx", word(body), Include.CHANGES)

    assert words(answer.text) == expected.split()
    assert answer.errors == []


LINK = f'<w:hyperlink r:id="link">{r("nder", BOLD)}</w:hyperlink>'
WHOLE = {
    "an initial": (p(r("D", BOLD), "ocument"), "**D**ocument"),
    "in the middle": (p("un", r("believ", BOLD), "able ", r("word", ITALIC)), "un**believ**able *word*"),
    "a digit": (p("H", r("2", LOW), "O"), "H2O"),
    "spaces in a run": (p("a", r(" b ", BOLD), "c"), "a **b** c"),
    "a run of spaces": (p(r("a", BOLD), r(" "), r("b", ITALIC)), "**a** *b*"),
    "a link": (p("u", LINK, "ed"), "u[**nder**](https://example.org/)ed"),
    "a bookmark": (
        p("a", '<w:bookmarkStart w:id="1" w:name="x"/>', r("b", BOLD), '<w:bookmarkEnd w:id="1"/>'),
        "a**b**",
    ),
    "marks of the spelling": (p(r("a", BOLD), '<w:proofErr w:type="spellStart"/>', "b"), "**a**b"),
    "a tag": (p("a", f"<w:smartTag><w:smartTagPr/>{r('b', BOLD)}</w:smartTag>", "c"), "a**b**c"),
    "a field": (p("a", field("REF x", r("b", BOLD)), "c"), "a**b**c"),
    "a heading": (p(r("D", BOLD), "ocument", properties=HEADING), "## Document"),
    "an item": (p(r("D", BOLD), "ocument", properties=LISTED), "1. **D**ocument"),
    "a text box": (p(box(p(r("D", BOLD), "ocument"))), "**D**ocument"),
    "a formula": (p("(", FRACTION, ") ", r("b", BOLD)), r"($\frac{a}{b}$) **b**"),
    "a large initial": (
        p("O", properties='<w:framePr w:dropCap="drop"/>') + p("nce upon a time"),
        "Once upon a time",
    ),
    "a soft hyphen": (p("co<", "<w:r><w:softHyphen/></w:r>", "operate").replace("co<", "co"), "cooperate"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_words_stay_whole(parse: Parse, name: str) -> None:
    body, expected = WHOLE[name]

    answer = parse("a.docx", word(body, files={"link": ("hyperlink", "https://example.org/")}))

    assert answer.md == expected
    assert answer.errors == []


def test_words_stay_whole_in_every_form(parse: Parse) -> None:
    line = p("H", r("2", LOW), "O un", r("believ", BOLD), "able")

    answer = parse("a.docx", word(line + tbl(tr(tc(line), "plain"))))

    assert answer.text.count("H2O unbelievable") == 2
    assert answer.md.count("H2O un**believ**able") == 2
    assert answer.html.count("H<sub>2</sub>O un<strong>believ</strong>able") == 2
    assert "\ufdd0" not in answer.json
    assert "\ufdd1" not in answer.json


RUBY = "<w:r><w:ruby><w:rubyPr/><w:rt>" + r("kan") + "</w:rt><w:rubyBase>" + r("漢") + "</w:rubyBase></w:ruby></w:r>"
KEPT = {
    "a control around paragraphs": (sdt(p("a") + sdt(p("b"))), "a b"),
    "a control around a table": (sdt(tbl(tr("a", "b"))), "a b"),
    "a control around rows": (tbl(tr("a", "b"), sdt(tr("c", "d") + tr("e", "f"))), "a b c d e f"),
    "a control around a cell": (tbl(tr("a", sdt(tc("b")))), "a b"),
    "a control in a cell": (tbl(tr("a", tc(p("x ", sdt(r("b") + r("c")), " y")))), "a x bc y"),
    "a control around a cell's paragraph": (tbl(tr("a", tc(sdt(p("b"))))), "a b"),
    "a control with a tab": (p("a ", sdt("<w:r><w:t>b</w:t><w:tab/><w:t>c</w:t></w:r>")), "a b c"),
    "a control around a link": (p(sdt(f'<w:hyperlink w:anchor="x">{r("a")}</w:hyperlink>'), " b"), "a b"),
    "custom XML": (
        f"<w:customXml>{p('a')}<w:customXml>{tbl('<w:customXml>' + tr('b', 'c') + '</w:customXml>')}"
        "</w:customXml></w:customXml>",
        "a b c",
    ),
    "tags and fields in a cell": (
        tbl(
            tr(tc(p(f"<w:smartTag>{r('a')}</w:smartTag>", f'<w:fldSimple w:instr="PAGE">{r("7")}</w:fldSimple>')), "b")
        ),
        "a7 b",
    ),
    "fields": (p(field("REF x", "a"), " b ", field("TC index", None), "c"), "a b c"),
    "a nested field": (p(field(field("DATE", "hidden") + "<w:r><w:instrText>x</w:instrText></w:r>", "a"), " b"), "a b"),
    "a field over paragraphs": (
        p('<w:r><w:fldChar w:fldCharType="begin"/><w:instrText>TOC</w:instrText></w:r>')
        + p('<w:r><w:fldChar w:fldCharType="separate"/></w:r>', "a")
        + p("b", '<w:r><w:fldChar w:fldCharType="end"/></w:r>', " c"),
        "a b c",
    ),
    "a field without an end": (p('<w:r><w:fldChar w:fldCharType="begin"/></w:r>', "a") + p("b"), "a b"),
    "a button": (p(field("MACROBUTTON None Click here", None), " b"), "Click here b"),
    "a symbol by number": (p("a ", field(r"SYMBOL 252 \f Wingdings", None)), "a ✓"),
    "a form's box": (
        p(
            '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData>'
            '</w:fldChar></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>',
            " agreed",
        ),
        "☒ agreed",
    ),
    "a form's list": (
        p(
            '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="x"/>'
            '<w:listEntry w:val="y"/></w:ddList></w:ffData></w:fldChar></w:r>'
            '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
            " chosen",
        ),
        "y chosen",
    ),
    "ruby": (p("a ", RUBY, " b"), "a 漢(kan) b"),
    "ruby in a cell": (tbl(tr(tc(p(RUBY)), "b")), "漢(kan) b"),
    "direction": (p(f'<w:bdo w:val="rtl">{r("שלום")}</w:bdo>', f'<w:dir w:val="ltr">{r(" b")}</w:dir>'), "שלום b"),
    "symbols": (p('<w:r><w:sym w:font="Symbol" w:char="F061"/><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>'), "α✓"),  # noqa: RUF001 - Greek
    "text in a symbol font": (p(r("\uf0e0\uf0fc x", '<w:rFonts w:ascii="Wingdings" w:hAnsi="Wingdings"/>')), "→✓ x"),
    "marks in runs": (
        p(
            "<w:r><w:t>a</w:t><w:noBreakHyphen/><w:t>b</w:t><w:tab/><w:t>c</w:t><w:br/><w:t>d</w:t><w:cr/><w:t>e</w:t>"
            '<w:ptab w:alignment="right"/><w:t>f</w:t><w:br w:type="page"/><w:t>g</w:t></w:r>'
        ),
        "a-b c d e f g",
    ),
    "a formula in a heading": (p("About ", FRACTION, properties=HEADING), r"About $\frac{a}{b}$"),
    "a formula in a title": (p("On ", FRACTION, properties='<w:pStyle w:val="Title"/>'), r"On $\frac{a}{b}$"),
    "a formula in an item": (p("On ", FRACTION, " b", properties=LISTED), r"1. On $\frac{a}{b}$ b"),
    "a formula in a cell": (tbl(tr(tc(p("x ", FRACTION)), "b")), r"x $\frac{a}{b}$ b"),
    "a formula alone": (p(f"<m:oMathPara>{FRACTION}</m:oMathPara>"), r"$$\frac{a}{b}$$"),
    "a formula outside": (p("a") + f"<m:oMathPara>{FRACTION}</m:oMathPara>", r"a $$\frac{a}{b}$$"),
    "a formula beside a hyphen": (p("<w:r><w:t>a</w:t><w:noBreakHyphen/></w:r>", FRACTION), r"a-$\frac{a}{b}$"),
    "a formula beside a box": (p(box(p("box")), "x ", FRACTION), r"box x $\frac{a}{b}$"),
    "a formula in a link": (p(f'<w:hyperlink w:anchor="x">{FRACTION}</w:hyperlink>', " b"), r"$\frac{a}{b}$ b"),
    "a remark of a program": (p("<w:r><w:t>on<!-- x -->e<?x y?> two</w:t></w:r>"), "one two"),
    "ruby by a field": (p(field(r"EQ \* jc2 \* hps10 \o\ad(\s\up 9(kan),漢)", None), " b"), "漢(kan) b"),
    "a character in a circle": (p("a ", field(r"eq \o\ac(○,印)", None), " b"), "a (印) b"),
    "a button in small letters": (p(field("macrobutton x Click here", None)), "Click here"),
    "alternatives": (
        p(
            "<w:r><mc:AlternateContent><mc:Choice Requires='wps'>"
            + box(p("once"))[5:-6]
            + "</mc:Choice><mc:Fallback><w:pict><v:textbox><w:txbxContent>"
            + p("once")
            + "</w:txbxContent></v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>",
            "text",
        ),
        "once text",
    ),
    "an alternative in the text": (
        p(
            "a ",
            "<w:r><mc:AlternateContent><mc:Choice Requires='w16se'><w16se:symEx w16se:font='Segoe UI Emoji' "
            "w16se:char='1F60A'/></mc:Choice><mc:Fallback><w:t>x</w:t></mc:Fallback></mc:AlternateContent></w:r>",
        ),
        "a 😊",
    ),
    "a box in order": (
        p(box(p("one"), p("two"), tbl(tr("three", "four"), tr("five", "six")), p("seven"))),
        "one two three four five six seven",
    ),
    "a box in a box": (p(box(p("outer", box(p("inner"))))), "outer inner"),
    "a box in a cell": (tbl(tr(tc(p(box(p("a")), "b")), "c")), "a b c"),
    "nested tables": (tbl(tr(tc("a", tbl(tr("b", "c")), p("d")), "e")), "a b c d e"),
    "a grid that is too small": (tbl(tr("a", "b", "c"), columns=1), "a b c"),
    "no grid": (tbl(tr("a", "b"), columns=0).replace("<w:tblGrid></w:tblGrid>", ""), "a b"),
    "a merged cell with words": (
        tbl(tr(tc("a", properties='<w:vMerge w:val="restart"/>'), "b"), tr(tc("c", properties="<w:vMerge/>"), "d")),
        "a b c d",
    ),
    "a caption": (p("Table ", f'<w:fldSimple w:instr="SEQ Table">{r("1")}</w:fldSimple>', " Costs"), "Table 1 Costs"),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_stands_in_unusual_places_is_kept(parse: Parse, name: str) -> None:
    body, expected = KEPT[name]

    answer = parse("a.docx", word(body))

    assert words(answer.text) == expected.split()
    assert answer.errors == []


def note(number: int, *blocks: str, kind: str = "footnote", type_: str = "normal") -> str:
    """A footnote or endnote, or with another kind a comment."""
    return f'<w:{kind} w:id="{number}" w:type="{type_}" w:author="Ada">{"".join(blocks)}</w:{kind}>'


def refer(number: int, kind: str = "footnote", attributes: str = "") -> str:
    """A run that refers to a note or comment."""
    return f'<w:r><w:{kind}Reference w:id="{number}" {attributes}/></w:r>'


NOTES = note(0, p("line"), type_="separator") + note(2, p(" Leaf ", r("tea", BOLD), "s.")) + note(3, p("x"), p("y"))


def test_notes_stay_aside_unless_they_are_asked_for(parse: Parse) -> None:
    answer = parse("a.docx", word(p("Tea", refer(2), " is good."), footnotes=NOTES))

    assert answer.md == "Tea is good."
    assert "Leaf teas." in answer.json
    assert answer.errors == []


def test_notes_follow_the_block_that_refers_to_them(parse: Parse) -> None:
    body = p("Tea", refer(2), " is good.") + p("Milk", refer(3), " too") + p("End.", refer(1, "endnote"))

    answer = parse(
        "a.docx", word(body, footnotes=NOTES, endnotes=note(1, p("last"), kind="endnote")), Include.FOOTNOTES
    )

    assert answer.text.split("\n\n") == [
        "Tea[1] is good.",
        "[1] Leaf teas.",
        "Milk[2] too",
        "[2] x",
        "y",
        "End.[i]",
        "[i] last",
    ]
    assert "[1] Leaf **tea**s." in answer.md
    assert answer.json.count("Leaf") == 2  # text, and text as it was
    assert '"footnote"' in answer.json
    assert answer.errors == []


def test_notes_part_neither_lists_nor_tables(parse: Parse) -> None:
    body = p("a", refer(2), properties=LISTED) + p("b", properties=LISTED) + tbl(tr(tc(p("c", refer(3))), "d")) + p("e")

    answer = parse("a.docx", word(body, footnotes=NOTES), Include.FOOTNOTES)

    assert words(answer.text) == ["1.", "a[1]", "2.", "b", "[1]", "Leaf", "teas.", "c[2]", "d", "[2]", "x", "y", "e"]


def test_notes_have_the_mark_that_the_file_gives_them(parse: Parse) -> None:
    section = '<w:sectPr><w:footnotePr><w:numFmt w:val="upperRoman"/><w:numStart w:val="4"/></w:footnotePr></w:sectPr>'
    body = p("a", refer(2), " b", refer(3, attributes='w:customMarkFollows="1"'), r("*")) + section

    answer = parse("a.docx", word(body, footnotes=NOTES), Include.FOOTNOTES)

    assert words(answer.text) == ["a[IV]", "b*", "[IV]", "Leaf", "teas.", "x", "y"]


def test_changes_in_notes_and_comments_are_accepted(parse: Parse) -> None:
    notes = note(2, p(ins("new"), deleted("old")) + tbl(tr(tc(p(ins("cell"))), "b")))
    body = p("a", refer(2), refer(0, "comment"))

    answer = parse(
        "a.docx",
        word(body, footnotes=notes, comments=note(0, p(ins("yes"), deleted("no")), kind="comment")),
        Include.FOOTNOTES,
        Include.COMMENTS,
    )

    assert words(answer.text) == ["a[1]", "[1]", "new", "cell", "b", "Comment", "by", "Ada:", "yes"]
    assert answer.errors == []


def test_comments_follow_what_they_are_about(parse: Parse) -> None:
    comments = note(0, p("Is ", r("th", BOLD), "at so?"), p("Why?"), kind="comment") + note(1, p("No."), kind="comment")
    body = p('<w:commentRangeStart w:id="0"/>', "a") + p('<w:commentRangeEnd w:id="0"/>', "b", refer(0, "comment"))

    plain = parse("a.docx", word(body + p("c"), comments=comments))
    answer = parse("a.docx", word(body + p("c"), comments=comments), Include.COMMENTS)

    assert words(plain.text) == ["a", "b", "c"]
    assert answer.text.split("\n\n") == ["a", "b", "Comment by Ada: Is that so?", "Why?", "c", "Comment by Ada: No."]
    assert answer.json.count("Why?") <= 2  # as it is, and as it was in the file
    assert answer.errors == []


SECTION = (
    '<w:sectPr><w:headerReference w:type="default" r:id="header"/>'
    '<w:footerReference w:type="default" r:id="footer"/></w:sectPr>'
)


def test_headers_and_footers_are_around_the_text(parse: Parse) -> None:
    data = word(
        p("a") + p("b") + SECTION,
        header=p(ins("He"), r("ad", BOLD), deleted("x")) + tbl(tr("left", "right")),
        footer=sdt(p("Page ", field("PAGE", "3"))),
    )

    plain = parse("a.docx", data)
    answer = parse("a.docx", data, Include.HEADERS)

    assert words(plain.text) == ["a", "b"]
    assert words(answer.text) == ["Head", "left", "right", "a", "b", "Page", "3"]
    assert plain.errors == answer.errors == []


HIDDEN = "<w:vanish/>"


def test_hidden_text_is_shown_where_it_is_asked_for(parse: Parse) -> None:
    body = (
        p("a ", r("b ", HIDDEN), r("c ", '<w:rStyle w:val="Secret"/>'), "d")
        + p(r("e", HIDDEN))
        + tbl(tr(tc(p("f ", r("g", HIDDEN))), "h"))
        + p(r("i", '<w:vanish w:val="0"/>'))
    )

    plain = parse("a.docx", word(body))
    answer = parse("a.docx", word(body), Include.HIDDEN)

    assert words(plain.text) == ["a", "d", "f", "h", "i"]
    assert words(answer.text) == ["a", "b", "c", "d", "e", "f", "g", "h", "i"]
    assert plain.errors == answer.errors == []


NAMED = {
    "a document inside": (
        p("a") + '<w:altChunk r:id="inside"/>',
        "behind paragraph 1: a document inside the document (inside.xml)",
    ),
    "an object": (
        p("a") + p('<w:r><w:object><o:OLEObject ProgID="Excel.Sheet.12"/></w:object></w:r>'),
        "paragraph 2: an embedded object (Excel.Sheet.12)",
    ),
    "a drawn formula": (
        p("a ", field(r"EQ \f(1,2)", None)),
        r"paragraph 1: a formula that only Word draws (EQ \f(1,2))",
    ),
    "a drawn formula in small letters": (
        p("a ", field(r"eq \f(1,2)", None)),
        r"paragraph 1: a formula that only Word draws (eq \f(1,2))",
    ),
    "a picture of a font": (
        p("a") + tbl(tr(tc(p('<w:r><w:sym w:font="Webdings" w:char="F04A"/></w:r>')), "b")),
        "table 1: the symbol F04A of the font Webdings",
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_cannot_be_kept_is_named(parse: Parse, name: str) -> None:
    body, expected = NAMED[name]

    answer = parse("a.docx", word(body, files={"inside": ("aFChunk", "<p>inside</p>")}))

    assert answer.errors == [f"{expected} is not in the answer"]
    assert words(answer.text)[0] == "a"


def test_a_deleted_object_is_not_named(parse: Parse) -> None:
    taken = '<w:del w:id="1"><w:r><w:object><o:OLEObject ProgID="Excel.Sheet.12"/></w:object></w:r></w:del>'

    answer = parse("a.docx", word(p("a", taken)))

    assert answer.errors == []


def test_words_of_a_diagram_are_in_its_place(parse: Parse) -> None:
    data = (
        f"<dgm:dataModel {_NAMESPACES}><dgm:ptLst>"
        + "".join(
            f"<dgm:pt><dgm:t><a:bodyPr/><a:p>{text}</a:p></dgm:t></dgm:pt>"
            for text in ("<a:r><a:t>plan</a:t></a:r>", "<a:r><a:t>do</a:t></a:r><a:br/><a:r><a:t>it</a:t></a:r>")
        )
        + "</dgm:ptLst></dgm:dataModel>"
    )
    drawing = (
        '<w:r><w:drawing><wp:inline><a:graphic><a:graphicData uri="d"><dgm:relIds r:dm="data"/>'
        "</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )

    answer = parse("a.docx", word(p("a") + p(drawing) + p("b"), files={"data": ("diagramData", data)}))

    assert words(answer.text) == ["a", "plan", "do", "it", "b"]
    assert answer.errors == []


def test_words_of_a_chart_are_in_the_answer_or_named(parse: Parse) -> None:
    def cache(*values: str) -> str:
        points = "".join(f'<c:pt idx="{i}"><c:v>{value}</c:v></c:pt>' for i, value in enumerate(values))
        return f'<c:strRef><c:strCache><c:ptCount val="{len(values)}"/>{points}</c:strCache></c:strRef>'

    title = "<c:title><c:tx><c:rich><a:p><a:r><a:t>{}</a:t></a:r></a:p></c:rich></c:tx></c:title>"
    numbers = cache("3", "4").replace("str", "num")
    chart = (
        f"<c:chartSpace {_NAMESPACES}><c:chart>{title.format('Costs')}<c:plotArea><c:barChart><c:ser>"
        f"<c:tx>{cache('Rent')}</c:tx><c:cat>{cache('May', 'June')}</c:cat><c:val>{numbers}</c:val></c:ser>"
        f"</c:barChart><c:valAx>{title.format('Euros')}</c:valAx></c:plotArea></c:chart></c:chartSpace>"
    )
    drawing = (
        '<w:r><w:drawing><wp:inline><a:graphic><a:graphicData uri="c"><c:chart r:id="chart"/>'
        "</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )

    answer = parse("a.docx", word(p("a") + p(drawing) + p("b"), files={"chart": ("chart", chart)}))

    for word_ in ("Costs", "Rent", "May", "June"):
        assert word_ in answer.md
        assert word_ in answer.html
    assert "chart in paragraph 2: the word 'Euros' is not in the answer" in answer.errors


def test_a_paragraph_with_a_picture_and_a_formula_keeps_the_formula(parse: Parse) -> None:
    drawing = "<w:r><w:drawing><wp:inline/></w:drawing></w:r>"

    answer = parse("a.docx", word(p(drawing, FRACTION)))

    assert r"\frac{a}{b}" in answer.md


def test_boxes_of_controls_are_tasks_if_they_are_alone(parse: Parse) -> None:
    box_ = "<w14:checkbox><w14:checked w14:val='1'/></w14:checkbox>"

    answer = parse(
        "a.docx", word(p(sdt(r("☒"), box_), " done") + p(sdt(r("☒"), box_), "yes ", sdt(r("☐"), box_), "no"))
    )

    assert answer.md == "- [x] done\n\n☒yes ☐no"


HOSTILE = {
    "ends": "".join(p("x", properties=mark("del")) for _ in range(1500)),
    "changes": p(*(ins("x") + deleted("y") for _ in range(1500))),
    "runs": p(*(r("x", BOLD if i % 2 else ITALIC) for i in range(600))),
    "a box": p(box(*(p("x") for _ in range(1500)))),
    "a wide span": tbl(tr(tc("a", properties='<w:gridSpan w:val="99999999"/>'), "b")),
    "begun fields": p(*('<w:r><w:fldChar w:fldCharType="begin"/></w:r>x' for _ in range(1500))),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_much_of_anything_takes_no_time(parse: Parse, name: str) -> None:
    answer = parse("a.docx", word(HOSTILE[name]))

    assert answer.format == "docx"


DRAWN = {
    "WordArt": ('<w:r><w:pict><v:shape><v:textpath string="Big words"/></v:shape></w:pict></w:r>', "Big words a"),
    "an old shape": (
        '<w:r><w:drawing><wp:inline><a:graphic><a:graphicData uri="l"><a:sp><a:txBody><a:bodyPr/><a:p>'
        "<a:r><a:t>un</a:t></a:r><a:r><a:t>torn</a:t></a:r></a:p></a:txBody></a:sp></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>",
        "untorn a",
    ),
    "an old shape of two lines": (
        '<w:r><w:drawing><wp:inline><a:graphic><a:graphicData uri="l"><a:sp><a:txBody><a:bodyPr/><a:p>'
        "<a:r><a:t>up</a:t></a:r><a:br/><a:fld><a:t>down</a:t></a:fld></a:p></a:txBody></a:sp></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>",
        "up down a",
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_words_are_kept(parse: Parse, name: str) -> None:
    drawing, expected = DRAWN[name]

    answer = parse("a.docx", word(p(drawing, "a") + tbl(tr(tc(p(drawing, "a")), "b"))))

    assert words(answer.text) == [*expected.split(), *expected.split(), "b"]
    assert answer.errors == []


def test_formulas_in_notes_are_text(parse: Parse) -> None:
    data = word(p("a", refer(2)), footnotes=note(2, p("x ", FRACTION)))

    plain = parse("a.docx", data)
    answer = parse("a.docx", data, Include.FOOTNOTES)

    assert r"x $\\frac{a}{b}$" in plain.json
    assert "\ufdd1" not in plain.json
    assert words(answer.text) == [*["a[1]", "[1]", "x"], r"$\frac{a}{b}$"]


@pytest.mark.parametrize(
    "drawing",
    [
        '<w:r><w:drawing><wp:inline><wp:docPr id="1" name="P" descr="A red kite"/><a:graphic><a:graphicData uri="p">'
        '<a:blip r:embed="none"/></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>',
        '<w:r><w:pict><v:shape alt="A red kite"><v:imagedata r:id="none"/></v:shape></w:pict></w:r>',
    ],
)
def test_the_description_of_a_picture_stands_with_it(parse: Parse, drawing: str) -> None:
    answer = parse("a.docx", word(p(drawing, "text")))

    assert "A red kite" in answer.md
    assert "A red kite" in answer.html
    assert "A red kite" in answer.json


def test_what_is_hidden_in_a_header_is_not_shown_with_it(parse: Parse) -> None:
    section = '<w:sectPr><w:headerReference w:type="default" r:id="header"/></w:sectPr>'
    header = p("seen") + p(r("secret", "<w:vanish/>"))

    answer = parse("a.docx", word(p("body") + section, header=header), Include.HEADERS)

    assert words(answer.text) == ["seen", "body"]
    assert answer.errors == []


def test_expressions_on_paragraphs_and_runs_are_compiled_once(parse: Parse) -> None:
    parse("a.docx", word(p("one")))
    before = xpath.compiled.cache_info()

    answer = parse("a.docx", word("".join(p(f"two {number}") for number in range(50))))

    after = xpath.compiled.cache_info()
    assert answer.text.count("two") == 50
    assert after.hits - before.hits > 100
    assert after.misses == before.misses
