"""ODS: sheets of LibreOffice, one for every construct."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loss.constructs import Construct, Format, Piece, parts
from bench.loss.formats.opendocument import comment, frame, p, package, picture, span, td, tr


def _c(name: str, source: str, *, ordered: bool = True, tells: bool = False, **others: str) -> Construct:
    return Construct(name=name, source=source, ordered=ordered, tells=tells, parts=others)


def _value(kind: str, value: str, shown: str, properties: str = "") -> str:
    return td(p(shown), f' office:value-type="{kind}" office:value="{value}"{properties}')


_CONSTRUCTS = (
    _c("table", tr("@w", "@w") + tr("@w", "@w")),
    _c("one cell", tr("@w")),
    _c("several words and paragraphs in a cell", tr("@w @w", td(p("@w") + p("@w")))),
    _c("half-bold word", tr(td(p(f"@l{span('@r')} @w")), "@w")),
    _c("spaces, tab, break in a cell", tr(td(p('@w<text:s text:c="2"/>@w<text:tab/>@w<text:line-break/>@w')), "@w")),
    _c("link in a cell", tr(td(p('<text:a xlink:href="https://example.org">@w</text:a> @w')), "@w")),
    _c("right to left", tr("@rtl @rtl", "@w")),
    _c("bar, star and tag in a cell", tr("@w | @w", "@w * @w &lt;em&gt; @w")),
    _c(
        "spans",
        tr(td(p("@w"), ' table:number-columns-spanned="2"'), "<table:covered-table-cell/>")
        + tr(td(p("@w"), ' table:number-rows-spanned="2"'), "@w")
        + tr("<table:covered-table-cell/>", "@w"),
    ),
    _c(
        "text in the covered part of a span",
        tr(
            td(p("@w"), ' table:number-columns-spanned="2"'),
            f"<table:covered-table-cell>{p('@x')}</table:covered-table-cell>",
        )
        + tr("@w", "@w"),
    ),
    _c("repeated empty cells", tr("@w", '<table:table-cell table:number-columns-repeated="4"/>', "@w")),
    _c(
        "repeated empty rows",
        tr("@w") + tr("<table:table-cell/>", properties=' table:number-rows-repeated="9"') + tr("@w"),
    ),
    _c(
        "repeated cell and row with text",
        tr(td(p("@w"), ' table:number-columns-repeated="2"'), "@w")
        + tr("@w", "@w", "@w", properties=' table:number-rows-repeated="2"'),
        ordered=False,
    ),
    _c(
        "empty rest of the sheet",
        tr("@w", '<table:table-cell table:number-columns-repeated="16000"/>')
        + tr(
            '<table:table-cell table:number-columns-repeated="16384"/>',
            properties=' table:number-rows-repeated="1048000"',
        ),
    ),
    _c(
        "two tables on a sheet",
        tr("@w", "@w")
        + tr("@w", "@w")
        + tr("<table:table-cell/>")
        + tr("<table:table-cell/>")
        + tr("@w", "@w")
        + tr("@w", "@w"),
    ),
    _c(
        "table that does not start at A1",
        tr("<table:table-cell/>") + tr("<table:table-cell/>", "@w", "@w") + tr("<table:table-cell/>", "@w", "@w"),
    ),
    _c(
        "header rows and groups",
        f"<table:table-header-rows>{tr('@w')}</table:table-header-rows><table:table-row-group>{tr('@w')}<table:table-rows>{tr('@w')}</table:table-rows></table:table-row-group>",
    ),
    _c(
        "numbers, dates, percents beside text",
        tr(
            _value("float", "1.5", "1.50"),
            _value("percentage", "0.5", "50%"),
            td(p("2026-01-02"), ' office:value-type="date" office:date-value="2026-01-02"'),
            "@w",
        ),
    ),
    _c("unit in a number's format", tr(_value("float", "5", "5 @w"), "@w")),
    _c(
        "result of a formula",
        tr(td(p("@w"), ' table:formula="of:=[.A2]" office:value-type="string" office:string-value="zz"'), "@w"),
    ),
    _c("formula without a result", tr('<table:table-cell table:formula="of:=T(&quot;@w&quot;)"/>', "@w"), tells=True),
    _c("value without text", tr('<table:table-cell office:value-type="string" office:string-value="@w"/>', "@w")),
    _c(
        "hidden row",
        tr("@w", "@w") + tr("@hidden", "@hidden", properties=' table:visibility="collapse"') + tr("@w", "@w"),
    ),
    _c("row that a filter hides", tr("@w") + tr("@hidden", properties=' table:visibility="filter"') + tr("@w")),
    _c(
        "hidden column",
        tr("@w", "@hidden", "@w") + tr("@w", "@hidden", "@w"),
        columns='<table:table-column/><table:table-column table:visibility="collapse"/><table:table-column/>',
    ),
    _c("hidden sheet", tr("@hidden", "@hidden"), style="HT"),
    _c("comment", tr(td(comment(p("@comments") + p("@comments")) + p("@w")), "@w"), ordered=False),
    _c("comment on an empty cell", tr("@w", td(comment(p("@comments"))), "@w"), ordered=False),
    _c("text box", f"<table:shapes>{frame(p('@w') + p('@w'))}</table:shapes>" + tr("@w"), ordered=False),
    _c("shape in a cell", tr(td(p("@w") + f"<draw:custom-shape>{p('@w')}</draw:custom-shape>"), "@w"), ordered=False),
    _c(
        "formula of a sheet",
        "<table:shapes><draw:frame><draw:object><math:math><math:mi>@w</math:mi></math:math></draw:object></draw:frame></table:shapes>"
        + tr("@w"),
        ordered=False,
    ),
    _c("picture in a cell", tr(td(p("@w") + picture()), "@w"), ordered=False),
    _c("sheet of a table part", tr("@w", "@w") + tr("@w", "@w") + tr("@w", "@w")),
    _c("text like a number", tr("007", "@w")),
    Construct(name="name of a sheet", source=tr("y"), parts={"title": "@w"}, ordered=False),
    _c(
        "header and footer",
        tr("@w"),
        master=f"<style:header>{p('@headers')}</style:header><style:footer>{p('@headers')}</style:footer>",
        ordered=False,
    ),
)


def _sheets(pieces: Sequence[Piece]) -> bytes:
    body = ""
    for number, piece in enumerate(pieces, start=1):
        others = piece.parts
        name, columns = others.get("title", f"Sheet{number}"), others.get("columns", "<table:table-column/>")
        style = f' table:style-name="{others["style"]}"' if "style" in others else ""
        shapes, _, rows = piece.source.rpartition("</table:shapes>")
        shapes += "</table:shapes>" if shapes else ""
        body += f'<table:table table:name="{name}"{style}>{shapes}{columns}{rows}</table:table>'
    return package("spreadsheet", body, parts(pieces).get("master", ""))


FORMAT = Format(
    name="ods", filename="sample.ods", constructs=_CONSTRUCTS, build=_sheets, markup=r"</?(?:text|table|draw):"
)
