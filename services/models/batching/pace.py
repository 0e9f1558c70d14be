"""How fast a model is, and what follows from it: how large batches should be, and how long work will take."""

from __future__ import annotations

import math
from dataclasses import replace

from services.models.batching.latency import Coefficients, LatencyModel
from services.models.batching.length_index import BatchLimits

_OVERHEAD = 0.01
"""Part of a batch's time that its fixed cost should be at most: a larger batch gains nothing more."""
_MOST_OVERHEAD = 0.10
"""The same where others wait: a larger batch gains less than it costs them."""
_LONGEST_S = 0.1
"""Longest batch while one client alone sends work, if the fixed cost allows it."""
_LONGEST_SHARED_S = 0.025
"""The same while several do: it is what one who asks little waits for."""
_ROUND_S = 0.1
"""What one client may have computed in one go."""
_LEAST_TOKENS = 64
"""Batches may always be so large."""
_PADDING = 0.5
"""Part of a batch's fixed cost that may go into padding to save it; not all, as the estimate is rough."""
_PADDING_SHARE = 0.04
_DECAY = 0.05
"""Weight of the newest batch in the mean length of items."""
_REGROWTH = 1.05
"""How a limit that memory has set grows with each batch that nearly reaches it: who took the memory may have gone."""
_TRIAL_EVERY = 32
_TRIAL_TOKENS = 4 * _LEAST_TOKENS
"""Every so many batches one may be so large: from small ones alone it is never learned that larger ones are faster."""


class Pace:
    """Learns from computed batches. Not thread-safe.

    Args:
        max_batch_tokens: no batch is larger.
        replicas: batches that are computed at once.
    """

    def __init__(self, *, max_batch_tokens: int, replicas: int) -> None:
        self._latency = LatencyModel()
        self._max_batch_tokens = self._most_tokens = max_batch_tokens
        """The first may be lowered for a while by what fits into memory."""
        self._replicas = replicas
        self._tokens_per_item = 0.0
        self._shared_limits = self._alone_limits = self._limits(longest_s=_LONGEST_S)

    @property
    def coefficients(self) -> Coefficients:
        """What was learned of one batch."""
        return self._latency.coefficients

    def observe(self, *, padded_tokens: int, items: int, seconds: float) -> None:
        """Learn from one batch, computed while all replicas were in use or as if they were."""
        self._latency.observe(tokens=padded_tokens, items=items, seconds=seconds)
        if padded_tokens > 0.8 * self._max_batch_tokens:
            self._max_batch_tokens = min(self._most_tokens, math.ceil(self._max_batch_tokens * _REGROWTH))
        mean = padded_tokens / items
        self._tokens_per_item += _DECAY * (mean - self._tokens_per_item) if self._tokens_per_item else mean
        self._update()

    def observe_memory_full(self, padded_tokens: int) -> None:
        """A batch of that size did not fit the device's memory: for long none will be so large again."""
        self._max_batch_tokens = max(
            min(_LEAST_TOKENS, self._most_tokens), min(self._max_batch_tokens, padded_tokens // 2)
        )
        self._update()

    def limits(self, *, is_shared: bool) -> BatchLimits:
        """How large the next batch may grow, when one client alone sends work or when several do."""
        limits = self._shared_limits if is_shared else self._alone_limits
        if limits.own <= _LEAST_TOKENS and self._latency.observations % _TRIAL_EVERY == 0:
            return replace(limits, own=min(self._max_batch_tokens, _TRIAL_TOKENS))
        return limits

    @property
    def quantum(self) -> int:
        """Tokens that one client may have computed in one go, before it is another's turn."""
        return round(
            min(
                self._max_batch_tokens,
                max(self._alone_limits.shared, self._replicas * self._latency.tokens_in(_ROUND_S)),
            )
        )

    def seconds(self, tokens: float, *, is_shared: bool) -> float:
        """Time until so many tokens of usual items are computed, on all replicas; 0 before anything was learned."""
        items = tokens / self._tokens_per_item if self._tokens_per_item else 0.0
        batches = max(1.0, tokens / self.limits(is_shared=is_shared).own)
        return self._latency.predict_s(tokens=tokens, items=items, batches=batches) / self._replicas

    def _update(self) -> None:
        self._alone_limits = self._limits(longest_s=_LONGEST_S)
        self._shared_limits = self._limits(longest_s=_LONGEST_SHARED_S)

    def _limits(self, *, longest_s: float) -> BatchLimits:
        overhead = self._latency.overhead_tokens
        least = max(_LEAST_TOKENS, overhead / _MOST_OVERHEAD)
        own = max(least, min(overhead / _OVERHEAD, self._latency.tokens_in(longest_s)))
        return BatchLimits(
            own=round(min(self._max_batch_tokens, own)),
            shared=round(min(self._max_batch_tokens, least)),
            padding_share=_PADDING_SHARE,
            padding=_PADDING * overhead,
        )
