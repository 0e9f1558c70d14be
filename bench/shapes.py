"""Request shapes, and the requests of a turn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load import Request

MODEL = "all-MiniLM-L6-v2"
"""Name under which every server serves the embedding model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a closed loop looks."""

    texts: int
    """In each request."""
    callers: int

    def __str__(self) -> str:
        return f"{self.texts} x {self.callers}"

    @classmethod
    def parse(cls, text: str) -> Shape:
        """From `TEXTSxCALLERS`.

        Raises:
            ValueError: it is none.
        """
        texts, _, callers = text.replace(" ", "").partition("x")
        return cls(texts=int(texts), callers=int(callers))


SINGLE = Shape(texts=1, callers=1)
SHAPES = (Shape(texts=1, callers=32), Shape(texts=32, callers=4), SINGLE)


def embed_body(texts: Sequence[str], model: str = MODEL) -> bytes:
    """An embedding request as OpenAI's clients send it."""
    return json.dumps({"model": model, "input": list(texts), "encoding_format": "base64"}).encode()


def embed_requests(texts: Sequence[str], tokens: Sequence[int], size: int) -> list[Request]:
    """Requests of so many texts each; texts that fill no request are left out.

    Args:
        texts: all of them.
        tokens: of each text.
        size: texts in a request.
    """
    starts = range(0, len(texts) - size + 1, size)
    return [
        Request(body=embed_body(texts[at : at + size]), tokens=sum(tokens[at : at + size]), texts=size) for at in starts
    ]


def rerank_body(query: str, passages: Sequence[str], model: str | None = None) -> bytes:
    """A reranking request as Cohere's clients send it, for a model or the server's default."""
    named = {"model": model} if model else {}
    return json.dumps({**named, "query": query, "documents": list(passages)}).encode()
