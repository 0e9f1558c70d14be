"""What every batch reply carries: outcomes of the items, timings, models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isolane.common.v1 import item_pb2, model_pb2, reply_pb2

from services.common.errors import BackendFailed, InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where the time of a call went on the server. Unit: microseconds."""

    total_us: int
    queue_us: int
    tokenize_us: int
    compute_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model that a service has."""

    id: str
    service: str
    revision: str
    max_tokens: int
    dimensions: int
    """Length of a vector; 0 for models without vectors."""
    is_development_only: bool
    is_fake: bool


def check_items(items: Sequence[item_pb2.ItemStatus], field: str, *, expected: int) -> tuple[int, ...]:
    """Positions of the items that were cut to the model's limit.

    The APIs that the gateway speaks have no place for an item's own failure, so one fails the whole request.

    Args:
        items: one per item sent.
        field: the request's field that holds the items.
        expected: number of items sent.

    Raises:
        InvalidRequest: an item is wrong; the message names it.
        BackendFailed: the model failed on an item, or the reply does not fit the request.
    """
    if len(items) != expected:
        raise BackendFailed(f"{field}: {len(items)} results for {expected} items; the service has a bug")
    for index, item in enumerate(items):
        if item.outcome != item_pb2.OUTCOME_OK:
            cls = InvalidRequest if item.outcome == item_pb2.OUTCOME_INVALID else BackendFailed
            raise cls(f"{field}[{index}]: {item.error or 'the model failed on it'}", param=f"{field}[{index}]")
    return tuple(index for index, item in enumerate(items) if item.truncated)


def timings(message: reply_pb2.Timings) -> Timings:
    """Timings as a value."""
    return Timings(
        total_us=message.total_us,
        queue_us=message.queue_us,
        tokenize_us=message.tokenize_us,
        compute_us=message.compute_us,
    )


def served_models(messages: Sequence[model_pb2.Model], service: str) -> list[ServedModel]:
    """Models as values, in the service's order."""
    return [
        ServedModel(
            id=message.id,
            service=service,
            revision=message.revision,
            max_tokens=message.max_tokens,
            dimensions=message.dimensions,
            is_development_only=message.development_only,
            is_fake=message.fake,
        )
        for message in messages
    ]
