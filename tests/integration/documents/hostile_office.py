"""Office files and books that are deep, far, repeated or circular, or that name other files."""

from __future__ import annotations

import html
import io
import zipfile
from collections.abc import Iterator

import docx

from tests.integration.documents.bait import DEEP, MAIN, Bait, Hostile, docx_file, jats, odt_file, png, xlsx_file
from tests.integration.documents.packages import archive, changed, plain

_CELL = "<w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>"


def deep() -> Iterator[Hostile]:
    """Depth."""
    parts = {
        "tables": ("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>", 1000),
        "controls": ("<w:sdt><w:sdtContent>", "</w:sdtContent></w:sdt>", DEEP),
        "insertions": ('<w:ins w:id="1" w:author="x">', "</w:ins>", DEEP),
    }
    for name, (start, end, depth) in parts.items():
        yield docx_file(f"deep-{name}", start * depth + "<w:p><w:r><w:t>x</w:t></w:r></w:p>" + end * depth)
    lists = "<text:list><text:list-item>"
    end = "</text:list-item></text:list>"
    yield odt_file("deep-lists", lists * DEEP + "<text:p>x</text:p>" + end * DEEP)
    yield odt_file("deep-spans", "<text:p>" + "<text:span>" * DEEP + "x" + "</text:span>" * DEEP + "</text:p>")
    yield odt_file("deep-sections", "<text:section>" * DEEP + "<text:p>x</text:p>" + "</text:section>" * DEEP)
    group = "<p:grpSp><p:nvGrpSpPr/><p:grpSpPr/>"
    yield Hostile(
        name="pptx-deep-groups",
        filename="a.pptx",
        make=lambda bait: changed(
            bait.good("pptx"), MAIN["pptx"], "</p:spTree>", group * DEEP + "</p:grpSp>" * DEEP + "</p:spTree>"
        ),
    )
    yield Hostile(
        name="epub-deep",
        filename="a.epub",
        make=lambda bait: changed(
            bait.good("epub"), MAIN["epub"], "A wombat.", "A wombat." + "<span>" * DEEP + "</span>" * DEEP
        ),
    )


def wide() -> Iterator[Hostile]:
    """Repetitions and spans that claim many."""
    cell = "<table:table-cell {}><text:p>x</text:p></table:table-cell>"
    row = "<table:table table:name='x'><table:table-row {}>{}</table:table-row></table:table>"
    for name, row_says, cell_says in (
        ("rows", "table:number-rows-repeated='1048576'", ""),
        ("columns", "", "table:number-columns-repeated='16384'"),
        ("both", "table:number-rows-repeated='1048576'", "table:number-columns-repeated='16384'"),
        ("spans", "", "table:number-rows-spanned='1048576' table:number-columns-spanned='16384'"),
        ("absurd", "table:number-rows-repeated='99999999999'", "table:number-columns-repeated='99999999999'"),
    ):
        table = row.format(row_says, cell.format(cell_says))
        yield odt_file(f"repeated-{name}", table)
        yield Hostile(
            name=f"ods-repeated-{name}",
            filename="a.ods",
            make=lambda bait, table=table: changed(  # type: ignore[misc]
                bait.good("ods"), "content.xml", "</office:spreadsheet>", table + "</office:spreadsheet>"
            ),
        )
    yield odt_file("spaces", "<text:p>x<text:s text:c='1000000000'/>y</text:p>")
    yield docx_file("grid-span", _row('<w:tcPr><w:gridSpan w:val="1000000000"/></w:tcPr>'))
    yield docx_file(
        "grid-before", '<w:tbl><w:tr><w:trPr><w:gridBefore w:val="1000000000"/></w:trPr>' + _CELL + "</w:tr></w:tbl>"
    )
    yield docx_file(
        "many-runs", "<w:p>" + "<w:r><w:t>x</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>y</w:t></w:r>" * 2000 + "</w:p>"
    )
    initial = '<w:p><w:pPr><w:framePr w:dropCap="drop"/></w:pPr><w:r><w:t>x</w:t></w:r></w:p>'
    yield docx_file("many-initials", initial * 3000)
    yield docx_file("many-paragraphs", "<w:p><w:r><w:t>x</w:t></w:r></w:p>" * 5000)
    yield docx_file(
        "level", '<w:p><w:pPr><w:numPr><w:ilvl w:val="1000000000"/><w:numId w:val="1"/></w:numPr></w:pPr></w:p>'
    )


def sheets() -> Iterator[Hostile]:
    """Cells far away, and areas that hold next to nothing."""
    far = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row></sheetData>'
    yield xlsx_file("far-cell", "</sheetData>", far)
    merged = '</sheetData><mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'
    yield xlsx_file("merged", "</sheetData>", merged, says="Name")  # no spreadsheet shows what it covers
    merges = "".join(f'<mergeCell ref="A{row}:XFD{row}"/>' for row in range(3, 3000))
    yield xlsx_file("many-merged", "</sheetData>", f"</sheetData><mergeCells>{merges}</mergeCells>")
    diagonal = "".join(
        f'<row r="{number}"><c r="{_column(number)}{number}"><v>1</v></c></row>' for number in range(3, 3000)
    )
    yield xlsx_file("diagonal", "</sheetData>", diagonal + "</sheetData>")
    yield xlsx_file(
        "absurd-cell", "</sheetData>", '<row r="99999999999"><c r="ZZZZZZ99999999999"><v>1</v></c></row></sheetData>'
    )
    yield xlsx_file(
        "unknown-string", "</sheetData>", '<row r="3"><c r="A3" t="s"><v>1000000000</v></c></row></sheetData>'
    )
    yield xlsx_file("long-number", "</sheetData>", f'<row r="3"><c r="A3"><v>{"9" * 100_000}</v></c></row></sheetData>')
    yield xlsx_file("exponent", "</sheetData>", '<row r="3"><c r="A3"><v>1e999999999</v></c></row></sheetData>')
    yield xlsx_file("deep-formula", "</sheetData>", f'<row r="3"><c r="A3"><f>{"(" * DEEP}</f></c></row></sheetData>')


