"""Hugging Face tokenizers to `Tokens`: truncation is counted, never silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from transformers import PreTrainedTokenizerBase

from services.common.devices.special_tokens import SpecialTokens
from services.common.errors import InvalidRequest
from services.common.models import Tokens

Text = str | Sequence[int]


class ModelTokenizer:
    """Turns texts, pairs and the caller's own token ids into what a model computes. Safe on several threads.

    Texts are cut here and not by the tokenizer: its own truncation is a switch on shared state, so that threads disturb
    each other, and for a pair it also builds every combination of what it cut off: gigabytes for two long texts.

    Args:
        tokenizer: a fast tokenizer.
        max_tokens: longest input, special tokens included.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._keeps_end = tokenizer.truncation_side == "left"
        self._single = SpecialTokens(tokenizer, texts=1)
        self._pair = SpecialTokens(tokenizer, texts=2)

    def texts(self, inputs: Sequence[Text]) -> list[Tokens | InvalidRequest]:
        """One entry per input, in order."""
        encoded = iter(self._encode([text for text in inputs if isinstance(text, str)]))
        return [self._text(next(encoded)) if isinstance(text, str) else self._given(text) for text in inputs]

    def pairs(self, first: str, seconds: Sequence[str]) -> list[Tokens]:
        """`first` joined with each of `seconds`; a pair that is too long loses tokens of its longer text first."""
        head, *tails = self._encode([first, *seconds])
        return [self._join(head, tail) for tail in tails]

    def pad(self, batch: Sequence[Tokens]) -> dict[str, object]:
        """Model inputs as tensors, padded to the longest."""
        features = [_features(tokens) for tokens in batch]
        return dict(self._tokenizer.pad(features, padding=True, return_tensors="pt"))

    def _encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of whole texts, without special tokens."""
        if not texts:
            return []
        encoding = self._tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)
        return cast(list[list[int]], encoding["input_ids"])

    def _text(self, ids: Sequence[int]) -> Tokens:
        room = self._max_tokens - self._single.count
        return Tokens(ids=self._single.around(self._cut(ids, room)), truncated=len(ids) > room)

    def _join(self, first: Sequence[int], second: Sequence[int]) -> Tokens:
        room = self._max_tokens - self._pair.count
        lengths = pair_lengths(len(first), len(second), room)
        texts = self._cut(first, lengths[0]), self._cut(second, lengths[1])
        return Tokens(
            ids=self._pair.around(*texts),
            type_ids=self._pair.types_around(*texts) if self._pair.has_types else (),
            truncated=len(first) + len(second) > room,
        )

    def _given(self, ids: Sequence[int]) -> Tokens | InvalidRequest:
        """The caller's ids, checked, with special tokens added unless they are there."""
        limit = len(self._tokenizer)
        if bad := next((token for token in ids if not 0 <= token < limit), None):
            return InvalidRequest(f"token id {bad} is outside the model's vocabulary; ids go from 0 to {limit - 1}")
        return self._text(self._single.strip(tuple(ids)))

    def _cut(self, ids: Sequence[int], length: int) -> Sequence[int]:
        return ids[max(0, len(ids) - length) :] if self._keeps_end else ids[:length]


def pair_lengths(first: int, second: int, room: int) -> tuple[int, int]:
    """How much of each text of a pair fits: `longest_first` of the tokenizers library. Unit: tokens."""
    if first + second <= room:
        return first, second
    shorter = min(first, second, room // 2)
    return (shorter, room - shorter) if first <= second else (room - shorter, shorter)


def _features(tokens: Tokens) -> dict[str, list[int]]:
    features = {"input_ids": list(tokens.ids)}
    if tokens.type_ids:
        features["token_type_ids"] = list(tokens.type_ids)
    return features
