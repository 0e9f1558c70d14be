from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.common.errors import UnprocessableFile
from services.documents.backends.base import Include
from services.documents.backends.reading.html.reader import HtmlReader
from tests.unit.documents.reading.conftest import compact

if TYPE_CHECKING:
    from tests.unit.documents.reading.conftest import Answer, Parse


def page(body: str) -> bytes:
    return f"<!DOCTYPE html><html><head><title>Page</title></head><body>{body}</body></html>".encode()


def in_order(text: str, *words: str) -> bool:
    place = 0
    for word in words:
        place = text.find(word, place) + len(word)
        if place < len(word):
            return False
    return True


def has_everywhere(answer: Answer, *words: str) -> bool:
    return (
        all(in_order(form, *words) for form in (answer.md, answer.html.partition("<body>")[2], answer.text))
        and not answer.errors
    )


ROWS = "<tr><td>Chair</td><td>40</td></tr>"
FOOT = "<tfoot><tr><td>Sum</td><td>41</td></tr></tfoot>"
HEAD = "<thead><tr><th>Item</th><th>EUR</th></tr></thead>"


@pytest.mark.parametrize(
    "table",
    [
        f"{HEAD}<tbody>{ROWS}</tbody>{FOOT}",
        f"{HEAD}{FOOT}<tbody>{ROWS}</tbody>",
        f"{FOOT}<tbody>{ROWS}</tbody>{HEAD}",
        f"{HEAD}<tbody>{ROWS}</tbody><tbody><tr><td>Table</td><td>1</td></tr></tbody>{FOOT}",
        f"{HEAD}{ROWS}{FOOT}",
        "<thead><tr><th>Item<th>EUR<tbody><tr><td>Chair<td>40<tfoot><tr><td>Sum<td>41",
    ],
)
def test_rows_of_a_foot_are_the_last_ones(parse: Parse, table: str) -> None:
    answer = parse("a.html", page(f"<table>{table}</table>"))

    assert compact(answer.md).splitlines()[0] == "| Item | EUR |"
    assert compact(answer.md).splitlines()[-1] == "| Sum | 41 |"
    assert has_everywhere(answer, "Item", "Chair", "Sum")


def test_cells_that_span_stand_in_each_place_that_they_cover(parse: Parse) -> None:
    table = "<tr><th>a<th>b<th>c<tr><td rowspan=0>r<td colspan=2>s<tr><td>t<td>u<tfoot><tr><td colspan=99>f"

    answer = parse("a.html", page(f"<table>{table}</table>"))

    rows = compact(answer.text).splitlines()
    assert rows[1:] == ["| r | s | s |", "| r | t | u |", "| f | f | f |"]
    assert '<td rowspan="2">r</td><td colspan="2">s</td>' in answer.html


def test_what_stands_in_a_cell_is_kept(parse: Parse) -> None:
    cell = "<h3>Head</h3>one<br>two<ul><li>item</ul><table><tr><td>inner<td>cell</table><pre>code()</pre>last"

    answer = parse("a.html", page(f"<table><tr><th>x<th>y<tr><td>{cell}<td>a|b</table>"))

    assert has_everywhere(answer, "Head", "one", "two", "item", "inner", "cell", "code()", "last")
    assert compact(answer.md).endswith(r"| a\|b |")
    assert compact(answer.text).endswith("| a|b |")
    assert "#" not in answer.md


def test_a_caption_and_stray_text_stand_in_front_of_their_table(parse: Parse) -> None:
    answer = parse("a.html", page("<table><caption>Pri<b>ces</b></caption>stray<tr><td>1</table>"))

    assert has_everywhere(answer, "stray", "Prices", "1")


