"""Who gets how much, and how long anybody waits for it, in random histories of clients that come and go.

With quantum q, and batches of at most B tokens:

*Share.* Of those that always wait the one whose virtual time is earliest is served, so before each turn it has had at
most what any other has had; they began at most q apart. After a turn it is ahead by at most q + B: with q = 40 and
B = 24 that is 64 tokens, however many have been computed.

*Starvation.* One that waits at time t was at most B later than the common time when it was served last. With at most n
that wait and pace p, n (q + B) / p tokens advance the common time by q + B, and one batch later no newcomer is before
t. Those that wait by then have at most t - (t - B - q) + B = q + 2 B each before it, if they are at most a quantum
behind when it begins. So with p = 0.5 it is served after 2 n (q + B) + B + (n - 1) (q + 2 B) <= n (3 q + 4 B) tokens:
n = 4 gives 864, and 10 clients of a model for which q takes 0.2 s and B 25 ms wait 7 s at most. In an origin whose m
clients wait that is true of the origin's tokens, and of the origin among n: n (m + 1) (3 q + 4 B).

*Bulk work* with floor f has a part f of what is computed while interactive work waits too, but for one batch.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from services.common.caller import Caller, Priority
from services.scheduler.lines import Lines
from services.scheduler.packing import Limits
from services.scheduler.policy import Policy
from services.scheduler.work import Task
from tests.unit.scheduler.queued import caller, lines_of, wait

QUANTUM = 40
LARGEST = 24
FLOOR = Policy().bulk_floor
WAIT = (QUANTUM + LARGEST) / Policy().newcomer_pace + QUANTUM + 2 * LARGEST
"""One of n waits for n times so many tokens at most."""


def limits_of(chance: random.Random, *, fill: bool) -> Limits:
    padding = chance.choice((0.0, 4.0, 12.0))
    return Limits(own=LARGEST, fill=chance.randint(2, LARGEST) if fill else 1, padding=padding)


def keep_waiting(lines: Lines, of: Caller, costs: list[int], chance: random.Random) -> None:
    """Let a client always have something waiting: more than a batch may have tasks."""
    line = lines._classes[of.priority].lines.get(of.identity)
    for _ in range(LARGEST + 1 - len(line.tasks) if line else LARGEST + 1):
        wait(lines, of, chance.choice(costs))


def random_costs(chance: random.Random) -> list[int]:
    return [chance.randint(1, LARGEST) for _ in range(chance.randint(1, 3))]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("fill", [False, True])
def test_clients_that_always_wait_differ_by_a_quantum_and_a_batch_at_most(seed: int, fill: bool) -> None:
    chance = random.Random(seed)
    lines, limits, had = lines_of(QUANTUM), limits_of(chance, fill=fill), Counter[str]()
    costs = {caller(f"{at}"): random_costs(chance) for at in range(chance.randint(2, 6))}

    for _ in range(300):
        for of, own in costs.items():
            keep_waiting(lines, of, own, chance)
        before = {of.client: had[of.client] for of in costs}
        batch = lines.take(limits)
        for task in batch:
            had[task.first.client] += task.cost

        # What fills up another's batch is had too soon: then its client has no turn until the others have as much.
        assert before[batch[0].first.client] <= min(before.values()) + QUANTUM
        assert fill or max(had.values()) - min(had.values()) <= QUANTUM + LARGEST


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("are_new", [False, True])
def test_two_origins_that_always_wait_differ_by_a_quantum_and_a_batch_at_most_whatever_their_clients_are_called(
    seed: int, are_new: bool
) -> None:
    chance = random.Random(seed)
    lines, limits, had = lines_of(QUANTUM), limits_of(chance, fill=False), Counter[str]()
    names, number = chance.randint(1, 60), 0
    costs = {origin: random_costs(chance) for origin in ("many", "one")}

    for _ in range(300):
        while lines.cost_of_origin(caller("", "many")) < names * LARGEST:
            number += 1
            name = number if are_new else number % names
            wait(lines, caller(f"{name}", "many"), chance.choice(costs["many"]))
        keep_waiting(lines, caller("alone", "one"), costs["one"], chance)
        for task in lines.take(limits):
            had[task.first.origin] += task.cost

        assert abs(had["many"] - had["one"]) <= QUANTUM + LARGEST


@dataclass
class Crowd:
    """Clients that come and go, some of them new each time."""

    chance: random.Random
    origins: int
    names: int
    priority: Priority = Priority.INTERACTIVE
    number: int = 0
    waited: dict[object, int] = field(default_factory=dict)
    """Tokens of the class since a line began to wait, or had its last turn."""

    def come(self, lines: Lines) -> None:
        """Fill up what waits."""
        of = lines._classes[self.priority]
        for at in range(self.origins):
            old = caller("old", f"old {at}", priority=self.priority)
            if at % 2 and self.chance.random() < 0.9:
                while (line := of.lines.get(old.identity)) is None or len(line.tasks) < 3:
                    wait(lines, old, self.chance.randint(1, LARGEST))
        while len(of.origins) < self.origins:
            self.number += 1
            new = caller(f"new {self.number}", f"new {self.number}", priority=self.priority)
            wait(lines, new, *[self.chance.randint(1, LARGEST) for _ in range(self.chance.randint(1, 3))])
        for origin in [*of._origins.values()]:
            while 0 < len(origin.lines) < self.names:
                self.number += 1
                name = next(line.caller.origin for line in of.lines.values() if line.origin is origin)
                wait(lines, caller(f"new {self.number}", name, priority=self.priority), self.chance.randint(1, LARGEST))

    def note(self, lines: Lines, batch: list[Task]) -> int:
        """How long one has waited that waits longest. Unit: tokens."""
        tokens = sum(task.cost for task in batch)
        waiting = {line: line.tasks for line in lines._classes[self.priority].lines.values() if line.tasks}
        turn = batch[0].first
        self.waited = {line: 0 if line.caller == turn else self.waited.get(line, -tokens) + tokens for line in waiting}
        return max(self.waited.values(), default=0)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("origins", "names"), [(2, 1), (4, 1), (1, 4), (3, 3)])
def test_whoever_waits_is_served_after_so_many_tokens_though_new_ones_come_without_end(
    seed: int, origins: int, names: int
) -> None:
    chance = random.Random(seed)
    lines, crowd, limits = lines_of(QUANTUM), Crowd(chance, origins, names), limits_of(chance, fill=seed % 2 == 0)
    levels = 1 if names == 1 else names + 1

    longest = 0
    for _ in range(400):
        crowd.come(lines)
        longest = max(longest, crowd.note(lines, lines.take(limits)))

    assert longest <= origins * levels * WAIT


@pytest.mark.parametrize("seed", range(20))
def test_bulk_work_has_its_floor_beside_interactive_work_and_no_more_however_both_come_and_go(seed: int) -> None:
    chance = random.Random(seed)
    lines, limits = lines_of(QUANTUM), limits_of(chance, fill=True)
    both, had = Counter[Priority](), Counter[Priority]()
    """Of a time in which both wait all the while; of all the time in which interactive work waits."""

    for _ in range(1000):
        for priority, often in ((Priority.INTERACTIVE, 0.95), (Priority.BULK, 0.5)):
            if chance.random() < often and lines.cost_of_class(priority) < 100:
                for _ in range(chance.randint(1, 6)):
                    of = caller(f"{chance.randint(1, 4)}", priority=priority)
                    wait(lines, of, chance.randint(1, LARGEST))
        waiting = [priority for priority in Priority if lines._classes[priority].is_waiting]
        cost = Counter[Priority]()
        for task in lines.take(limits):
            cost[task.first.priority] += task.cost
        if Priority.INTERACTIVE in waiting:
            had += cost
        if len(waiting) == 2:
            both += cost
        else:
            both.clear()

        assert had[Priority.BULK] <= FLOOR * had.total() + LARGEST
        assert both[Priority.BULK] >= FLOOR * both.total() - LARGEST
