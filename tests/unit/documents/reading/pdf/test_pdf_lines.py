"""Letters to lines: what stands side by side, with the spaces that a reader sees."""

from __future__ import annotations

import pytest

from services.documents.backends.reading.pdf.bullets import with_bullets
from services.documents.backends.reading.pdf.letters import Letter
from services.documents.backends.reading.pdf.lines import box_of, lines

SIZE = 10.0
WIDE = 5.0


def letters(
    text: str, x: float = 0, y: float = 0, *, size: float = SIZE, order: int = 0, gap: float = 0
) -> list[Letter]:
    """A line of letters that are half as wide as they are high; a space is a letter too."""
    step = size / 2 + gap
    return [
        Letter(char, x + at * step, y, x + at * step + size / 2, y + size, "F", 0, order + at)
        for at, char in enumerate(text)
    ]


def texts(*groups: list[Letter]) -> list[str]:
    return [line.text for line in lines([letter for group in groups for letter in group])]


def test_a_gap_is_a_space_where_the_file_has_none() -> None:
    first = letters("two")
    second = letters("words", x=first[-1].right + 0.25 * SIZE, order=10)

    assert texts(first, second) == ["two words"]


@pytest.mark.parametrize(("gap", "text"), [(2.4, "see Table 3 below"), (1.6, "see Table3 below")])
def test_a_gap_as_wide_as_the_spaces_of_its_line_is_one(gap: float, text: str) -> None:
    first = [letter._replace(right=letter.left + 2.5) if letter.text == " " else letter for letter in letters("see ")]
    second = letters("Table", x=first[-1].right, order=10)
    third = letters("3", x=second[-1].right + gap, order=20)
    space = letters(" ", x=third[-1].right, order=21)[0]
    space = space._replace(right=space.left + 2.5)
    last = letters("below", x=space.right, order=30)

    assert texts(first, second, third, [space], last) == [text]


def test_kerning_is_no_space() -> None:
    first = letters("A")
    second = letters("V", x=first[-1].right + 0.06 * SIZE, order=10)

    assert texts(first, second) == ["AV"]


def test_columns_are_lines_of_their_own() -> None:
    left, right = letters("left column"), letters("right column", x=11 * WIDE + 12, order=50)

    assert texts(left, right) == ["left column", "right column"]


def test_letters_that_are_spaced_out_are_one_word() -> None:
    first = letters("SPACED", gap=0.3 * SIZE)
    second = letters("OUT", x=first[-1].right + 0.9 * SIZE / 1.5, gap=0.3 * SIZE, order=20)

    assert texts(first, second) == ["SPACED OUT"]


def test_a_word_typed_with_spaces_is_one_word() -> None:
    assert texts(letters("T I T L E")) == ["TITLE"]
    assert texts(letters("A N N   R E P   2 0")) == ["ANN REP 20"]


@pytest.mark.parametrize(
    "text", ["1 2 3 4 5 6 7", "Q 1 2 3 4 5 6 7 8 9", "x = a + b - c", "Annex A " + ". " * 20 + "11", "A B 1 2 3 4 5"]
)
def test_what_is_typed_with_spaces_and_is_no_word_keeps_them(text: str) -> None:
    narrow = [letter._replace(right=letter.left + 2.8) if letter.text == " " else letter for letter in letters(text)]
    left = 0.0
    for at, letter in enumerate(narrow):
        narrow[at] = letter._replace(left=left, right=left + letter.right - letter.left)
        left = narrow[at].right

    assert texts(narrow) == [text]


@pytest.mark.parametrize(("rise", "shown"), [(-4.0, "10⁵ m"), (2.5, "10₅ m")])
def test_a_small_raised_or_lowered_digit_is_an_index(rise: float, shown: str) -> None:
    base = letters("10")
    index = letters("5", x=base[-1].right, y=SIZE * 0.3 + rise, size=6, order=10)
    rest = letters(" m", x=index[-1].right, order=20)

    assert texts(base, index, rest) == [shown]


def test_the_box_of_a_line_is_that_of_its_usual_type() -> None:
    base = letters("10")
    index = letters("5", x=base[-1].right, y=-2, size=6, order=10)
    [line] = lines([*base, *index])

    assert box_of(line.pieces)[1] == 0


def test_an_accent_drawn_over_a_letter_is_combined_with_it() -> None:
    base = letters("cafe")
    accent = Letter("´", base[-1].left + 1, 0, base[-1].right - 1, SIZE, "F", 0, 9)

    assert texts(base, [accent]) == ["café"]


def test_an_accent_beside_letters_stays_what_it_is() -> None:
    assert texts(letters("5´ north")) == ["5´ north"]


def test_a_line_from_right_to_left_is_read_from_the_right() -> None:
    shown = letters("םולש")  # as it stands on the page, from left to right

    assert texts(shown) == ["שלום"]


def test_foreign_words_and_numbers_keep_their_direction_in_a_line_from_right_to_left() -> None:
    shown = letters("47.500 םע Python 3 הפשב תבתכנ תינכתה")

    assert texts(shown) == ["התכנית נכתבת בשפה Python 3 עם 47.500"]


def test_a_word_from_right_to_left_within_english_is_turned_alone() -> None:
    assert texts(letters("the word םולש means peace, as all of us know")) == [
        "the word שלום means peace, as all of us know"
    ]


@pytest.mark.parametrize("shown", ["(םלוע) םולש", ")םלוע( םולש"])
def test_brackets_open_before_they_close_whichever_way_the_file_says_them(shown: str) -> None:
    assert texts(letters(shown)) == ["שלום (עולם)"]


def test_a_vowel_sign_without_width_stays_with_its_letter() -> None:
    shown = letters("عم")
    sign = Letter("\u064b", shown[0].left + 2, 2, shown[0].left + 2, SIZE + 2, "F", 0, 9)

    assert texts(shown, [sign]) == ["م" + "ع" + "\u064b"]


def test_text_that_is_turned_is_read_along_its_line() -> None:
    up = [Letter(char, at * 5, 0, at * 5 + 5, 10, "F", 90, at) for at, char in enumerate("upwards")]
    [line] = lines(up)

    left, top, right, bottom = box_of(line.pieces)

    assert (line.text, line.angle) == ("upwards", 90)
    assert bottom - top > right - left


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\ufffd item", "• item"), ("•\ufffd item", "• item"), ("\ufffd\ufffd", "•"), ("\ufffditem", "\ufffditem")],
)
def test_a_glyph_without_a_name_before_a_text_is_a_bullet(text: str, shown: str) -> None:
    [line] = with_bullets(lines(letters(text)), [])

    assert line.text == shown


def test_lowered_letters_make_a_line_no_higher() -> None:
    [line] = lines(
        [
            letter._replace(top=letter.top + 2, bottom=letter.bottom + 2) if letter.text == "E" else letter
            for letter in letters("in LATEX here")
        ]
    )

    assert line.text == "in LATEX here"
    assert box_of(line.pieces)[1::2] == (0, SIZE)
