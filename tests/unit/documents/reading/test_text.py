"""Texts in every encoding: right, or told what was assumed."""
# ruff: noqa: RUF001 - letters of many languages

from __future__ import annotations

import time

import pytest

from services.common.errors import UnsupportedFormat
from services.documents.backends.encodings import decode
from tests.unit.documents.reading.conftest import Parse

WORDS = {
    "cp1252": "Grüße aus Köln",
    "cp1251": "Цена новой книги",
    "koi8-r": "Цена новой книги",
    "cp866": "Цена новой книги",
    "shift_jis": "商品,価格\n鉛筆,百円",
    "euc_jp": "これは鉛筆です",
    "gb18030": "这本书的价格是一百元",
    "big5": "這本書的價格是一百元",
    "euc_kr": "연필의 가격은 백 원입니다",
    "cp1253": "Η τιμή του βιβλίου",
    "cp1255": "המחיר של הספר",
    "cp1250": "Příliš žluťoučký kůň",
}


@pytest.mark.parametrize("encoding", WORDS)
def test_short_text_that_says_no_encoding_is_told_by_its_letters(parse: Parse, encoding: str) -> None:
    answer = parse("a.txt", WORDS[encoding].encode(encoding))

    assert answer.text.split() == WORDS[encoding].split()
    assert len(answer.errors) == 1
    assert "as nothing says its encoding; save it as UTF-8" in answer.errors[0]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("mac_roman", "Prénom;Ville\nÉlodie;Besançon\nFrançois;Orléans"),
        ("mac_roman", "It’s “quoted” – ok"),
        ("cp437", "Ein langer Text mit einem Umlaut: München und sonst nichts."),
        ("cp437", "┌──────┬─────┐\n│Größe │Stück│\n└──────┴─────┘"),
        ("cp866", "┌──────┬─────┐\n│Цена  │Книга│\n└──────┴─────┘"),
        ("iso8859_15", "Preis 5 €"),
        ("iso8859_15", "Prix : 5 € où ça"),
        ("cp1250", "Imię;Miasto\nŁukasz Żółć;Kraków"),
        ("cp932", "AとBのとき、aのbである"),
        ("cp1252", "¼ l Milch, 10 m² à 5 £"),
    ],
)
def test_few_letters_of_another_alphabet_in_latin_words_tell_nothing(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)).text == text


def test_korean_mail_is_read_in_silence() -> None:
    assert decode("한국어 이름".encode("iso2022_kr")) == ("한국어 이름", ())


def test_marks_of_joined_files_at_the_start_are_no_text() -> None:
    assert decode(b"\xef\xbb\xbf\xef\xbb\xbfa") == ("a", ())


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_wide_text_is_a_text_with_mark_or_without(parse: Parse, encoding: str) -> None:
    answer = parse("a.txt", "Größe 5\n\nмир".encode(encoding))

    assert answer.text == "Größe 5\n\nмир"
    assert answer.errors == []


def test_one_bad_byte_leaves_utf_8(parse: Parse) -> None:
    answer = parse("a.txt", "erste é\nzweite ä ".encode() + b"\xff" + " dritte é".encode())

    assert answer.text == "erste é\nzweite ä \ufffd dritte é"
    assert answer.errors == ["1 byte is not UTF-8, the first in line 2; shown as U+FFFD"]


def test_declared_encoding_counts_where_the_bytes_are_no_utf_8(parse: Parse) -> None:
    page = '<html><head><meta charset="koi8-r"></head><body><p>Цена</p></body></html>'
    source = "\\documentclass{article}\\usepackage[cp1251]{inputenc}\\begin{document}Цена\\end{document}"

    assert parse("a.html", page.encode("koi8-r")).text == "Цена"
    assert parse("a.tex", source.encode("cp1251")).text == "Цена"


@pytest.mark.parametrize(
    ("filename", "content", "error"),
    [
        ("a.html", "<html><meta charset='UTF-8'><p>Grüße</p>", "it says UTF-8 but is not"),
        ("a.html", "<html><meta charset='utf-16'><p>Grüße</p>", "it says UTF-16 but is not"),
        ("a.tex", "\\documentclass{a}\\usepackage[utf8]{inputenc}\nGrüße", "it says UTF-8 but is not"),
        ("a.tex", "\\documentclass{a}\\usepackage[utf8x]{inputenc}\nGrüße", "it says UTF-8 but is not"),
        ("a.xhtml", '<?xml version="1.0" encoding="UTF-8"?><html><p>Grüße</p></html>', "it says UTF-8 but is not"),
        ("a.html", "<html><meta charset=foo><p>Grüße</p>", "it says that its encoding is foo, which is not known"),
    ],
)
def test_what_is_declared_in_vain_is_told(parse: Parse, filename: str, content: str, error: str) -> None:
    answer = parse(filename, content.encode("cp1252"))

    assert "Grüße" in answer.text
    assert answer.errors == [f"{error}; decoded as Windows-1252; save it as UTF-8"]


