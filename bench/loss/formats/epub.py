"""EPUB: a book of chapters; in them what HTML knows."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loss.constructs import Construct, Format, Piece
from bench.loss.formats import html
from bench.loss.formats.packages import PIXEL, zipped

_NOT_XML = {
    "line break",
    "text beside a picture",
    "picture",
    "figure with caption",
    "horizontal rule",
    "soft hyphen and wbr in a word",
    "entities between words",
    "row without a table's parts",
    "unclosed elements",
    "footer of the page",
    "text before the first heading",
    "line break in a cell",
}
"""Constructs of HTML that are no XML, which chapters are, or that are a page's."""


def _chapter(name: str, source: str, *, ordered: bool = True, **others: str) -> Construct:
    return Construct(name=name, source=source, ordered=ordered, parts=others)


_CONSTRUCTS = (
    *(construct for construct in html.BODY if construct.name not in _NOT_XML),
    _chapter("line break in XML", "<p>@w<br/>@w</p><table><tr><td>@w<br/>@w</td></tr></table>"),
    _chapter(
        "picture of the book",
        '<p>@w</p><figure><img src="a.gif" alt="a"/><figcaption>@w</figcaption></figure><p>@w</p>',
        ordered=False,
    ),
    _chapter("chapter without heading", "<p>@w</p>"),
    _chapter("title of a chapter's file", "<p>@w</p>", title="@x"),
    _chapter("text before the heading of a chapter", "<p>@w</p><h1>@w</h1>"),
    _chapter(
        "note at the end",
        '<p>@w<a epub:type="noteref" href="#n1">1</a> @w</p><aside epub:type="footnote" id="n1"><p>@w</p></aside>',
    ),
    _chapter("poem", '<div class="poem"><p>@w<br/>@w</p></div>'),
    _chapter("section with type", '<section epub:type="chapter"><h2>@w</h2><p>@w</p></section>'),
    _chapter("page break mark", '<p>@w<span epub:type="pagebreak" id="p2"></span> @w</p>'),
    _chapter("chapter beside the reading order", "<p>@w</p>", linear="no", ordered=False),
    _chapter("switch", "<p>@w <i>@w</i></p>"),
)


def _book(pieces: Sequence[Piece]) -> bytes:
    items, order, members = "", "", {}
    for number, piece in enumerate(pieces, start=1):
        key = f"c{number:03}"
        items += f'<item id="{key}" href="{key}.xhtml" media-type="application/xhtml+xml"/>'
        linear = f' linear="{piece.parts["linear"]}"' if "linear" in piece.parts else ""
        order += f'<itemref idref="{key}"{linear}/>'
        members[f"OPS/{key}.xhtml"] = _xhtml(piece)
    container = '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    container += '<rootfile full-path="OPS/a.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    about = "<dc:identifier id='i'>a</dc:identifier><dc:title>Book</dc:title><dc:language>en</dc:language>"
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OPS/a.opf": f'<package version="3.0" unique-identifier="i" xmlns="http://www.idpf.org/2007/opf"><metadata '
            f'xmlns:dc="http://purl.org/dc/elements/1.1/">{about}</metadata><manifest>{items}'
            f'<item id="g" href="a.gif" media-type="image/gif"/></manifest><spine>{order}</spine></package>',
            "OPS/a.gif": PIXEL,
            **dict(reversed(members.items())),  # the spine orders them, not the archive
        }
    )


def _xhtml(piece: Piece) -> str:
    spaces = 'xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'
    head = f"<head><title>{piece.parts.get('title', 'Chapter')}</title></head>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<html {spaces}>{head}<body>{piece.source}</body></html>'


FORMAT = Format(name="epub", filename="sample.epub", constructs=_CONSTRUCTS, build=_book, markup=html.FORMAT.markup)
