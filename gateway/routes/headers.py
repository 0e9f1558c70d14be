"""Headers that say more than the APIs' bodies have room for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from gateway.clients.items import Outcomes, Timings

_MAX_LIST = 2000
"""Longest list in a header: clients and proxies refuse answers whose headers are longer than 4 to 8 KiB."""


def result_headers(timings: Timings, outcomes: Outcomes) -> dict[str, str]:
    """`Server-Timing`, and `X-Isolane-…` headers where there is something to say of single items.

    Args:
        timings: of the service.
        outcomes: of the items.
    """
    headers = {
        "server-timing": f"queue;dur={timings.queue_us / 1000:.3f}, tokenize;dur={timings.tokenize_us / 1000:.3f}, "
        f"compute;dur={timings.compute_us / 1000:.3f}"
    }
    if outcomes.truncated:
        dropped = (f"{position}={tokens}" for position, tokens in outcomes.truncated.items())
        headers["x-isolane-truncated"] = ranges(outcomes.truncated)
        headers["x-isolane-dropped-tokens"] = _listed(dropped)
    if outcomes.cached:
        headers["x-isolane-cached"] = ranges(outcomes.cached)
    return headers


def ranges(positions: Iterable[int]) -> str:
    """Ascending numbers in short: 0,3-7. A very long list ends with an ellipsis."""
    listed = [*positions]
    if len(listed) == 1:
        return str(listed[0])
    groups = groupby(enumerate(listed), key=lambda pair: pair[1] - pair[0])
    return _listed(_range([position for _, position in group]) for _, group in groups)


def _range(run: Sequence[int]) -> str:
    return str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def _listed(parts: Iterable[str]) -> str:
    """The parts with commas between them, as many as fit."""
    text = ",".join(parts)
    if len(text) <= _MAX_LIST:
        return text
    return text[: text.rindex(",", 0, _MAX_LIST)] + ",..."
