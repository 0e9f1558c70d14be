"""Whose turn it is: fair sharing by virtual time, in two classes of priority.

Each client has a line and a virtual time, which its computed tokens advance; the line whose time is earliest is served
(start-time fair queueing, Goyal, Vin and Cheng 1996; Linux' CFS). A line that begins to wait gets the class's time,
which is the earliest of those that wait, less one quantum, or its own time if that is later: so one who asks for little
is served before those who always wait, and coming and going gains nothing. As new clients without end would starve the
others, a part of what is computed is owed to the line that has waited longest without being served.

Clients of one origin share its part, as a client may call itself what it likes: of k that wait each has a kth of the
quantum, and its virtual time runs k times as fast. With 200 names from one machine and one from another, the one gets
half; where all come from one machine, as behind a proxy, each gets its 200th.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator

from services.common.caller import Caller, Priority
from services.models.scheduler.packing import LengthIndex, Limits, Packing
from services.models.scheduler.work import Request, Task

_MOST_IDLE = 4096
"""Clients without work whose virtual time is remembered: more are forgotten, which gives each a quantum at most."""


class Line:
    """What one caller has waiting."""

    __slots__ = ("caller", "cost", "lengths", "tasks", "time")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.cost = 0
        """Tokens, those of which it is known that they will come included."""
        self.time = float("-inf")
        """Virtual. Unit: tokens."""
        self.tasks: OrderedDict[Task, None] = OrderedDict()
        self.lengths = LengthIndex()


class _Floor:
    """Of two who wait one goes first, and owes the other a part of what is computed.

    Args:
        share: that part; 0.1 lets the first have 9 tokens for one of the second.
    """

    def __init__(self, share: float) -> None:
        self.per_second = (1 - share) / share
        """Tokens of the first for one of the second."""
        self._owed = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is the second's turn."""
        return self._owed > 0

    def note(self, cost: int, *, is_second: bool) -> None:
        """So much was computed of one of them while both waited."""
        self._owed += -cost if is_second else cost / self.per_second

    def clear(self) -> None:
        """One of them waits alone."""
        self._owed = 0.0


