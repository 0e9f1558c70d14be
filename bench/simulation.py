"""The scheduler in a simulated world: an engine that takes the time that it is told to, callers by the clock.

Nothing here takes real time, and a seed gives the same world again, so that two policies can be told apart by little.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from services.common.caller import Caller
from services.common.errors import Overloaded
from services.models.scheduler.policy import Policy
from services.models.scheduler.scheduler import Scheduler
from services.models.scheduler.speed import Speed, SpeedModel
from services.models.scheduler.work import Batch, Refusal, Request, Work


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

    def seconds(self, padded_tokens: int, chance: random.Random) -> float:
        """Time of a batch."""
        took_s = (self.per_token * padded_tokens + self.per_batch) * chance.lognormvariate(0.0, self.noise)
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


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a request."""

    arrival: Arrival
    kind: str
    """`good`, `late` or `refused`."""
    took_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class World:
    """One simulated run."""

    policy: Policy
    engine: Engine
    seed: int = 1
    most_queued: int = 1 << 20
    most_batched: int = 8192
    outcomes: list[Outcome] = field(default_factory=list)
    computed: int = 0
    """Tokens, without padding."""
    padded: int = 0
    busy_s: float = 0.0
    now_s: float = 0.0
    batches_s: list[float] = field(default_factory=list)

    def run(self, arrivals: Iterator[Arrival], *, until_s: float) -> World:
        """Let the arrivals come and the engine compute until the end."""
        chance = random.Random(self.seed)
        scheduler = Scheduler(self.policy, most_queued=self.most_queued, most_batched=self.most_batched)
        model = SpeedModel(self.policy)
        self._warm_up(scheduler, model)
        numbers = itertools.count()
        events: list[tuple[float, int, Callable[[], None]]] = []
        open_requests: dict[Request, Arrival] = {}
        running: list[Batch] = []

        def at(moment_s: float, what: Callable[[], None]) -> None:
            heapq.heappush(events, (moment_s, next(numbers), what))

        def come(arrival: Arrival) -> None:
            request = Request(caller=arrival.caller, deadline_s=self.now_s + arrival.deadline_s, submitted_s=self.now_s)
            works = [(place, Work(payload=None, cost=cost)) for place, cost in enumerate(arrival.lengths)]
            outcome = scheduler.submit(request, works, self.now_s)
            if isinstance(outcome, Refusal):
                self._refused(arrival, outcome, at, come)
            else:
                open_requests[request] = arrival
                at(request.deadline_s, lambda: give_up(request))
            compute()

        def give_up(request: Request) -> None:
            if (arrival := open_requests.pop(request, None)) is not None:
                scheduler.cancel(request, self.now_s)
                self.outcomes.append(Outcome(arrival=arrival, kind="late"))

        def compute() -> None:
            if running:
                return
            batch = scheduler.take(self.now_s)
            for request in batch.late:
                if (arrival := open_requests.pop(request, None)) is not None:
                    self.outcomes.append(Outcome(arrival=arrival, kind="late"))
            if not batch.tasks:
                return
            scheduler.begin(batch, self.now_s)
            running.append(batch)
            padded = len(batch.tasks) * max(task.cost for task in batch.tasks)
            took_s = self.engine.seconds(padded, chance)
            self.computed += batch.cost
            self.padded += padded
            self.busy_s += took_s
            self.batches_s.append(took_s)
            at(self.now_s + took_s, lambda: end(batch, padded, took_s))

        def end(batch: Batch, padded: int, took_s: float) -> None:
            running.clear()
            speed = model.observe(tokens=padded, items=len(batch.tasks), seconds=took_s)
            scheduler.learn(speed, padded_tokens=padded, now_s=self.now_s)
            for request in scheduler.finish(batch, self.now_s):
                arrival = open_requests.pop(request)
                took = self.now_s - (request.submitted_s if arrival.first_s is None else arrival.first_s)
                self.outcomes.append(Outcome(arrival=arrival, kind="good", took_s=took))
            compute()

        coming = next(arrivals, None)
        while coming is not None or events:
            if coming is not None and (not events or coming.at_s <= events[0][0]):
                self.now_s, arrival = coming.at_s, coming
                coming = next(arrivals, None)
                come(arrival)
            else:
                self.now_s, _, what = heapq.heappop(events)
                if self.now_s > until_s:
                    break
                what()
        return self

    def _refused(
        self, arrival: Arrival, refusal: Refusal, at: Callable[..., None], come: Callable[[Arrival], None]
    ) -> None:
        error = refusal.error
        if arrival.number >= arrival.tries or not isinstance(error, Overloaded) or error.retry_after_s is None:
            self.outcomes.append(Outcome(arrival=arrival, kind="refused"))
            return
        again = Arrival(
            at_s=self.now_s + error.retry_after_s,
            caller=arrival.caller,
            lengths=arrival.lengths,
            deadline_s=arrival.deadline_s,
            tries=arrival.tries,
            first_s=self.now_s if arrival.first_s is None else arrival.first_s,
            number=arrival.number + 1,
        )
        at(again.at_s, lambda: come(again))

    def _warm_up(self, scheduler: Scheduler, model: SpeedModel) -> None:
        for length in (8, 32, 128):
            for items in (1, 4, 16, 64):
                took_s = self.engine.per_token * length * items + self.engine.per_batch
                speed: Speed | None = model.observe(tokens=length * items, items=items, seconds=took_s)
                scheduler.learn(speed, padded_tokens=length * items, now_s=0.0)