NAMED = {
    "windows-1252": "5 € für Käse",
    "iso-8859-1": "Grüße aus Köln",
    "iso-8859-15": "10 € für Käse",
    "windows-1251": "Цена",
    "shift_jis": "商品",
    "gbk": "联通公司",
    "utf-8": "Größe мир",
    "us-ascii": "plain",
}
"""Encodings with a text each; some characters of the GBK one are UTF-8 as well."""


@pytest.mark.parametrize("encoding", NAMED)
@pytest.mark.parametrize(
    ("filename", "source"),
    [
        ("a.html", '<!DOCTYPE html><html><head><meta charset="{}"></head><body><p>{}</p></body></html>'),
        (
            "a.html",
            '<html><head><meta http-equiv="Content-Type" content="text/html; charset={}"></head><p>{}</p></html>',
        ),
        ("a.xhtml", '<?xml version="1.0" encoding="{}"?><html xmlns="http://www.w3.org/1999/xhtml"><p>{}</p></html>'),
        ("a.xml", '<?xml version="1.0" encoding="{}"?><article><front/><body><p>{}</p></body></article>'),
    ],
)
def test_true_declaration_leaves_nothing_to_assume(parse: Parse, filename: str, source: str, encoding: str) -> None:
    answer = parse(filename, source.format(encoding, NAMED[encoding]).encode(encoding))

    assert answer.text == NAMED[encoding]
    assert answer.errors == []


def test_true_declaration_counts_where_half_of_the_characters_are_utf_8_by_chance() -> None:
    words = "书本"

    decoded = decode(f'<meta charset="gbk"><p>{words}</p>'.encode("gbk"))

    assert words in decoded.text
    assert decoded.problems == ()


def test_untrue_declaration_does_not_count_where_nearly_all_is_utf_8() -> None:
    words = "Größe " * 20

    decoded = decode(f'<meta charset="iso-8859-1"><p>{words}'.encode() + b"\xff</p>")

    assert words in decoded.text
    assert decoded.problems == ("1 byte is not UTF-8, the first in line 1; shown as U+FFFD",)


@pytest.mark.parametrize("filename", ["a.txt", "a.md", "a.csv", "a.adoc", "a.tex", "a.html", "a.vtt"])
@pytest.mark.parametrize(
    ("said", "encoding"),
    [("plain", "ascii"), ("Größe мир 商品", "utf-8"), ("Größe мир 商品", "utf-8-sig"), ("Größe", "utf-16")],
)
def test_ascii_utf_8_and_marked_texts_leave_nothing_to_assume(
    parse: Parse, filename: str, said: str, encoding: str
) -> None:
    source = f"WEBVTT\n\n00:01.000 --> 00:02.000\n{said}\n" if filename == "a.vtt" else f"{said}\n"

    answer = parse(filename, source.encode(encoding))

    assert said in answer.md
    assert answer.errors == []


def test_unknown_declaration_is_told() -> None:
    assert "klingon" in decode(b'<?xml version="1.0" encoding="klingon"?><p>caf\xe9 noir</p>').problems[0]


@pytest.mark.parametrize("filename", ["a.csv", "a.md", "a.adoc", "a.tex", "a.html"])
def test_each_text_format_tells_what_it_assumed(parse: Parse, filename: str) -> None:
    answer = parse(filename, "Цена,новой,книги".encode("cp1251"))

    assert "книги" in answer.md
    assert "decoded as Windows-1251" in answer.errors[0]


def test_control_characters_are_dropped_and_told(parse: Parse) -> None:
    answer = parse("a.txt", b"one\x00two three four five six seven eight\nnine\x07 ten")

    assert answer.text == "onetwo three four five six seven eight\nnine ten"
    assert answer.errors == ["2 control characters were dropped, the first in line 1"]
    assert "\\u0000" not in answer.json


def test_binary_data_is_still_no_text(parse: Parse) -> None:
    with pytest.raises(UnsupportedFormat, match="binary"):
        parse("a.txt", bytes(range(32)) * 8)


def test_plain_text_keeps_what_looks_like_markup(parse: Parse) -> None:
    answer = parse("a.txt", b"if a <b> then c\r\nnext\r\n\r\n  para 2")

    assert answer.text == "if a <b> then c\nnext\n\npara 2"
    assert answer.errors == []


def test_detection_reads_only_the_beginning() -> None:
    started = time.perf_counter()
    text = decode("Цена новой книги. ".encode("cp1251") * 500_000).text

    assert text.startswith("Цена")
    assert time.perf_counter() - started < 10
