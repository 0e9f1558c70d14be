"""What waits, in two classes of priority: origins take turns, and the clients of an origin take turns in its part.

A client may call itself what it likes, but not choose where it calls from. With 200 names from one machine and one from
another, the one gets half, also where the 200 are new ones each time; where all come from one machine, as behind a
proxy, each gets its 200th. Module `turns` has the rule.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator

from services.common.caller import Caller, Priority
from services.models.scheduler.packing import LengthIndex, Limits, Packing
from services.models.scheduler.policy import Policy
from services.models.scheduler.turns import Floor, Sharer, SharerT, Turns
from services.models.scheduler.work import Request, Task

_MOST_IDLE = 4096
"""Clients without work whose virtual time is remembered: more are forgotten, which gives each a quantum at most."""


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

    __slots__ = ("lines", "turns")

    def __init__(self, pace: float) -> None:
        super().__init__()
        self.lines: dict[str, Line] = {}
        """By client."""
        self.turns: Turns[Line] = Turns(pace)


class _Class:
    """The lines of one class of priority.

    Args:
        priority: the class.
        pace: see `Turns`.
    """

    def __init__(self, priority: Priority, pace: float) -> None:
        self.priority = priority
        self._pace = pace
        self.quantum = 0.0
        """Unit: tokens."""
        self.cost = 0
        """Tokens of the tasks that were queued here first, and of those that are expected."""
        self.number = 0
        """Lines, those without work included."""
        self._waiting = 0
        """Lines with tasks."""
        self._origins: dict[str, _Origin] = {}
        self._turns: Turns[_Origin] = Turns(pace)
        self._lengths = LengthIndex()

    @property
    def is_waiting(self) -> bool:
        """Whether any task waits."""
        return self._waiting > 0

    def lines(self) -> Iterator[Line]:
        """All of them."""
        return (line for origin in self._origins.values() for line in origin.lines.values())

    def find(self, caller: Caller) -> Line | None:
        """The caller's line, if there is one."""
        origin = self._origins.get(caller.origin)
        return origin.lines.get(caller.client) if origin else None

    def line(self, caller: Caller) -> Line:
        """The caller's line, made where there is none."""
        if (line := self.find(caller)) is None:
            origin = self._origins.setdefault(caller.origin, _Origin(self._pace))
            line = origin.lines[caller.client] = Line(caller, origin)
            self.number += 1
        return line

    def count_in_line(self, line: Line, cost: int) -> None:
        """So many more tokens wait in a line, or will.

        A task counts in each line: A queues 500 that B wants too; 500 wait in all, and each of the two has 500.
        """
        line.cost += cost
        line.origin.cost += cost

    def add(self, task: Task, line: Line) -> None:
        """Let a task wait in one more line."""
        task.lines[line] += 1
        if task.lines[line] > 1:
            return
        if not line.tasks:
            self._waiting += 1
            if not line.origin.turns:
                self._turns.join(line.origin, self.quantum)
            line.origin.turns.join(line, self.quantum)
        line.tasks[task] = None
        line.lengths.add(task)
        self._lengths.add(task)
        self.count_in_line(line, task.cost)

    def discard(self, task: Task, line: Line) -> None:
        """Let a task wait no more in a line."""
        del line.tasks[task]
        del task.lines[line]
        line.lengths.discard(task)
        self._lengths.discard(task)
        self.count_in_line(line, -task.cost)
        if not line.tasks:
            self._waiting -= 1
            line.origin.turns.leave(line)
            if not line.origin.turns:
                self._turns.leave(line.origin)
            self._forget_idle()

    def choose(self, limits: Limits) -> Iterator[tuple[Task, Line]]:
        """A batch around the oldest task of the line whose turn it is; the consumer takes each out of all lines."""
        line = self._turns.earliest().turns.earliest()
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
        self._turns.charge(line.origin, cost)
        line.origin.turns.charge(line, cost)

    def before(self, caller: Caller, cost: int) -> int:
        """Tokens that are computed until `cost` more of a caller are done, its own included, if nobody else comes."""
        origin = self._origins.get(caller.origin) or _Origin(self._pace)
        own = origin.lines.get(caller.client) or Line(caller, origin)
        of_origin = self._until(origin.turns, origin.lines.values(), own, own.cost + cost)
        return self._until(self._turns, self._origins.values(), origin, of_origin)

    def _until(self, turns: Turns[SharerT], sharers: Iterable[SharerT], own: SharerT, cost: int) -> int:
        """Tokens of all sharers until one of them has had so many.

        Another's are computed until its virtual time passes that of the one's last token. A newcomer at 900 who asks
        for 50 ends at 950: of one at 1,000 nothing is before it, of one at 920 with 100 waiting 30 are.
        """
        end = turns.start(own, self.quantum) + cost
        others = (each for each in sharers if each is not own and each.cost)
        return cost + sum(max(0, min(each.cost, int(end - turns.start(each, self.quantum)))) for each in others)

    def _forget_idle(self) -> None:
        """What is remembered of those without work stays bounded; where nothing waits, nobody owes anything."""
        if self._waiting and self.number <= _MOST_IDLE + 2 * self._waiting:
            return
        for origin in self._origins.values():
            origin.lines = {client: line for client, line in origin.lines.items() if line.cost or line.tasks}
        self._origins = {name: origin for name, origin in self._origins.items() if origin.lines}
        self.number = sum(len(origin.lines) for origin in self._origins.values())


