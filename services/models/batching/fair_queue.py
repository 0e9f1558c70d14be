"""Whose turn it is: deficit round robin over clients, in two classes of priority.

Deficit round robin (Shreedhar and Varghese 1995) over the clients of a class, in tokens. A client that was idle goes
first until its share of the round is used up, as in FQ-CoDel (RFC 8290), so that one who asks little waits for no more
than the batches in progress; so many new clients that there always is one leave the others their part. What is left of
a share is kept while the round lasts, so that coming and going gains nothing. Entries of other clients that fill up a
batch are charged to them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.common.caller import Caller, Priority
from services.models.batching.entry import Entry
from services.models.batching.length_index import BatchLimits, Draft, LengthIndex

FIRST_TO_SECOND = 9
"""Tokens of interactive work for one of bulk work while both wait, and of new clients for one of the others."""

_MOST_IDLE = 4096
"""Clients without work whose share of the round is remembered."""


class _Precedence:
    """Of two lines the first goes first, and owes the second its part of what it gets while that waits."""

    def __init__(self) -> None:
        self._owed = 0.0

    def is_seconds_turn(self, first: int, second: int, *, credit: float = 0.0) -> bool:
        """Whose turn it is, from the numbers that wait in each; the first may owe `credit` tokens."""
        return second > 0 and (first == 0 or self._owed > credit)

    def settle(self, cost: int, *, is_second: bool, first_waited: bool, second_waits: bool) -> None:
        """So much was taken; `first_waited` before that, and `second_waits` still."""
        if not second_waits or (is_second and not first_waited):
            self._owed = 0.0
        elif is_second:
            self._owed -= cost
        else:
            self._owed += cost / FIRST_TO_SECOND


@dataclass(slots=True, kw_only=True, eq=False)
class _Flow:
    """What one client has waiting in one class."""

    client: str
    share: int
    """Tokens that are left of this round; negative when a batch took more."""
    entries: OrderedDict[Entry, None] = field(default_factory=OrderedDict)
    lengths: LengthIndex = field(default_factory=LengthIndex)

    def add(self, entry: Entry) -> None:
        self.entries[entry] = None
        self.lengths.add(entry)

    def discard(self, entry: Entry) -> None:
        del self.entries[entry]
        self.lengths.discard(entry)


class _Class:
    """The clients of one class of priority.

    Args:
        quantum: tokens of each client in a round.
    """

    def __init__(self, quantum: int) -> None:
        self.cost = 0
        self.count = 0
        self.waiting: Counter[str] = Counter()
        """Tokens of each client, those of which it is known that they will come included."""
        self.flows: dict[str, _Flow] = {}
        self.quantum = quantum
        self._lengths = LengthIndex()
        self._fresh: OrderedDict[_Flow, None] = OrderedDict()
        self._ring: OrderedDict[_Flow, None] = OrderedDict()
        self._precedence = _Precedence()

    def expect(self, client: str, cost: int) -> None:
        """Count tokens as waiting before they are queued; as many fewer with a negative number."""
        self.cost += cost
        self.waiting[client] += cost
        if not self.waiting[client]:
            del self.waiting[client]

    def add(self, entry: Entry) -> None:
        """Queue an entry behind those of its client."""
        flow = self.flows.get(entry.caller.client)
        if flow is None:
            flow = self.flows[entry.caller.client] = _Flow(client=entry.caller.client, share=self.quantum)
        if not flow.entries:
            (self._fresh if flow.share > 0 else self._ring)[flow] = None
        flow.add(entry)
        self._lengths.add(entry)
        self.count += 1
        self.expect(flow.client, entry.cost)

    def discard(self, entry: Entry) -> None:
        """Take an entry out."""
        flow = self.flows[entry.caller.client]
        flow.discard(entry)
        self._lengths.discard(entry)
        self.count -= 1
        self.expect(flow.client, -entry.cost)
        if not flow.entries:
            self._fresh.pop(flow, None)
            self._ring.pop(flow, None)
            self._forget_idle()

    def take(self, limits: BatchLimits) -> list[Entry]:
        """A batch around the oldest entry of the client whose turn it is; there must be one."""
        flow = self._turn()
        is_fresh, fresh_waited = flow in self._fresh, bool(self._fresh)
        draft = Draft(limits=limits)
        oldest = next(iter(flow.entries))
        draft.add(oldest)
        self._charge(oldest)
        for index, limit in ((flow.lengths, limits.own), (self._lengths, limits.shared)):
            for entry in draft.fill(index, limit):
                self._charge(entry)
        self._precedence.settle(
            draft.tokens, is_second=not is_fresh, first_waited=fresh_waited, second_waits=bool(self._ring)
        )
        return draft.entries

    def _charge(self, entry: Entry) -> None:
        self.flows[entry.caller.client].share -= entry.cost
        self.discard(entry)

    def _turn(self) -> _Flow:
        """The client whose turn it is; begins a new round when all who may have used up theirs."""
        while True:
            while self._fresh and (flow := next(iter(self._fresh))).share <= 0:
                del self._fresh[flow]
                self._ring[flow] = None
            credit = self.quantum / FIRST_TO_SECOND  # for the first client's share of a round
            if self._fresh and not self._precedence.is_seconds_turn(len(self._fresh), len(self._ring), credit=credit):
                return next(iter(self._fresh))
            for _ in range(len(self._ring)):
                if (flow := next(iter(self._ring))).share > 0:
                    return flow
                self._ring.move_to_end(flow)
            for flow in self.flows.values():
                flow.share = min(self.quantum, flow.share + self.quantum)

    def _forget_idle(self) -> None:
        """A round ends when nothing waits; and what is remembered of those without work stays bounded."""
        if not self.count:
            self.flows.clear()
        elif len(self.flows) > _MOST_IDLE + len(self._fresh) + len(self._ring):
            self.flows = {name: flow for name, flow in self.flows.items() if flow.entries}

    def ahead(self, client: str, cost: int) -> int:
        """Tokens that are computed before `cost` more of a client are done, its own included: all share alike."""
        own = self.waiting[client] + cost
        return own + sum(min(waiting, own) for other, waiting in self.waiting.items() if other != client)


class FairQueue:
    """Entries of two classes of priority. Not thread-safe.

    Args:
        quantum: tokens of each client in a round: what one who was idle may have computed in one go.
    """

    def __init__(self, quantum: int) -> None:
        self._classes = {priority: _Class(quantum) for priority in Priority}
        self._precedence = _Precedence()

    def set_quantum(self, quantum: int) -> None:
        """Change the tokens of a round, from the next one on."""
        for line in self._classes.values():
            line.quantum = quantum

    @property
    def cost(self) -> int:
        """Tokens that wait, those that are expected included."""
        return sum(line.cost for line in self._classes.values())

    @property
    def count(self) -> int:
        """Entries that wait."""
        return sum(line.count for line in self._classes.values())

    def cost_of_client(self, client: str) -> int:
        """Tokens of one client that wait, in both classes."""
        return sum(line.waiting[client] for line in self._classes.values())

    def cost_of_class(self, priority: Priority) -> int:
        """Tokens that wait in a class."""
        return self._classes[priority].cost

    def expect(self, caller: Caller, cost: int) -> None:
        """Count tokens as waiting before they are queued; as many fewer with a negative number."""
        self._classes[caller.priority].expect(caller.client, cost)

    def add(self, entries: Iterable[Entry]) -> None:
        """Queue entries behind those of their clients."""
        for entry in entries:
            entry.is_queued = True
            self._classes[entry.caller.priority].add(entry)

    def discard(self, entry: Entry) -> None:
        """Take an entry out that nobody wants any more."""
        entry.is_queued = False
        self._classes[entry.caller.priority].discard(entry)

    def move(self, entry: Entry, caller: Caller) -> None:
        """Let an entry wait in another client's place, who wants it too and is served earlier."""
        self.discard(entry)
        entry.caller = caller
        self.add([entry])

    def take(self, limits: BatchLimits) -> list[Entry]:
        """The next batch; empty when nothing waits."""
        interactive, bulk = self._classes[Priority.INTERACTIVE], self._classes[Priority.BULK]
        if not interactive.count and not bulk.count:
            return []
        interactive_waited = bool(interactive.count)
        is_bulk = self._precedence.is_seconds_turn(interactive.count, bulk.count)
        batch = (bulk if is_bulk else interactive).take(limits)
        self._precedence.settle(
            sum(entry.cost for entry in batch),
            is_second=is_bulk,
            first_waited=interactive_waited,
            second_waits=bool(bulk.count),
        )
        for entry in batch:
            entry.is_queued = False
        return batch

    def ahead(self, caller: Caller, cost: int) -> int:
        """Tokens that are computed before `cost` more of a caller are done, its own included, if nobody else comes."""
        own = self._classes[caller.priority].ahead(caller.client, cost)
        if caller.priority is Priority.INTERACTIVE:
            return own + min(self._classes[Priority.BULK].cost, own // FIRST_TO_SECOND)
        return own + min(self._classes[Priority.INTERACTIVE].cost, own * FIRST_TO_SECOND)

    def drop_all(self) -> list[Entry]:
        """Every entry, which then waits no more."""
        dropped = [entry for line in self._classes.values() for flow in line.flows.values() for entry in flow.entries]
        for entry in dropped:
            self.discard(entry)
        return dropped
