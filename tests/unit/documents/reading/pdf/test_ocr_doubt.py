"""Text that a page holds and that is none: names of glyphs, unknown signs, shifted letters."""

from __future__ import annotations

import pytest

from bench.scans.prose import OTHER_LANGUAGES, paragraphs
from services.documents.backends.reading.pdf.doubt import is_better, is_doubtful, is_unknown, quality

ENGLISH = list(paragraphs()[:10])
SHIFTED = [text.translate({letter: letter + 3 for letter in range(ord("A"), ord("x"))}) for text in ENGLISH]


@pytest.mark.parametrize("texts", [ENGLISH, *map(list, OTHER_LANGUAGES.values())])
def test_running_text_is_not_doubtful(texts: list[str]) -> None:
    assert not is_doubtful(texts)


@pytest.mark.parametrize("texts", [["Привет, мир"] * 40, ["東京都の天気"] * 40, ["12 345.67 89"] * 40, []])
def test_what_has_no_latin_words_is_not_doubtful(texts: list[str]) -> None:
    assert not is_doubtful(texts)


@pytest.mark.parametrize(
    "text",
    ["GLYPH<12>GLYPH<13> GLYPH<2>", "(cid:12)(cid:9)(cid:40)", "/G12/G13/G9", "\ufffd\ufffd \ufffd", "\ue001\ue002"],
)
def test_names_of_glyphs_and_unknown_signs_are_doubtful(text: str) -> None:
    assert is_doubtful([text] * 10)
    assert quality([text] * 10) == 0


def test_letters_that_are_shifted_in_the_alphabet_are_doubtful() -> None:
    assert is_doubtful(SHIFTED)


def test_a_formula_with_a_few_unknown_signs_does_not_make_a_page_doubtful() -> None:
    assert not is_doubtful([*ENGLISH, "\ufffd = \ufffd + x"])


def test_text_is_better_than_none() -> None:
    assert is_better(ENGLISH, SHIFTED)
    assert is_better(ENGLISH, ["\ufffd" * 80] * 10)


def test_a_page_of_part_numbers_is_not_better_from_its_picture() -> None:
    numbers = ["XKRT QWBN ZPLM TRSK BNMK"] * 10

    assert is_doubtful(numbers)
    assert not is_better(numbers, numbers)


def test_a_few_words_do_not_replace_a_page() -> None:
    assert not is_better(["A title"], SHIFTED)


@pytest.mark.parametrize(
    ("text", "unknown"), [("\ufffd\ufffd \ufffdx", True), ("\ufffd\ufffd", False), ("\ufffd an item", False)]
)
def test_a_line_of_unknown_signs_is_known_and_an_item_behind_one_is_none(text: str, unknown: bool) -> None:
    assert is_unknown(text) is unknown