class _Class:
    """The lines of one class of priority.

    Args:
        priority: the class.
        floor: part that is owed to the line that has waited longest.
    """

    def __init__(self, priority: Priority, floor: float) -> None:
        self.priority = priority
        self.quantum = 0.0
        """Unit: tokens."""
        self.cost = 0
        """Tokens of the tasks that were queued here first, and of those that are expected."""
        self.lines: dict[tuple[str, str], Line] = {}
        """By origin and client."""
        self._time = 0.0
        """The earliest virtual time of those that wait, or that waited last."""
        self._lengths = LengthIndex()
        self._waiting: OrderedDict[Line, None] = OrderedDict()
        """By when they were served last, or began to wait."""
        self._origins: Counter[str] = Counter()
        """Lines that wait, by origin."""
        self._floor = _Floor(floor)
        self._heap: list[tuple[float, int, Line]] = []
        """By virtual time; an entry whose time is no longer its line's is left over from before."""
        self._numbers = itertools.count()

    @property
    def is_waiting(self) -> bool:
        """Whether any task waits."""
        return bool(self._waiting)

    def line(self, caller: Caller) -> Line:
        """The caller's line, made where there is none."""
        line = self.lines.get(_name(caller))
        if line is None:
            line = self.lines[_name(caller)] = Line(caller)
        return line

    def add(self, task: Task, line: Line) -> None:
        """Let a task wait in one more line."""
        if not any(map(self._has, task.lines)):
            self._lengths.add(task)
        task.lines[line] += 1
        if task.lines[line] > 1:
            return
        if not line.tasks:
            self._origins[line.caller.origin] += 1
            start = self._start(line)
            self._waiting[line] = None
            self._move(line, start)
        line.tasks[task] = None
        line.lengths.add(task)
        line.cost += task.cost

    def discard(self, task: Task, line: Line) -> None:
        """Let a task wait no more in a line."""
        del line.tasks[task]
        del task.lines[line]
        line.lengths.discard(task)
        line.cost -= task.cost
        if not line.tasks:
            del self._waiting[line]
            self._origins[line.caller.origin] -= 1
            self._forget_idle()
        if not any(map(self._has, task.lines)):
            self._lengths.discard(task)

    def choose(self, limits: Limits) -> Iterator[tuple[Task, Line]]:
        """A batch around the oldest task of the line whose turn it is; the consumer takes each out of all lines."""
        earliest, longest = self._earliest(), next(iter(self._waiting))
        is_owed = longest is not earliest and self._floor.is_due
        line = longest if is_owed else earliest
        self._waiting.move_to_end(line)
        packing = Packing(limits=limits)
        packing.add(oldest := next(iter(line.tasks)))
        yield oldest, line
        for index, limit in ((line.lengths, limits.own), (self._lengths, limits.fill)):
            for task in packing.fill(index, limit):
                yield task, line if line in task.lines else next(one for one in task.lines if self._has(one))
        if longest is earliest:
            self._floor.clear()
        else:
            self._floor.note(packing.tokens, is_second=is_owed)

    def _has(self, line: Line) -> bool:
        """Whether the line is of this class."""
        return line.caller.priority is self.priority

    def charge(self, line: Line, cost: int) -> None:
        """Advance a line by what was taken for it."""
        self._move(line, line.time + cost * self._siblings(line))

    def _start(self, line: Line) -> float:
        """Where a line stands that waits, or would if it began to now."""
        if line.tasks:
            return line.time
        # Where nobody waits there is nobody to be before, and the quantum is not kept for when somebody comes.
        return max(line.time, self._time - (self.quantum / self._siblings(line) if self._waiting else 0.0))

    def _siblings(self, line: Line) -> int:
        """Lines of its origin that wait."""
        return max(1, self._origins[line.caller.origin])

    def _earliest(self) -> Line:
        while True:
            time, _, line = self._heap[0]
            if line in self._waiting and line.time == time:
                self._time = max(self._time, time)
                return line
            heapq.heappop(self._heap)

    def _move(self, line: Line, time: float) -> None:
        line.time = time
        if line in self._waiting:
            heapq.heappush(self._heap, (time, next(self._numbers), line))
        if len(self._heap) > 64 + 4 * len(self._waiting):
            self._heap = [(each.time, next(self._numbers), each) for each in self._waiting]
            heapq.heapify(self._heap)

    def _forget_idle(self) -> None:
        """What is remembered of those without work stays bounded; where nothing waits, nobody owes anything."""
        if self._waiting and len(self.lines) <= _MOST_IDLE + 2 * len(self._waiting):
            return
        self.lines = {name: line for name, line in self.lines.items() if line.cost or line.tasks}
        self._origins = +self._origins

    def before(self, caller: Caller, cost: int) -> int:
        """Tokens that are computed until `cost` more of a caller are done, its own included, if nobody else comes.

        A line's tokens are computed until its virtual time passes that of the caller's last one. A newcomer at 900 who
        asks for 50 ends at 950: of lines at 1,000 nothing is before it, of one at 920 with 100 waiting 30 are.
        """
        own = self.lines.get(_name(caller)) or Line(caller)
        end = self._start(own) + (own.cost + cost) * self._siblings(own)
        others = (line for line in self.lines.values() if line is not own and line.cost)
        return own.cost + cost + sum(min(line.cost, self._until(line, end)) for line in others)

    def _until(self, line: Line, time: float) -> int:
        """Tokens of a line until its virtual time is so late."""
        return max(0, int((time - self._start(line)) / self._siblings(line)))


def _name(caller: Caller) -> tuple[str, str]:
    return caller.origin, caller.client