class Lines:
    """Tasks of all callers that wait. Not thread-safe.

    Args:
        policy: the tuned numbers.
    """

    def __init__(self, policy: Policy) -> None:
        self._classes = {priority: _Class(priority, policy.newcomer_pace) for priority in Priority}
        self._interactive, self._bulk = self._classes[Priority.INTERACTIVE], self._classes[Priority.BULK]
        self._floor = Floor(policy.bulk_floor)
        self._by_origin: Counter[str] = Counter()
        self.cost = 0
        """Tokens that wait, those that are expected included; a task that several want counts once."""

    def set_quantum(self, quantum: float) -> None:
        """What a client may have computed before its turn ends. Unit: tokens."""
        for of_class in self._classes.values():
            of_class.quantum = quantum

    @property
    def is_waiting(self) -> bool:
        """Whether any task waits."""
        return self._interactive.is_waiting or self._bulk.is_waiting

    def cost_of_client(self, caller: Caller) -> int:
        """Tokens of one client that wait, in both classes."""
        lines = (of.find(caller) for of in self._classes.values())
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
        of.count_in_line(of.line(caller), cost)
        self._count_once(caller, cost)

    def add(self, task: Task, request: Request) -> None:
        """Let a task wait, or wait in one more line: it is computed when it is the turn of any who wants it."""
        of = self._classes[request.caller.priority]
        if not task.lines:
            task.first = request.caller
            self._count_once(task.first, task.cost)
        of.add(task, of.line(request.caller))

    def leave(self, task: Task, request: Request) -> None:
        """A request no longer waits for a task."""
        of = self._classes[request.caller.priority]
        line = of.line(request.caller)
        task.lines[line] -= 1
        if not task.lines[line]:
            of.discard(task, line)
        if not task.lines:
            self._count_once(task.first, -task.cost)

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
        if both or not is_bulk:
            self._floor.note(sum(task.cost for task in batch), is_other=is_bulk)
        if not both:
            self._floor.forgive()
        return batch

    def before(self, caller: Caller, cost: int) -> int:
        """Tokens that are computed until `cost` more of a caller are done, its own included, if nobody else comes."""
        own = self._classes[caller.priority].before(caller, cost)
        if caller.priority is Priority.INTERACTIVE:
            other = min(self._bulk.cost, int(own / self._floor.favoured_per_other))
        else:
            other = min(self._interactive.cost, int(own * self._floor.favoured_per_other))
        return min(own + other, self.cost + cost)  # a task in several lines was counted in each

    def drop_all(self) -> Iterable[Task]:
        """Every task, which then waits no more."""
        dropped = {task: None for of in self._classes.values() for line in of.lines() for task in line.tasks}
        for task in dropped:
            self._discard(task)
        return dropped

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
