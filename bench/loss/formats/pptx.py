"""PPTX: DrawingML written by hand on the slides of python-pptx's template, one slide for every construct."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from pptx import Presentation
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.oxml import parse_xml
from pptx.util import Emu

from bench.loss.constructs import SHOWN, Construct, Format, Piece
from bench.loss.formats.packages import PIXEL

_SPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
        "p": "http://schemas.openxmlformats.org/presentationml/2006/main",
        "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "a14": "http://schemas.microsoft.com/office/drawing/2010/main",
        "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "p99": "urn:example:later",
    }.items()
)


def r(text: str, properties: str = "") -> str:
    """A run."""
    return f"<a:r><a:rPr lang='en'{properties}/><a:t>{text}</a:t></a:r>"


def b(text: str) -> str:
    """A bold run."""
    return r(text, " b='1'")


def p(inner: str, properties: str = "") -> str:
    """A paragraph of runs."""
    return f"<a:p>{properties}{inner}</a:p>"


def bullet(inner: str, level: int = 0, kind: str = "<a:buChar char='•'/>") -> str:
    """A paragraph with a bullet."""
    return p(inner, f"<a:pPr lvl='{level}'>{kind}</a:pPr>")


def sp(body: str, kind: str = "", properties: str = "", name: str = "Shape") -> str:
    """A shape with text: a box, or the placeholder of a kind."""
    place = f"<p:ph type='{kind}'/>" if kind else ""
    what = f"<p:nvSpPr><p:cNvPr id='9' name='{name}'{properties}/><p:cNvSpPr/><p:nvPr>{place}</p:nvPr></p:nvSpPr>"
    at = "<p:spPr><a:xfrm><a:off x='9' y='9'/><a:ext cx='9' cy='9'/></a:xfrm></p:spPr>"
    return f"<p:sp>{what}{at}<p:txBody><a:bodyPr/>{body}</p:txBody></p:sp>"


def group(*shapes: str) -> str:
    """A group of shapes."""
    return f"<p:grpSp><p:nvGrpSpPr><p:cNvPr id='8' name='G'/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>{''.join(shapes)}</p:grpSp>"


def td(body: str, properties: str = "") -> str:
    """A cell of paragraphs."""
    return f"<a:tc{properties}><a:txBody><a:bodyPr/>{body}</a:txBody><a:tcPr/></a:tc>"


def tr(*cells: str) -> str:
    """A row; what is not an element is a cell's text."""
    filled = [cell if cell.startswith("<") else td(p(r(cell))) for cell in cells]
    return f"<a:tr h='9'>{''.join(filled)}</a:tr>"


def tbl(*rows: str, columns: int = 2) -> str:
    """A table in its frame."""
    grid = "<a:gridCol w='9'/>" * columns
    uri = "http://schemas.openxmlformats.org/drawingml/2006/table"
    table = f"<a:tbl><a:tblPr firstRow='1'/><a:tblGrid>{grid}</a:tblGrid>{''.join(rows)}</a:tbl>"
    what = "<p:nvGraphicFramePr><p:cNvPr id='7' name='T'/><p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr>"
    at = "<p:xfrm><a:off x='9' y='9'/><a:ext cx='9' cy='9'/></p:xfrm>"
    return f"<p:graphicFrame>{what}{at}<a:graphic><a:graphicData uri='{uri}'>{table}</a:graphicData></a:graphic></p:graphicFrame>"


def _math(text: str) -> str:
    return f"<a14:m><m:oMath><m:r><m:t>{text}</m:t></m:r></m:oMath></a14:m>"


def _c(name: str, source: str, *, ordered: bool = True, **others: str) -> Construct:
    return Construct(name=name, source=source, ordered=ordered, parts=others)


_LINK = "<a:r><a:rPr lang='en'><a:hlinkClick r:id='link1'/></a:rPr><a:t>{}</a:t></a:r>"

