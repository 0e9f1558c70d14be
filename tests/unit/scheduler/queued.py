"""What tests of the scheduler queue."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.caller import Caller, Priority
from services.scheduler.lines import Lines
from services.scheduler.packing import Limits
from services.scheduler.policy import Policy
from services.scheduler.work import Request, Task, Work

ONE = Limits(own=1, fill=1, padding=0)
"""One task a batch."""


def lines_of(quantum: float) -> Lines:
    """Lines that nobody waits in."""
    lines = Lines(Policy())
    lines.set_quantum(quantum)
    return lines


def caller(client: str, origin: str = "", *, priority: Priority = Priority.INTERACTIVE) -> Caller:
    return Caller(client=client, origin=origin, priority=priority)


def request(of: Caller, *, deadline_s: float = 1e6, now_s: float = 0.0) -> Request:
    """What a caller asks for, with nothing in it yet."""
    return Request(caller=of, deadline_s=deadline_s, submitted_s=now_s)


def works(*costs: int, key: bytes | None = None) -> list[tuple[int, Work]]:
    """Items with their positions; of one key, if any."""
    return [(at, Work(payload=None, cost=cost, key=key)) for at, cost in enumerate(costs)]


def wait(lines: Lines, of: Caller, *costs: int) -> list[Task]:
    """Tasks that begin to wait, each for a request of its own."""
    tasks = [Task(work=Work(payload=None, cost=cost)) for cost in costs]
    for task in tasks:
        join(lines, task, of)
    return tasks


def join(lines: Lines, task: Task, of: Caller) -> Request:
    """One more request for a task."""
    asked = request(of)
    task.waiters[asked] = [0]
    lines.add([task], asked)
    return asked


def taken(lines: Lines, batches: int, limits: Limits = ONE) -> list[list[Task]]:
    """The next batches."""
    return [lines.take(limits) for _ in range(batches)]


def clients(batches: Sequence[Sequence[Task]]) -> list[str]:
    """Who asked for the tasks of batches, in order."""
    return [task.first.client for batch in batches for task in batch]