@pytest.mark.parametrize(
    ("line", "text", "md"),
    [
        ("<b>D</b>ocument", "Document", "**D**ocument"),
        ("H<sub>2</sub>O", "H2O", "H2O"),
        ("re<a href='https://a.example/'>link</a>ed", "relinked", "re[link](https://a.example/)ed"),
        ("pre<code>fix</code>ed", "prefixed", "pre`fix`ed"),
        ("super<wbr>cali", "supercali", "supercali"),
        ("in<span>si</span>de <span>out</span>", "inside out", "inside out"),
        ("an <i> Apple</i> , <em>pear</em>.", "an Apple , pear.", "an *Apple* , *pear*."),
        ("<mark>m</mark>ark <abbr title=no>AB</abbr>C", "mark ABC", "mark ABC"),
        ("a<b>b</b><i>c</i>d", "abcd", "a**b**cd"),
        ("she said no<b>.</b>", "she said no.", "she said no."),
        ("x<b>(y)</b>z", "x(y)z", "x(y)z"),
        ("soft&shy;hyphen", "softhyphen", "softhyphen"),
        ("wo<x-tag>rd</x-tag>", "word", "word"),
        ("<x-card>one</x-card><x-card>two</x-card>", "one two", "one two"),
    ],
)
@pytest.mark.parametrize("where", ["<p>{}</p>", "{}", "<ul><li>{}</ul>", "<table><tr><td>{}</table>", "<div>{}</div>"])
def test_words_are_whole_across_tags(parse: Parse, where: str, line: str, text: str, md: str) -> None:
    answer = parse("a.html", page(where.format(line)))

    assert text in answer.text
    assert md in answer.md
    assert answer.errors == []


@pytest.mark.parametrize("tag", ["h1", "h4", "dt", "dd", "figcaption", "caption", "summary", "blockquote", "legend"])
def test_words_of_other_blocks_are_whole_too(parse: Parse, tag: str) -> None:
    outer = {"dt": "dl", "dd": "dl", "caption": "table", "figcaption": "figure", "summary": "details"}.get(tag, "div")

    answer = parse("a.html", page(f"<{outer}><{tag}>un<b>bro</b>ken <i>w</i>ord</{tag}></{outer}>"))

    assert "unbroken word" in answer.text
    assert answer.errors == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<ruby>漢<rp>[</rp><rt>kan</rt><rp>]</rp>字<rt>ji</rt></ruby>語", ["漢(kan)字(ji)語"]),
        ("<p>so <q>quoted</q> <bdo dir=rtl>abc</bdo> <bdi>def</bdi></p>", ['so "quoted" abc def']),
        ("<details><summary>More</summary>bare <p>inner</p></details>", ["More", "bare", "inner"]),
        ("<dl><div><dt>Term<dd>first<dd>second<p>third</p></div></dl>", ["Term", "first", "second", "third"]),
        ("<figure><img alt='A duck'><figcaption>By hand</figcaption></figure>", ["A duck", "By hand"]),
        ("<p>see <img alt='a pump'> here</p>", ["see", "a pump", "here"]),
        ("<pre>  two\n    lines</pre>", ["  two\n    lines"]),
        ("<p><kbd>Ctrl</kbd> <samp>out</samp> <var>n</var></p>", ["Ctrl", "out", "n"]),
        ("<address>Street 1<br>Town</address>", ["Street 1", "Town"]),
        ("<p><del>old</del> <ins>new</ins> <time>noon</time></p>", ["old", "new", "noon"]),
        ("<div>bare<p>para</p>between<section>part</section>end</div>", ["bare", "para", "between", "part", "end"]),
        ("<label>Name <input value=Ada></label><textarea>long</textarea>", ["Name", "Ada", "long"]),
        ("<select><optgroup label=Fruit><option>fig<option>kiwi</select><button>Go</button>", ["Fruit", "fig", "kiwi"]),
        ("<fieldset><legend>Address</legend><input type=submit value=Send></fieldset>", ["Address", "Send"]),
        ("<svg><title>Plan</title><text>up</text><text>down</text></svg>", ["Plan", "up", "down"]),
        ("<ul><li>one<ul><li>deep</ul>after<li>two</ul>", ["one", "deep", "after", "two"]),
        ("<ol><li>one<p>para</p><pre>code</pre><blockquote>said</blockquote></ol>", ["one", "para", "code", "said"]),
        ("<ul>loose<li>one<p>x</p>stray</ul>", ["loose", "one", "x", "stray"]),
        ("<p aria-hidden=true>seen</p>", ["seen"]),
        ("<p>closed <b>by<p>next</b> one", ["closed", "by", "next", "one"]),
        ("<h2>Head <img alt=logo></h2>text", ["Head", "logo", "text"]),
        ("<p>5 < 6 &amp; 7 &gt; 2 &copy;</p>", ["5", "6", "7", "2"]),
        ("<![if !x]>shown<![endif]>", ["shown"]),
        ("<p>cut off <a href='", ["cut off"]),
        ("<blockquote>said<footer>by Ada</footer></blockquote>", ["said", "by Ada"]),
        ("<article>text<footer>signed</footer></article>", ["text", "signed"]),
        ("<object>instead</object><video>no film</video>", ["instead", "no film"]),
    ],
)
def test_every_construct_is_kept_in_order(parse: Parse, body: str, words: list[str]) -> None:
    answer = parse("a.html", page(f"<p>first</p>{body}<p>last</p>"))

    assert in_order(answer.text, "first", *words, "last")
    assert answer.errors == []