_CONSTRUCTS = (
    _c("title and subtitle", sp(p(r("@w @w")), "ctrTitle") + sp(p(r("@w")), "subTitle")),
    _c("half-bold word in a title", sp(p(b("@l") + r("@r @w")), "title")),
    _c("title of lines", sp(p(r("@w") + "<a:br/>" + r("@w")), "title")),
    _c("text of a placeholder", sp(p(r("@w")) + p(r("@w ") + b("@w")), "body")),
    _c("text box", sp(p(r("@w")) + p(r("@w")))),
    _c("bold half of a word", sp(p(r("@w ") + b("@l") + r("@r @l") + b("@r")))),
    _c(
        "formats in the middle of a word",
        sp(
            p(
                r("@l")
                + r("@m", " i='1'")
                + r("@r @l")
                + r("@m", " baseline='-25000'")
                + r("@r @l")
                + r("@m", " u='sng'")
                + r("@r")
            )
        ),
    ),
    _c("runs of one format in a word", sp(p(r("@l") + r("@m") + r("@r @w")))),
    _c("line break and tab", sp(p(r("@w") + "<a:br/>" + r("@w\t@w")))),
    _c("link", sp(p(r("@w ") + _LINK.format("@w") + r(" @w")))),
    _c("link in a word", sp(p(r("@l") + _LINK.format("@m") + r("@r")))),
    _c(
        "field",
        sp(
            p(
                r("@w ")
                + "<a:fld id='{B6F15528-21DE-4FAA-801E-634DDDAF4B2B}' type='datetime1'><a:rPr lang='en'/><a:t>@w</a:t></a:fld>"
                + r(" @w")
            )
        ),
    ),
    _c(
        "field in an item",
        sp(
            bullet(
                "<a:fld id='{B6F15528-21DE-4FAA-801E-634DDDAF4B2B}' type='datetime1'><a:rPr lang='en'/><a:t>@w</a:t></a:fld>"
                + r(" @w")
            ),
            "body",
        ),
    ),
    _c("formula in a line", sp(p(r("@w ") + _math("@w") + r(" @w")))),
    _c(
        "formula in a frame",
        sp(p("<a14:m><m:oMath><m:borderBox><m:e><m:r><m:t>@w</m:t></m:r></m:e></m:borderBox></m:oMath></a14:m>")),
    ),
    _c(
        "drawn by hand",
        "<mc:AlternateContent><mc:Choice Requires='a14'><p:contentPart r:id='ink1'/></mc:Choice>"
        + f"<mc:Fallback>{sp(p(r('@w')))}</mc:Fallback></mc:AlternateContent>",
    ),
    _c(
        "shape with a formula",
        "<mc:AlternateContent><mc:Choice Requires='a14'>"
        + sp(p(r("@w ") + _math("@w")))
        + "</mc:Choice><mc:Fallback>"
        + sp(p(r("zz")))
        + "</mc:Fallback></mc:AlternateContent>",
    ),
    _c("right to left", sp(p(r("@rtl @rtl"), "<a:pPr rtl='1'/>"))),
    _c("bullet list", sp(bullet(r("@w")) + bullet(r("@w ") + b("@w")))),
    _c("nested list", sp(bullet(r("@w")) + bullet(r("@w"), 1) + bullet(r("@w"), 2) + bullet(r("@w")))),
    _c(
        "numbered list",
        sp(
            bullet(r("@w"), kind="<a:buAutoNum type='arabicPeriod'/>")
            + bullet(r("@w"), kind="<a:buAutoNum type='arabicPeriod'/>")
        ),
    ),
    _c("half-bold word in an item", sp(bullet(b("@l") + r("@r")) + bullet(r("@w")))),
    _c(
        "text before and after a list",
        sp(p(r("@w"), "<a:pPr><a:buNone/></a:pPr>") + bullet(r("@w")) + p(r("@w"), "<a:pPr><a:buNone/></a:pPr>")),
    ),
    _c("two shapes", sp(p(r("@w"))) + sp(p(r("@w")))),
    _c(
        "shape without place", sp(p(r("@w"))).replace("<a:xfrm><a:off x='9' y='9'/><a:ext cx='9' cy='9'/></a:xfrm>", "")
    ),
    _c(
        "connector's neighbour",
        "<p:cxnSp><p:nvCxnSpPr><p:cNvPr id='6' name='C'/><p:cNvCxnSpPr/><p:nvPr/></p:nvCxnSpPr><p:spPr/></p:cxnSp>"
        + sp(p(r("@w"))),
    ),
    _c("group of shapes", group(sp(p(r("@w"))), group(sp(p(r("@w")))), sp(p(r("@w"))))),
    _c("table in a group", group(tbl(tr("@w", "@w")))),
    _c("table", tbl(tr("@w", "@w"), tr("@w", "@w"))),
    _c(
        "spans of a table",
        tbl(
            tr(td(p(r("@w")), " gridSpan='2'"), td("<a:p/>", " hMerge='1'")),
            tr(td(p(r("@w")), " rowSpan='2'"), "@w"),
            tr(td("<a:p/>", " vMerge='1'"), "@w"),
        ),
    ),
    _c(
        "text in the covered part of a span",
        tbl(tr(td(p(r("@w")), " gridSpan='2'"), td(p(r("@x")), " hMerge='1'")), tr("@w", "@w")),
    ),
    _c("half-bold word in a cell", tbl(tr(td(p(b("@l") + r("@r"))), td(p(r("@w ") + b("@w")))))),
    _c(
        "paragraphs, list, break and field in a cell",
        tbl(
            tr(
                td(p(r("@w")) + bullet(r("@w"))),
                td(p(r("@w") + "<a:br/>" + r("@w"))),
                td(p("<a:fld id='{B6F15528-21DE-4FAA-801E-634DDDAF4B2B}' type='x'><a:t>@w</a:t></a:fld>")),
            ),
            columns=3,
        ),
    ),
    _c("formula and link in a cell", tbl(tr(td(p(r("@w ") + _math("@w"))), td(p(_LINK.format("@w")))))),
    _c("bar and tag in a cell", tbl(tr("@w | @w", "@w &lt;em&gt; @w"))),
    Construct(
        name="description of a picture",
        source="<p:pic><p:nvPicPr><p:cNvPr id='5' name='P' descr='@w'/><p:cNvPicPr/><p:nvPr/></p:nvPicPr><p:blipFill><a:blip r:embed='picture1'/><a:stretch><a:fillRect/></a:stretch></p:blipFill><p:spPr><a:xfrm><a:off x='9' y='9'/><a:ext cx='9525' cy='9525'/></a:xfrm></p:spPr></p:pic>",
        forms=SHOWN,
        ordered=False,
    ),
    _c("speaker notes", sp(p(r("@w"))), notes=p(r("@speaker_notes ") + b("@speaker_notes")) + p(b("@speaker_notes"))),
    _c("list in speaker notes", sp(p(r("@w"))), notes=bullet(r("@speaker_notes")) + bullet(r("@speaker_notes"))),
    _c("comment", sp(p(r("@w"))), comments="@comments @comments", ordered=False),
    _c("hidden slide", sp(p(r("@hidden @hidden"))), show="0"),
    _c("hidden shape", sp(p(r("@w"))) + sp(p(r("@hidden")), properties=" hidden='1'"), ordered=False),
    _c(
        "footer, date and number of a slide",
        sp(p(r("@w"))) + sp(p(r("@headers")), "ftr") + sp(p(r("@headers")), "dt"),
        ordered=False,
    ),
    _c(
        "shape that only older programs know",
        "<mc:AlternateContent><mc:Choice Requires='p99'>"
        + sp(p(r("zz")))
        + "</mc:Choice><mc:Fallback>"
        + sp(p(r("@w")))
        + "</mc:Fallback></mc:AlternateContent>",
    ),
    _c("character that is markup in Markdown", sp(p(r("@w * @w _ @w | @w # @w")))),
)

