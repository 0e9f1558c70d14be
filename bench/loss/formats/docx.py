"""DOCX: WordprocessingML written by hand, as Word and others write it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence

from bench.loss.constructs import SHOWN, Construct, Format, Piece, parts

_NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
        "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
        "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
        "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
        "v": "urn:schemas-microsoft-com:vml",
        "o": "urn:schemas-microsoft-com:office:office",
    }.items()
)
_AGAIN = "<again/>"
"""Stands for the content of the text box before it: words are filled in once."""
_BOX = re.compile(
    rf"(<w:txbxContent>(?:(?!</w:txbxContent>).)*+</w:txbxContent>)((?:(?!{_AGAIN}|<w:txbxContent>).)*+){_AGAIN}"
)
_REVISION = 'w:id="1" w:author="Rev" w:date="2026-01-01T00:00:00Z"'
_STYLES = {
    "bold": "<w:b/>",
    "italic": "<w:i/>",
    "hidden": "<w:vanish/>",
    "code": '<w:rFonts w:ascii="Courier New"/>',
    "rtl": "<w:rtl/>",
    "sub": '<w:vertAlign w:val="subscript"/>',
    "sup": '<w:vertAlign w:val="superscript"/>',
    "strike": "<w:strike/>",
    "caps": "<w:caps/>",
    "under": '<w:u w:val="single"/>',
}


def r(text: str, *styles: str) -> str:
    """A run."""
    properties = "".join(_STYLES[style] for style in styles)
    marks = f"<w:rPr>{properties}</w:rPr>" if properties else ""
    return f'<w:r>{marks}<w:t xml:space="preserve">{text}</w:t></w:r>'


def p(inner: str, style: str = "", properties: str = "") -> str:
    """A paragraph of runs."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    marks = f"<w:pPr>{named}{properties}</w:pPr>" if named or properties else ""
    return f"<w:p>{marks}{inner}</w:p>"


