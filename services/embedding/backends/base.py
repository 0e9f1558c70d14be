"""The `EmbeddingBackend` port."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from services.common.errors import InvalidRequest
from services.models.backend import ModelBackend
from services.models.models import Tokens

Text = str | Sequence[int]
"""One input: text, or token ids of the model's own vocabulary."""


class InputType(Enum):
    """What a text is for; models may have a prompt of their own for each."""

    PLAIN = ""
    QUERY = "query"
    DOCUMENT = "document"


class EmbeddingBackend(ModelBackend, Protocol):
    """A loaded bi-encoder; `compute` gives vectors of shape (items, dimensions) as the model's own pipeline does."""

    def tokenize(self, inputs: Sequence[Text], input_type: InputType) -> list[Tokens | InvalidRequest]:
        """Each input as the model computes it, or why it cannot be one.

        Args:
            inputs: texts, before which the model's prompt for `input_type` goes, or token ids, which get none.
            input_type: what the texts are for.
        """
        ...
