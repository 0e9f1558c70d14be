"""ODP: slides of LibreOffice, one for every construct."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loss.constructs import SHOWN, Construct, Format, Piece, parts
from bench.loss.formats.opendocument import comment, frame, items, p, package, picture, span, table, td, tr


def _c(name: str, source: str, *, ordered: bool = True, anyway: bool = False, **others: str) -> Construct:
    return Construct(name=name, source=source, ordered=ordered, anyway=anyway, parts=others)


def _notes(inner: str) -> str:
    """What the speaker has below the slide."""
    held = frame(inner, ' presentation:class="notes"')
    return f"<presentation:notes>{held}</presentation:notes>"


_CONSTRUCTS = (
    _c(
        "title and text",
        frame(p("@w @w"), ' presentation:class="title"') + frame(p("@w"), ' presentation:class="subtitle"'),
    ),
    _c("outline", frame(items(p("@w"), p("@w") + items(p("@w"))), ' presentation:class="outline"')),
    _c("half-bold word in a title", frame(p(f"{span('@l')}@r @w"), ' presentation:class="title"')),
    _c("paragraphs of a text box", frame(p("@w") + p(f"@w {span('@w')}"))),
    _c("bold half of a word", frame(p(f"@w {span('@l')}@r @l{span('@r')}"))),
    _c("formats in the middle of a word", frame(p(f"@l{span('@m', 'I')}@r @l{span('@m', 'Sub')}@r"))),
    _c("spaces, tab, break", frame(p('@w<text:s text:c="3"/>@w<text:tab/>@w<text:line-break/>@w'))),
    _c(
        "link",
        frame(
            p(
                '@w <text:a xlink:href="https://example.org">@w</text:a> @l<text:a xlink:href="https://example.org">@r</text:a>'
            )
        ),
    ),
    _c("field", frame(p("@w <text:page-number>7</text:page-number> <text:date>@w</text:date> @w"))),
    _c("right to left", frame(p("@rtl @rtl"))),
    _c("bullet list", frame(items(p("@w"), p(f"{span('@l')}@r")))),
    _c("numbered list", frame(items(p("@w"), p("@w"), style="N"))),
    _c("text before and after a list", frame(p("@w") + items(p("@w")) + p("@w"))),
    _c("two text boxes", frame(p("@w")) + frame(p("@w"))),
    _c("shape with text", f"<draw:custom-shape>{p('@w')}{p('@w')}</draw:custom-shape>"),
    _c(
        "rectangle, ellipse, line with text",
        f"<draw:rect>{p('@w')}</draw:rect><draw:ellipse>{p('@w')}</draw:ellipse><draw:line>{p('@w')}</draw:line><draw:connector>{p('@w')}</draw:connector>",
    ),
    _c("list in a shape", f"<draw:custom-shape>{items(p('@w'), p('@w'))}</draw:custom-shape>"),
    _c("group of shapes", f"<draw:g>{frame(p('@w'))}<draw:g><draw:rect>{p('@w')}</draw:rect></draw:g></draw:g>"),
    _c(
        "formula",
        "<draw:frame><draw:object><math:math><math:mi>@w</math:mi></math:math></draw:object></draw:frame>",
    ),
    _c(
        "link around a shape of a group",
        f'<draw:g><draw:a xlink:href="https://example.org"><draw:custom-shape>{p("@w")}</draw:custom-shape></draw:a></draw:g>',
    ),
    _c("link around a shape", f'<draw:a xlink:href="https://example.org">{frame(p("@w"))}</draw:a>'),
    _c("table", f"<draw:frame>{table(tr('@w', '@w'), tr('@w', '@w'))}</draw:frame>"),
    _c(
        "spans of a table",
        "<draw:frame>"
        + table(tr(td(p("@w"), ' table:number-columns-spanned="2"'), "<table:covered-table-cell/>"), tr("@w", "@w"))
        + "</draw:frame>",
    ),
    _c(
        "half-bold word and list in a cell",
        "<draw:frame>"
        + table(tr(td(p(f"{span('@l')}@r")), td(items(p("@w"), p("@w")))), tr(td(p("@w") + p("@w")), "@w"))
        + "</draw:frame>",
    ),
    Construct(
        name="description of a picture",
        source=picture("<svg:title>@w</svg:title><svg:desc>@w</svg:desc>"),
        forms=SHOWN,
        ordered=False,
    ),
    _c("text beside a picture", picture() + frame(p("@w"))),
    _c(
        "speaker notes",
        frame(p("@w")) + _notes(p("@speaker_notes " + span("@speaker_notes")) + p("@speaker_notes")),
    ),
    _c(
        "list in speaker notes",
        frame(p("@w")) + _notes(items(p("@speaker_notes"), p("@speaker_notes"))),
    ),
    _c("comment", frame(p("@w")) + comment(p("@comments @comments")), ordered=False),
    _c("hidden slide", frame(p("@hidden")), style="HD"),
    _c(
        "footer of a slide",
        frame(p("@w")) + frame(p("@headers"), ' presentation:class="footer"'),
        ordered=False,
        anyway=True,
    ),
    _c("text of the master", frame(p("@w")), master=f"<draw:rect>{p('@headers')}</draw:rect>"),
    _c("bar and tag", frame(p("@w | @w &lt;em&gt; @w"))),
)


def _slides(pieces: Sequence[Piece]) -> bytes:
    pages = "".join(
        f'<draw:page draw:name="page{number}" draw:style-name="{piece.parts.get("style", "D")}" '
        f'draw:master-page-name="Standard">{piece.source}</draw:page>'
        for number, piece in enumerate(pieces, start=1)
    )
    return package("presentation", pages, parts(pieces).get("master", ""))


FORMAT = Format(
    name="odp", filename="sample.odp", constructs=_CONSTRUCTS, build=_slides, markup=r"</?(?:text|table|draw):"
)
