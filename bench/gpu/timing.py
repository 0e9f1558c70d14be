"""Timing on a device that works on after a call returns."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def seconds(task: Callable[[], object], *, turns: int, device: str, calls: int = 1) -> list[float]:
    """Seconds of a call, one entry per turn.

    Args:
        task: what is timed; once before, untimed, on the same shapes.
        turns: how many times.
        device: is waited for before and after each turn.
        calls: of the task in a turn, for tasks so short that the clock would be most of it.
    """
    task()
    return [_turn(task, device, calls) for _ in range(turns)]


def _turn(task: Callable[[], object], device: str, calls: int) -> float:
    _wait(device)
    started_s = time.perf_counter()
    for _ in range(calls):
        task()
    _wait(device)
    return (time.perf_counter() - started_s) / calls


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
