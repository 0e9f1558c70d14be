"""Languages that can be read from pictures, by all the names that they have."""

from __future__ import annotations

import pytest

from services.common.errors import InvalidRequest
from services.documents.backends.engines.graphs import Graphs, bundled
from services.documents.backends.reading.pdf.languages import ALPHABETS, code_of, require


@pytest.fixture(scope="module")
def dictionary() -> frozenset[str]:
    """The letters that the recognition model knows."""
    graph = Graphs(threads=1).load(bundled("rapidocr", "PP-OCRv6_rec_small.onnx"))
    return frozenset(graph.notes["character"].splitlines())


@pytest.mark.parametrize("code", ALPHABETS)
def test_the_dictionary_has_every_letter_of_a_language(code: str, dictionary: frozenset[str]) -> None:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:?!" + ALPHABETS[code]
    upper = ALPHABETS[code].replace("ß", "").upper()

    assert set(letters + upper) <= dictionary


@pytest.mark.parametrize(
    "letters", ["абвгд", "ابجد", "가나다", "אבג", "กขค", "अआइ", "άέήίόύώς", "ếộữằ"]
)  # Cyrillic, Arabic, Hangul, Hebrew, Thai, Devanagari, Greek, Vietnamese
def test_the_dictionary_lacks_letters_of_the_languages_that_are_refused(
    letters: str, dictionary: frozenset[str]
) -> None:
    assert not set(letters) & dictionary


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("en", "en"), ("eng", "en"), ("English", "en"), ("en-US", "en"), ("en_GB", "en"),
        ("deu", "de"), ("ger", "de"), ("de-AT", "de"), ("German", "de"),
        ("fra", "fr"), ("fre", "fr"), ("Français", "fr"),
        ("ch_sim", "zh"), ("chi_tra", "zh"), ("chinese", "zh"), ("zh-Hant-TW", "zh"), ("ch", "zh"), ("zh_CN", "zh"),
        ("japan", "ja"), ("jpn_vert", "ja"), ("rs_latin", "hr"), ("sr-Latn", "hr"), (" pt-BR ", "pt"), ("auto", "und"),
    ],
)  # fmt: skip
def test_a_language_has_many_names(name: str, code: str) -> None:
    assert code_of(name) == code


@pytest.mark.parametrize(
    "name", ["ru", "rus", "russian", "ar", "ara", "ko", "korean", "el", "vi", "hi", "uz-Cyrl", "sr", "Klingon", ""]
)
def test_what_cannot_be_read_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"ocr_lang: {name!r} is no language that can be read.* af, ca, .*, zh$"):
        require(["en", name])


def test_languages_that_can_be_read_are_taken() -> None:
    require(["eng", "deu", "ch_sim"])
    require([])