def circular() -> Iterator[Hostile]:
    """Word files that refer to themselves."""
    yield Hostile(
        name="docx-style-of-itself",
        filename="a.docx",
        make=lambda bait: changed(
            bait.good("docx"),
            "word/styles.xml",
            "</w:styles>",
            '<w:style w:type="paragraph" w:styleId="X"><w:name w:val="X"/><w:basedOn w:val="Y"/></w:style>'
            '<w:style w:type="paragraph" w:styleId="Y"><w:name w:val="Y"/><w:basedOn w:val="X"/></w:style></w:styles>',
        ),
    )
    yield Hostile(
        name="docx-paragraph-of-such-a-style",
        filename="a.docx",
        make=lambda bait: changed(
            changed(
                bait.good("docx"),
                "word/styles.xml",
                "</w:styles>",
                '<w:style w:type="paragraph" w:styleId="X"><w:name w:val="X"/><w:basedOn w:val="X"/></w:style>'
                "</w:styles>",
            ),
            MAIN["docx"],
            "<w:body>",
            '<w:body><w:p><w:pPr><w:pStyle w:val="X"/></w:pPr><w:r><w:t>x</w:t></w:r></w:p>',
        ),
    )
    field = '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
    yield docx_file("open-fields", f"<w:p>{field * DEEP}</w:p>")
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    yield docx_file("deep-math", f"<w:p><m:oMath {math}>" + "<m:e>" * DEEP + "</m:e>" * DEEP + "</m:oMath></w:p>")
    yield docx_file("number", '<w:p><w:pPr><w:numPr><w:numId w:val="x"/></w:numPr></w:pPr></w:p>')


def pictures() -> Iterator[Hostile]:
    """Pictures that are larger than memory."""
    yield Hostile(name="docx-image", filename="a.docx", make=_docx_with_image)
    yield Hostile(name="png-named-docx", filename="a.docx", make=lambda _: png(30_000), is_refused=True)


def references() -> Iterator[Hostile]:
    """What names other files: it is not opened, and what it would show is not shown."""
    yield Hostile(
        name="references-jats",
        filename="a.nxml",
        make=lambda bait: jats(
            f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{bait.secret}" parse="text"/>'
            f'<graphic xmlns:x="http://www.w3.org/1999/xlink" x:href="{bait.url}"/>'
        )(bait),
    )
    yield Hostile(name="references-docx", filename="a.docx", make=_docx_with_references)
    yield Hostile(
        name="references-odt",
        filename="a.odt",
        make=lambda bait: odt_file(
            "",
            f'<text:p><draw:frame><draw:image xlink:href="{bait.url}"/></draw:frame></text:p>'
            f'<text:section><text:section-source xlink:href="file://{bait.secret}"/></text:section>',
        ).make(bait),
    )
    yield Hostile(
        name="references-epub",
        filename="a.epub",
        make=lambda bait: changed(
            bait.good("epub"),
            MAIN["epub"],
            "A wombat.",
            f'A wombat.<img src="{bait.url}"/><img src="file://{bait.secret}"/><img src="../../../..{bait.secret}"/>',
        ),
    )


def _row(properties: str) -> str:
    return f"<w:tbl><w:tr><w:tc>{properties}<w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"


def _column(number: int) -> str:
    """Letters of a column, from 1."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _docx_with_image(bait: Bait) -> bytes:
    """The good file with a picture that unpacks to 900 million pixels."""
    document = docx.Document(io.BytesIO(bait.good("docx")))
    document.add_picture(io.BytesIO(png(8)))
    target = io.BytesIO()
    document.save(target)
    with zipfile.ZipFile(target) as source:
        (picture,) = [name for name in source.namelist() if name.startswith("word/media/")]
    return archive([plain(picture, png(30_000))], target.getvalue())


def _docx_with_references(bait: Bait) -> bytes:
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "".join(
        f'<Relationship Id="x{number}" Type="{kind}/{name}" Target="{target}" TargetMode="External"/>'
        for number, (name, target) in enumerate(
            (name, target)
            for name in ("image", "attachedTemplate", "aFChunk", "subDocument", "oleObject", "hyperlink")
            for target in (f"{bait.url}/{name}", f"file://{bait.secret}")
        )
    )
    drawing = "http://schemas.openxmlformats.org/drawingml/2006"
    content = "".join(
        f'<w:p><w:r><w:drawing><wp:inline xmlns:wp="{drawing}/wordprocessingDrawing">'
        f'<a:graphic xmlns:a="{drawing}/main">'
        f'<a:graphicData uri="{drawing}/picture"><pic:pic xmlns:pic="{drawing}/picture"><pic:blipFill>'
        f'<a:blip xmlns:r="{kind}" r:link="x{number}" r:embed="x{number}"/></pic:blipFill></pic:pic></a:graphicData>'
        "</a:graphic></wp:inline></w:drawing></w:r></w:p>"
        for number in (0, 1)
    )
    field = f'INCLUDETEXT "{bait.secret}"'
    content += f'<w:p><w:fldSimple w:instr="{html.escape(field)}"><w:r><w:t>x</w:t></w:r></w:fldSimple></w:p>'
    document = changed(bait.good("docx"), MAIN["docx"], "<w:body>", f"<w:body>{content}")
    return changed(document, "word/_rels/document.xml.rels", "</Relationships>", f"{relations}</Relationships>")
