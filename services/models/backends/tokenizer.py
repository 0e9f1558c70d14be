"""Hugging Face tokenizers to `Tokens`: what is cut off is counted, never silent."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from services.common.errors import InvalidRequest, StartupError
from services.models.backends.network import ModelFacts
from services.models.backends.passages import covered, passages
from services.models.backends.special_tokens import SpecialTokens
from services.models.models import Tokens
from services.models.settings import ModelSettings

Text = str | Sequence[int]


class ModelTokenizer:
    """Turns texts, pairs and the caller's own token ids into what a model computes. Safe on several threads.

    Texts are cut here and not by the tokenizer: its own truncation is a switch on shared state, so that threads disturb
    each other, and for a pair it also builds every combination of what it cut off: gigabytes for two long texts.

    Args:
        tokenizer: of the Rust library; its own truncation and padding are switched off.
        max_tokens: longest input, special tokens included.
        vocabulary: number of token ids that the model knows.
        has_types: True for a model that is told which text of a pair a token belongs to.
        keeps_end: True for a model that loses the beginning of a text that is too long.

    Raises:
        ValueError: `max_tokens` leaves no room for text.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, max_tokens: int, vocabulary: int, has_types: bool, keeps_end: bool
    ) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._has_types = has_types
        self._keeps_end = keeps_end
        self._single = SpecialTokens(tokenizer, texts=1)
        self._pair = SpecialTokens(tokenizer, texts=2)
        self._room = max_tokens - self._single.count
        self._pair_room = max_tokens - self._pair.count
        if self._pair_room < 2:
            raise ValueError(f"max_tokens {max_tokens} leaves no room for text beside the special tokens")

    def texts(self, inputs: Sequence[Text], *, prompt: str = "") -> list[Tokens | InvalidRequest]:
        """One entry per input, in order.

        Args:
            inputs: texts, or token ids with or without the special tokens.
            prompt: goes before each text, and before no token ids.
        """
        encoded = iter(self._encode([prompt + text for text in inputs if isinstance(text, str)]))
        return [self._text(next(encoded)) if isinstance(text, str) else self._given(text) for text in inputs]

    def pairs(
        self, first: str, seconds: Sequence[str], *, max_second_tokens: int, max_passages: int
    ) -> list[list[Tokens]]:
        """For each of `seconds` the pairs of `first` with its passages.

        Args:
            first: cut to half of what a pair takes.
            seconds: texts; one that does not fit into its pair is cut into passages that overlap.
            max_second_tokens: cut each of `seconds` to so many tokens first; 0 for no limit.
            max_passages: most passages of one text, 1 or more.
        """
        head, *tails = self._encode([first, *seconds])
        kept = self._cut(head, self._pair_room // 2)
        lost = len(head) - len(kept)
        return [self._passages(kept, tail, max_second_tokens or len(tail), max_passages, lost) for tail in tails]

    def _encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of whole texts, without special tokens; other threads run meanwhile."""
        if not texts:
            return []
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def _text(self, ids: Sequence[int]) -> Tokens:
        kept = self._cut(ids, self._room)
        return Tokens(ids=self._single.around(kept), dropped=len(ids) - len(kept))

    def _passages(
        self, first: Sequence[int], second: Sequence[int], max_second_tokens: int, max_passages: int, lost: int
    ) -> list[Tokens]:
        """The last pair tells what was left out of both texts."""
        room = self._pair_room - len(first)
        kept = self._cut(second, max_second_tokens)
        places = passages(len(kept), room=room, most=max_passages)
        kept = self._cut(kept, covered(places))
        dropped = lost + len(second) - len(kept)
        return [
            self._join(first, kept[place.start : place.stop], dropped if place == places[-1] else 0) for place in places
        ]

    def _join(self, first: Sequence[int], second: Sequence[int], dropped: int) -> Tokens:
        return Tokens(
            ids=self._pair.around(first, second),
            type_ids=self._pair.types_around(first, second) if self._has_types else (),
            dropped=dropped,
        )

    def _given(self, ids: Sequence[int]) -> Tokens | InvalidRequest:
        """The caller's ids, checked, with special tokens added unless they are there."""
        bad = next((token for token in ids if not 0 <= token < self._vocabulary), None)
        if bad is not None:
            return InvalidRequest(
                f"token id {bad} is outside the model's vocabulary; ids go from 0 to {self._vocabulary - 1}"
            )
        return self._text(self._single.strip(tuple(ids)))

    def _cut(self, ids: Sequence[int], length: int) -> Sequence[int]:
        return ids[max(0, len(ids) - length) :] if self._keeps_end else ids[:length]


def max_tokens_of(model: ModelSettings, facts: ModelFacts) -> int:
    """The limit that the settings give, or the model's own.

    Raises:
        StartupError: the settings' is longer than the model's.
    """
    if model.max_tokens > facts.max_tokens:
        raise StartupError(
            f"model {model.id}: max_tokens is {model.max_tokens}, and the model itself takes at most "
            f"{facts.max_tokens}; lower it, or 0 for the model's own limit"
        )
    return model.max_tokens or facts.max_tokens


def tokenizer_for(model: ModelSettings, tokenizer: Tokenizer, facts: ModelFacts) -> ModelTokenizer:
    """The model's tokenizer with the settings' limit.

    Raises:
        StartupError: the limit is too short, or longer than the model's.
    """
    try:
        return ModelTokenizer(
            tokenizer,
            max_tokens=max_tokens_of(model, facts),
            vocabulary=facts.vocabulary,
            has_types=facts.has_types,
            keeps_end=facts.keeps_end,
        )
    except ValueError as exc:
        raise StartupError(f"model {model.id}: {exc}; raise it") from exc
