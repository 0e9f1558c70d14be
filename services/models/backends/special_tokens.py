"""The special tokens that a tokenizer puts around one text or a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One special token, or the place of a text."""

    text: int | None
    """Which text stands here; None for a special token."""
    token: int
    type_id: int


class SpecialTokens:
    """What stands around the texts of an input, learned from one example.

    Args:
        tokenizer: without truncation and padding.
        texts: number of texts in an input: 1, or 2 for pairs.
    """

    def __init__(self, tokenizer: Tokenizer, *, texts: int) -> None:
        example = tokenizer.encode("a", "a" if texts == 2 else None)
        owners: list[int | None] = example.sequence_ids
        self._parts = [
            _Part(text=owner, token=token, type_id=type_id)
            for index, (owner, token, type_id) in enumerate(zip(owners, example.ids, example.type_ids, strict=True))
            if owner is None or owner not in owners[:index]
        ]
        self.count = sum(part.text is None for part in self._parts)
        """Number of special tokens in an input."""

    def around(self, *texts: Sequence[int]) -> tuple[int, ...]:
        """The texts' token ids with the special tokens in their places."""
        return tuple(chain.from_iterable(_content(part, texts) for part in self._parts))

    def types_around(self, *texts: Sequence[int]) -> tuple[int, ...]:
        """The type id of each token of `around`: which of the texts it belongs to."""
        return tuple(part.type_id for part in self._parts for _ in _content(part, texts))

    def strip(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """The one text of `ids` without its special tokens; `ids` as they are when any is missing."""
        place = next(index for index, part in enumerate(self._parts) if part.text is not None)
        inner = ids[place : len(ids) - (self.count - place)]
        return inner if len(ids) >= self.count and self.around(inner) == ids else ids


def _content(part: _Part, texts: Sequence[Sequence[int]]) -> Sequence[int]:
    return (part.token,) if part.text is None else texts[part.text]
