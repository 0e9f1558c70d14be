"""What the file says is looked up in what is returned."""

from __future__ import annotations

import json

import pytest

from services.documents.backends.base import Output
from services.documents.backends.reading import guard
from services.documents.backends.reading.guard import MOST_SENTENCES, Passage, lost


def passages(*texts: str) -> list[Passage]:
    return [Passage(f"row {number}", text) for number, text in enumerate(texts, 1)]


@pytest.mark.parametrize(
    ("output", "content"),
    [
        (Output.TEXT, "Rent & staff cost 1,200 EUR: see a_b."),
        (Output.MARKDOWN, "**Rent** &amp; *staff* cost 1,200 EUR: see a\\_b."),
        (Output.HTML, "<head><title>no</title></head><p>Rent &amp; <b>staff</b> cost 1,200 EUR: see a_b.</p>"),
        (Output.JSON, json.dumps({"texts": [{"text": "Rent & staff"}, {"text": "cost 1,200 EUR: see a_b."}]})),
    ],
)
def test_a_whole_answer_says_nothing(output: Output, content: str) -> None:
    assert lost(passages("Rent & staff", "cost 1,200 EUR: see a_b."), {output: content}) == []


def test_a_lost_word_is_named_with_its_place_and_the_words_beside_it_are_not() -> None:
    assert lost(passages("Rent and staff", "Total 1200"), {Output.TEXT: "Rent and staff 1200"}) == [
        "row 2: the word 'Total' is not in the answer"
    ]


def test_several_lost_words_of_a_place_are_one_sentence() -> None:
    [sentence] = lost(passages(" ".join(f"word{number}" for number in range(20))), {Output.TEXT: ""})

    assert sentence.startswith("row 1: the words 'word0 word1 ")
    assert sentence.endswith(" word7 ...' are not in the answer")


def test_a_word_counts_as_often_as_it_is_said() -> None:
    assert lost(passages("Total 5", "Total 7"), {Output.TEXT: "Total 5, 7"}) == [
        "row 2: the word 'Total' is not in the answer"
    ]


def test_a_word_that_is_torn_or_joined_is_not_lost() -> None:
    assert lost(passages("Document", "H2O", "one two"), {Output.TEXT: "D ocument and H 2 O onetwo"}) == []


def test_a_word_is_not_a_part_of_others_that_the_file_says_too() -> None:
    assert lost(passages("do not pay 12", "nothing 2012"), {Output.TEXT: "do pay nothing 2012"}) == [
        "row 1: the words 'not 12' are not in the answer"
    ]


@pytest.mark.parametrize(
    "shown", ["Costs[Price] Price", "Price [Price](https://e.org) Costs", "[Co](x)sts Price Pr[ice](y)"]
)
def test_brackets_part_words_unless_they_are_a_link(shown: str) -> None:
    assert lost(passages("Price", "Costs", "Price"), {Output.MARKDOWN: shown}) == []


@pytest.mark.parametrize(
    "markdown", ["one[two] one", "[o](x)ne [one[two]](y)", "`one*two` one", "``one`two`` one", "$one*two$ one"]
)
def test_marks_that_are_text_join_no_words(markdown: str) -> None:
    assert lost(passages("one two one"), {Output.MARKDOWN: markdown}) == []


def test_a_word_that_one_form_lacks_is_lost() -> None:
    outputs = {Output.TEXT: "Rent Staff", Output.HTML: "<p>Rent</p>"}

    assert lost(passages("Rent", "Staff"), outputs) == ["row 2: the word 'Staff' is not in the answer"]


def test_what_only_markup_says_is_not_in_the_answer() -> None:
    assert lost(passages("Rent"), {Output.HTML: '<head><title>Rent</title></head><p class="Rent">x</p>'})


def test_many_places_are_counted() -> None:
    sentences = lost(passages(*(f"word{number}" for number in range(MOST_SENTENCES + 5))), {Output.TEXT: ""})

    assert len(sentences) == MOST_SENTENCES + 1
    assert sentences[-1] == "words of 5 more places are not in the answer"


def test_the_search_for_torn_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {Output.TEXT: "D ocument W ord L etter"}
    assert lost(passages("Document", "Word", "Letter"), said) == []

    monkeypatch.setattr(guard, "_MOST_SEARCHED", 2 * 2 * len("DocumentWordLetter"))
    assert lost(passages("Document", "Word", "Letter"), said) == ["row 3: the word 'Letter' is not in the answer"]


def test_the_places_where_a_word_could_be_torn_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "xa ay " * 50 + "a a"
    assert lost(passages(text, "aa"), {Output.TEXT: text}) == []

    monkeypatch.setattr(guard, "_MOST_SEARCHED", 49 * guard._PLACE)
    assert lost(passages(text, "aa"), {Output.TEXT: text}) == ["row 2: the word 'aa' is not in the answer"]