def item(inner: str, level: int = 0, number: int = 1) -> str:
    """A paragraph of a list."""
    return p(inner, "ListParagraph", f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def td(inner: str, properties: str = "") -> str:
    """A cell of blocks."""
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{inner}</w:tc>"


def tr(*cells: str, properties: str = "") -> str:
    """A row of cells."""
    return f"<w:tr>{properties}{''.join(cells)}</w:tr>"


def tbl(*rows: str) -> str:
    """A table of rows."""
    return f'<w:tbl><w:tblPr/><w:tblGrid><w:gridCol w:w="9"/><w:gridCol w:w="9"/></w:tblGrid>{"".join(rows)}</w:tbl>'


def cells(*texts: str) -> str:
    """A row of cells of one run."""
    return tr(*(td(p(r(text))) for text in texts))


def ins(inner: str, tag: str = "ins") -> str:
    """A tracked insertion, or another revision that holds runs."""
    return f"<w:{tag} {_REVISION}>{inner}</w:{tag}>"


def gone(text: str, tag: str = "del") -> str:
    """A tracked deletion."""
    return ins(f'<w:r><w:delText xml:space="preserve">{text}</w:delText></w:r>', tag)


def sdt(inner: str, properties: str = "") -> str:
    """A content control."""
    return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{inner}</w:sdtContent></w:sdt>"


def field(instruction: str, result: str) -> str:
    """A field of several runs."""
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    code = f'<w:r><w:instrText xml:space="preserve"> {instruction} </w:instrText></w:r>'
    return f"{mark.format('begin')}{code}{mark.format('separate')}{result}{mark.format('end')}"


def drawn_field(instruction: str) -> str:
    """A field that Word draws, without a result."""
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    code = f'<w:r><w:instrText xml:space="preserve"> {instruction} </w:instrText></w:r>'
    return f"{mark.format('begin')}{code}{mark.format('end')}"


def box(inner: str) -> str:
    """A text box, as Word writes it: a drawing, and the same again for older programs."""
    content = f"<w:txbxContent>{inner}</w:txbxContent>"
    shape = f"<wps:wsp><wps:cNvSpPr txBox='1'/><wps:spPr/><wps:txbx>{content}</wps:txbx><wps:bodyPr/></wps:wsp>"
    uri = "http://schemas.microsoft.com/office/word/2010/wordprocessingShape"
    drawing = (
        '<w:drawing><wp:inline><wp:extent cx="9" cy="9"/><wp:docPr id="5" name="Box"/>'
        f'<a:graphic><a:graphicData uri="{uri}">{shape}</a:graphicData></a:graphic></wp:inline></w:drawing>'
    )
    fallback = f"<mc:Fallback><w:pict><v:textbox>{_AGAIN}</v:textbox></w:pict></mc:Fallback>"
    return f'<w:r><mc:AlternateContent><mc:Choice Requires="wps">{drawing}</mc:Choice>{fallback}</mc:AlternateContent></w:r>'


def math(text: str) -> str:
    """A run of a formula."""
    return f"<m:r><m:t>{text}</m:t></m:r>"


def _note(kind: str, number: int, inner: str) -> str:
    return f'<w:{kind} w:id="{number}">{inner}</w:{kind}>'


def _c(name: str, source: str, *, ordered: bool = True, **others: str) -> Construct:
    return Construct(name=name, source=source, ordered=ordered, parts=others)


_ROW_INSERTED = f"<w:trPr><w:ins {_REVISION}/></w:trPr>"
_ROW_DELETED = f"<w:trPr><w:del {_REVISION}/></w:trPr>"
_MARK_INSERTED = f"<w:rPr><w:ins {_REVISION}/></w:rPr>"
_MARK_DELETED = f"<w:rPr><w:del {_REVISION}/></w:rPr>"
_SMART = "<w:smartTag w:element='place'>{}</w:smartTag>"
_CUSTOM = "<w:customXml w:element='party'>{}</w:customXml>"

_CONSTRUCTS = (
    _c("title", p(r("@w @w"), "Title")),
    _c("heading", p(r("@w ") + r("@w", "italic"), "Heading1")),
    _c("half-bold word in a heading", p(r("@l", "bold") + r("@r @w"), "Heading2")),
    _c("paragraph", p(r("@w @w") + r(" @w"))),
    _c("bold half of a word", p(r("@w ") + r("@l", "bold") + r("@r ") + r("@l") + r("@r", "bold"))),
    _c(
        "formats in the middle of a word",
        p(r("@l") + r("@m", "italic") + r("@r @l") + r("@m", "under") + r("@r @l") + r("@m", "strike") + r("@r")),
    ),
    _c("sub and sup in a word", p(r("@l") + r("@m", "sub") + r("@r @l") + r("@r", "sup"))),
    _c("runs of one format in a word", p(r("@l") + r("@m") + r("@r @w"))),
    _c("bold word between punctuation", p(r("(@w") + r("@w".join(("(", ")")), "bold") + r(", @w"))),
    _c(
        "tab, break, special hyphens",
        p("<w:r><w:t>@w</w:t><w:tab/><w:t>@w</w:t><w:br/><w:t>@w</w:t><w:cr/><w:t>@w</w:t></w:r>" + r(" @w")),
    ),
    _c("page break in a paragraph", p(r("@w") + '<w:r><w:br w:type="page"/></w:r>' + r("@w"))),
    _c("symbol", p(r("@w ") + '<w:r><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>' + r(" @w"))),
    _c("character that is markup in Markdown", p(r("@w * @w _ @w | @w # @w &lt;em&gt; @w"))),
    _c("text like a list", p(r("1. @w")) + p(r("- @w")) + p(r("# @w"))),
    _c("link", p(r("@w ") + '<w:hyperlink r:id="link1">' + r("@w ") + r("@w", "bold") + "</w:hyperlink>" + r(" @w"))),
    _c("link in a word", p(r("@l") + '<w:hyperlink r:id="link1">' + r("@m") + "</w:hyperlink>" + r("@r"))),
    _c(
        "link to a bookmark",
        p(
            '<w:bookmarkStart w:id="1" w:name="b"/>'
            + r("@w")
            + '<w:bookmarkEnd w:id="1"/> <w:hyperlink w:anchor="b">'
            + r(" @w")
            + "</w:hyperlink>"
        ),
    ),
    _c("field of runs", p(r("@w ") + field("REF x", r("@w")) + r(" @w"))),
    _c("simple field", p(r("@w ") + "<w:fldSimple w:instr=' REF x '>" + r("@w") + "</w:fldSimple>" + r(" @w"))),
    _c(
        "link by a field", p(r("@w ") + field('HYPERLINK "https://example.org"', r("@w ") + r("@w", "bold")) + r(" @w"))
    ),
    _c("field in a field", p(field("IF x", r("@w ") + field("REF y", r("@w"))) + r(" @w"))),
    _c("field's instruction", p(field("REF @x", r("@w")))),
    _c(
        "field over paragraphs",
        '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>TOC</w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>'
        + r("@w")
        + "</w:p>"
        + p(r("@w") + '<w:r><w:fldChar w:fldCharType="end"/></w:r>'),
    ),
    _c(
        "table of contents",
        sdt(
            p(r("@w")) + p(r("@w"), "TOC1"),
            '<w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj>',
        ),
    ),
    _c("smart tag", p(r("@w ") + _SMART.format(r("@w") + _SMART.format(r(" @w"))) + r(" @w"))),
    _c("custom XML in a line", p(r("@w ") + _CUSTOM.format(r("@w")) + r(" @w"))),
    _c("custom XML around blocks", _CUSTOM.format(p(r("@w")) + tbl(cells("@w")))),
    _c("control in a line", p(r("@w ") + sdt(r("@w ") + r("@w", "bold")) + r(" @w"))),
    _c("control in a control", p(r("@w ") + sdt(sdt(r("@w"))) + r(" @w"))),
    _c("control around blocks", sdt(p(r("@w")) + tbl(cells("@w")) + p(r("@w")))),
    _c("control around a heading and list", sdt(p(r("@w"), "Heading2") + item(r("@w")) + item(r("@w")))),
    _c("control in a cell", tbl(tr(td(sdt(p(r("@w")))), td(p(sdt(r("@w")) + r(" @w")))))),
    _c("control around a cell", tbl(tr(sdt(td(p(r("@w")))), td(p(r("@w")))))),
    _c("control around rows", tbl(cells("@w"), sdt(cells("@w") + cells("@w")), cells("@w"))),
    _c("custom XML around cells and rows", tbl(tr(_CUSTOM.format(td(p(r("@w"))))), _CUSTOM.format(cells("@w")))),
    _c(
        "drop-down and check box",
        p(sdt(r("@w"), "<w:dropDownList><w:listItem w:displayText='a' w:value='a'/></w:dropDownList>") + r(" ☒ @w")),
    ),
    _c(
        "ruby",
        p(
            r("@w ")
            + "<w:r><w:ruby><w:rubyPr/><w:rt>"
            + r("@w")
            + "</w:rt><w:rubyBase>"
            + r("@w")
            + "</w:rubyBase></w:ruby></w:r>"
            + r(" @w")
        ),
        ordered=False,
    ),
    _c("right to left", p(r("@rtl ", "rtl") + r("@rtl", "rtl", "bold"), properties="<w:bidi/>")),
    _c(
        "ruby and circles by fields",
        p(
            r("@w ")
            + drawn_field(r"EQ \* jc2 \o\ad(\s\up 9(@w),@w)")
            + r(" ")
            + drawn_field(r"eq \o\ac(○,@w)")
            + r(" @w")
        ),
        ordered=False,
    ),
    _c(
        "bdo and dir",
        p(
            r("@w ")
            + '<w:bdo w:val="rtl">'
            + r("@w")
            + "</w:bdo>"
            + '<w:dir w:val="rtl">'
            + r(" @w")
            + "</w:dir>"
            + r(" @w")
        ),
    ),
    _c("bullet list", item(r("@w")) + item(r("@w ") + r("@w", "bold"))),
    _c("numbered list", item(r("@w"), number=2) + item(r("@w"), number=2)),
    _c("nested list", item(r("@w")) + item(r("@w"), 1) + item(r("@w"), 2) + item(r("@w"))),
    _c("half-bold word in an item", item(r("@l", "bold") + r("@r")) + item(r("@w"))),
    _c("text between items", item(r("@w")) + p(r("@w")) + item(r("@w"))),
    _c("table", tbl(cells("@w", "@w"), cells("@w", "@w"))),
    _c(
        "spans of a table",
        tbl(
            tr(td(p(r("@w")), '<w:gridSpan w:val="2"/>')),
            tr(td(p(r("@w")), '<w:vMerge w:val="restart"/>'), td(p(r("@w")))),
            tr(td(p(""), "<w:vMerge/>"), td(p(r("@w")))),
        ),
    ),
    _c(
        "half-bold word in a cell",
        tbl(tr(td(p(r("@l", "bold") + r("@r"))), td(p(r("@l") + r("@m", "sub") + r("@r @w"))))),
    ),
    _c(
        "paragraphs in a cell",
        tbl(tr(td(p(r("@w")) + p(r("@w"))), td(p("<w:r><w:t>@w</w:t><w:br/><w:t>@w</w:t></w:r>")))),
    ),
    _c("list in a cell", tbl(tr(td(item(r("@w")) + item(r("@w"))), td(p(r("@w")))))),
    _c("table in a cell", tbl(tr(td(p(r("@w")) + tbl(cells("@w", "@w")) + p(r("@w"))), td(p(r("@w")))))),
    _c("table of one cell", tbl(cells("@w"))),
    _c("bar and break in a cell", tbl(cells("@w | @w", "@w"), cells("@w", "@w"))),
    _c(
        "link, field and tag in a cell",
        tbl(
            tr(
                td(p('<w:hyperlink r:id="link1">' + r("@w") + "</w:hyperlink>")),
                td(p(field("REF x", r("@w")) + _SMART.format(r(" @w")))),
            )
        ),
    ),
    _c("empty first row and column", tbl(cells("", "@w"), cells("@w", ""), cells("", "@w"))),
    _c(
        "cells skipped before and after",
        tbl(cells("@w", "@w"), tr(td(p(r("@w"))), properties='<w:trPr><w:gridBefore w:val="1"/></w:trPr>')),
    ),
    _c("caption", p(r("@w ") + field("SEQ Table", r("7")) + r(": @w"), "Caption") + tbl(cells("@w"))),
    _c(
        "quote, code, subtitle, unknown style",
        p(r("@w"), "Quote") + p(r("@w"), "HTMLPreformatted") + p(r("@w"), "Subtitle") + p(r("@w"), "Nowhere"),
    ),
    _c("text box", p(r("@w") + box(p(r("@w ") + r("@w", "bold")) + p(r("@w"))) + r(" @w")), ordered=False),
    _c("half-bold word in a text box", p(box(p(r("@l", "bold") + r("@r")))), ordered=False),
    _c("table and control in a text box", p(box(tbl(cells("@w", "@w")) + sdt(p(r("@w"))))), ordered=False),
    _c("text box in a cell", tbl(tr(td(p(r("@w") + box(p(r("@w"))))), td(p(r("@w"))))), ordered=False),
    _c(
        "text box of older programs",
        p(
            "<w:r><w:pict><v:shape><v:textbox><w:txbxContent>"
            + p(r("@w"))
            + "</w:txbxContent></v:textbox></v:shape></w:pict></w:r>"
        ),
        ordered=False,
    ),
    _c(
        "formula in a line",
        p(
            r("@w ")
            + "<m:oMath><m:f><m:num>"
            + math("@w")
            + "</m:num><m:den>"
            + math("b")
            + "</m:den></m:f></m:oMath>"
            + r(" @w")
        ),
    ),
    _c(
        "formula in a block",
        p(
            "<m:oMathPara><m:oMath><m:sSup><m:e>"
            + math("@w")
            + "</m:e><m:sup>"
            + math("2")
            + "</m:sup></m:sSup></m:oMath></m:oMathPara>"
        ),
    ),
    _c(
        "formula in a cell",
        tbl(
            tr(
                td(p("<m:oMath>" + math("@w") + "</m:oMath>")),
                td(p(r("@w ") + "<m:oMath>" + math("x") + "</m:oMath>" + r(" @w"))),
            )
        ),
    ),
    _c(
        "formula of a frame, a bracket of parts, scripts before",
        p(
            "<m:oMath><m:borderBox><m:e>"
            + math("@w")
            + "</m:e></m:borderBox><m:d><m:e>"
            + math("@w")
            + "</m:e><m:e>"
            + math("@w+1")
            + "</m:e></m:d><m:sPre><m:sub>"
            + math("@w")
            + "</m:sub><m:sup>"
            + math("@w")
            + "</m:sup><m:e>"
            + math("@w")
            + "</m:e></m:sPre></m:oMath>"
        ),
    ),
    _c("formula in an item", item(r("@w ") + "<m:oMath>" + math("@w") + "</m:oMath>" + r(" @w"))),
    _c("inserted text", p(r("@w ") + ins(r("@w")) + r(" @w"))),
    _c("deleted text", p(r("@w ") + gone("@changes") + r(" @w"))),
    _c("inserted half of a word", p(r("@l") + ins(r("@r")) + r(" @w"))),
    _c("deleted middle of a word", p(r("@l") + gone("@changes") + r("@r"))),
    _c("moved text", p(ins(r("@changes"), "moveFrom") + r("@w")) + p(r("@w ") + ins(r("@w"), "moveTo"))),
    _c(
        "inserted link, control and field",
        p(
            r("@w ")
            + ins('<w:hyperlink r:id="link1">' + r("@w") + "</w:hyperlink>" + sdt(r(" @w")))
            + ins(field("REF x", r(" @w")))
        ),
    ),
    _c("inserted in a cell", tbl(tr(td(p(ins(r("@w")))), td(p(r("@w ") + gone("@changes") + ins(r("@w"))))))),
    _c("inserted row", tbl(cells("@w"), tr(td(p(ins(r("@w")))), properties=_ROW_INSERTED))),
    _c("deleted row", tbl(cells("@w"), tr(td(p(gone("@changes"))), properties=_ROW_DELETED), cells("@w"))),
    _c("inserted paragraph", p(ins(r("@w")), properties=_MARK_INSERTED) + p(r("@w"))),
    _c("deleted paragraph mark", p(r("@w "), properties=_MARK_DELETED) + p(r("@w"))),
    _c("deleted paragraph", p(gone("@changes"), properties=_MARK_DELETED) + p(r("@w"))),
    _c("deletion in an insertion", p(r("@w ") + ins(gone("@changes") + r("@w")))),
    _c("deleted formula's neighbour", p(ins("<m:oMath>" + math("@w") + "</m:oMath>") + r(" @w"))),
    _c(
        "changed format",
        p(
            "<w:r><w:rPr><w:b/><w:rPrChange "
            + _REVISION
            + "><w:rPr/></w:rPrChange></w:rPr><w:t>@l</w:t></w:r>"
            + r("@r @w")
        ),
    ),
    _c("inserted in a text box", p(box(p(ins(r("@w")) + gone("@changes")))), ordered=False),
    _c("hidden text", p(r("@w ") + r("@hidden", "hidden") + r(" @w"))),
    _c("hidden paragraph", p(r("@hidden", "hidden"), properties="<w:rPr><w:vanish/></w:rPr>")),
    _c(
        "footnote",
        p(r("@w") + '<w:r><w:footnoteReference w:id="2"/></w:r>' + r(" @w")),
        footnotes=_note("footnote", 2, p(r("@footnotes ") + r("@footnotes", "bold"))),
    ),
    _c(
        "endnote",
        p(r("@w") + '<w:r><w:endnoteReference w:id="2"/></w:r>' + r(" @w")),
        endnotes=_note("endnote", 2, p(r("@footnotes"))),
    ),
    _c(
        "footnote in a cell",
        tbl(tr(td(p(r("@w") + '<w:r><w:footnoteReference w:id="3"/></w:r>')), td(p(r("@w"))))),
        footnotes=_note("footnote", 3, p(r("@footnotes")) + p(r("@footnotes"))),
        ordered=False,
    ),
    _c(
        "table in a footnote",
        p(r("@w") + '<w:r><w:footnoteReference w:id="4"/></w:r>'),
        footnotes=_note("footnote", 4, tbl(cells("@footnotes")) + p(ins(r("@footnotes")))),
    ),
    _c(
        "comment",
        p(
            '<w:commentRangeStart w:id="7"/>'
            + r("@w")
            + '<w:commentRangeEnd w:id="7"/><w:r><w:commentReference w:id="7"/></w:r>'
            + r(" @w")
        ),
        comments=f'<w:comment w:id="7" {_REVISION.partition(" ")[2]} w:initials="R">{p(r("@comments ") + r("@comments", "bold"))}</w:comment>',
    ),
    _c(
        "comment on a cell",
        tbl(
            tr(
                td(
                    p(
                        '<w:commentRangeStart w:id="8"/>'
                        + r("@w")
                        + '<w:commentRangeEnd w:id="8"/><w:r><w:commentReference w:id="8"/></w:r>'
                    )
                ),
                td(p(r("@w"))),
            )
        ),
        comments=f'<w:comment w:id="8" {_REVISION.partition(" ")[2]} w:initials="R">{p(r("@comments"))}</w:comment>',
        ordered=False,
    ),
    _c(
        "header and footer",
        "",
        header=p(r("@headers ") + r("@headers", "bold")),
        footer=tbl(cells("@headers")),
        ordered=False,
    ),
    Construct(
        name="description of a picture",
        source=p(
            '<w:r><w:drawing><wp:inline><wp:extent cx="9525" cy="9525"/><wp:docPr id="9" name="Picture 1" descr="@w"/><a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:nvPicPr><pic:cNvPr id="0" name="a.gif"/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:embed="picture1"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill><pic:spPr/></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>'
            + r("@w")
        ),
        forms=SHOWN,
        ordered=False,
    ),
    _c(
        "alternative content in a line",
        p(
            r("@w ")
            + "<mc:AlternateContent><mc:Choice Requires='wps'>"
            + r("@w")
            + "</mc:Choice><mc:Fallback>"
            + r("zz")
            + "</mc:Fallback></mc:AlternateContent>"
            + r(" @w")
        ),
    ),
    _c("section break in a paragraph", p(r("@w"), properties="<w:sectPr/>") + p(r("@w"))),
    _c("second body of an import", p(r("@w")) + '<w:altChunk r:id="chunk1"/>' + p(r("@w"))),
)

_REFERENCES = "".join(f'<w:{kind}Reference w:type="default" r:id="{kind}1"/>' for kind in ("header", "footer"))
_STYLE_NAMES = {
    "Normal": "Normal",
    "Title": "Title",
    "Subtitle": "Subtitle",
    "Heading1": "heading 1",
    "Heading2": "heading 2",
    "ListParagraph": "List Paragraph",
    "Quote": "Quote",
    "HTMLPreformatted": "HTML Preformatted",
    "Caption": "caption",
    "TOC1": "toc 1",
}
_LEVELS = "".join(
    f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{{format}}"/><w:lvlText w:val="{{text}}"/></w:lvl>'
    for level in range(3)
)
_OFFICE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


def _xml(root: str, inner: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<w:{root} {_NAMESPACES}>{inner}</w:{root}>'


def _package(pieces: Sequence[Piece]) -> bytes:
    others = parts(pieces)
    body = _BOX.sub(r"\1\2\1", "".join(piece.source for piece in pieces))
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{key}"{" w:default=" + chr(34) + "1" + chr(34) if key == "Normal" else ""}>'
        f'<w:name w:val="{name}"/></w:style>'
        for key, name in _STYLE_NAMES.items()
    )
    lists = "".join(
        f'<w:abstractNum w:abstractNumId="{key}">{_LEVELS.format(format=format_, text=text)}</w:abstractNum>'
        for key, format_, text in ((1, "bullet", "•"), (2, "decimal", "%1."))
    ) + "".join(f'<w:num w:numId="{key}"><w:abstractNumId w:val="{key}"/></w:num>' for key in (1, 2))
    empty = p("")
    members = {
        "document": _xml("document", f"<w:body>{body}<w:sectPr>{_REFERENCES}</w:sectPr></w:body>"),
        "styles": _xml("styles", styles),
        "numbering": _xml("numbering", lists),
        "footnotes": _xml("footnotes", others.get("footnotes", "")),
        "endnotes": _xml("endnotes", others.get("endnotes", "")),
        "comments": _xml("comments", others.get("comments", "")),
        "header": _xml("hdr", others.get("header", empty)),
        "footer": _xml("ftr", others.get("footer", "") + empty),
    }
    return _zipped(members)


def _zipped(members: dict[str, str]) -> bytes:
    types = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="{_OFFICE}.{"document.main" if name == "document" else name}+xml"/>'
        for name in members
    )
    relations = "".join(
        f'<Relationship Id="{name}1" Type="{_RELATIONS}/{name}" Target="{name}.xml"/>'
        for name in members
        if name != "document"
    )
    relations += (
        f'<Relationship Id="link1" Type="{_RELATIONS}/hyperlink" Target="https://example.org" TargetMode="External"/>'
    )
    relations += f'<Relationship Id="picture1" Type="{_RELATIONS}/image" Target="media/a.gif"/>'
    declared = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    package = "http://schemas.openxmlformats.org/package/2006"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'{declared}<Types xmlns="{package}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="gif" ContentType="image/gif"/>{types}</Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'{declared}<Relationships xmlns="{package}/relationships"><Relationship Id="a" '
            f'Type="{_RELATIONS}/officeDocument" Target="word/document.xml"/></Relationships>',
        )
        archive.writestr(
            "word/_rels/document.xml.rels",
            f'{declared}<Relationships xmlns="{package}/relationships">{relations}</Relationships>',
        )
        archive.writestr("word/media/a.gif", _PIXEL)
        for name, content in members.items():
            archive.writestr(f"word/{name}.xml", content)
    return buffer.getvalue()


FORMAT = Format(
    name="docx",
    filename="sample.docx",
    constructs=_CONSTRUCTS,
    build=_package,
    markup=r"</?w:|</?m:| PAGEREF | HYPERLINK ",
)
