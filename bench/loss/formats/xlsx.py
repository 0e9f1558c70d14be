"""XLSX: SpreadsheetML written by hand, a sheet for every construct."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loss.constructs import Construct, Format, Piece
from bench.loss.formats.packages import DECLARATION, RELATIONSHIPS, content_types, relations, zipped

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def c(place: str, text: str) -> str:
    """A cell of text."""
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def rich(place: str, *pieces: str) -> str:
    """A cell of pieces, every second bold."""
    runs = "".join(
        f'<r>{"<rPr><b/></rPr>" if index % 2 else ""}<t xml:space="preserve">{piece}</t></r>'
        for index, piece in enumerate(pieces)
    )
    return f'<c r="{place}" t="inlineStr"><is>{runs}</is></c>'


def row(number: int, *cells: str, properties: str = "") -> str:
    """A row of cells; plain texts are put side by side from column A."""
    filled = [
        cell if cell.startswith("<") else c(f"{_LETTERS[index]}{number}", cell) for index, cell in enumerate(cells)
    ]
    return f'<row r="{number}"{properties}>{"".join(filled)}</row>'


def sheet(*rows: str, before: str = "", after: str = "") -> str:
    """What is in `worksheet`: columns, rows, and what follows them."""
    return f"{before}<sheetData>{''.join(rows)}</sheetData>{after}"


def _c(name: str, source: str, *, ordered: bool = True, tells: bool = False, **others: str) -> Construct:
    return Construct(name=name, source=source, ordered=ordered, tells=tells, parts=others)


def _box(text: str) -> str:
    place = (
        "<xdr:{}><xdr:col>1</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>1</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:{}>"
    )
    anchor = place.format("from", "from") + place.format("to", "to")
    body = f"<xdr:txBody><a:bodyPr/>{text}</xdr:txBody>"
    shape = f'<xdr:sp><xdr:nvSpPr><xdr:cNvPr id="2" name="Box"/><xdr:cNvSpPr txBox="1"/></xdr:nvSpPr><xdr:spPr/>{body}</xdr:sp>'
    return f"<xdr:twoCellAnchor>{anchor}{shape}<xdr:clientData/></xdr:twoCellAnchor>"


def _comment(place: str, text: str) -> str:
    return f'<comment ref="{place}" authorId="0"><text><r><t>{text}</t></r></text></comment>'


_CONSTRUCTS = (
    _c("table", sheet(row(1, "@w", "@w"), row(2, "@w", "@w"), row(3, "@w", "@w"))),
    _c("one cell", sheet(row(1, "@w"))),
    _c("several words in a cell", sheet(row(1, "@w @w", "@w, @w"), row(2, "@w", "@w"))),
    _c("line break in a cell", sheet(row(1, "@w&#10;@w", "@w"))),
    _c(
        "shared text",
        sheet(row(1, '<c r="A1" t="s"><v>0</v></c>', '<c r="B1" t="s"><v>1</v></c>')),
        shared="<si><t>@w</t></si><si><r><t>@l</t></r><r><rPr><b/></rPr><t>@r</t></r></si>",
    ),
    _c("half-bold word", sheet(row(1, rich("A1", "@l", "@r @w"), "@w"))),
    _c(
        "text with a reading aid",
        sheet(row(1, '<c r="A1" t="inlineStr"><is><t>@w</t><rPh sb="0" eb="1"><t>@x</t></rPh></is></c>', "@w")),
    ),
    _c(
        "right to left",
        sheet(
            row(1, "@rtl @rtl", "@w"), before='<sheetViews><sheetView rightToLeft="1" workbookViewId="0"/></sheetViews>'
        ),
    ),
    _c("bar, star and tag in a cell", sheet(row(1, "@w | @w", "@w * @w &lt;em&gt; @w"))),
    _c(
        "spans",
        sheet(
            row(1, "@w"),
            row(2, "@w", "@w"),
            row(3, c("B3", "@w")),
            after='<mergeCells><mergeCell ref="A1:B1"/><mergeCell ref="A2:A3"/></mergeCells>',
        ),
    ),
    _c(
        "text in the covered part of a span",
        sheet(row(1, "@w", "@x"), row(2, "@w", "@w"), after='<mergeCells><mergeCell ref="A1:B1"/></mergeCells>'),
        ordered=False,
    ),
    _c("cells apart", sheet(row(1, "@w"), row(9, c("F9", "@w")))),
    _c("two tables on a sheet", sheet(row(1, "@w", "@w"), row(2, "@w", "@w"), row(6, "@w", "@w"), row(7, "@w", "@w"))),
    _c("tables side by side", sheet(row(1, "@w", c("D1", "@w")), row(2, "@w", c("D2", "@w"))), ordered=False),
    _c("gaps in a table", sheet(row(1, "@w", "@w", "@w"), row(2, "@w", c("C2", "@w")), row(3, c("B3", "@w")))),
    _c("a cell far away", sheet(row(1, "@w"), row(900, c("AZ900", "@w")))),
    _c(
        "table that does not start at A1",
        sheet(row(4, c("C4", "@w"), c("D4", "@w")), row(5, c("C5", "@w"), c("D5", "@w"))),
    ),
    _c("result of a formula", sheet(row(1, '<c r="A1" t="str"><f>A2&amp;""</f><v>@w</v></c>', "@w"))),
    _c("formula without a result", sheet(row(1, '<c r="A1"><f>CONCAT("@w",B1)</f></c>', "@w")), tells=True),
    _c(
        "shared formula without a result",
        sheet(
            row(1, '<c r="A1"><f t="shared" ref="A1:A2" si="0">T("@w")</f></c>', "@w"),
            row(2, '<c r="A2"><f t="shared" si="0"/></c>', "@w"),
        ),
        tells=True,
    ),
    _c("error value", sheet(row(1, '<c r="A1" t="e"><v>#DIV/0!</v></c>', "@w"))),
    _c(
        "boolean, date, percent beside text",
        sheet(row(1, '<c r="A1" t="b"><v>1</v></c>', '<c r="B1" s="1"><v>45000</v></c>', c("C1", "@w"))),
    ),
    _c("unit in a number's format", sheet(row(1, '<c r="A1" s="2"><v>5</v></c>', "@w"))),
    _c(
        "link of a cell", sheet(row(1, "@w", "@w"), after='<hyperlinks><hyperlink ref="A1" r:id="link1"/></hyperlinks>')
    ),
    Construct(
        name="link by a formula",
        source=sheet(row(1, '<c r="A1" t="str"><f>HYPERLINK("https://example.org","x")</f><v>@w</v></c>', "@w")),
    ),
    _c(
        "table part with header",
        sheet(
            row(1, "@w", "@w"),
            row(2, "@w", "@w"),
            after='<tableParts count="1"><tablePart r:id="table1"/></tableParts>',
        ),
        table="x",
    ),
    _c(
        "rows that a filter hides",
        sheet(
            row(1, "@w"), row(2, "@hidden", properties=' hidden="1"'), row(3, "@w"), after='<autoFilter ref="A1:A3"/>'
        ),
    ),
    _c(
        "hidden row",
        sheet(row(1, "@w", "@w"), row(2, "@hidden", "@hidden", properties=' hidden="1"'), row(3, "@w", "@w")),
    ),
    _c(
        "hidden column",
        sheet(
            row(1, "@w", "@hidden", "@w"),
            row(2, "@w", "@hidden", "@w"),
            before='<cols><col min="2" max="2" hidden="1"/></cols>',
        ),
    ),
    _c("hidden sheet", sheet(row(1, "@hidden", "@hidden")), state="hidden"),
    _c("very hidden sheet", sheet(row(1, "@hidden")), state="veryHidden"),
    _c("comment", sheet(row(1, "@w", "@w")), comments=_comment("A1", "@comments @comments"), ordered=False),
    _c("comment on an empty cell", sheet(row(1, "@w", "@w")), comments=_comment("D9", "@comments"), ordered=False),
    _c(
        "header and footer",
        sheet(
            row(1, "@w"),
            after="<headerFooter><oddHeader>&amp;C@headers</oddHeader><oddFooter>&amp;L@headers</oddFooter></headerFooter>",
        ),
        ordered=False,
    ),
    _c(
        "text box",
        sheet(row(1, "@w"), after='<drawing r:id="drawing1"/>'),
        drawing=_box(
            "<a:p><a:r><a:t>@w </a:t></a:r><a:r><a:t>@l</a:t></a:r><a:r><a:rPr b='1'/><a:t>@r</a:t></a:r></a:p><a:p><a:r><a:t>@w</a:t></a:r></a:p>"
        ),
        ordered=False,
    ),
    Construct(name="name of a sheet", source=sheet(row(1, "y")), parts={"title": "@w"}, ordered=False),
    _c(
        "validation, conditional format",
        sheet(
            row(1, "@w"),
            after='<dataValidations count="1"><dataValidation type="list" sqref="A1"><formula1>"@x"</formula1></dataValidation></dataValidations>',
        ),
    ),
    _c("text like a number", sheet(row(1, "007", "@w"))),
    _c("only spaces around", sheet(row(1, "  @w  ", " @w"))),
    _c("formula text", sheet(row(1, "=@w", "@w"))),
)


def _workbook(pieces: Sequence[Piece]) -> bytes:
    members: dict[str, str] = {}
    sheets = []
    targets = {"shared": ("sharedStrings", "sharedStrings.xml"), "styles": ("styles", "styles.xml")}
    for number, piece in enumerate(pieces, start=1):
        title = piece.parts.get("title", f"Sheet{number}")
        state = f' state="{piece.parts["state"]}"' if "state" in piece.parts else ""
        sheets.append(f'<sheet name="{title}" sheetId="{number}"{state} r:id="sheet{number}"/>')
        targets[f"sheet{number}"] = ("worksheet", f"worksheets/sheet{number}.xml")
        members |= _sheet(number, piece)
    shared = "".join(piece.parts.get("shared", "") for piece in pieces)
    spreadsheet = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    kinds = {
        f"xl/{name}.xml": f"{spreadsheet}.{kind}+xml"
        for name, kind in {"workbook": "sheet.main", "sharedStrings": "sharedStrings", "styles": "styles"}.items()
    }
    kinds |= {name: _kind(name, spreadsheet) for name in members if not name.endswith(".rels")}
    main = f'xmlns="{_MAIN}" xmlns:r="{RELATIONSHIPS}"'
    return zipped(
        {
            "[Content_Types].xml": content_types(kinds),
            "_rels/.rels": relations({"a": ("officeDocument", "xl/workbook.xml")}),
            "xl/workbook.xml": f"{DECLARATION}<workbook {main}><sheets>{''.join(sheets)}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": relations(targets),
            "xl/sharedStrings.xml": f"{DECLARATION}<sst {main}>{shared}</sst>",
            "xl/styles.xml": f"{DECLARATION}<styleSheet {main}>{_STYLES}</styleSheet>",
            **members,
        }
    )


_STYLES = (
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="0&quot; kg&quot;"/></numFmts><fonts count="1"><font/></fonts>'
    '<fills count="1"><fill><patternFill patternType="none"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="3"><xf/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
)


def _kind(name: str, spreadsheet: str) -> str:
    folder = name.split("/")[1]
    if folder == "drawings":
        return "application/vnd.openxmlformats-officedocument.drawing+xml"
    return f"{spreadsheet}.{ {'worksheets': 'worksheet', 'tables': 'table', 'comments': 'comments'}[folder] }+xml"


def _sheet(number: int, piece: Piece) -> dict[str, str]:
    main = f'xmlns="{_MAIN}" xmlns:r="{RELATIONSHIPS}"'
    members = {f"xl/worksheets/sheet{number}.xml": f"{DECLARATION}<worksheet {main}>{piece.source}</worksheet>"}
    targets = {"link1": ("hyperlink", "https://example.org/")}
    if "comments" in piece.parts:
        targets["comments1"] = ("comments", f"../comments/comments{number}.xml")
        authors = "<authors><author>R</author></authors>"
        content = f"<comments {main}>{authors}<commentList>{piece.parts['comments']}</commentList></comments>"
        members[f"xl/comments/comments{number}.xml"] = DECLARATION + content
    if "drawing" in piece.parts:
        targets["drawing1"] = ("drawing", f"../drawings/drawing{number}.xml")
        spaces = f'xmlns:xdr="{_DRAWING}/spreadsheetDrawing" xmlns:a="{_DRAWING}/main"'
        members[f"xl/drawings/drawing{number}.xml"] = (
            f"{DECLARATION}<xdr:wsDr {spaces}>{piece.parts['drawing']}</xdr:wsDr>"
        )
    if "table" in piece.parts:
        targets["table1"] = ("table", f"../tables/table{number}.xml")
        columns = "".join(
            f'<tableColumn id="{index}" name="{word.text}"/>' for index, word in enumerate(piece.words[:2], start=1)
        )
        head = f'id="{number}" name="T{number}" displayName="T{number}" ref="A1:B2"'
        body = f'<autoFilter ref="A1:B2"/><tableColumns count="2">{columns}</tableColumns>'
        members[f"xl/tables/table{number}.xml"] = f"{DECLARATION}<table {main} {head}>{body}</table>"
    return {**members, f"xl/worksheets/_rels/sheet{number}.xml.rels": relations(targets)}


FORMAT = Format(
    name="xlsx", filename="sample.xlsx", constructs=_CONSTRUCTS, build=_workbook, markup=r"</?(?:c|is|t|v|row)\b|_x000"
)
