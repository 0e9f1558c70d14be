from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.common.errors import UnprocessableFile
from tests.unit.documents.reading.conftest import compact

if TYPE_CHECKING:
    from tests.unit.documents.reading.conftest import Parse


@pytest.mark.parametrize(
    ("front", "shown"),
    [
        ("---\ntitle: Pump tests\ntags: [a, b]\n---\n", "title: Pump tests\ntags: [a, b]"),
        ("---\n# a remark\nauthors:\n  - Ada\n  - Bob\n...\n", "# a remark\nauthors:\n- Ada\n- Bob"),
        ("+++\ntitle = 'Pumps'\n[extra]\nn = 1\n+++\n", "title = 'Pumps'\n[extra]\nn = 1"),
    ],
)
def test_front_matter_is_kept_as_what_it_says(parse: Parse, front: str, shown: str) -> None:
    answer = parse("a.md", f"{front}\n# Head\n\ntext\n".encode())

    assert answer.text == f"{shown}\n\nHead\n\ntext"
    assert answer.md.count("\n# ") == 1
    assert "<h1>Head</h1>" in answer.html
    assert answer.errors == []


def test_a_rule_at_the_start_is_no_front_matter(parse: Parse) -> None:
    answer = parse("a.md", b"---\n\nfirst\n\n---\n\nsecond\n")

    assert answer.text == "first\n\nsecond"


@pytest.mark.parametrize(
    ("formula", "md"),
    [
        ("Here $x_1 * y_2$ is", "Here $x_1 * y_2$ is"),
        (r"Here $\alpha < \beta$.", r"Here $\alpha < \beta$."),
        ("$$\n\\int_0^1 x\\,dx\n$$", r"$$\int_0^1 x\,dx$$"),
        ("$$a_1 + b_1$$", "$$a_1 + b_1$$"),
        ("- in $a_b$ list", "- in $a_b$ list"),
        (r"Here \(x_1 * y_2\) and \(n\).", "Here $x_1 * y_2$ and $n$."),
        (r"\[ x_1 \]", "$$x_1$$"),
        ("So\n\\[\na \\\\[2pt]\nb\n\\]\nis", "So\n\n$$a \\\\[2pt] b$$\n\nis"),
        ("\\begin{align}\n a_1 &= \\{b\\} \n\\end{align}", r"$$\begin{align} a_1 &= \{b\} \end{align}$$"),
        ("> $$\n> x_1\n> $$", "> $$x_1$$"),
        ("|a|\n|-|\n|$p_1$|", "| a |\n| $p_1$ |"),
    ],
)
def test_formulas_are_whole_and_not_escaped(parse: Parse, formula: str, md: str) -> None:
    answer = parse("a.md", formula.encode())

    assert compact(answer.md) == md
    assert "<math" in answer.html
    assert answer.errors == []


def test_prices_are_no_formulas(parse: Parse) -> None:
    answer = parse("a.md", b"It costs $5 and $6, or \\$7.")

    assert answer.text == "It costs $5 and $6, or $7."
    assert "<math" not in answer.html


def test_tasks_keep_their_state(parse: Parse) -> None:
    answer = parse("a.md", b"- [x] done **now**\n- [ ] open\n  - [X] deep\n- plain\n")

    assert answer.md == "- [x] done **now**\n- [ ] open\n    - [x] deep\n- plain"
    assert answer.text == "- [x] done now\n- [ ] open\n    - [x] deep\n- plain"
    assert answer.html.count(" checked/>") == 2


@pytest.mark.parametrize("language", ["js", "python", "mermaid", "c++", "text"])
def test_the_language_of_code_is_kept(parse: Parse, language: str) -> None:
    answer = parse("a.md", f"```{language}\na_b * c < d\n```\n".encode())

    assert answer.md == f"```{language}\na_b * c < d\n```"
    assert answer.text == "a_b * c < d"


def test_quotes_stay_quotes(parse: Parse) -> None:
    answer = parse("a.md", b"> one\n> - item\n>\n> ```py\n> code\n> ```\n> > deep\n\nend\n")

    assert answer.md == "> one\n>\n> - item\n>\n> ```py\n> code\n> ```\n>\n> > deep\n\nend"
    assert answer.html.count("<blockquote>") == 2


def test_items_keep_their_paragraphs_and_code(parse: Parse) -> None:
    answer = parse("a.md", b"1. one\n\n   second\n\n       code\n\n2. two\n   - deep\n\n     more\n")

    assert answer.md == "1. one\n\n    second\n\n    ```\n    code\n    ```\n2. two\n    - deep\n\n        more"


