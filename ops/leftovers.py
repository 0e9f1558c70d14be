"""Every process of a stack, wherever its parent went: found by the marker in its environment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

import psutil

MARKER = "ISOLANE_STACK"
"""Environment variable that every process of a stack carries; its value is the state folder."""

_ROUNDS = 5
"""A process may start another between the search and its end."""


def find(stack: str) -> list[psutil.Process]:
    """This user's living processes that carry the stack's marker."""
    return [process for process in psutil.process_iter() if _belongs(process, stack)]


def end(stack: str, grace_s: float) -> int:
    """End the stack's processes and return how many there were: SIGTERM, and SIGKILL after `grace_s`."""
    ended: set[int] = set()
    for _ in range(_ROUNDS):
        found = find(stack)
        if not found:
            break
        ended |= {process.pid for process in found}
        _end(found, grace_s)
    return len(ended)


def _end(processes: Sequence[psutil.Process], grace_s: float) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=grace_s)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_s)


def _belongs(process: psutil.Process, stack: str) -> bool:
    try:
        return (
            process.pid != os.getpid()
            and process.uids().real == os.getuid()
            and process.environ().get(MARKER) == stack
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except (psutil.Error, OSError):
        return False  # gone, or not ours to look at
