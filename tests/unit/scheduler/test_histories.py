"""Random histories against what must always hold. Each is short, so that the numbers in a failing one can be read.

Whatever happens: no more waits than may, of bulk work than its half, of a client and an origin than its part when it is
let in; each item of a request is delivered once, or the request is late or given up and nothing more is computed for
it; in the end nothing is left behind. Who gets how much and when is tested in `test_sharing`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from services.common.caller import Caller, Priority
from services.scheduler.policy import Policy
from services.scheduler.scheduler import Scheduler
from services.scheduler.speed import Speed
from services.scheduler.work import Batch, NotTaken, Request, Task, Work

HISTORIES = 100_000
MOST_QUEUED = 200
MOST_BATCHED = 24
POLICY = Policy(least_tokens=12)
SPEED = Speed(per_token=0.01, per_item=0.0, per_batch=0.05, tokens_per_item=4.0)
CALLERS = [
    Caller(client=client, origin=origin, priority=priority)
    for client, origin in (("a", "x"), ("b", "x"), ("a", "y"), ("", "z"))
    for priority in Priority
]
DEADLINES_S = (0.2, 1.0, 5.0, 100.0)
KEYS = (None, None, b"x", b"y", b"z")


@dataclass
class History:
    """A scheduler, what it was told, and what came of it."""

    chance: random.Random
    now_s: float = 0.0
    replicas: int = 1
    waiting: dict[Request, None] = field(default_factory=dict)
    """Neither complete, nor cancelled, nor late."""
    gone: set[Request] = field(default_factory=set)
    """Cancelled or late."""
    missing: dict[Request, set[int]] = field(default_factory=dict)
    """Positions that were not delivered, of each request that waits."""
    taken: list[Batch] = field(default_factory=list)
    running: list[Batch] = field(default_factory=list)
    computed: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replicas = self.chance.choice((1, 2))
        self.scheduler = Scheduler(POLICY, most_queued=MOST_QUEUED, most_batched=MOST_BATCHED, replicas=self.replicas)
        if self.chance.random() < 0.7:
            self.scheduler.note_batch(SPEED, padded_tokens=1, now_s=0.0)

    def submit(self) -> None:
        chance = self.chance
        caller = chance.choice(CALLERS)
        deadline_s = self.now_s + chance.choice(DEADLINES_S)
        request = Request(caller=caller, deadline_s=deadline_s, submitted_s=self.now_s)
        works = []
        for at in range(chance.randrange(1, 8)):
            key = chance.choice(KEYS)
            works.append((at, Work(payload=None, cost=7 if key else chance.randrange(1, 25), key=key)))
        own, origin, bulk, all_ = self.queued(caller)
        outcome = self.scheduler.submit(request, works, self.now_s)
        if isinstance(outcome, NotTaken):
            assert not request.tasks
            return
        self.waiting[request] = None
        self.missing[request] = {at for at, _ in works}
        new = [task for task in request.tasks if task.batch is None and len(task.waiters) == 1]
        if cost := sum(task.cost for task in new):
            free = MOST_QUEUED - all_ - cost
            assert free >= 0, "more waits than may"
            assert own + cost <= POLICY.client_factor * free, "a client has more than its part"
            assert origin + cost <= POLICY.origin_factor * free, "an origin has more than its part"
            is_bulk = caller.priority is Priority.BULK
            assert not is_bulk or bulk + cost <= MOST_QUEUED / 2, "bulk work has more than its half"

    def queued(self, caller: Caller) -> tuple[int, int, int, int]:
        """Tokens that wait for a caller, for its origin, of bulk work, and in all."""
        own = origin = bulk = all_ = 0
        for task in {task: None for request in self.waiting for task in request.tasks if task.batch is None}:
            cost = task.cost
            wanted = {
                request.caller.priority
                for request in task.waiters
                if request.caller.client == caller.client and request.caller.origin == caller.origin
            }
            own += cost * len(wanted)
            origin += cost * (task.first.origin == caller.origin)
            bulk += cost * (task.first.priority is Priority.BULK)
            all_ += cost
        return own, origin, bulk, all_

    def reserve(self) -> None:
        caller, cost = self.chance.choice(CALLERS), self.chance.randint(1, 30)
        if self.scheduler.problem(cost, caller, self.now_s + 100, self.now_s) is None:
            self.scheduler.reserve(caller, cost)
            assert self.scheduler.backlog().queued_cost <= MOST_QUEUED
            self.scheduler.reserve(caller, -cost)

    def take(self) -> None:
        batch = self.scheduler.take(self.now_s)
        self.note_late(batch)
        if batch.tasks:
            self.taken.append(batch)

    def begin(self) -> None:
        if not self.taken or len(self.running) >= self.replicas:
            return
        batch = self.taken.pop(self.chance.randrange(len(self.taken)))
        self.scheduler.begin(batch, self.now_s)
        self.note_late(batch)
        for task in batch.tasks:
            assert task.waiters, "computed for nobody"
            assert not self.gone.intersection(task.waiters), "computed after its caller left"
        self.computed += batch.tasks
        if batch.tasks:
            self.running.append(batch)

    def finish(self) -> None:
        if self.running:
            batch = self.running.pop(self.chance.randrange(len(self.running)))
            for task in batch.tasks:
                for request, positions in task.waiters.items():
                    assert request not in self.gone, "delivered after its caller left"
                    assert self.missing[request].issuperset(positions), "delivered twice"
                    self.missing[request].difference_update(positions)
            for request in self.scheduler.finish(batch, self.now_s):
                assert request in self.waiting, "completed twice, or after it was gone"
                assert not self.missing[request], "complete though something is missing"
                assert request.compute_s <= self.now_s - request.submitted_s
                assert request.running == 0
                del self.waiting[request]

    def cancel(self) -> None:
        if self.waiting:
            request = self.chance.choice([*self.waiting])
            self.scheduler.cancel(request)
            del self.waiting[request]
            self.gone.add(request)

    def wait(self) -> None:
        self.now_s += self.chance.choice((0.01, 0.1, 1.0))

    def note_late(self, batch: Batch) -> None:
        for request in batch.late:
            if request in self.waiting:
                del self.waiting[request]
                self.gone.add(request)

    def check(self) -> None:
        lines = self.scheduler._lines
        queued = {task for of in lines._classes.values() for line in of.lines.values() for task in line.tasks}
        assert 0 <= lines.cost <= MOST_QUEUED
        assert lines.cost == sum(task.cost for task in queued)
        assert lines.cost_of_class(Priority.BULK) <= MOST_QUEUED / 2
        assert all(task.waiters and task.batch is None for task in queued)
        assert self.scheduler._taken_cost == sum(batch.cost for batch in (*self.taken, *self.running))

    def drain(self) -> None:
        """Compute what is left."""
        for _ in range(1000):
            self.take()
            self.begin()
            self.finish()
            if self.scheduler.is_idle:
                return
        raise AssertionError("never idle")


STEPS = [
    *[History.submit] * 8,
    *[History.take, History.begin, History.finish] * 3,
    *[History.cancel, History.wait] * 2,
    History.reserve,
]


@pytest.mark.parametrize("part", range(10))
def test_whatever_happens_nothing_is_lost_late_or_out_of_bounds(part: int) -> None:
    for seed in range(part, HISTORIES, 10):
        history = History(random.Random(seed))
        try:
            for _ in range(history.chance.randrange(3, 17)):
                history.chance.choice(STEPS)(history)
            history.check()
            history.drain()
            assert not history.waiting, "lost"
            assert not history.scheduler._joinable
            assert history.scheduler._lines.cost == 0
            assert all(not history.scheduler._lines.cost_of_client(caller) for caller in CALLERS)
        except BaseException as problem:
            raise AssertionError(f"history {seed}: {problem!r}") from problem