def test_text_above_the_first_heading_is_kept(parse: Parse) -> None:
    answer = parse("a.html", page("<p>Intro</p><h1>Title</h1><p>text</p>"))

    assert has_everywhere(answer, "Intro", "Title", "text")


FRAME = "<header>Menu</header><nav>Links</nav><h1>Title</h1>text<footer>Imprint</footer>"


def test_headers_and_footers_of_a_page_are_no_part_of_it(parse: Parse) -> None:
    answer = parse("a.html", page(FRAME))

    assert answer.text == "Title\n\ntext"
    assert all(word in answer.json for word in ("Menu", "Links", "Imprint"))


def test_headers_and_footers_stand_in_their_places_where_they_are_wanted(parse: Parse) -> None:
    answer = parse("a.html", page(FRAME), Include.HEADERS)

    assert has_everywhere(answer, "Menu", "Links", "Title", "text", "Imprint")


HIDDEN = "<p hidden>ghost</p><p style='color:red; Display : none'>spirit</p><tt style='visibility:hidden'>wraith</tt>"


def test_what_no_browser_shows_is_not_returned(parse: Parse) -> None:
    never = "<script>code()</script><style>p{}</style><template>mould</template><!-- remark --><noscript>old</noscript>"

    answer = parse("a.html", page(f"seen{HIDDEN}{never}<iframe>frame</iframe><input type=hidden value=token>"))

    assert answer.text == "seen"
    assert answer.errors == []


def test_hidden_text_stands_in_its_place_where_it_is_wanted(parse: Parse) -> None:
    answer = parse("a.html", page(f"seen{HIDDEN}<p>end"), Include.HIDDEN)

    assert has_everywhere(answer, "seen", "ghost", "spirit", "wraith", "end")


@pytest.mark.parametrize(
    ("math", "tex"),
    [
        ("<mi>E</mi><mo>=</mo><mi>m</mi><msup><mi>c</mi><mn>2</mn></msup>", "E = m c^2"),
        ("<mfrac><mi>a</mi><msqrt><mi>b</mi></msqrt></mfrac>", r"\frac{a}{\sqrt{b}}"),
        ("<msub><mi>word</mi><mtext>in it</mtext></msub>", r"{\mathrm{word}}_{\text{in it}}"),
        ("<semantics><mi>x</mi><annotation encoding='application/x-tex'>x_1</annotation></semantics>", "x_1"),
        (
            "<mtable><mtr><mtd><mi>p</mi></mtd><mtd><mi>q</mi></mtd></mtr></mtable>",
            r"\begin{matrix} p & q \end{matrix}",
        ),
    ],
)
def test_formulas_become_tex(parse: Parse, math: str, tex: str) -> None:
    answer = parse("a.html", page(f"<p>Here <math>{math}</math>.</p><math display=block>{math}</math>"))

    assert f"Here ${tex}$." in answer.md
    assert f"$${tex}$$" in answer.md
    assert answer.errors == []


