"""The time that a fake takes for its batches, like a device of fixed speed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from services.models.models import Tokens
from services.models.settings import ModelServerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCost:
    """What a batch costs. Unit: microseconds."""

    token_us: float = 0.0
    """For each token, padding included."""
    batch_us: float = 0.0
    """For the batch besides."""

    def spend(self, batch: Sequence[Tokens]) -> None:
        """Sleep as long as the batch takes."""
        padded_tokens = len(batch) * max((len(tokens.ids) for tokens in batch), default=0)
        time.sleep((self.batch_us + self.token_us * padded_tokens) / 1e6)


def cost_of(settings: ModelServerSettings) -> FakeCost:
    """What the settings say that a batch costs."""
    return FakeCost(token_us=settings.fake_token_us, batch_us=settings.fake_batch_us)


FREE = FakeCost()
"""No time at all."""
