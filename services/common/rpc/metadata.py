"""The metadata of a call: ids that tie it to its request, and whom it is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grpc import aio

from services.common import caller
from services.common.telemetry import request_id, tracing

Pairs = list[tuple[str, str]]


def outgoing() -> Pairs:
    """The metadata of a call of this task; how much time it has is added when it is sent."""
    pairs = [*tracing.inject().items(), *caller.current.get().metadata()]
    if current := request_id.current.get():
        pairs.append((request_id.METADATA_KEY, current))
    return pairs


class SentMetadata(aio.Metadata):
    """Metadata that is only sent: gRPC goes through it once, for which its own class would sort it by key first."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)