@pytest.mark.parametrize(
    ("line", "text", "md"),
    [
        ("**D**ocument", "Document", "**D**ocument"),
        ("in*fix*ed", "infixed", "in*fix*ed"),
        ("H<sub>2</sub>O", "H2O", "H2O"),
        ("a\\*b 5 < 6 &amp; 7 &copy; &#169;", "a*b 5 < 6 & 7 © ©", "a\\*b 5 < 6 & 7 © ©"),
        ("snake_case and `co_de`", "snake_case and co_de", "snake_case and `co_de`"),
        ("a  \nb\\\nc\nd", "a\nb\nc d", "a  \nb  \nc d"),
        (
            "[text][r] and [r]\n\n[r]: https://a.example/ 'T'",
            "text and r",
            "[text](https://a.example/) and [r](https://a.example/)",
        ),
        ("<https://a.example/x_y> https://a.example/z_z", "https://a.example/x_y https://a.example/z_z", "x_y"),
        ("a `List<String>` or List<String>", "a List<String> or List<String>", "List&lt;String>"),
        ("the <script> tag", "the <script> tag", "the &lt;script> tag"),
        ("~~gone~~ ~5", "gone ~5", "~~gone~~ ~5"),
        ("![a duck](d.png 'By hand')", "a duck By hand", "a duck By hand\n\n<!-- image -->"),
        ("\u201cquoted\u201d\u2026", "\u201cquoted\u201d\u2026", "\u201cquoted\u201d\u2026"),
    ],
)
def test_lines_say_what_the_file_says(parse: Parse, line: str, text: str, md: str) -> None:
    answer = parse("a.md", line.encode())

    assert answer.text == text
    assert md in answer.md
    assert answer.errors == []


def test_notes_keep_their_marks(parse: Parse) -> None:
    answer = parse(
        "a.md", b"So it is[^1], and[^long].\n\n[^1]: Word\n[^long]: First *part*.\n\n    Second part.\n\nEnd.\n"
    )

    assert answer.md == "So it is[^1], and[^long].\n\n[^1]: Word\n\n[^long]: First *part*.\n\nSecond part.\n\nEnd."
    assert '"label": "footnote"' in answer.json
    assert answer.errors == []


def test_cells_hold_bars_code_and_more_cells_than_the_head(parse: Parse) -> None:
    answer = parse("a.md", b"| a | b |\n|---|:-:|\n| `x\\|y` | **b**old |\n| 1 |\n| p | q | r |\n")

    assert compact(answer.md).splitlines()[1:] == ["| `x\\|y` | **b**old | |", "| 1 | | |", "| p | q | r |"]
    assert compact(answer.text).splitlines()[1:] == ["| x|y | bold | |", "| 1 | | |", "| p | q | r |"]
    assert answer.errors == []


def test_html_inside_is_read(parse: Parse) -> None:
    details = "<details><summary>Sum</summary>\n\ninner *text*\n\n</details>"
    table = "<table><tfoot><tr><td>Sum</table>\n\n<!-- no -->"

    answer = parse("a.md", f"before\n\n{details}\n\n{table}\n\n<p hidden>ghost</p>\n\nafter".encode())

    assert compact(answer.text) == "before\n\nSum\n\ninner text\n\n| Sum |\n\nafter"
    assert answer.errors == []


def test_terms_have_their_definitions(parse: Parse) -> None:
    answer = parse("a.md", b"Pump\n: moves *water*\n: and oil\n")

    assert answer.md == "- **Pump**\n    - moves *water*\n    - and oil"


def test_quotes_without_end_are_refused(parse: Parse) -> None:
    with pytest.raises(UnprocessableFile, match="quotes are nested more than 100 deep"):
        parse("a.md", b">" * 5000)


