"""ODT: texts of LibreOffice."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loss.constructs import SHOWN, Construct, Format, Piece, parts
from bench.loss.formats.opendocument import comment, frame, items, note, p, package, picture, span, table, td, tr


def _c(name: str, source: str, *, ordered: bool = True, **others: str) -> Construct:
    return Construct(name=name, source=source, ordered=ordered, parts=others)


def _heading(inner: str, level: int = 1) -> str:
    return f'<text:h text:outline-level="{level}">{inner}</text:h>'


def _revision(key: str, kind: str, inner: str = "") -> str:
    about = "<office:change-info><dc:creator>Rev</dc:creator></office:change-info>"
    return f'<text:changed-region text:id="{key}"><text:{kind}>{about}{inner}</text:{kind}></text:changed-region>'


_CONSTRUCTS = (
    _c("heading", _heading(f"@w {span('@w')}")),
    _c("half-bold word in a heading", _heading(f"{span('@l')}@r", 2)),
    _c("paragraph", p("@w @w")),
    _c("bold half of a word", p(f"@w {span('@l')}@r @l{span('@r')}")),
    _c("formats in the middle of a word", p(f"@l{span('@m', 'I')}@r @l{span('@m', 'Sub')}@r")),
    _c("span in a span", p(span(f"@w {span('@w', 'I')}"))),
    _c("spaces, tab, break", p('@w<text:s text:c="3"/>@w<text:tab/>@w<text:line-break/>@w')),
    _c("soft hyphen and page break in a word", p("@l<text:soft-page-break/>@r @w")),
    _c("link", p(f'@w <text:a xlink:href="https://example.org">@w {span("@w")}</text:a> @w')),
    _c("remarks of programs", p("@l<!-- @x -->@r <?remark @x?>@w")),
    _c("link in a word", p('@l<text:a xlink:href="https://example.org">@m</text:a>@r')),
    _c(
        "bookmark and reference",
        p(
            '<text:bookmark-start text:name="b"/>@w<text:bookmark-end text:name="b"/> <text:bookmark-ref text:ref-name="b">@w</text:bookmark-ref> @w'
        ),
    ),
    _c(
        "fields",
        p(
            '@w <text:date>@w</text:date> <text:page-number>7</text:page-number> <text:placeholder text:placeholder-type="text">@w</text:placeholder> <text:user-field-get text:name="u">@w</text:user-field-get> @w'
        ),
    ),
    _c(
        "sequence and variable",
        p(
            '@w <text:sequence text:name="Table">@w</text:sequence> <text:variable-set text:name="v">@w</text:variable-set>'
        ),
    ),
    _c("meta and content control", p("@w <text:meta>@w</text:meta> @w")),
    _c(
        "ruby", p("@w <text:ruby><text:ruby-base>@w</text:ruby-base><text:ruby-text>@w</text:ruby-text></text:ruby> @w")
    ),
    _c("right to left", p(f"@rtl {span('@rtl')}")),
    _c("bullet list", items(p("@w"), p(f"@w {span('@w')}"))),
    _c("numbered list", items(p("@w"), p("@w"), style="N")),
    _c("nested list", items(p("@w") + items(p("@w") + items(p("@w"))) + p("@w"), p("@w"))),
    _c("half-bold word in an item", items(p(f"{span('@l')}@r"), p("@w"))),
    _c("paragraphs in an item", items(p("@w") + p("@w"))),
    _c(
        "header of a list",
        f"<text:list><text:list-header>{p('@w')}</text:list-header><text:list-item>{p('@w')}</text:list-item></text:list>",
    ),
    _c("heading in a list", items(_heading("@w", 3)) + p("@w")),
    _c("section", f'<text:section text:name="S">{p("@w")}{_heading("@w", 2)}{table(tr("@w"))}</text:section>'),
    _c(
        "section in a section",
        f'<text:section text:name="A"><text:section text:name="B">{p("@w")}</text:section>{p("@w")}</text:section>',
    ),
    _c("hidden section", f'<text:section text:name="H" text:display="none">{p("@hidden")}</text:section>'),
    _c(
        "table of contents",
        f'<text:table-of-content text:name="C"><text:index-body><text:index-title text:name="T">{p("@w")}</text:index-title>{p("@w")}</text:index-body></text:table-of-content>',
    ),
    _c("table", table(tr("@w", "@w"), tr("@w", "@w"))),
    _c(
        "header rows of a table",
        table(f"<table:table-header-rows>{tr('@w', '@w')}</table:table-header-rows>", tr("@w", "@w")),
    ),
    _c(
        "groups of rows",
        table(
            f"<table:table-row-group>{tr('@w')}<table:table-rows>{tr('@w')}</table:table-rows></table:table-row-group>",
            tr("@w"),
        ),
    ),
    _c(
        "spans of a table",
        table(
            tr(
                td(p("@w"), ' table:number-columns-spanned="2"'),
                "<table:covered-table-cell/>",
                td(p("@w"), ' table:number-rows-spanned="2"'),
            ),
            tr("@w", "@w", "<table:covered-table-cell/>"),
        ),
    ),
    _c("repeated empty cells", table(tr("@w", '<table:table-cell table:number-columns-repeated="3"/>', "@w"))),
    _c("half-bold word in a cell", table(tr(td(p(f"{span('@l')}@r")), "@w"))),
    _c("blocks in a cell", table(tr(td(p("@w") + p("@w")), td(items(p("@w"), p("@w")))))),
    _c("table in a cell", table(tr(td(p("@w") + table(tr("@w", "@w"), name="U") + p("@w")), "@w"))),
    _c("part table in a cell", table(tr(td(table(tr("@w", "@w"), properties=' table:is-sub-table="true"')), "@w"))),
    _c("bar in a cell", table(tr("@w | @w", "@w"))),
    _c("caption", table(tr("@w")) + p('Table <text:sequence text:name="Table">1</text:sequence>: @w')),
    _c("text box", p(f"@w {frame(p('@w ' + span('@w')) + p('@w'))} @w"), ordered=False),
    _c("half-bold word in a text box", p(frame(p(f"{span('@l')}@r"))), ordered=False),
    _c("table in a text box", p(frame(table(tr("@w", "@w")) + items(p("@w")))), ordered=False),
    _c("shape with text", p(f"@w <draw:custom-shape>{p('@w')}</draw:custom-shape> @w"), ordered=False),
    _c("group of shapes", p(f"<draw:g><draw:rect>{p('@w')}</draw:rect>{frame(p('@w'))}</draw:g>"), ordered=False),
    _c("frame beside paragraphs", frame(p("@w")) + p("@w"), ordered=False),
    Construct(
        name="description of a picture",
        source=p(f"{picture('<svg:title>@w</svg:title><svg:desc>@w</svg:desc>')} @w"),
        forms=SHOWN,
        ordered=False,
    ),
    _c("caption of a picture in its frame", p(frame(p(f"{picture()}@w"))), ordered=False),
    _c(
        "formula",
        p("@w <draw:frame><draw:object><math:math><math:mi>@w</math:mi></math:math></draw:object></draw:frame> @w"),
        ordered=False,
    ),
    _c("footnote", p(f"@w{note(p('@footnotes ' + span('@footnotes')))} @w")),
    _c("endnote", p(f"@w{note(p('@footnotes'), 'endnote')} @w")),
    _c("footnote in a cell", table(tr(td(p(f"@w{note(p('@footnotes') + p('@footnotes'))}")), "@w")), ordered=False),
    _c("comment", p(f"@w{comment(p('@comments') + p('@comments'))} @w")),
    _c("comment in a word", p(f"@l{comment(p('@comments'))}@r"), ordered=False),
    _c("hidden text", p(f"@w {span('@hidden', 'H')} @w")),
    _c("hidden paragraph", '<text:p><text:hidden-paragraph text:is-hidden="true"/>@hidden</text:p>'),
    _c(
        "conditional text",
        p(
            '@w <text:conditional-text text:condition="x" text:string-value-if-true="zz" text:string-value-if-false="yy">@w</text:conditional-text> @w'
        ),
    ),
    _c(
        "inserted text",
        p('@w <text:change-start text:change-id="i1"/>@w<text:change-end text:change-id="i1"/> @w'),
        changes=_revision("i1", "insertion"),
    ),
    _c(
        "deleted text", p('@w <text:change text:change-id="d1"/>@w'), changes=_revision("d1", "deletion", p("@changes"))
    ),
    _c(
        "inserted half of a word",
        p('@l<text:change-start text:change-id="i2"/>@r<text:change-end text:change-id="i2"/>'),
        changes=_revision("i2", "insertion"),
    ),
    _c("numbered paragraph", f"<text:numbered-paragraph>{p('@w')}</text:numbered-paragraph>"),
    _c(
        "header and footer",
        "",
        master=f"<style:header>{p('@headers')}</style:header><style:footer>{p('@headers ' + span('@headers'))}</style:footer>",
        ordered=False,
    ),
    _c(
        "index mark and annotation end",
        p('@w<text:alphabetical-index-mark text:string-value="zz"/> @w<office:annotation-end/> @w'),
    ),
)


def _text(pieces: Sequence[Piece]) -> bytes:
    others = parts(pieces)
    body = "".join(piece.source for piece in pieces)
    changes = f"<text:tracked-changes>{others.get('changes', '')}</text:tracked-changes>"
    return package("text", changes + body, others.get("master", ""))


FORMAT = Format(
    name="odt", filename="sample.odt", constructs=_CONSTRUCTS, build=_text, markup=r"</?(?:text|table|draw):"
)
