"""How fast a model is, and what follows from it: how large batches should be, and how long work will take."""

from __future__ import annotations

from services.common.batching.latency import Coefficients, LatencyModel
from services.common.batching.length_index import BatchLimits

_OWN_SHARE = 0.03
"""Part of a batch's time that may go into its fixed cost: smaller batches waste more, larger ones only take longer."""
_SHARED_SHARE = 0.10
"""The same where the batch is filled up with others' entries."""
_LEAST_TOKENS = 128
"""Batches may always be so large."""
_MOST_S = 0.05
"""A batch takes no longer, so that others get their turn, unless its fixed cost would be more than a tenth of it."""
_PADDING_SHARE = 0.04
_DECAY = 0.05
"""Weight of the newest batch in the mean length of items."""


class Pace:
    """Learns from computed batches. Not thread-safe.

    Args:
        max_batch_tokens: no batch is larger.
        replicas: batches that are computed at once.
    """

    def __init__(self, *, max_batch_tokens: int, replicas: int) -> None:
        self._latency = LatencyModel()
        self._max_batch_tokens = max_batch_tokens
        self._replicas = replicas
        self._tokens_per_item = 0.0

    @property
    def coefficients(self) -> Coefficients:
        """What was learned of one batch."""
        return self._latency.coefficients

    def observe(self, *, padded_tokens: int, items: int, seconds: float) -> None:
        """Learn from one batch, computed while all replicas were in use or as if they were."""
        self._latency.observe(tokens=padded_tokens, items=items, seconds=seconds)
        mean = padded_tokens / items
        self._tokens_per_item += _DECAY * (mean - self._tokens_per_item) if self._tokens_per_item else mean

    def observe_memory_full(self, padded_tokens: int) -> None:
        """A batch of that size did not fit the device's memory: none will be so large again."""
        self._max_batch_tokens = max(1, min(self._max_batch_tokens, padded_tokens // 2))

    def limits(self) -> BatchLimits:
        """How large the next batch may grow."""
        overhead = self._latency.overhead_tokens
        shared = overhead / _SHARED_SHARE
        return BatchLimits(
            own=self._limit(min(overhead / _OWN_SHARE, max(shared, self._latency.tokens_in(_MOST_S)))),
            shared=self._limit(shared),
            padding_share=_PADDING_SHARE,
            padding=overhead,
        )

    def seconds(self, tokens: float) -> float:
        """Time until so many tokens of usual items are computed, on all replicas; 0 before anything was learned."""
        items = tokens / self._tokens_per_item if self._tokens_per_item else 0.0
        batches = max(1.0, tokens / self.limits().own)
        return self._latency.predict_s(tokens=tokens, items=items, batches=batches) / self._replicas

    def _limit(self, tokens: float) -> int:
        return round(min(self._max_batch_tokens, max(_LEAST_TOKENS, tokens)))