def test_a_word_that_the_library_drops_is_named(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.documents.backends.reading.markdown.to_html", lambda _: "<p>kept</p>")

    answer = parse("a.md", b"kept\n\n[gone](a.b) away <i>x</i>\n")

    assert answer.errors == ["line 3: 'gone away x' is not in the answer"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("wombat" + " " * 1_000_000 + "x", ["wombat", "x"]),
        ("wombat " + "[x](" * 20_000, ["wombat", "[x](" * 20_000]),
        ("wombat " + "[x](" * 20_000 + ")" * 20_000, ["wombat"]),
        ("wombat " + "<!--" * 150_000, ["wombat", "<!--" * 150_000]),
        ("wombat\n\n" + "<script>\n" * 20_000, ["wombat", "<script>"]),
        ("wombat " + "a_b_" * 40_000, ["wombat", "a_b_" * 40_000]),
        (f"wombat {'[r1] ' * 100}\n\n" + "".join(f"[r{n}]: x\n" for n in range(20_000)), ["wombat", "r1", "r1"]),
    ],
)
def test_marks_without_end_cost_no_more_than_they_are_long(parse: Parse, content: str, words: list[str]) -> None:
    answer = parse("a.md", content.encode())

    assert answer.text.split()[: len(words)] == words
    assert answer.errors == []


def test_links_among_marks_without_end_are_links(parse: Parse) -> None:
    answer = parse("a.md", ("[x](" * 300 + " [see (it)](https://e.org/a_(b))").encode())

    assert answer.text.startswith("[x](" * 300)
    assert '<a href="https://e.org/a_(b)">see (it)</a>' in answer.html
    assert answer.errors == []


def test_comments_and_addresses_are_found_among_marks_without_end(parse: Parse) -> None:
    answer = parse("a.md", b"one <!-- hidden --> two <? x ?> three <!-- a@e.org <!A b> and b@e.org")

    assert answer.text == "one two three <!-- a@e.org and b@e.org"
    assert answer.html.count("mailto:") == 2
    assert answer.errors == []


@pytest.mark.parametrize("text", [r"see \(below\) and \(and/or\)", r"\[sic\]", "\\[\n\nx_1\n\n\\]", r"\(a \(b_1"])
def test_escaped_brackets_are_no_formulas(parse: Parse, text: str) -> None:
    answer = parse("a.md", text.encode())

    assert answer.text.split() == text.replace("\\", "").split()
    assert "<math" not in answer.html


def test_numbers_of_items_and_boxes_of_tasks_are_not_missed(parse: Parse) -> None:
    answer = parse("a.md", b"1. one\n2. two\n\n> 7) seven\n\n- [X] done\n- [ ] open")

    assert answer.errors == []


def test_a_word_beside_a_bracket_or_in_code_is_not_missed(parse: Parse) -> None:
    answer = parse("a.md", b"A cell[1] is a cell, `x*y` a `` z`y `` of x, y, z and a~b: a, b.\n\n    a[b] = *a")

    assert answer.errors == []


def test_a_note_may_begin_below_its_mark(parse: Parse) -> None:
    answer = parse("a.md", b"One[^a].\n\n[^a]:\n    Two.")

    assert answer.text == "One[^a].\n\n[^a]: Two."
    assert answer.errors == []


def test_the_mark_of_an_alert_has_a_line_of_its_own(parse: Parse) -> None:
    answer = parse("a.md", b"> [!NOTE]\n> Read *this*.\n> And that.")

    assert answer.md == "> [!NOTE]\n>\n> Read *this*. And that."


@pytest.mark.parametrize("mark", ['!!! tip "Do"', "??? note", "???+ note", '=== "Linux"'])
def test_what_is_set_in_below_a_note_of_a_site_is_no_code(parse: Parse, mark: str) -> None:
    answer = parse("a.md", f"one\n\n{mark}\n    Run *it*.\n\n    - now\n\ntwo".encode())

    assert answer.md == f"one\n\n> {mark}\n>\n> Run *it*.\n>\n> - now\n\ntwo"


def test_the_marks_of_a_container_are_no_part_of_its_text(parse: Parse) -> None:
    answer = parse("a.md", b":::tip Do\nRun *it*.\n:::\ntwo")

    assert answer.md == ":::tip Do\n\nRun *it*.\n\n:::\n\ntwo"


def test_what_is_never_shown_is_not_missed_and_what_has_no_end_is_shown(parse: Parse) -> None:
    answer = parse("a.md", "\u0130\n\n<SCRIPT>\nlet wombat;\n</Script>\n\n- ```js\n  x\n  ```\n\n<style>koala".encode())

    assert "wombat" not in answer.text
    assert answer.text.endswith("<style>koala")
    assert answer.errors == []


@pytest.mark.parametrize("start", ["x", "# x", "| a |\n|---|\n| x", "> x"])
def test_a_run_of_any_blanks_costs_as_much_as_letters(parse: Parse, start: str) -> None:
    blanks = "\u00a0" * 200_000

    assert "x" in parse("a.md", f"{start}{blanks}y".encode()).md