def test_the_language_of_code_is_kept(parse: Parse) -> None:
    answer = parse("a.html", page('<pre><code class="hl language-js">if (a &lt; b) {\n  <b>x</b>();\n}</code></pre>'))

    assert answer.md == "```js\nif (a < b) {\n  x();\n}\n```"
    assert '<code class="language-js">if (a &lt; b)' in answer.html
    assert answer.text == "if (a < b) {\n  x();\n}"


def test_tasks_keep_their_state(parse: Parse) -> None:
    items = "<li><input type=checkbox checked> <b>do</b>ne<li><label>open <input type=checkbox></label>"

    answer = parse("a.html", page(f"<ul>{items}</ul>"))

    assert answer.md == "- [x] **do**ne\n- [ ] open"
    assert answer.text == "- [x] done\n- [ ] open"
    assert "checked/> <strong>do</strong>ne" in answer.html


def test_lists_keep_their_numbers(parse: Parse) -> None:
    answer = parse("a.html", page("<ol start=7><li>g<p>more</p><li>h<li value=12>l<li>m</ol>"))

    assert answer.text == "7. g\n\n    more\n8. h\n12. l\n13. m"


def test_quotes_are_marked(parse: Parse) -> None:
    answer = parse("a.html", page("<blockquote><p>one<p>two<blockquote>deep</blockquote></blockquote>end"))

    assert answer.md == "> one\n>\n> two\n>\n> > deep\n\nend"
    assert "<blockquote>\n<p>one</p>" in answer.html


def test_levels_of_headings_are_kept(parse: Parse) -> None:
    answer = parse("a.html", page("<h1>A</h1><h2>B</h2><h3>C</h3><h6>F</h6>"))

    assert answer.md == "# A\n\n## B\n\n### C\n\n###### F"


def test_nesting_that_no_page_has_is_refused(parse: Parse) -> None:
    with pytest.raises(UnprocessableFile, match="nested more than 500 levels deep"):
        parse("a.html", page("<div>" * 501 + "x"))


def test_deep_and_unclosed_elements_cost_no_more_than_others(parse: Parse) -> None:
    answer = parse("a.html", page("<p>x " * 3000 + "<b>y " * 600 + "<div>" * 400 + "<li>z" * 1000))

    assert answer.text.count("x") == 3000
    assert answer.text.count("y") == 600
    assert answer.text.count("z") == 1000


def test_a_table_of_empty_places_costs_as_much_as_its_cells(parse: Parse) -> None:
    wide = "<tr>" + "<td>w" * 2000

    answer = parse(
        "a.html", page(f"<table><caption>Cap</caption>{'<tr><td>n' * 2000}{wide}{'<tr><td>n' * 2000}</table>")
    )

    assert answer.text.count("n") == 4000
    assert answer.text.count("w") == 2000
    assert answer.text.count("Cap") == 1


def test_a_word_that_is_lost_is_named(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HtmlReader, "_add", lambda *_: None)

    answer = parse("a.html", page("<p>gone astray</p>"))

    assert answer.errors == ["line 1: the words 'gone astray' are not in the answer"]


def test_formulas_of_scripts_are_formulas_and_what_a_saved_page_shows_of_them_is_not_said_again(parse: Parse) -> None:
    body = (
        "<p>a <span class='MathJax_Preview'>x1</span><span class='MathJax'><i>x1</i></span>"
        "<script type='math/tex'>x_1 < 2</script> b</p><script type='math/tex; mode=display'>y^2</script>"
        "<p>c <span class='katex'><span class='katex-mathml'><math><mi>z</mi></math></span>"
        "<span class='katex-html' aria-hidden='true'>z</span></span> d</p><script>let wombat;</script>"
    )

    answer = parse("a.html", page(body))

    assert answer.md == "a $x_1 < 2$ b\n\n$$y^2$$\n\nc $z$ d"
    assert answer.errors == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<ol type='a'><li>x</li><li>y</li></ol>", "- a. x\n- b. y"),
        ("<ol type='I' start='4'><li>x</li></ol>", "- IV. x"),
        ("<ol type='A' start='27'><li>x</li></ol>", "- AA. x"),
        ("<ol reversed><li>x</li><li>y</li></ol>", "2. x\n1. y"),
        ("<ol start='-1'><li>x</li><li>y</li></ol>", "- -1. x\n0. y"),
    ],
)
def test_items_have_the_numbers_that_a_browser_shows(parse: Parse, body: str, text: str) -> None:
    answer = parse("a.html", page(body))

    assert answer.text == text
    assert answer.errors == []


