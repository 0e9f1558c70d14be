"""The messages that the replies of all model services share: domain values to `isolane.common.v1`."""

from __future__ import annotations

from collections.abc import Sequence

from isolane.common.v1 import item_pb2, model_pb2, reply_pb2

from services.common.errors import InvalidRequest
from services.models.models import Item, ModelInfo, Tokens


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
