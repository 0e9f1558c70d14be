"""AsciiDoc as Asciidoctor shows it."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import json
import time

import pytest

from services.documents.backends.reading.asciidoc.source import kept_lines
from tests.unit.documents.reading.conftest import Parse


def grid(answer_json: str) -> list[list[str]]:
    table = json.loads(answer_json)["tables"][0]["data"]
    return [[cell["text"] for cell in row] for row in table["grid"]]


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ("|===\n|A |B\n\n|1\n|2\n\n|3\n|4\n|===", [["A", "B"], ["1", "2"], ["3", "4"]]),
        ('[cols="1,2,1"]\n|===\n|a\n|b |c\n|d |e |f\n|===', [["a", "b", "c"], ["d", "e", "f"]]),
        ('[cols="2*"]\n|===\n2+|wide\n.2+|tall |x\n|y\n|===', [["wide", "wide"], ["tall", "x"], ["tall", "y"]]),
        (
            '[cols="3*"]\n|===\n3*|same\n2.2+|block |p\n|q\n|===',
            [["same"] * 3, ["block", "block", "p"], ["block", "block", "q"]],
        ),
        ("|===\n|a |\n|b\\|c |d\n|===", [["a", ""], ["b|c", "d"]]),
        (',===\na,"b, c"\n,===', [["a", "b, c"]]),
        ("[format=dsv]\n|===\na:b\n|===", [["a", "b"]]),
        ("[separator=;]\n|===\n;a ;b|c\n|===", [["a", "b|c"]]),
        ("|===\n|a|e|h\n|s|2+|m\n|===", [["a", "e", "h"], ["s", "2+", "m"]]),
        ('[cols="2*"]\n|===\n2+|wide\n|x m|y\n|===', [["wide", "wide"], ["x", "y"]]),
    ],
)
def test_cells_fill_rows_by_the_number_of_columns(parse: Parse, source: str, rows: list[list[str]]) -> None:
    answer = parse("a.adoc", source.encode())

    assert grid(answer.json) == rows
    assert answer.errors == []


def test_cell_styles_and_blocks_in_cells(parse: Parse) -> None:
    source = '[cols="1a,1m,1"]\n|===\n|\n* one\n* two\n|code |see https://x.example[the page]\n|\n!===\n!in !ner\n!===\n|m |z\n|==='
    answer = parse("a.adoc", source.encode())

    for form in (answer.md, answer.html, answer.text):
        assert all(word in form for word in ("one", "two", "code", "the page", "in", "ner"))
    assert answer.errors == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a **b**old w__or__d and *bold* _it_ `mono`", "a bold word and bold it mono"),
        ("H~2~O and x^2^ and snake_case_word 2*3*4", "H2O and x2 and snake_case_word 2*3*4"),
        (":name: Value\n\nThe {name}, \\{name} and {unknown}", "The Value, {name} and {unknown}"),
        ("see https://x.example/a_b_c[the *site*,window=_blank]", "see the site"),
        ("link:a_b.html[File] and mailto:a@b.example[Ann]", "File and Ann"),
        ("+*plain*+ and pass:[<b>raw</b>] and `+a_b_+`", "*plain* and raw and a_b_"),
        ("(C) 2020 -- done... it's a->b", "\u00a9 2020 \u2014 done\u2026 it\u2019s a\u2192b"),
        ("one +\ntwo\nthree", "one\ntwo three"),
        ("kbd:[Ctrl+C] menu:File[Save] ((term)) (((hidden)))x", "Ctrl+C File \u203a Save term x"),
        ("NOTE: Mind it.", "NOTE: Mind it."),
        ("[comment]\nsecret\nsecret\n\ntext\n\n[comment]\n--\nsecret\n\nsecret\n--\nmore", "text\n\nmore"),
        ("{counter:n} {counter:n} {counter2:n}{n} {counter:l:a}{counter:l} {set:x:y}{x}", "1 2 3 ab y"),
        ("link:++a b.html++[File] kbd:[+Tab+] https://x.example/++a_b++[page]", "File Tab page"),
        ("mailto:a@b.example[Ann,Subject,Body of the mail]", "Ann"),
        ("footnoteref:[n1,below] footnoteref:[n1]", "[1] [1]\n\n[1] below"),
        ('image::a.png["Alt, all",200,100,title="Named",link=x.html]', "Named\n\nAlt, all"),
        ("----\na <.>\nb <.>\n----", "a (1)\nb (2)"),
        ("// secret\ntext\n\n////\nsecret\n////", "text"),
        ("ifdef::x[]\nno\nendif::[]\nifndef::x[]\nyes\nendif::[]\nifdef::y[no]", "yes"),
    ],
)
def test_lines(parse: Parse, source: str, said: str) -> None:
    answer = parse("a.adoc", source.encode())

    assert answer.text == said
    assert answer.errors == []


def test_footnotes_stand_behind_their_block(parse: Parse) -> None:
    answer = parse(
        "a.adoc", b"Wordfootnote:[First https://x.example[one].] end.\n\nNextfootnote:a[Second] and footnote:a[]."
    )

    assert answer.text == "Word[1] end.\n\n[1] First one.\n\nNext[2] and [2].\n\n[2] Second"


def test_references_show_titles(parse: Parse) -> None:
    answer = parse("a.adoc", b"[[here]]\n== The Part\n\nSee <<here>>, <<here,it>>, xref:_the_part[] and <<nowhere>>.")

    assert "See The Part, it, The Part and [nowhere]." in answer.text


def test_lists_nest_by_marker_and_hold_blocks(parse: Parse) -> None:
    source = "* one\ngoes on\n** deep\n+\nattached\n\n. first\n.. sub\n. second\n\nterm:: meaning\nother::\n  more\n\n* [x] done\n"
    answer = parse("a.adoc", source.encode())

    assert answer.md.startswith("- one goes on\n    - deep\n")
    assert "1. first" in answer.md
    assert "2. second" in answer.md
    assert "- term: meaning" in answer.text
    assert "other: more" in answer.text
    assert "[x] done" in answer.text
    assert answer.errors == []


def test_blocks_of_every_kind_are_kept_in_order(parse: Parse) -> None:
    source = (
        "= Head\nAnn Lee <a@b.example>\nv1.0, 2020-01-01\n\n.Cap\n[source,python]\n----\nx = 1 # <1>\n----\n<1> why\n\n"
        "[NOTE]\n.Take care\n====\ninside\n====\n\n****\nside\n****\n\n[quote,Who,Where]\n____\nsaid\n____\n\n"
        "[verse]\nline a\nline b\n\n....\nas  is\n....\n\n indented\n\nimage::p.png[Alternative]\n\n.Pic\nimage::q.png[]\n\n"
        "[stem]\n++++\nz^2\n++++\n\nUnder\n-----\n\n'''\n\nlast"
    )
    answer = parse("a.adoc", source.encode())
    words = [
        "Head",
        "Ann",
        "v1.0",
        "Cap",
        "x",
        "why",
        "Take",
        "inside",
        "side",
        "said",
        "Who",
        "Where",
        "line",
        "as",
        "indented",
        "Alternative",
        "Pic",
        "z",
        "Under",
        "last",
    ]

    for form in (answer.md, answer.text):
        places = [form.index(word) for word in words if word not in {"as", "x", "z"}]
        assert places == sorted(places)
    assert answer.errors == []


def test_include_is_named(parse: Parse) -> None:
    answer = parse("a.adoc", b"before\n\ninclude::chapter.adoc[]\n\nafter")

    assert answer.text == "before\n\nafter"
    assert answer.errors == ["line 3: chapter.adoc is not included; only the file itself is parsed"]


@pytest.mark.parametrize(
    "piece", ["*a ", "[", "pass:[", "footnote:[", "<<", "|", "{a}", "* x\n", "a::\n", "====\n", "`+"]
)
def test_markup_that_never_closes_costs_linear_time(parse: Parse, piece: str) -> None:
    started = time.perf_counter()
    parse("a.adoc", (":a: {a}{a}\n" * 50 + "\n" + piece * 3000).encode())

    assert time.perf_counter() - started < 20


def test_file_that_is_included_twice_is_named_once(parse: Parse) -> None:
    answer = parse("a.adoc", b"include::c.adoc[]\n\ninclude::c.adoc[]")

    assert answer.errors == ["lines 1, 3: c.adoc is not included; only the file itself is parsed"]


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("".join(f"{'=' * (4 + level)}\n" for level in range(45)) + "deep", "'" + "=" * 40),
        ("".join(f"{'> ' * 45}x\n"), "'> > >"),
        ("link:u[" * 14 + "deep" + "]" * 14, "'link:u"),
    ],
)
def test_blocks_that_nest_too_deeply_are_named(parse: Parse, source: str, place: str) -> None:
    answer = parse("a.adoc", source.encode())

    assert len(answer.errors) == 1
    assert answer.errors[0].startswith(place)
    assert answer.errors[0].endswith(": nested too deeply; what is inside is returned as it is written")


def test_open_conditions_cost_linear_time() -> None:
    started = time.perf_counter()
    kept_lines("ifndef::x[]\nword\n" * 100_000, [])

    assert time.perf_counter() - started < 10


def test_targets_without_brackets_cost_linear_time(parse: Parse) -> None:
    started = time.perf_counter()
    parse("a.adoc", b"a " + b"link:" * 48_000 + b"[")

    assert time.perf_counter() - started < 8


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("link:a footnote:b", "link:a footnote:b"),
        ("\\link:a \\link:b[c] link:xref:d[e]", "\\link:a link:b[c] e"),
        ("link:https://x.example mailto:a@b.example", "link:https://x.example mailto:a@b.example"),
    ],
)
def test_macros_have_brackets(parse: Parse, source: str, said: str) -> None:
    assert parse("a.adoc", source.encode()).text == said


@pytest.mark.parametrize(
    ("source", "md"),
    [
        ("3. a\n4. b", "3. a\n4. b"),
        ("0. a\n1. b", "0. a\n1. b"),
        ("[start=5]\n. a\n. b", "5. a\n6. b"),
        ("[start=5]\n1. a\n2. b", "5. a\n6. b"),
        ("[start=5]\n3. a", "5. a"),
        ("1. a\n1. b\n1. c", "1. a\n2. b\n3. c"),
        (
            "* x\n  1. a\n  2. b\n    * deep\n* y\n  1. a\n  2. b\n    * deep\n  3. c",
            "- x\n    1. a\n    2. b\n- deep\n- y\n    1. a\n    2. b\n- deep\n    3. c",
        ),
        ('[start="²"]\n. a', "1. a"),
        (f"{'9' * 5000}. a", "1. a"),
    ],
)
def test_numbers_are_those_of_the_source(parse: Parse, source: str, md: str) -> None:
    answer = parse("a.adoc", source.encode())

    assert answer.md == md


@pytest.mark.parametrize("before", ["= x", "= t\n\n== x", "= t\n\n----\nx"])
def test_a_run_of_spaces_costs_as_much_as_letters(parse: Parse, before: str) -> None:
    assert parse("a.adoc", f"{before}{' ' * 200_000}y".encode()).text.endswith("y")
