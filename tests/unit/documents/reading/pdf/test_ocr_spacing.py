"""Spaces that are seen in the picture of a line, though the model wrote none."""

from __future__ import annotations

import numpy as np

from services.documents.backends.engines.base import Picture, Recognized
from services.documents.backends.reading.pdf.spacing import spaced

HEIGHT = 40
LETTER, LETTER_GAP, WORD_GAP = 18, 4, 16
"""Pixels, as in print of 11 points at 216 an inch."""


def line(text: str, *, dust: bool = False) -> tuple[Picture, tuple[float, ...]]:
    """A line drawn as blocks for letters, with the place of each letter and space."""
    length = sum(WORD_GAP if letter == " " else LETTER + LETTER_GAP for letter in text) + 20
    picture = np.full((HEIGHT, length, 3), 235, np.uint8)
    at, places = 10, []
    for letter in text:
        if letter == " ":
            places.append((at + WORD_GAP / 2) / length)
            at += WORD_GAP
            continue
        picture[10:30, at : at + LETTER] = 40
        places.append((at + LETTER / 2) / length)
        at += LETTER + LETTER_GAP
    if dust:
        picture[20, ::7] = 40
    return picture, tuple(places)


def seen(text: str, written: str, *, dust: bool = False) -> str:
    """What becomes of a line that shows one text when the model wrote another, which lacks some of its spaces."""
    picture, places = line(text, dust=dust)
    kept, at = [], 0
    for letter, place in zip(text, places, strict=True):
        if at < len(written) and written[at] == letter:
            kept.append(place)
            at += 1
    return spaced(picture, Recognized(text=written, score=1.0, places=tuple(kept))).text


def test_a_gap_between_words_becomes_a_space() -> None:
    assert seen("all of the words", "all ofthe words") == "all of the words"


def test_a_line_without_any_space_gets_them() -> None:
    assert seen("three short words", "threeshortwords") == "three short words"


def test_a_line_that_has_all_its_spaces_stays() -> None:
    assert seen("all of the words", "all of the words") == "all of the words"


def test_dust_in_a_gap_does_not_hide_it() -> None:
    assert seen("all of the words", "all ofthe words", dust=True) == "all of the words"


def test_no_space_comes_before_a_full_stop_or_after_a_bracket() -> None:
    assert seen("so ( it ) is .", "so (it) is.") == "so (it) is."


def test_letters_of_scripts_without_spaces_stay_together() -> None:
    assert seen("東 京 都", "東京都") == "東京都"


def test_a_line_whose_places_are_not_known_stays() -> None:
    picture, _ = line("two words")

    assert spaced(picture, Recognized(text="twowords", score=1.0)).text == "twowords"


def test_a_space_that_is_put_in_has_a_place_between_its_neighbours() -> None:
    picture, places = line("ab cd")

    read = spaced(picture, Recognized(text="abcd", score=1.0, places=places[:2] + places[3:]))

    assert read.text == "ab cd"
    assert list(read.places) == sorted(read.places)
    assert len(read.places) == 5


def test_an_empty_line_stays_empty() -> None:
    assert spaced(np.zeros((HEIGHT, 10, 3), np.uint8), Recognized(text="", score=0.0)).text == ""
