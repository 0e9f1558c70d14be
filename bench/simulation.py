"""The scheduler in a simulated world: an engine that takes the time that it is told to, callers by the clock.

Nothing here takes real time, and a seed gives the same world again, so that two policies can be told apart by little.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from services.common.caller import Caller
from services.scheduler.policy import Policy
from services.scheduler.scheduler import Scheduler
from services.scheduler.speed import SpeedModel
from services.scheduler.work import Batch, NotTaken, Request, Work

_MOST_BATCHED = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What a batch really takes. Unit: seconds."""

    per_token: float = 270e-6
    per_batch: float = 1e-3
    noise: float = 0.0
    """Standard deviation of the logarithm of a batch's time."""
    stalls_per_s: float = 0.0
    """How often something else takes the cores."""
    stall_s: float = 0.05
    floor_s: float = 0.0
    """What a batch takes at least."""
    memory_tokens: int = _MOST_BATCHED
    memory_until_s: float = 0.0
    """Until then the device has memory for so many tokens."""

    def seconds(self, padded_tokens: int, chance: random.Random) -> float:
        """Time of a batch."""
        exact_s = max(self.floor_s, self.per_token * padded_tokens + self.per_batch)
        took_s = exact_s * chance.lognormvariate(0.0, self.noise)
        return took_s + self.stall_s * (chance.random() < self.stalls_per_s * took_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request that comes."""

    at_s: float
    caller: Caller
    lengths: tuple[int, ...]
    """Tokens of each item."""
    deadline_s: float = 1.0
    """Time that its caller gives it."""
    tries: int = 1
    """Times that it is sent, each when the refusal before said."""
    first_s: float | None = None
    """When it came first."""
    number: int = 1
    """Which try it is."""
    then: Callable[[], Arrival] | None = None
    """What its caller sends when it ended."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a request."""

    arrival: Arrival
    kind: str
    """`good`, `late` or `refused`."""
    took_s: float = 0.0


class World:
    """One simulated run.

    Args:
        policy: of the scheduler.
        engine: what batches take.
        seed: of the engine's chance.
        most_queued: tokens that may wait.
        first: the engine as it seemed while the scheduler learned it first.
    """

    def __init__(
        self,
        policy: Policy,
        engine: Engine,
        *,
        seed: int = 1,
        most_queued: int = 1 << 20,
        first: Engine | None = None,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.computed, self.padded = 0, 0
        """Tokens, without and with padding."""
        self.batches_s: list[float] = []
        self.now_s = 0.0
        self._engine = engine
        self._chance = random.Random(seed)
        self._scheduler = Scheduler(policy, most_queued=most_queued, most_batched=_MOST_BATCHED)
        self._model = SpeedModel(policy)
        self._numbers = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._open: dict[Request, Arrival] = {}
        self._is_busy = False
        self._warm_up(first or engine)

    def run(self, arrivals: Iterable[Arrival], *, until_s: float) -> World:
        """Let the arrivals come and the engine compute until the end."""
        for arrival in arrivals:
            self.at(arrival.at_s, partial(self.come, arrival))
        while self._events and self._events[0][0] <= until_s:
            self.now_s, _, what = heapq.heappop(self._events)
            what()
        return self

    def at(self, moment_s: float, what: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        heapq.heappush(self._events, (moment_s, next(self._numbers), what))

    def come(self, arrival: Arrival) -> None:
        """A request comes now."""
        deadline_s = self.now_s + arrival.deadline_s
        request = Request(caller=arrival.caller, deadline_s=deadline_s, submitted_s=self.now_s)
        works = [(place, Work(payload=None, cost=cost)) for place, cost in enumerate(arrival.lengths)]
        outcome = self._scheduler.submit(request, works, self.now_s)
        if isinstance(outcome, NotTaken):
            self._refuse(arrival, outcome)
        else:
            self._open[request] = arrival
            self.at(deadline_s, partial(self._give_up, request))
        self._compute()

    def _refuse(self, arrival: Arrival, refusal: NotTaken) -> None:
        retry_after_s = refusal.error.retry_after_s
        if arrival.number >= arrival.tries or retry_after_s is None:
            self._note(arrival, "refused")
            return
        first_s = self.now_s if arrival.first_s is None else arrival.first_s
        again = replace(arrival, at_s=self.now_s + retry_after_s, first_s=first_s, number=arrival.number + 1)
        self.at(again.at_s, partial(self.come, again))

    def _give_up(self, request: Request) -> None:
        if (arrival := self._open.pop(request, None)) is not None:
            self._scheduler.cancel(request)
            self._note(arrival, "late")

    def _compute(self) -> None:
        if self._is_busy:
            return
        batch = self._scheduler.take(self.now_s)
        for request in batch.late:
            if (arrival := self._open.pop(request, None)) is not None:
                self._note(arrival, "late")
        if not batch.tasks:
            return
        self._scheduler.begin(batch, self.now_s)
        lengths = [task.cost for task in batch.tasks]
        padded, took_s = _padded(lengths), self._attempt(lengths)
        self._is_busy = True
        self.computed += batch.cost
        self.padded += padded
        self.batches_s.append(took_s)
        self.at(self.now_s + took_s, partial(self._end, batch, padded, took_s))

    def _attempt(self, lengths: Sequence[int]) -> float:
        """Time of a batch, which is halved where there is no memory for it."""
        engine, padded = self._engine, _padded(lengths)
        if len(lengths) == 1 or self.now_s >= engine.memory_until_s or padded <= engine.memory_tokens:
            return engine.seconds(padded, self._chance)
        self._scheduler.note_memory_full(padded)
        half = len(lengths) // 2
        return engine.per_batch + self._attempt(lengths[:half]) + self._attempt(lengths[half:])

    def _end(self, batch: Batch, padded: int, took_s: float) -> None:
        self._is_busy = False
        speed = self._model.observe(tokens=padded, items=len(batch.tasks), seconds=took_s)
        self._scheduler.note_batch(speed, padded_tokens=padded, now_s=self.now_s)
        for request in self._scheduler.finish(batch, self.now_s):
            arrival = self._open.pop(request)
            began_s = request.submitted_s if arrival.first_s is None else arrival.first_s
            self._note(arrival, "good", self.now_s - began_s)
        self._compute()

    def _note(self, arrival: Arrival, kind: str, took_s: float = 0.0) -> None:
        self.outcomes.append(Outcome(arrival=arrival, kind=kind, took_s=took_s))
        if arrival.then is not None:
            self.at(self.now_s, partial(self.come, replace(arrival.then(), at_s=self.now_s)))

    def _warm_up(self, engine: Engine) -> None:
        for length, items in itertools.product((8, 32, 128), (1, 4, 16, 64)):
            took_s = engine.per_token * length * items + engine.per_batch
            speed = self._model.observe(tokens=length * items, items=items, seconds=took_s)
            self._scheduler.note_batch(speed, padded_tokens=length * items, now_s=0.0)


def _padded(lengths: Sequence[int]) -> int:
    return len(lengths) * max(lengths)