_COMMENT = (
    "<p:cmLst {spaces}><p:cm authorId='0' dt='2026-01-01T00:00:00' idx='1'><p:pos x='0' y='0'/>"
    "<p:text>{text}</p:text></p:cm></p:cmLst>"
)
_AUTHORS = "<p:cmAuthorLst {spaces}><p:cmAuthor id='0' name='Rev' initials='R' lastIdx='1' clrIdx='0'/></p:cmAuthorLst>"
_KIND = "application/vnd.openxmlformats-officedocument.presentationml"


def _deck(pieces: Sequence[Piece]) -> bytes:
    deck: Any = Presentation()
    deck.slide_width = Emu(9144000)
    package = deck.part.package
    if any("comments" in piece.parts for piece in pieces):
        authors = _AUTHORS.format(spaces=_SPACES).encode()
        part = Part(PackURI("/ppt/commentAuthors.xml"), f"{_KIND}.commentAuthors+xml", package, authors)
        deck.part.relate_to(part, RELATIONSHIP_TYPE.COMMENT_AUTHORS)
    for number, piece in enumerate(pieces, start=1):
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        _fill(slide, piece)
        if "comments" in piece.parts:
            content = _COMMENT.format(spaces=_SPACES, text=piece.parts["comments"]).encode()
            part = Part(PackURI(f"/ppt/comments/comment{number}.xml"), f"{_KIND}.comments+xml", package, content)
            slide.part.relate_to(part, RELATIONSHIP_TYPE.COMMENTS)
    buffer = io.BytesIO()
    deck.save(buffer)
    return buffer.getvalue()


def _fill(slide: Any, piece: Piece) -> None:
    source = piece.source
    if "link1" in source:
        link = slide.part.relate_to("https://example.org", RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
        source = source.replace("link1", link)
    if "picture1" in source:
        _, picture = slide.part.get_or_add_image_part(io.BytesIO(PIXEL))
        source = source.replace("picture1", picture)
    for shape in _elements(source):
        slide.shapes._spTree.append(shape)
    if "show" in piece.parts:
        slide._element.set("show", piece.parts["show"])
    if "notes" in piece.parts:
        body = slide.notes_slide.notes_text_frame._txBody
        for paragraph in list(body)[2:]:
            body.remove(paragraph)
        body.extend(_elements(piece.parts["notes"]))


def _elements(source: str) -> list[Any]:
    """Elements of python-pptx's own classes."""
    return list(parse_xml(f"<p:root {_SPACES}>{source}</p:root>".encode()))


FORMAT = Format(name="pptx", filename="sample.pptx", constructs=_CONSTRUCTS, build=_deck, markup=r"</?[ap]:")
