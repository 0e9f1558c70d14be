"""The messages that every reply shares: domain values to `isolane.common.v1`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from isolane.common.v1 import item_pb2, model_pb2, reply_pb2

from services.common.batching.base import Backlog
from services.common.errors import InvalidRequest
from services.common.models import Item, ModelInfo, Timings, Tokens


def model(info: ModelInfo) -> model_pb2.Model:
    """A served model."""
    return model_pb2.Model(
        id=info.id,
        revision=info.revision,
        max_tokens=info.max_tokens,
        dtype=info.dtype,
        device=info.device,
        dimensions=info.dimensions,
        matryoshka_dimensions=info.matryoshka_dimensions,
        fake=info.fake,
        backend=info.backend,
    )


def item_statuses(items: Sequence[Item], shared: Sequence[int] = ()) -> list[item_pb2.ItemStatus]:
    """What became of each item; those at `shared` were not computed for this request."""
    statuses = [_status(item) for item in items]
    for index in shared:
        statuses[index].cached = True
    return statuses


def usage(items: Sequence[Item], shared: Sequence[int] = ()) -> reply_pb2.Usage:
    """What a request cost; those at `shared` were not computed for it."""
    costs = [len(item.ids) if isinstance(item, Tokens) else 0 for item in items]
    tokens = sum(costs)
    return reply_pb2.Usage(
        items=len(items), tokens=tokens, computed_tokens=tokens - sum(costs[index] for index in shared)
    )


def timings(spent: Timings, started_s: float) -> reply_pb2.Timings:
    """Where the time went of a request that began at `started_s` on the monotonic clock."""
    return reply_pb2.Timings(
        total_us=round((time.monotonic() - started_s) * 1e6),
        queue_us=spent.queue_us,
        tokenize_us=spent.tokenize_us,
        compute_us=spent.compute_us,
    )


def noted(spent: Timings) -> dict[str, int]:
    """The same for the log line. `dataclasses.asdict` would copy each number deeply."""
    return {"tokenize_us": spent.tokenize_us, "queue_us": spent.queue_us, "compute_us": spent.compute_us}


def load(backlog: Backlog) -> reply_pb2.Load:
    """The server's load."""
    return reply_pb2.Load(queued_cost=backlog.queued_cost, predicted_wait_us=round(backlog.predicted_wait_s * 1e6))


def _status(item: Item) -> item_pb2.ItemStatus:
    if isinstance(item, Tokens):
        return item_pb2.ItemStatus(
            outcome=item_pb2.OUTCOME_OK,
            token_count=len(item.ids),
            truncated=item.truncated,
            dropped_token_count=item.dropped,
        )
    is_callers = isinstance(item, InvalidRequest)
    outcome = item_pb2.OUTCOME_INVALID if is_callers else item_pb2.OUTCOME_FAILED
    return item_pb2.ItemStatus(outcome=outcome, error=item.message)
