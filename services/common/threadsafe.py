"""From threads to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    """Call a function in an event loop, from any thread; once that is closed nobody waits there."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
