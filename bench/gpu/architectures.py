"""Real models' shapes, and what a token costs in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

MAX_TOKENS = 512

FLOPS = (
    "L (2 (4 h^2 + 2 h f) + 4 n h) operations a token of an item of n tokens, padding not counted: all-MiniLM-L6-v2 "
    "(L 6 layers, h 384, f 1536) at n = 128: 6 x (3,538,944 + 196,608) = 22,413,312"
)
"""As results tell it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The shape of an encoder, as its config.json gives it."""

    name: str
    """Of a model that has this shape."""
    layers: int
    hidden: int
    heads: int
    inner: int
    """Width of the feed-forward part."""
    vocabulary: int = 30_522
    is_roberta: bool = False
    """XLM-RoBERTa: positions begin at 2, and there are no token types."""
    is_cross_encoder: bool = False
    """One score per pair instead of a vector per text."""

    def flops(self, lengths: Iterable[int]) -> float:
        """Floating-point operations of a forward pass over items of these lengths, without padding.

        A layer multiplies each token by weights of 4 h² (query, key, value, output) and 2 h f (feed-forward), two
        operations each, and compares it with the n tokens of its item in 4 n h: see `FLOPS`. Lookups, norms, pooling
        and a head of one score are left out: less than 1 %.
        """
        weights = 2 * (4 * self.hidden**2 + 2 * self.hidden * self.inner)
        return float(self.layers * sum(n * (weights + 4 * n * self.hidden) for n in lengths))


MINILM_L6 = Architecture(name="all-MiniLM-L6-v2", layers=6, hidden=384, heads=12, inner=1536)
BGE_BASE = Architecture(name="bge-base-en-v1.5", layers=12, hidden=768, heads=12, inner=3072)
BGE_LARGE = Architecture(name="bge-large-en-v1.5", layers=24, hidden=1024, heads=16, inner=4096)
E5_BASE = Architecture(
    name="multilingual-e5-base", layers=12, hidden=768, heads=12, inner=3072, vocabulary=250_002, is_roberta=True
)
MS_MARCO = Architecture(
    name="ms-marco-MiniLM-L-12-v2", layers=12, hidden=384, heads=12, inner=1536, is_cross_encoder=True
)
BGE_RERANKER = replace(E5_BASE, name="bge-reranker-base", is_cross_encoder=True)


def shrunk(model: Architecture) -> Architecture:
    """The same kind of model, so small that a CPU computes it at once."""
    return replace(model, layers=2, hidden=32, heads=2, inner=64, vocabulary=30_522)
