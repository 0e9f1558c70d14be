"""Headers that say more than the APIs' bodies have room for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from gateway.clients.items import Timings


def result_headers(timings: Timings, truncated: Sequence[int]) -> dict[str, str]:
    """`Server-Timing`, and `X-Isolane-Truncated` when items were cut to the model's limit.

    Args:
        timings: of the service.
        truncated: positions of the items that were cut, ascending.
    """
    headers = {
        "server-timing": f"queue;dur={timings.queue_us / 1000:.3f}, tokenize;dur={timings.tokenize_us / 1000:.3f}, "
        f"compute;dur={timings.compute_us / 1000:.3f}"
    }
    if truncated:
        headers["x-isolane-truncated"] = ranges(truncated)
    return headers


def ranges(positions: Sequence[int]) -> str:
    """Ascending numbers in short: 0,3-7."""
    groups = groupby(enumerate(positions), key=lambda pair: pair[1] - pair[0])
    runs = [[position for _, position in group] for _, group in groups]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
