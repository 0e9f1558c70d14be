"""The messages that every reply shares: domain values to `isolane.common.v1`."""

from __future__ import annotations

import time

from isolane.common.v1 import reply_pb2

from services.common.reply import Backlog, Timings


def timings(spent: Timings, started_s: float) -> reply_pb2.Timings:
    """Where the time went of a request that began at `started_s` on the monotonic clock."""
    return reply_pb2.Timings(
        total_us=round((time.monotonic() - started_s) * 1e6),
        queue_us=spent.queue_us,
        tokenize_us=spent.tokenize_us,
        compute_us=spent.compute_us,
    )


def load(backlog: Backlog) -> reply_pb2.Load:
    """The server's load."""
    return reply_pb2.Load(queued_cost=backlog.queued_cost, predicted_wait_us=round(backlog.predicted_wait_s * 1e6))
