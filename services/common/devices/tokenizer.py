"""Hugging Face tokenizers to `Tokens`: truncation is counted, never silent."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from services.common.errors import InvalidRequest
from services.common.models import Tokens

Text = str | Sequence[int]


class ModelTokenizer:
    """Turns texts, pairs and the caller's own token ids into what a model computes.

    Args:
        tokenizer: a fast tokenizer.
        max_tokens: longest input, special tokens included.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._prefix, self._suffix = _special_tokens(tokenizer)

    def texts(self, inputs: Sequence[Text]) -> list[Tokens | InvalidRequest]:
        """One entry per input, in order."""
        strings = [text for text in inputs if isinstance(text, str)]
        encoded = iter(self._encode(strings) if strings else ())
        return [next(encoded) if isinstance(text, str) else self._given(text) for text in inputs]

    def pad(self, batch: Sequence[Tokens]) -> dict[str, object]:
        """Model inputs as tensors, padded to the longest."""
        features = [{"input_ids": list(tokens.ids)} for tokens in batch]
        return dict(self._tokenizer.pad(features, padding=True, return_tensors="pt"))

    def _encode(self, texts: list[str]) -> list[Tokens]:
        """Encode whole, then cut those that are too long as the tokenizer itself cuts."""
        whole = self._tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        long = [index for index, ids in enumerate(whole) if len(ids) > self._max_tokens]
        if long:
            cut = self._tokenizer([texts[i] for i in long], truncation=True, max_length=self._max_tokens)
            for index, ids in zip(long, cut["input_ids"], strict=True):
                whole[index] = ids
        is_long = set(long)
        return [Tokens(ids=tuple(ids), truncated=index in is_long) for index, ids in enumerate(whole)]

    def _given(self, ids: Sequence[int]) -> Tokens | InvalidRequest:
        """The caller's ids, checked, with special tokens added unless they are there."""
        limit = len(self._tokenizer)
        if bad := next((token for token in ids if not 0 <= token < limit), None):
            return InvalidRequest(f"token id {bad} is outside the model's vocabulary; ids go from 0 to {limit - 1}")
        inner = tuple(ids)
        if self._is_complete(inner):
            inner = inner[len(self._prefix) : len(inner) - len(self._suffix)]
        room = self._max_tokens - len(self._prefix) - len(self._suffix)
        return Tokens(ids=(*self._prefix, *inner[:room], *self._suffix), truncated=len(inner) > room)

    def _is_complete(self, ids: tuple[int, ...]) -> bool:
        special = len(self._prefix) + len(self._suffix)
        return (
            0 < special <= len(ids)
            and ids[: len(self._prefix)] == self._prefix
            and ids[len(ids) - len(self._suffix) :] == self._suffix
        )


def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the tokenizer puts before and after a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    start = next(i for i in range(len(full)) if full[i : i + len(bare)] == bare)
    return tuple(full[:start]), tuple(full[start + len(bare) :])