def test_readings_in_a_container_of_ruby_are_in_parentheses_once(parse: Parse) -> None:
    answer = parse("a.html", page("<ruby><rb>A</rb><rb>B</rb><rtc><rt>a</rt><rt>b</rt></rtc><rtc>ab</rtc></ruby>"))

    assert answer.text == "AB(a)(b)(ab)"


def test_a_table_that_only_places_is_no_table(parse: Parse) -> None:
    inner = "<table><tr><td>1</td><td>2</td></tr></table>"

    answer = parse(
        "a.html", page(f"<table role='presentation'><tr><td><h1>Head</h1><p>one</p>{inner}</td></tr></table>")
    )

    assert compact(answer.md) == "# Head\n\none\n\n| 1 | 2 |"
    assert answer.errors == []


def test_items_that_are_boxes_are_tasks(parse: Parse) -> None:
    body = (
        "<ul><li role='checkbox' aria-checked='true'><p>x</p></li><li role='checkbox' aria-checked='false'>y</li></ul>"
    )

    assert parse("a.html", page(body)).md == "- [x] x\n- [ ] y"


def test_a_dialog_that_is_closed_is_hidden(parse: Parse) -> None:
    body = "<p>one</p><dialog>wombat</dialog><dialog class='a'>wombat</dialog><dialog open>two</dialog>"

    answer = parse("a.html", page(body))

    assert answer.text == "one\n\ntwo"
    assert answer.errors == []
    assert "wombat" in parse("a.html", page(body), Include.HIDDEN).text


def test_captions_of_a_table_are_apart(parse: Parse) -> None:
    answer = parse("a.html", page("<table><caption>One</caption><caption>Two</caption><tr><td>x</td></tr></table>"))

    assert answer.text.startswith("One\n\nTwo\n\n|")


def test_looks_of_an_element_s_own_style_are_kept(parse: Parse) -> None:
    body = (
        "<b style='font-weight:normal'>a <span style='color:red;font-weight:700'>b</span> "
        "<span style='font-style: italic'>c</span> <span style='text-decoration:line-through'>d</span></b>"
    )

    assert parse("a.html", page(body)).md == "a **b** *c* ~~d~~"


@pytest.mark.parametrize(
    ("end", "shown"),
    [("<p clas", "<p clas"), ("</p", "</p"), ("<p title='a > b", "<p title='a > b"), ("<b>three</b", "</b")],
)
def test_a_tag_that_the_file_ends_in_is_not_shown(parse: Parse, end: str, shown: str) -> None:
    answer = parse("a.html", f"<html><p>one</p>two {end}".encode())

    assert answer.text == ("one\n\ntwo three" if "three" in end else "one\n\ntwo")
    assert answer.errors == [f"it ends inside of a tag, which is not in the answer: {shown}"]


@pytest.mark.parametrize("end", ["< 3", "<3", "<", "a <- b"])
def test_a_sign_at_the_end_is_text(parse: Parse, end: str) -> None:
    answer = parse("a.html", f"<html><p>one {end}".encode())

    assert (answer.text, answer.errors) == (f"one {end}", [])


def test_a_quote_that_is_never_closed_takes_no_words_with_it(parse: Parse) -> None:
    assert "two\n\nthree" in parse("a.html", b"<html><p>one<p title='>two<p>three</p>").text
