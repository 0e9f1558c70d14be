"""What every batch reply carries: outcomes of the items, timings, models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isolane.common.v1 import item_pb2, model_pb2, reply_pb2
from msgspec import Struct

from services.common.errors import BackendFailed, InvalidRequest, RequestError


class Timings(Struct, frozen=True, kw_only=True):
    """Where the time of a call went on the server. Unit: microseconds."""

    total_us: int
    queue_us: int
    tokenize_us: int
    compute_us: int


class Outcomes(Struct, frozen=True, kw_only=True):
    """What became of the items of a request, by position; every collection is in ascending order."""

    truncated: Mapping[int, int]
    """Tokens that were left out of the items that were cut."""
    cached: Sequence[int]
    """Items for which nothing was computed, as their results were there already."""
    failures: Mapping[int, RequestError]
    """Why items have no result."""

    def notes(self) -> dict[str, int]:
        """What the log line says of them, where there is something to say."""
        counts = {"truncated": len(self.truncated), "cached": len(self.cached), "failed": len(self.failures)}
        return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model that a service has."""

    id: str
    service: str
    revision: str
    dtype: str
    """Number type of the computation."""
    max_tokens: int
    dimensions: int
    """Length of a vector; 0 for models without vectors."""
    is_fake: bool


def read_items(items: Sequence[item_pb2.ItemStatus], field: str, *, expected: int, keeps_failures: bool) -> Outcomes:
    """What became of each item.

    Args:
        items: one per item sent.
        field: the request's field that holds the items.
        expected: number of items sent.
        keeps_failures: return the failures of items; else the first one fails the whole request.

    Raises:
        InvalidRequest: an item is wrong; the message names it.
        BackendFailed: the model failed on an item, or the reply does not fit the request.
    """
    if len(items) != expected:
        raise BackendFailed(f"{field}: {len(items)} results for {expected} items; the service has a bug")
    truncated: dict[int, int] = {}
    cached: list[int] = []
    failures: dict[int, RequestError] = {}
    for index, item in enumerate(items):
        if item.outcome != item_pb2.OUTCOME_OK:
            failures[index] = _failure(item)
        if item.truncated:
            truncated[index] = item.dropped_token_count
        if item.cached:
            cached.append(index)
    if failures and not keeps_failures:
        index, error = next(iter(failures.items()))
        raise type(error)(f"{field}[{index}]: {error.message}", param=f"{field}[{index}]")
    return Outcomes(truncated=truncated, cached=cached, failures=failures)


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
            dtype=message.dtype,
            max_tokens=message.max_tokens,
            dimensions=message.dimensions,
            is_fake=message.fake,
        )
        for message in messages
    ]


def _failure(item: item_pb2.ItemStatus) -> RequestError:
    if item.outcome == item_pb2.OUTCOME_INVALID:
        return InvalidRequest(item.error)
    return BackendFailed(item.error or "the model failed on it")
