"""The replies of all model services: domain values to `isolane.common.v1`. A service adds its results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from isolane.common.v1 import item_pb2, model_pb2, reply_pb2

from services.common import call
from services.common.errors import InvalidRequest
from services.common.reply import Backlog
from services.common.server import messages
from services.models.answer import Answer
from services.models.models import Item, ModelInfo, Tokens


def fields(answer: Answer, started_s: float, backlog: Backlog) -> dict[str, Any]:
    """The fields that every reply has beside its results; notes them for the log line too.

    Args:
        answer: what came of the request.
        started_s: when the request began, on the monotonic clock.
        backlog: of the engine, now.
    """
    items, spent = len(answer.items), answer.timings
    tokens = sum(len(item.ids) for item in answer.items if isinstance(item, Tokens))
    call.note(
        model=answer.model.id,
        items=items,
        tokens=tokens,
        tokenize_us=spent.tokenize_us,
        queue_us=spent.queue_us,
        compute_us=spent.compute_us,
    )
    return {
        "model": model(answer.model),
        "items": item_statuses(answer.items, answer.reused),
        "usage": reply_pb2.Usage(items=items, tokens=tokens, computed_tokens=tokens - answer.reused_tokens),
        "timings": messages.timings(spent, started_s),
        "load": messages.load(backlog),
    }


@lru_cache(maxsize=64)
def model(info: ModelInfo) -> model_pb2.Model:
    """A served model; not to be changed, as the next reply gets the same."""
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


def item_statuses(items: Sequence[Item], reused: Sequence[int] = ()) -> list[item_pb2.ItemStatus]:
    """What became of each item; those at `reused` were not computed for this request."""
    statuses = [_status(item) for item in items]
    for index in reused:
        statuses[index].cached = True
    return statuses


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
