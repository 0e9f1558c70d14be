"""The scheduler of one model: `submit`, `take`, `begin`, `finish`, `cancel`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.common.caller import Caller
from services.common.reply import Backlog
from services.scheduler.admission import Admission
from services.scheduler.lines import Lines
from services.scheduler.policy import Policy
from services.scheduler.speed import Speed
from services.scheduler.work import Batch, NotTaken, Request, Task, Work


class Scheduler:
    """Decides over plain data; whoever owns threads and clock tells it what happens. Not thread-safe.

    A request is submitted or refused as a whole. Each of its items becomes a task, or joins the task of an equal item.
    `take` gives a batch of tasks, `begin` says that it is computed now, `finish` that it is. A request that is
    cancelled, or cannot meet its deadline, is forgotten, and what nobody else wants of it is not computed.

    Args:
        policy: the tuned numbers.
        most_queued: tokens that may wait.
        most_batched: no batch is larger, but a task that is larger alone still makes one. Unit: tokens.
        replicas: batches that are computed at once.
        unit: of costs, for messages; here and in the policy they are called tokens.
    """

    def __init__(
        self, policy: Policy, *, most_queued: int, most_batched: int, replicas: int = 1, unit: str = "tokens"
    ) -> None:
        self._policy = policy
        self._replicas = replicas
        self._speed = Speed()
        self._most_ever = self._most_batched = most_batched
        """The second may be lowered for a while by what fits into memory."""
        self._lines = Lines(policy)
        self._admission = Admission(policy, self._lines, most=most_queued, seconds=self._seconds, unit=unit)
        self._joinable: dict[bytes, Task] = {}
        """Queued and taken tasks by key."""
        self._taken: set[Batch] = set()
        """Batches that are computed, or prepared for it."""
        self._taken_cost = 0
        self._learned_s = -math.inf
        self._last_client: tuple[str, str] | None = None
        """By its identity."""
        self._contended_until_s = -math.inf
        """Several clients send work until then."""
        self._longest_s = policy.longest_s
        """Of a batch, as long as its fixed cost allows."""
        self._use(self._speed)

    def problem(self, cost: int, caller: Caller, deadline_s: float, now_s: float) -> NotTaken | None:
        """Why `cost` more tokens of a caller would not be taken; None when they would, and when there are none."""
        if not cost:
            return None
        return self._admission.problem(
            cost,
            caller,
            left_s=deadline_s - now_s,
            now_s=now_s,
            taken=self._taken_cost,
            idle_doubt=self._doubt_factor(now_s),
        )

    def reserve(self, caller: Caller, cost: int) -> None:
        """Count tokens as waiting that are about to be submitted; as many fewer with a negative number."""
        self._lines.expect(caller, cost)

    def submit(self, request: Request, works: Sequence[tuple[int, Work]], now_s: float) -> list[int] | NotTaken:
        """Queue what is not on its way already, or nothing.

        Args:
            request: whose; empty.
            works: its items, each with its position.
            now_s: on the clock.

        Returns:
            Positions whose result comes with an equal item's, ascending; or why the request is not taken.
        """
        fresh: dict[bytes, Task] = {}
        places: list[tuple[int, Task]] = []
        joined: list[int] = []
        cost = 0
        for position, work in works:
            task = None if work.key is None else self._joinable.get(work.key) or fresh.get(work.key)
            if task is not None:
                joined.append(position)
            else:
                task = Task(work=work)
                cost += work.cost
                if work.key is not None:
                    fresh[work.key] = task
            places.append((position, task))
        if (problem := self.problem(cost, request.caller, request.deadline_s, now_s)) is not None:
            return problem
        self._note_client(request.caller, now_s)
        self._joinable.update(fresh)
        for position, task in places:
            self._wait(request, task, position, now_s)
        self._lines.add([task for task in request.tasks if task.batch is None], request)
        return joined

    def is_coming(self, key: bytes) -> bool:
        """Whether a task of that key waits or is computed, which an equal item would join."""
        return key in self._joinable

    def next_caller(self) -> Caller:
        """Whose task the next batch is made around; something must wait."""
        return self._lines.next_caller()

    def take(self, now_s: float) -> Batch:
        """The next batch; without tasks when nothing waits that anybody could still use."""
        policy, is_contended = self._policy, now_s < self._contended_until_s
        longest_s = policy.longest_contended_s if is_contended else policy.longest_s
        if longest_s != self._longest_s:
            self._longest_s = longest_s
            self._use(self._speed)
        batch = Batch(since_s=now_s)
        while self._lines.is_waiting and not batch.tasks:
            batch.tasks = self._lines.take(self._limits)
            for task in batch.tasks:
                task.batch = batch
            self._drop_late(batch, now_s)
        if batch.tasks:
            self._taken.add(batch)
            self._taken_cost += batch.cost
        return batch

    def begin(self, batch: Batch, now_s: float) -> None:
        """A batch is computed from now on: what nobody wants any more leaves it before."""
        self._taken_cost -= batch.cost
        self._drop_late(batch, now_s)
        self._taken_cost += batch.cost
        batch.has_begun, batch.since_s = True, now_s
        batch.requests = {request for task in batch.tasks for request in task.waiters}
        for request in batch.requests:
            request.begin(now_s)
        if not batch.tasks:
            self._taken.discard(batch)
        batch.is_only = len(self._taken) == 1 and not self._lines.is_waiting

    def finish(self, batch: Batch, now_s: float) -> list[Request]:
        """A batch is computed; returns the requests of which nothing is missing now."""
        complete = []
        self._taken.discard(batch)
        for request in batch.requests:
            request.end(now_s)
        self._taken_cost -= batch.cost
        for task in batch.tasks:
            self._forget_key(task)
            for request, positions in task.waiters.items():
                request.missing -= len(positions)
                request.missing_cost -= task.cost
                if not request.missing:
                    request.finished_s = now_s
                    complete.append(request)
        return complete

    def cancel(self, request: Request) -> None:
        """A request is given up, or over; what nobody else wants of it is not computed."""
        if not request.missing:
            return
        for task in request.tasks:
            if task.waiters.pop(request, None) is None:
                continue
            if task.lines:
                self._lines.leave(task, request)
            if not task.waiters and task.batch is None:
                self._forget_key(task)
        request.missing = request.missing_cost = 0

    def settle(self, caller: Caller, cost: int) -> None:
        """What a caller had computed cost so much more than was thought, or less with a negative number.

        For work whose cost can only be guessed before: so whoever asks for what is dearer than it looks waits longer
        for its next turn.
        """
        self._lines.settle(caller, cost)

    def note_batch(self, speed: Speed | None, *, padded_tokens: int, now_s: float) -> None:
        """A batch was computed as under load.

        Args:
            speed: what is known of the model now; None for nothing new.
            padded_tokens: of the batch.
            now_s: on the clock.
        """
        if speed is not None:
            self._learned_s = now_s
        if self._most_batched < self._most_ever and padded_tokens > self._policy.memory_near * self._most_batched:
            grown = math.ceil(self._most_batched * self._policy.memory_regrowth)
            self._most_batched, speed = min(self._most_ever, grown), speed or self._speed
        if speed is not None:
            self._use(speed)

    def note_memory_full(self, padded_tokens: int) -> None:
        """The device had no memory for a batch of that size: for long none will be so large again."""
        least = min(self._policy.least_tokens, self._most_ever)
        self._most_batched = max(least, min(self._most_batched, padded_tokens // 2))
        self._use(self._speed)

    def backlog(self) -> Backlog:
        """Work that waits, and how long it and the work in progress will take."""
        cost = self._lines.cost + self._taken_cost
        return Backlog(queued_cost=self._lines.cost, predicted_wait_s=self._seconds(cost) if cost else 0.0)

    @property
    def oldest_s(self) -> float:
        """When the batch that has taken longest was taken, or begun; infinite when there is none."""
        return min((batch.since_s for batch in self._taken), default=math.inf)

    @property
    def is_waiting(self) -> bool:
        """Whether any task waits."""
        return self._lines.is_waiting

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, is expected or is taken."""
        return not (self._lines.is_waiting or self._lines.cost or self._taken)

    def drop_all(self) -> set[Request]:
        """Forget everything; returns the requests that waited."""
        tasks = [*self._lines.drop_all(), *(task for batch in self._taken for task in batch.tasks)]
        self._joinable.clear()
        return {request for task in tasks for request in task.waiters}

    def _wait(self, request: Request, task: Task, position: int, now_s: float) -> None:
        """Let a request wait for a task."""
        request.missing += 1
        if (positions := task.waiters.get(request)) is not None:
            positions.append(position)
            return
        task.waiters[request] = [position]
        request.tasks.append(task)
        request.missing_cost += task.cost
        if (batch := task.batch) is not None and batch.has_begun and request not in batch.requests:
            batch.requests.add(request)
            request.begin(now_s)

    def _drop_late(self, batch: Batch, now_s: float) -> None:
        """Forget the requests that cannot meet their deadlines, and the tasks that nobody wants."""
        for request in {request for task in batch.tasks for request in task.waiters}:
            if self._cannot_be_in_time(request, now_s):
                batch.late.append(request)
                self.cancel(request)
        for task in batch.tasks:
            if not task.waiters:
                self._forget_key(task)
        batch.tasks = [task for task in batch.tasks if task.waiters]
        batch.cost = sum(task.cost for task in batch.tasks)

    def _cannot_be_in_time(self, request: Request, now_s: float) -> bool:
        left_s = request.deadline_s - now_s
        return left_s <= 0 or self._seconds(request.missing_cost) > self._doubt_factor(now_s) * left_s

    def _note_client(self, caller: Caller, now_s: float) -> None:
        last, self._last_client = self._last_client, caller.identity
        if last is not None and last != self._last_client:
            self._contended_until_s = now_s + self._policy.contended_s

    def _forget_key(self, task: Task) -> None:
        """Nobody may join the task any more."""
        key = task.work.key
        if key is not None and self._joinable.get(key) is task:
            del self._joinable[key]

    def _doubt_factor(self, now_s: float) -> float:
        """By how much a prediction may be too long."""
        return self._policy.doubt_factor if now_s - self._learned_s > self._policy.doubt_s else 1.0

    def _seconds(self, tokens: float) -> float:
        """Time until so many tokens of usual items are computed, on all replicas."""
        return self._speed.seconds_of(tokens, batch=self._limits.own) / self._replicas

    def _use(self, speed: Speed) -> None:
        """Make batches as large as this speed, and what fits into memory, let them be."""
        self._speed = speed
        self._limits = speed.limits(self._policy, longest_s=self._longest_s, most=self._most_batched)
        quantum = max(self._limits.fill, self._replicas * speed.tokens_in(self._policy.quantum_s))
        self._lines.set_quantum(min(self._most_batched, quantum))
