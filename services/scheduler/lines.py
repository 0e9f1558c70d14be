"""What waits, in two classes of priority: origins take turns, and the clients of an origin take turns in its part.

A client may call itself what it likes, but not choose where it calls from. With 200 names from one machine and one from
another, the one gets half, also where the 200 are new ones each time; where all come from one machine, as behind a
proxy, each gets its 200th. Module `fair_queue` has the rule.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator

from services.common.caller import Caller, Priority
from services.scheduler.fair_queue import FairQueue, Floor, Sharer
from services.scheduler.packing import LengthIndex, Limits, Packing
from services.scheduler.policy import Policy
from services.scheduler.work import Request, Task


class Line(Sharer):
    """What one caller has waiting."""

    __slots__ = ("caller", "lengths", "origin", "tasks")

    def __init__(self, caller: Caller, origin: _Origin) -> None:
        super().__init__()
        self.caller = caller
        self.origin = origin
        self.tasks: OrderedDict[Task, None] = OrderedDict()
        self.lengths = LengthIndex()


class _Origin(Sharer):
    """The lines of one class and origin; its cost is the sum of theirs."""

    __slots__ = ("lines",)

    def __init__(self, pace: float) -> None:
        super().__init__()
        self.lines: FairQueue[Line] = FairQueue(pace)


class _Class:
    """The lines of one class of priority.

    Args:
        priority: the class.
        policy: the tuned numbers.
    """

    def __init__(self, priority: Priority, policy: Policy) -> None:
        self.priority = priority
        self.quantum = 0.0
        """Unit: tokens."""
        self.cost = 0
        """Tokens of the tasks that were queued here first, and of those that are expected."""
        self.lines: dict[tuple[str, str], Line] = {}
        """By who has it; of those without work some, as they may owe something."""
        self.origins: FairQueue[_Origin] = FairQueue(policy.newcomer_pace)
        self._origins: dict[str, _Origin] = {}
        """Of all lines."""
        self._lengths = LengthIndex()
        self._policy = policy
        self._most_lines = policy.most_idle

    @property
    def is_waiting(self) -> bool:
        """Whether any task waits."""
        return len(self.origins) > 0

    def line(self, caller: Caller) -> Line:
        """The caller's line, made where there is none."""
        if (line := self.lines.get(caller.identity)) is None:
            origin = self._origins.setdefault(caller.origin, _Origin(self._policy.newcomer_pace))
            line = self.lines[caller.identity] = Line(caller, origin)
        return line

    def expect(self, caller: Caller, cost: int) -> None:
        """See `Lines.expect`."""
        line = self.line(caller)
        line.origin.lines.expect(line, cost)
        self.origins.expect(line.origin, cost)
        if len(self.lines) > self._most_lines:
            self._forget_idle()

    def add(self, task: Task, line: Line) -> None:
        """Let a task wait in one more line."""
        task.lines[line] += 1
        if task.lines[line] > 1:
            return
        if not line.tasks:
            self.origins.join(line.origin, self.quantum)
            line.origin.lines.join(line, self.quantum)
        line.tasks[task] = None
        line.lengths.add(task)
        self._lengths.add(task)
        # In each line: A queues 500 that B wants too; 500 wait in all, and each of the two has 500.
        line.cost += task.cost
        line.origin.cost += task.cost

    def discard(self, task: Task, line: Line) -> None:
        """Let a task wait no more in a line."""
        del line.tasks[task]
        del task.lines[line]
        line.lengths.discard(task)
        self._lengths.discard(task)
        line.cost -= task.cost
        line.origin.cost -= task.cost
        if not line.tasks:
            line.origin.lines.leave(line)
            if not line.origin.lines:
                self.origins.leave(line.origin)
            self._forget_idle()

    def earliest(self) -> Line:
        """The line whose turn it is; something must wait."""
        return self.origins.earliest().lines.earliest()

    def choose(self, limits: Limits) -> Iterator[tuple[Task, Line]]:
        """A batch around the oldest task of the line whose turn it is; the consumer takes each out of all lines."""
        line = self.earliest()
        packing = Packing(limits=limits)
        packing.add(oldest := next(iter(line.tasks)))
        yield oldest, line
        for index, limit in ((line.lengths, limits.own), (self._lengths, limits.fill)):
            for task in packing.fill(index, limit):
                yield task, line if line in task.lines else self._first(task.lines)

    def _first(self, lines: Iterable[Line]) -> Line:
        """The first of this class."""
        return next(line for line in lines if line.caller.priority is self.priority)

    def charge(self, line: Line, cost: int) -> None:
        """Advance a line and its origin by what was taken for it."""
        self.origins.charge(line.origin, cost)
        line.origin.lines.charge(line, cost)

    def settle(self, caller: Caller, cost: int) -> None:
        """See `Lines.settle`."""
        if (line := self.lines.get(caller.identity)) is not None:
            self.origins.settle(line.origin, cost)
            line.origin.lines.settle(line, cost)

    def cost_until(self, caller: Caller, cost: int) -> int:
        """See `Lines.cost_until`; of this class alone."""
        origin = self._origins.get(caller.origin) or _Origin(self._policy.newcomer_pace)
        line = self.lines.get(caller.identity) or Line(caller, origin)
        of_origin = origin.lines.cost_until(line, line.cost + cost, self.quantum)
        return self.origins.cost_until(origin, of_origin, self.quantum)

    def _forget_idle(self) -> None:
        """What is remembered of those without work stays bounded; where nothing waits, nobody owes anything."""
        if self.is_waiting and len(self.lines) <= self._most_lines:
            return
        self.lines = {who: line for who, line in self.lines.items() if line.cost or line.tasks}
        self._origins = {line.caller.origin: line.origin for line in self.lines.values()}
        self._most_lines = self._policy.most_idle + 2 * len(self.lines)