class Lines:
    """Tasks of all callers that wait. Not thread-safe.

    Args:
        bulk_floor: bulk work's part of what is computed while interactive work waits too.
        old_floor: part of those that wait longest while new clients go first.
    """

    def __init__(self, *, bulk_floor: float, old_floor: float) -> None:
        self._classes = {priority: _Class(priority, old_floor) for priority in Priority}
        self._interactive, self._bulk = self._classes[Priority.INTERACTIVE], self._classes[Priority.BULK]
        self._floor = _Floor(bulk_floor)
        self._by_origin: Counter[str] = Counter()
        self.cost = 0
        """Tokens that wait, those that are expected included; a task that several want counts once."""

    def set_quantum(self, quantum: float) -> None:
        """What a client may have computed before its turn ends. Unit: tokens."""
        for line in self._classes.values():
            line.quantum = quantum

    @property
    def is_waiting(self) -> bool:
        """Whether any task waits."""
        return self._interactive.is_waiting or self._bulk.is_waiting

    def cost_of_client(self, caller: Caller) -> int:
        """Tokens of one client that wait, in both classes."""
        lines = (of.lines.get(_name(caller)) for of in self._classes.values())
        return sum(line.cost for line in lines if line)

    def cost_of_origin(self, caller: Caller) -> int:
        """Tokens of all clients of its origin that wait."""
        return self._by_origin[caller.origin]

    def cost_of_class(self, priority: Priority) -> int:
        """Tokens that wait in a class."""
        return self._classes[priority].cost

    def expect(self, caller: Caller, cost: int) -> None:
        """Count tokens as waiting before they are queued; as many fewer with a negative number."""
        of = self._classes[caller.priority]
        of.line(caller).cost += cost
        self._count(caller, cost)

    def add(self, task: Task, request: Request) -> None:
        """Let a task wait, or wait in one more line: it is computed when it is the turn of any who wants it."""
        of = self._classes[request.caller.priority]
        if not task.lines:
            task.first = request.caller
            self._count(task.first, task.cost)
        of.add(task, of.line(request.caller))

    def leave(self, task: Task, request: Request) -> None:
        """A request no longer waits for a task."""
        of = self._classes[request.caller.priority]
        line = of.line(request.caller)
        task.lines[line] -= 1
        if not task.lines[line]:
            of.discard(task, line)
        if not task.lines:
            self._count(task.first, -task.cost)

    def take(self, limits: Limits) -> list[Task]:
        """The next batch; empty when nothing waits."""
        if not self.is_waiting:
            return []
        both = self._interactive.is_waiting and self._bulk.is_waiting
        is_bulk = self._floor.is_due if both else self._bulk.is_waiting
        of = self._bulk if is_bulk else self._interactive
        batch = []
        for task, line in of.choose(limits):
            of.charge(line, task.cost)
            self._discard(task)
            batch.append(task)
        if both:
            self._floor.note(sum(task.cost for task in batch), is_second=is_bulk)
        else:
            self._floor.clear()
        return batch

    def before(self, caller: Caller, cost: int) -> int:
        """Tokens that are computed until `cost` more of a caller are done, its own included, if nobody else comes."""
        own = self._classes[caller.priority].before(caller, cost)
        if caller.priority is Priority.INTERACTIVE:
            return own + min(self._bulk.cost, int(own / self._floor.per_second))
        return own + min(self._interactive.cost, int(own * self._floor.per_second))

    def drop_all(self) -> Iterable[Task]:
        """Every task, which then waits no more."""
        dropped = {task: None for of in self._classes.values() for line in of.lines.values() for task in line.tasks}
        for task in dropped:
            self._discard(task)
        return dropped

    @property
    def number(self) -> int:
        """Callers that have, or had lately, something waiting."""
        return sum(len(of.lines) for of in self._classes.values())

    def _discard(self, task: Task) -> None:
        """Take a task out of all lines."""
        for line in tuple(task.lines):
            self._classes[line.caller.priority].discard(task, line)
        self._count(task.first, -task.cost)

    def _count(self, caller: Caller, cost: int) -> None:
        """A task counts for whoever asked for it first, and for nobody who joins it."""
        self._classes[caller.priority].cost += cost
        self._by_origin[caller.origin] += cost
        if not self._by_origin[caller.origin]:
            del self._by_origin[caller.origin]
        self.cost += cost
