"""HTML: what a browser shows is kept."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loss.constructs import SHOWN, Construct, Format, Piece

_PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

BODY = (
    Construct(name="heading", source="<h1>@w @w</h1>", md="# @1 @2"),
    Construct(name="heading with markup", source="<h2>@w <em>@w</em> @l<sub>@r</sub></h2>"),
    Construct(name="paragraph", source="<p>@w @w.</p>"),
    Construct(name="text outside of any element", source="@w<p>@w</p>@w"),
    Construct(name="text in div", source="<div>@w<div>@w</div>@w</div>"),
    Construct(name="bold half of a word", source="<p>@w @l<b>@r</b> <b>@l</b>@r @w</p>"),
    Construct(name="formats in the middle of a word", source="<p>@l<i>@m</i>@r @l<code>@m</code>@r @l<u>@m</u>@r</p>"),
    Construct(name="sub and sup in a word", source="<p>@l<sub>@m</sub>@r @l<sup>@r</sup></p>"),
    Construct(name="span in a word", source='<p>@l<span class="a">@m</span>@r</p>'),
    Construct(name="link in a word", source='<p>@l<a href="https://example.org/a">@m</a>@r @w</p>'),
    Construct(
        name="link's target", source='<p>@w <a href="https://example.org/@w">@w</a></p>', forms=SHOWN, ordered=False
    ),
    Construct(name="link around bold", source='<p><a href="https://example.org">@w <b>@w</b> @l<b>@r</b></a> @w</p>'),
    Construct(
        name="ins, mark, small, kbd, samp, var, cite, q, abbr, time",
        source="<p><ins>@w</ins> <mark>@w</mark> <small>@w</small> <kbd>@w</kbd> <samp>@w</samp> <var>@w</var> "
        "<cite>@w</cite> <q>@w</q> <abbr title='long'>@w</abbr> <time>@w</time></p>",
    ),
    Construct(name="struck out text is shown", source="<p><s>@w</s> @l<s>@r</s> <del>@w</del></p>"),
    Construct(name="soft hyphen and wbr in a word", source="<p>@l<wbr>@r @w</p>"),
    Construct(name="line break", source="<p>@w<br>@w<br/>@w</p>"),
    Construct(name="entities between words", source="<p>@w&nbsp;@w &amp; @w&#32;@w &lt; @w</p>"),
    Construct(name="character that is markup in Markdown", source="<p>@w * @w _ @w | @w # @w</p>"),
    Construct(name="tags as text", source="<p>@w &lt;em&gt;@w&lt;/em&gt; @w</p>"),
    Construct(
        name="right to left", source='<p dir="rtl">@rtl @rtl</p><p>@w <bdo dir="rtl">@rtl</bdo> <bdi>@w</bdi></p>'
    ),
    Construct(name="ruby", source="<p>@w <ruby>@w<rp>(</rp><rt>@w</rt><rp>)</rp></ruby> @w</p>"),
    Construct(name="bullet list", source="<ul><li>@w</li><li>@w <b>@w</b></li></ul>"),
    Construct(name="ordered list from a number", source='<ol start="5"><li>@w</li><li>@w</li></ol>'),
    Construct(name="list in letters, backwards", source='<ol type="a" reversed="reversed"><li>@w</li><li>@w</li></ol>'),
    Construct(name="item that is a box", source='<ul><li role="checkbox" aria-checked="true"><p>@w</p></li></ul>'),
    Construct(name="nested list", source="<ul><li>@w<ul><li>@w<ol><li>@w</li></ol>@w</li></ul>@w</li></ul>"),
    Construct(name="list directly in a list", source="<ul><li>@w</li><ul><li>@w</li></ul></ul>"),
    Construct(name="paragraphs in an item", source="<ul><li><p>@w</p><p>@w</p></li></ul>"),
    Construct(name="table in an item", source="<ul><li>@w<table><tr><td>@w</td></tr></table>@w</li></ul>"),
    Construct(name="half-bold word in an item", source="<ul><li>@l<b>@r</b></li><li><b>@l</b>@r @w</li></ul>"),
    Construct(name="text in ul outside of items", source="<ul>@w<li>@w</li></ul>"),
    Construct(name="definition list", source="<dl><dt>@w</dt><dd>@w</dd><dt>@w</dt><dd><p>@w</p></dd></dl>"),
    Construct(
        name="table",
        source="<table><thead><tr><th>@w</th><th>@w</th></tr></thead>"
        "<tbody><tr><td>@w</td><td>@w</td></tr></tbody></table>",
    ),
    Construct(
        name="table's foot",
        source="<table><thead><tr><th>@w</th></tr></thead><tbody><tr><td>@w</td></tr></tbody>"
        "<tfoot><tr><td>@w</td></tr></tfoot></table>",
    ),
    Construct(
        name="two bodies of a table",
        source="<table><tbody><tr><td>@w</td></tr></tbody><tbody><tr><td>@w</td></tr></tbody></table>",
    ),
    Construct(
        name="foot before the body",
        source="<table><tfoot><tr><td>@w</td></tr></tfoot><tbody><tr><td>@w</td></tr></tbody></table>",
        ordered=False,
    ),
    Construct(
        name="caption of a table",
        source="<table><caption>@w <b>@w</b></caption><tr><td>@w</td></tr></table>",
        ordered=False,
    ),
    Construct(
        name="spans of a table",
        source='<table><tr><td colspan="2">@w</td><td rowspan="2">@w</td></tr><tr><td>@w</td><td>@w</td></tr></table>',
    ),
    Construct(
        name="ragged table", source="<table><tr><td>@w</td></tr><tr><td>@w</td><td>@w</td><td>@w</td></tr></table>"
    ),
    Construct(
        name="spans that reach out of the table",
        source='<table><tr><td rowspan="9">@w</td><td colspan="0">@w</td></tr><tr><td>@w</td></tr></table>',
    ),
    Construct(
        name="half-bold word in a cell", source="<table><tr><td>@l<b>@r</b></td><td>@l<i>@m</i>@r @w</td></tr></table>"
    ),
    Construct(
        name="paragraphs and list in a cell",
        source="<table><tr><td><p>@w</p><p>@w</p></td><td><ul><li>@w</li><li>@w</li></ul></td></tr></table>",
    ),
    Construct(name="line break in a cell", source="<table><tr><td>@w<br>@w</td><td>@w | @w</td></tr></table>"),
    Construct(
        name="table that only places",
        source='<table role="presentation"><tr><td><h3>@w</h3><p>@w</p></td><td>@w</td></tr></table>',
    ),
    Construct(
        name="table in a cell",
        source="<table><tr><td>@w<table><tr><td>@w</td><td>@w</td></tr></table>@w</td></tr></table>",
    ),
    Construct(name="row without a table's parts", source="<table><tr><th>@w<td>@w<tr><td>@w<td>@w</table>"),
    Construct(name="code", source="<pre><code>@w = 1\n  @w</code></pre><p>@w <code>@w</code></p>"),
    Construct(name="highlighted code", source='<pre><span class="k">@l</span><span>@r</span> <b>@w</b>\n@w</pre>'),
    Construct(name="quote", source="<blockquote>@w<p>@w</p><blockquote><p>@w</p></blockquote></blockquote>"),
    Construct(name="horizontal rule", source="<p>@w</p><hr><p>@w</p>"),
    Construct(name="picture", source=f'<p>@w <img src="{_PIXEL}" alt="@w"> @w</p>', forms=SHOWN, ordered=False),
    Construct(name="text beside a picture", source=f'<p>@w <img src="{_PIXEL}"> @w</p>'),
    Construct(
        name="figure with caption",
        source=f'<figure><img src="{_PIXEL}"><figcaption>@w <i>@w</i></figcaption></figure>',
        ordered=False,
    ),
    Construct(
        name="figure of a table",
        source="<figure><table><tr><td>@w</td></tr></table><figcaption>@w</figcaption></figure>",
        ordered=False,
    ),
    Construct(
        name="figure of text",
        source="<figure><pre>@w</pre><blockquote>@w</blockquote><figcaption>@w</figcaption></figure>",
        ordered=False,
    ),
    Construct(name="details", source="<details><summary>@w</summary><p>@w</p>@w</details>"),
    Construct(
        name="sections",
        source="<article><header>@w <i>@w</i></header><section><h3>@w</h3>@w</section><aside>@w</aside></article>",
    ),
    Construct(
        name="address, fieldset, legend, label, button",
        source="<address>@w</address><fieldset><legend>@w</legend><label>@w</label> <button>@w</button></fieldset>",
    ),
    Construct(name="form values", source="<form><select><option>@w</option></select><textarea>@w</textarea></form>"),
    Construct(name="block in a link", source='<a href="https://example.org"><h4>@w</h4><p>@w</p></a>'),
    Construct(name="block in an inline element", source="<span>@w<div>@w</div>@w</span><b><p>@w</p></b>"),
    Construct(name="MathML", source="<p>@w <math><mi>x</mi><mo>=</mo><mn>3</mn></math> @w</p>"),
    Construct(name="formula in a script", source='<p>@w <script type="math/tex">\\text{@w}</script> @w</p>'),
    Construct(
        name="formula of KaTeX",
        source='<p>@w <span class="katex"><span class="katex-mathml"><math><mtext>@w</mtext></math></span>'
        '<span class="katex-html" aria-hidden="true">@x</span></span> @w</p>',
    ),
    Construct(name="text in MathML", source="<p>@w <math><mtext>@w</mtext></math> @w</p>"),
    Construct(name="text in SVG", source='<svg width="9" height="9"><text>@w</text></svg><p>@w</p>'),
    Construct(name="unknown element", source="<x-card>@w <x-name>@w</x-name></x-card><p>@w</p>"),
    Construct(name="unclosed elements", source="<p>@w<p>@w<div>@w<p>@w</div>"),
    Construct(
        name="center, font, nobr, tt, big",
        source="<center>@w</center><font>@w</font> <nobr>@w</nobr> <tt>@w</tt> <big>@w</big>",
    ),
    Construct(name="inline script around text", source="<p>@w<script>var @x;</script> @w</p>"),
    Construct(
        name="script, style, template, noscript",
        source="<script>@x</script><style>.@x{}</style><template><p>@x</p></template><p>@w</p>",
    ),
    Construct(name="comment", source="<p>@w<!-- @x --> @w</p>"),
    Construct(name="hidden text", source='<p>@w</p><p hidden>@hidden</p><div style="display:none">@hidden</div>'),
    Construct(
        name="dialogs",
        source='<dialog>@hidden</dialog><dialog open="open">@w</dialog>',
    ),
    Construct(name="footer of the page", source="<footer>@headers</footer>", ordered=False, anyway=True),
    Construct(
        name="text before the first heading", source="<p>@w</p><ul><li>@w</li></ul><h1>@w</h1><p>@w</p>", alone=True
    ),
)


def _html(pieces: Sequence[Piece]) -> bytes:
    body = "\n".join(piece.source for piece in pieces)
    return f"<!DOCTYPE html>\n<html><head><meta charset='utf-8'></head><body>\n{body}\n</body></html>\n".encode()


FORMAT = Format(
    name="html", filename="sample.html", constructs=BODY, build=_html, markup=r"</?(?:p|b|i|span|td|div|a)[\s>]"
)
