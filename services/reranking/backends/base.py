"""The `RerankingBackend` port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.models.backend import ModelBackend
from services.models.models import Tokens


class RerankingBackend(ModelBackend, Protocol):
    """A loaded cross-encoder; `compute` gives raw scores (logits) of shape (items,), higher is more relevant."""

    def tokenize(
        self, query: str, documents: Sequence[str], *, max_document_tokens: int, max_passages: int
    ) -> list[list[Tokens]]:
        """For each document the pairs of the query with its passages; one pair for a document that fits into one.

        Args:
            query: what the documents may answer; a long one is cut to half of what a pair takes.
            documents: texts.
            max_document_tokens: cut each document to so many tokens first; 0 for no limit.
            max_passages: most passages of a document, 1 or more. What is left out counts as `dropped` of the last pair.
        """
        ...
