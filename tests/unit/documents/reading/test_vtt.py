"""Cues as a browser shows them."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import json

import pytest

from tests.unit.documents.reading.conftest import Parse


def cue(payload: str, times: str = "00:01.000 --> 00:02.000") -> bytes:
    return f"WEBVTT\n\n{times}\n{payload}\n".encode()


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ("cats & dogs, R&D", "cats & dogs, R&D"),
        ("is 1 < 2 or <3", "is 1 < 2 or <3"),
        ("Tom &amp; Ann &lt;3&nbsp;x", "Tom & Ann <3\u00a0x"),
        ("our<00:01.400> new<00:01.900><c.big> plan</c>", "our new plan"),
        ("a <b>b</b>old <i>word</i>", "a bold word"),
        ("<lang fr>bonjour</lang> <ruby>漢<rt>kan</rt></ruby>", "bonjour 漢(kan)"),
        ("mail <ann@example.org> or a <b and c> d", "mail <ann@example.org> or a <b and c> d"),
        ("two\nlines", "two\nlines"),
        ("<v.loud Ann Lee>Hi</v> <v Bo>ho", "Ann Lee: Hi Bo: ho"),
    ],
)
def test_text_of_a_cue(parse: Parse, payload: str, said: str) -> None:
    answer = parse("a.vtt", cue(payload))

    assert answer.text == said
    assert answer.errors == []


@pytest.mark.parametrize(
    "times", ["0:00:01.000 --> 0:00:02.000", "00:01.000-->00:02.000 align:start", "100:00:01.0 --> 100:00:02.0"]
)
def test_times_of_every_kind(parse: Parse, times: str) -> None:
    assert parse("a.vtt", cue("kept", times)).text == "kept"


def test_what_is_no_cue_is_no_text(parse: Parse) -> None:
    data = b"WEBVTT\nKind: captions\n\nSTYLE\n::cue {}\n\nNOTE hidden\nmore\n\nREGION\nid:a\n\nid 7\n00:01.000 --> 00:02.000\nshown\n"
    answer = parse("a.vtt", data)

    assert answer.text == "shown"
    assert answer.errors == []
    assert json.loads(answer.json)["texts"][0]["source"][0]["identifier"] == "id 7"


def test_line_of_spaces_ends_no_cue(parse: Parse) -> None:
    data = b"WEBVTT\n \n00:01.000 --> 00:02.000\n \nhello<00:01.500><c> world</c>\n\n00:02.000 --> 00:03.000\nhello\n \n00:03.000 --> 00:04.000\nend\n"
    answer = parse("a.vtt", data)

    assert answer.text == "hello world\n\nhello\n\nend"
    assert answer.errors == []


def test_subrip_under_another_name_has_no_header(parse: Parse) -> None:
    answer = parse("a.vtt", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\nlost\n")

    assert answer.text == "Hello"
    assert "line 5: 'lost' belongs to no cue" in answer.errors[0]


def test_text_about_the_format_is_no_file_of_it(parse: Parse) -> None:
    assert parse("a.txt", b"WEBVTT is a format.\n\nIt is nice.").text == "WEBVTT is a format.\n\nIt is nice."


def test_speaker_is_in_every_form(parse: Parse) -> None:
    answer = parse("a.vtt", cue("<v Ann>Hello"))

    assert "Ann: Hello" in answer.md
    assert "Ann: Hello" in answer.html
    assert json.loads(answer.json)["texts"][0]["source"][0]["voice"] == "Ann"


def test_cue_that_cannot_be_placed_is_kept_and_told(parse: Parse) -> None:
    answer = parse("a.vtt", b"WEBVTT\n\n00:05.000 --> 00:01.000\nbackwards\n\nno times here\n")

    assert answer.text == "backwards"
    assert "line 3" in answer.errors[0]
    assert "'no times here' belongs to no cue" in answer.errors[1]


def test_cues_out_of_order_are_all_kept(parse: Parse) -> None:
    data = b"WEBVTT\n\n00:05.000 --> 00:06.000\nlater\n00:01.000 --> 00:02.000\nearlier\n"

    assert parse("a.vtt", data).text == "later\n\nearlier"


@pytest.mark.parametrize("run", [" ", "=", "x "])
def test_a_run_in_a_tag_without_an_end_costs_as_much_as_letters(parse: Parse, run: str) -> None:
    data = f"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nx <v {run * 200_000}\n"

    assert parse("a.vtt", data.encode()).text.startswith("x <v")
