"""JATS: a journal article with front, body and back."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loss.constructs import Construct, Format, Piece, parts

_MATH = 'xmlns:mml="http://www.w3.org/1998/Math/MathML"'


def _at(place: str, source: str) -> dict[str, str]:
    return {place: source}


_CONSTRUCTS = (
    Construct(name="title", source="", parts=_at("title", "@w <italic>@w @w</italic> @w <sup>@w</sup>")),
    Construct(name="subtitle", source="", parts=_at("subtitle", "@w <bold>@w</bold>")),
    Construct(
        name="author",
        source="",
        parts=_at(
            "contrib",
            '<contrib contrib-type="author"><name><surname>@w</surname><given-names>@w</given-names></name></contrib>',
        ),
        ordered=False,
    ),
    Construct(
        name="group as author",
        source="",
        parts=_at("contrib", '<contrib contrib-type="author"><collab>@w</collab></contrib>'),
        ordered=False,
    ),
    Construct(
        name="affiliation", source="", parts=_at("aff", '<aff id="a1">@w, <country>@w</country></aff>'), ordered=False
    ),
    Construct(name="abstract", source="", parts=_at("abstract", "<p>@w <italic>@w</italic> @l<sub>@r</sub></p>")),
    Construct(
        name="abstract in sections",
        source="",
        parts=_at("abstracts", "<abstract><sec><title>@w</title><p>@w</p></sec></abstract>"),
    ),
    Construct(
        name="second abstract",
        source="",
        parts=_at("abstracts", '<trans-abstract xml:lang="de"><title>@w</title><p>@w</p></trans-abstract>'),
    ),
    Construct(
        name="keywords",
        source="",
        parts=_at("keywords", "<kwd-group><title>@w</title><kwd>@w</kwd><kwd><italic>@w</italic></kwd></kwd-group>"),
    ),
    Construct(
        name="keywords of parts and in one another",
        source="",
        parts=_at(
            "keywords",
            "<kwd-group><compound-kwd><compound-kwd-part>@w</compound-kwd-part><compound-kwd-part>@w</compound-kwd-part>"
            "</compound-kwd><nested-kwd><kwd>@w</kwd><nested-kwd><kwd>@w</kwd></nested-kwd></nested-kwd></kwd-group>",
        ),
    ),
    Construct(
        name="funding",
        source="",
        parts=_at("funding", "<funding-group><funding-statement>@w</funding-statement></funding-group>"),
        ordered=False,
    ),
    Construct(name="paragraph", source="<p>@w <bold>@w</bold> <italic>@w <sc>@w</sc></italic> @w</p>"),
    Construct(
        name="formats in the middle of a word",
        source="<p>@l<italic>@r</italic> @l<sub>@m</sub>@r @l<bold>@m</bold>@r @l<sc>@r</sc></p>",
    ),
    Construct(
        name="underline, strike, monospace, styled content",
        source="<p><underline>@w</underline> <strike>@w</strike> <monospace>@w</monospace> <styled-content>@w</styled-content> <named-content>@w</named-content></p>",
    ),
    Construct(name="reference in a line", source='<p>@w <xref ref-type="bibr" rid="b1">@w</xref>, @w</p>'),
    Construct(
        name="link in a line",
        source='<p>@w <ext-link xlink:href="https://example.org">@w</ext-link> <uri>@w</uri> <email>@w</email> @w</p>',
    ),
    Construct(name="line break", source="<p>@w<break/>@w</p>"),
    Construct(name="ruby", source="<p>@w <ruby><rb>@w</rb><rt>@w</rt></ruby> @w</p>"),
    Construct(name="right to left", source="<p>@rtl @rtl</p>"),
    Construct(
        name="formula in a line",
        source=f"<p>@w <inline-formula><mml:math {_MATH}><mml:mi>@w</mml:mi><mml:mo>=</mml:mo><mml:mn>3</mml:mn></mml:math></inline-formula> @w</p>",
    ),
    Construct(
        name="TeX in a line", source="<p>@w <inline-formula><tex-math>$$d_i + @w$$</tex-math></inline-formula> @w</p>"
    ),
    Construct(
        name="formula in a block",
        source=f"<disp-formula><label>@w</label><mml:math {_MATH}><mml:msup><mml:mi>@w</mml:mi><mml:mn>2</mml:mn></mml:msup></mml:math></disp-formula>",
        ordered=False,
    ),
    Construct(name="TeX in a block", source="<p>@w <disp-formula><tex-math>$$@w^2$$</tex-math></disp-formula> @w</p>"),
    Construct(
        name="formula in two notations",
        source=f"<disp-formula><alternatives><mml:math {_MATH}><mml:mi>q</mml:mi></mml:math><tex-math>\\text{{@w}}</tex-math></alternatives></disp-formula>",
    ),
    Construct(
        name="formula group",
        source="<disp-formula-group><disp-formula><tex-math>@w</tex-math></disp-formula><disp-formula><tex-math>@w</tex-math></disp-formula></disp-formula-group>",
    ),
    Construct(
        name="bullet list",
        source='<list list-type="bullet"><title>@w</title><list-item><p>@w</p></list-item><list-item><p>@w @l<bold>@r</bold></p></list-item></list>',
    ),
    Construct(
        name="numbered and nested list",
        source='<list list-type="order"><list-item><label>9.</label><p>@w</p><list><list-item><p>@w</p></list-item></list><p>@w</p></list-item></list>',
    ),
    Construct(name="list in a paragraph", source="<p>@w <list><list-item><p>@w</p></list-item></list> @w</p>"),
    Construct(
        name="definition list",
        source="<def-list><title>@w</title><def-item><term>@w <italic>@w</italic></term><def><p>@w</p></def></def-item></def-list>",
    ),
    Construct(
        name="terms and labels of a definition",
        source="<def-list><def-item><label>@w</label><term>@w</term><term>@w</term><def><p>@w</p></def></def-item></def-list>",
    ),
    Construct(
        name="OASIS table",
        source='<table-wrap><o:table xmlns:o="http://www.niso.org/standards/z39-96/ns/oasis-exchange/table"><o:tgroup cols="2"><o:colspec colname="a"/><o:colspec colname="b"/><o:thead><o:row><o:entry namest="a" nameend="b">@w</o:entry></o:row></o:thead><o:tbody><o:row><o:entry>@w</o:entry><o:entry>@w <italic>@w</italic></o:entry></o:row></o:tbody></o:tgroup></o:table></table-wrap>',
    ),
    Construct(name="address", source="<address><addr-line>@w</addr-line><phone>@w</phone></address>"),
    Construct(
        name="table",
        source="<table-wrap><table><thead><tr><th>@w</th><th>@w</th></tr></thead><tbody><tr><td>@w</td><td>@w</td></tr></tbody></table></table-wrap>",
    ),
    Construct(
        name="label and caption of a table",
        source="<table-wrap><label>@w</label><caption><title>@w</title><p>@w</p></caption><table><tr><td>@w</td></tr></table></table-wrap>",
        ordered=False,
    ),
    Construct(
        name="foot of a table",
        source="<table-wrap><table><thead><tr><th>@w</th></tr></thead><tbody><tr><td>@w</td></tr></tbody><tfoot><tr><td>@w</td></tr></tfoot></table></table-wrap>",
    ),
    Construct(
        name="notes of a table",
        source="<table-wrap><table><tr><td>@w <xref rid='t'>a</xref></td></tr></table><table-wrap-foot><fn id='t'><label>a</label><p>@w</p></fn><p>@w</p></table-wrap-foot></table-wrap>",
    ),
    Construct(
        name="spans and formats in cells",
        source='<table-wrap><table><tr><td colspan="2">@l<sub>@r</sub></td><td rowspan="2"><bold>@w</bold></td></tr><tr><td>@w<break/>@w</td><td><p>@w</p><p>@w</p></td></tr></table></table-wrap>',
    ),
    Construct(
        name="list in a cell",
        source="<table-wrap><table><tr><td><list><list-item><p>@w</p></list-item><list-item><p>@w</p></list-item></list></td></tr></table></table-wrap>",
    ),
    Construct(
        name="formula in a cell",
        source="<table-wrap><table><tr><td><inline-formula><tex-math>@w</tex-math></inline-formula></td></tr></table></table-wrap>",
    ),
    Construct(
        name="table group",
        source="<table-wrap-group><label>@w</label><table-wrap><table><tr><td>@w</td></tr></table></table-wrap></table-wrap-group>",
        ordered=False,
    ),
    Construct(
        name="table in a paragraph", source="<p>@w <table-wrap><table><tr><td>@w</td></tr></table></table-wrap> @w</p>"
    ),
    Construct(
        name="figure",
        source='<fig><label>@w</label><caption><title>@w</title><p>@w <italic>@w</italic></p></caption><graphic xlink:href="a"/></fig>',
    ),
    Construct(
        name="figure group",
        source='<fig-group><caption><p>@w</p></caption><fig><caption><p>@w</p></caption><graphic xlink:href="a"/></fig></fig-group>',
        ordered=False,
    ),
    Construct(
        name="attribution of a figure",
        source='<fig><caption><p>@w</p></caption><graphic xlink:href="a"/><attrib>@w</attrib></fig>',
    ),
    Construct(
        name="box",
        source="<boxed-text><caption><title>@w</title></caption><p>@w</p><sec><title>@w</title><p>@w</p></sec></boxed-text>",
    ),
    Construct(name="quote", source="<disp-quote><p>@w</p><p>@w</p><attrib>@w</attrib></disp-quote>"),
    Construct(
        name="verse",
        source="<verse-group><title>@w</title><verse-line>@w</verse-line><verse-line>@w <italic>@w</italic></verse-line></verse-group>",
    ),
    Construct(name="speech", source="<speech><speaker>@w</speaker><p>@w</p></speech>"),
    Construct(name="statement", source="<statement><label>@w</label><title>@w</title><p>@w</p></statement>"),
    Construct(name="code", source='<code language="python">@w = 1\n@w</code><preformat>@w   @w</preformat>'),
    Construct(name="code in a line", source="<p>@w <code>@w</code> @w</p>"),
    Construct(
        name="supplement",
        source="<supplementary-material><label>@w</label><caption><p>@w</p></caption></supplementary-material>",
    ),
    Construct(name="footnote in a line", source="<p>@w<fn><p>@footnotes</p></fn> @w</p>", anyway=True, ordered=False),
    Construct(
        name="question and answer",
        source="<question-wrap><question><p>@w</p></question><answer><p>@w</p></answer></question-wrap>",
    ),
    Construct(name="comment and processing instruction", source="<p>@w<!-- @x --><?page @x?> @w</p>"),
    Construct(name="section", source="<sec><title>@w <italic>@w</italic></title><p>@w</p></sec>"),
    Construct(name="label of a section", source="<sec><label>@w</label><title>@w</title><p>@w</p></sec>"),
    Construct(
        name="nested sections",
        source="<sec><title>@w</title><p>@w</p><sec><title>@w</title><p>@w</p><sec><title>@w</title><p>@w</p></sec></sec></sec>",
    ),
    Construct(name="section without title", source="<sec><p>@w</p></sec>"),
    Construct(
        name="acknowledgments", source="", parts=_at("back", "<ack><title>@w</title><p>@w <bold>@w</bold></p></ack>")
    ),
    Construct(
        name="notes at the end",
        source="",
        parts=_at("back", "<fn-group><title>@footnotes</title><fn><label>1</label><p>@footnotes</p></fn></fn-group>"),
        ordered=False,
        anyway=True,
    ),
    Construct(name="section at the end", source="", parts=_at("back", "<sec><title>@w</title><p>@w</p></sec>")),
    Construct(
        name="appendix",
        source="",
        parts=_at(
            "back", "<app-group><app><title>@w</title><p>@w</p><sec><title>@w</title><p>@w</p></sec></app></app-group>"
        ),
    ),
    Construct(
        name="glossary",
        source="",
        parts=_at(
            "back",
            "<glossary><title>@w</title><def-list><def-item><term>@w</term><def><p>@w</p></def></def-item></def-list></glossary>",
        ),
    ),
    Construct(
        name="author's biography and notes",
        source="",
        parts=_at("back", "<bio><p>@w</p></bio><notes><title>@w</title><p>@w</p></notes>"),
    ),
    Construct(
        name="mixed reference",
        source="",
        parts=_at(
            "refs",
            "<ref id='b1'><label>1</label><mixed-citation>@w <italic>@w</italic> @w <year>2020</year> @w.</mixed-citation></ref>",
        ),
    ),
    Construct(
        name="reference by elements",
        source="",
        parts=_at(
            "refs",
            "<ref id='b2'><element-citation publication-type='journal'><person-group><name><surname>@w</surname><given-names>@w</given-names></name></person-group><article-title>@w <italic>@w</italic> @w</article-title><source>@w</source><year>2021</year></element-citation></ref>",
        ),
        ordered=False,
    ),
    Construct(
        name="authors of an older reference",
        source="",
        parts=_at(
            "refs",
            "<ref><nlm-citation><person-group><string-name>@w</string-name><collab>@w</collab></person-group><source>@w</source></nlm-citation></ref>",
        ),
        ordered=False,
    ),
    Construct(name="note among references", source="", parts=_at("refs", "<ref id='b3'><note><p>@w</p></note></ref>")),
)

_FRONT = """\
<front><article-meta><title-group><article-title>{title}</article-title><subtitle>{subtitle}</subtitle></title-group>
<contrib-group>{contrib}{aff}</contrib-group><abstract>{abstract}</abstract>{abstracts}{keywords}{funding}</article-meta></front>
"""


def _article(pieces: Sequence[Piece]) -> bytes:
    others = parts(pieces)
    named = ("title", "subtitle", "contrib", "aff", "abstract", "abstracts", "keywords", "funding")
    front = _FRONT.format(**{name: others.get(name, "") for name in named})
    body = "\n".join(piece.source for piece in pieces if piece.source)
    back = f"{others.get('back', '')}<ref-list><title>References</title>{others.get('refs', '')}</ref-list>"
    doctype = '"-//NLM//DTD JATS (Z39.96) Journal Archiving and Interchange DTD v1.2 20190208//EN"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE article PUBLIC {doctype} "JATS-archivearticle1.dtd">\n'
        f'<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article">\n'
        f"{front}<body>{body}</body>\n<back>{back}</back></article>\n"
    ).encode()


FORMAT = Format(
    name="xml_jats",
    filename="sample.nxml",
    constructs=_CONSTRUCTS,
    build=_article,
    markup=r"</?(?:italic|xref|p|mml:)\b",
)
