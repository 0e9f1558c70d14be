"""What the three OpenDocument formats share: the archive and its namespaces."""

from __future__ import annotations

from bench.loss.formats.packages import PIXEL, zipped

_OASIS = "urn:oasis:names:tc:opendocument:xmlns"
_SPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        **{
            name: f"{_OASIS}:{name}:1.0"
            for name in ("office", "text", "table", "style", "presentation", "script", "form", "manifest")
        },
        "draw": f"{_OASIS}:drawing:1.0",
        "fo": f"{_OASIS}:xsl-fo-compatible:1.0",
        "svg": f"{_OASIS}:svg-compatible:1.0",
        "number": f"{_OASIS}:datastyle:1.0",
        "xlink": "http://www.w3.org/1999/xlink",
        "dc": "http://purl.org/dc/elements/1.1/",
        "math": "http://www.w3.org/1998/Math/MathML",
    }.items()
)
_STYLES = """
<style:style style:name="B" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>
<style:style style:name="I" style:family="text"><style:text-properties fo:font-style="italic"/></style:style>
<style:style style:name="H" style:family="text"><style:text-properties text:display="none"/></style:style>
<style:style style:name="Sub" style:family="text"><style:text-properties style:text-position="sub 58%"/></style:style>
<style:style style:name="HT" style:family="table"><style:table-properties table:display="false"/></style:style>
<style:style style:name="HD" style:family="drawing-page"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>
<text:list-style style:name="N"><text:list-level-style-number text:level="1" style:num-format="1"/></text:list-style>
"""


def package(kind: str, body: str, master: str = "") -> bytes:
    """A file of a kind: "text", "spreadsheet" or "presentation".

    Args:
        kind: of the document.
        body: what is in `office:text` and its like.
        master: what is in `style:master-page`.
    """
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<office:document-{{}} {_SPACES} office:version="1.3">'
    content = (
        f"{head.format('content')}<office:automatic-styles>{_STYLES}</office:automatic-styles><office:body>"
        f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    layout = '<office:automatic-styles><style:page-layout style:name="P"/></office:automatic-styles>'
    page = f'<style:master-page style:name="Standard" style:page-layout-name="P">{master}</style:master-page>'
    styles = f"{head.format('styles')}<office:styles/>{layout}<office:master-styles>{page}</office:master-styles></office:document-styles>"
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{path}" manifest:media-type="{media}"/>'
        for path, media in (
            ("/", mimetype),
            ("content.xml", "text/xml"),
            ("styles.xml", "text/xml"),
            ("Pictures/a.gif", "image/gif"),
        )
    )
    manifest = f'<manifest:manifest xmlns:manifest="{_OASIS}:manifest:1.0" manifest:version="1.3">{entries}</manifest:manifest>'
    return zipped(
        {
            "mimetype": mimetype,
            "content.xml": content,
            "styles.xml": styles,
            "meta.xml": f"{head.format('meta')}<office:meta/></office:document-meta>",
            "Pictures/a.gif": PIXEL,
            "META-INF/manifest.xml": manifest,
        }
    )


def p(inner: str) -> str:
    """A paragraph."""
    return f"<text:p>{inner}</text:p>"


def span(inner: str, style: str = "B") -> str:
    """A span: bold, italic (I), hidden (H) or subscript (Sub)."""
    return f'<text:span text:style-name="{style}">{inner}</text:span>'


def td(inner: str, properties: str = "") -> str:
    """A cell of blocks."""
    return f"<table:table-cell{properties}>{inner}</table:table-cell>"


def tr(*cells: str, properties: str = "") -> str:
    """A row; what is not an element is a cell's text."""
    filled = [cell if cell.startswith("<") else td(p(cell) if cell else "") for cell in cells]
    return f"<table:table-row{properties}>{''.join(filled)}</table:table-row>"


def table(*rows: str, name: str = "T", columns: str = "<table:table-column/>", properties: str = "") -> str:
    """A table of rows."""
    return f'<table:table table:name="{name}"{properties}>{columns}{"".join(rows)}</table:table>'


def items(*inner: str, style: str = "L") -> str:
    """A list of items, each of blocks."""
    lines = "".join(f"<text:list-item>{item}</text:list-item>" for item in inner)
    return f'<text:list text:style-name="{style}">{lines}</text:list>'


def note(inner: str, kind: str = "footnote") -> str:
    """A footnote or endnote."""
    return f'<text:note text:note-class="{kind}"><text:note-citation>1</text:note-citation><text:note-body>{inner}</text:note-body></text:note>'


def comment(inner: str) -> str:
    """A comment."""
    return f"<office:annotation><dc:creator>Rev</dc:creator><dc:date>2026-01-01T00:00:00</dc:date>{inner}</office:annotation>"


def frame(inner: str, properties: str = "") -> str:
    """A frame with a text box."""
    return f"<draw:frame{properties}><draw:text-box>{inner}</draw:text-box></draw:frame>"


def picture(description: str = "") -> str:
    """A frame with a picture."""
    return f'<draw:frame><draw:image xlink:href="Pictures/a.gif"/>{description}</draw:frame>'