class Lines:
    """Tasks of all callers that wait. Not thread-safe.

    Args:
        policy: the tuned numbers.
    """

    def __init__(self, policy: Policy) -> None:
        self._classes = {priority: _Class(priority, policy) for priority in Priority}
        self._interactive, self._bulk = self._classes[Priority.INTERACTIVE], self._classes[Priority.BULK]
        self._floor = Floor(policy.bulk_floor)
        self._by_origin: Counter[str] = Counter()
        self.cost = 0
        """Tokens that wait, those that are expected included; a task that several want counts once."""

    def set_quantum(self, quantum: float) -> None:
        """What a client may have computed before its turn ends. Unit: tokens."""
        self._interactive.quantum = self._bulk.quantum = quantum

    @property
    def is_waiting(self) -> bool:
        """Whether any task waits."""
        return self._interactive.is_waiting or self._bulk.is_waiting

    def cost_of_client(self, caller: Caller) -> int:
        """Tokens of one client that wait, in both classes."""
        lines = (each.lines.get(caller.identity) for each in self._classes.values())
        return sum(line.cost for line in lines if line)

    def cost_of_origin(self, caller: Caller) -> int:
        """Tokens of all clients of its origin that wait."""
        return self._by_origin[caller.origin]

    def cost_of_class(self, priority: Priority) -> int:
        """Tokens that wait in a class."""
        return self._classes[priority].cost

    def expect(self, caller: Caller, cost: int) -> None:
        """Count tokens as waiting before they are queued; as many fewer with a negative number."""
        self._classes[caller.priority].expect(caller, cost)
        self._count_once(caller, cost)

    def add(self, tasks: Iterable[Task], request: Request) -> None:
        """Let tasks wait, or wait in one more line: each is computed when it is the turn of any who wants it."""
        its_class = self._classes[request.caller.priority]
        line = its_class.line(request.caller)
        for task in tasks:
            if not task.lines:
                task.first = request.caller
                self._count_once(task.first, task.cost)
            its_class.add(task, line)

    def leave(self, task: Task, request: Request) -> None:
        """A request no longer waits for a task."""
        its_class = self._classes[request.caller.priority]
        line = its_class.line(request.caller)
        task.lines[line] -= 1
        if not task.lines[line]:
            its_class.discard(task, line)
        if not task.lines:
            self._count_once(task.first, -task.cost)

    def take(self, limits: Limits) -> list[Task]:
        """The next batch; empty when nothing waits."""
        if not self.is_waiting:
            return []
        both, is_bulk = self._are_both_waiting, self._is_turn_of_bulk
        its_class = self._bulk if is_bulk else self._interactive
        batch, cost = [], 0
        for task, line in its_class.choose(limits):
            its_class.charge(line, task.cost)
            self._discard(task)
            batch.append(task)
            cost += task.cost
        if both or not is_bulk:
            self._floor.note(cost, is_other=is_bulk)
        if not both:
            self._floor.forgive()
        return batch

    def next_caller(self) -> Caller:
        """Whose turn it is; something must wait."""
        return (self._bulk if self._is_turn_of_bulk else self._interactive).earliest().caller

    def settle(self, caller: Caller, cost: int) -> None:
        """What was taken for a caller cost so much more than it was charged for; who is forgotten owes nothing."""
        its_class = self._classes[caller.priority]
        its_class.settle(caller, cost)
        is_bulk = its_class is self._bulk
        if (self._interactive if is_bulk else self._bulk).is_waiting:
            self._floor.note(cost, is_other=is_bulk)

    def cost_until(self, caller: Caller, cost: int) -> int:
        """Tokens that are computed until `cost` more of a caller are, those included, if nobody else comes."""
        of_class = self._classes[caller.priority].cost_until(caller, cost)
        if caller.priority is Priority.INTERACTIVE:
            of_other = min(self._bulk.cost, int(of_class / self._floor.favoured_per_other))
        else:
            of_other = min(self._interactive.cost, int(of_class * self._floor.favoured_per_other))
        return min(of_class + of_other, self.cost + cost)  # a task in several lines was counted in each

    def drop_all(self) -> Iterable[Task]:
        """Every task, which then waits no more."""
        lines = (line for each in self._classes.values() for line in each.lines.values())
        dropped = {task: None for line in lines for task in line.tasks}
        for task in dropped:
            self._discard(task)
        return dropped

    @property
    def _are_both_waiting(self) -> bool:
        """Whether tasks of both classes wait."""
        return self._interactive.is_waiting and self._bulk.is_waiting

    @property
    def _is_turn_of_bulk(self) -> bool:
        return self._floor.is_due if self._are_both_waiting else self._bulk.is_waiting

    def _discard(self, task: Task) -> None:
        """Take a task out of all lines."""
        for line in tuple(task.lines):
            self._classes[line.caller.priority].discard(task, line)
        self._count_once(task.first, -task.cost)

    def _count_once(self, caller: Caller, cost: int) -> None:
        """In all, in a class and in an origin a task counts once, for whoever asked for it first."""
        self._classes[caller.priority].cost += cost
        self._by_origin[caller.origin] += cost
        if not self._by_origin[caller.origin]:
            del self._by_origin[caller.origin]
        self.cost += cost
