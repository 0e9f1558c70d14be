"""Several processes of callers that load one service together: one of Python could not keep up with a GPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import IO

import msgspec

from bench.gpu.client import Order, Seen


class Clients:
    """Enter it to start the processes; each makes its own texts meanwhile.

    Args:
        number: of processes.
        texts: of each; it begins anew with them when all were sent.
    """

    def __init__(self, number: int, *, texts: int) -> None:
        self._commands = [
            [sys.executable, "-m", "bench.gpu.client", str(seed), str(texts)] for seed in range(1, number + 1)
        ]
        self._processes: list[subprocess.Popen[str]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Clients:
        for command in self._commands:
            started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._processes.append(self._stack.enter_context(started))
            self._stack.callback(started.kill)  # before it is waited for
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def wait(self) -> None:
        """Until all have their texts."""
        for process in self._processes:
            _line(process.stdout)

    def begin(self, order: Order) -> None:
        """Let the callers of an order begin at its moment, spread over the processes."""
        for process, callers in zip(self._processes, shares(order.callers, len(self._processes)), strict=True):
            assert process.stdin is not None  # it is a pipe
            process.stdin.write(msgspec.json.encode(replace(order, callers=callers)).decode() + "\n")
            process.stdin.flush()

    def end(self) -> list[Seen]:
        """What each saw; waits for the last answers."""
        return [msgspec.json.decode(_line(process.stdout), type=Seen) for process in self._processes]


def shares(callers: int, processes: int) -> list[int]:
    """Callers of each process, as equal as can be: 4 of 3 are 2, 1 and 1."""
    return [len(range(first, callers, processes)) for first in range(processes)]


def together(parts: Sequence[Seen]) -> Seen:
    """What all saw; processor time is that of the busiest process."""
    return Seen(
        latencies_s=[latency_s for part in parts for latency_s in part.latencies_s],
        tokens=sum(part.tokens for part in parts),
        failed=sum(part.failed for part in parts),
        error=next((part.error for part in parts if part.error), ""),
        cpu_s=max(part.cpu_s for part in parts),
    )


def _line(stream: IO[str] | None) -> str:
    """The next one of a process.

    Raises:
        SystemExit: it has ended; its own words are above.
    """
    if stream is None or not (line := stream.readline()):
        raise SystemExit("a process of callers ended; the reason is above")
    return line
