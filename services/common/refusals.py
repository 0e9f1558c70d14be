"""Refusals for load: who has refused the like of a request a moment ago, and when those who were refused may come back.

To be asked costs an instance about as much time as to answer a small request, so in a flood it is asked only now and
then. What it refuses counts for requests that would fare no better: of the same client and priority, for the same
queue, at least half as large, with no more time. For a while others are asked first; for a moment it is believed: when
every instance is, the caller need not ask. After that one is asked again, and what comes until it has refused goes to
it too.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from services.common.caller import Caller
from services.common.errors import Overloaded

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

_MILLISECOND_S = 0.001
"""Delays cross the wire in whole milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalPolicy:
    """How long refusals are believed, by whom, and how far retry times reach."""

    believed_s: float = 0.010
    """A refusal is believed for so long, or for as long as it took to come: what is sent meanwhile is sent blindly
    anyway. More spares an instance calls, less finds sooner that it has room. Unit: seconds."""
    believed_share: float = 0.05
    """At most for this part of the time that the refused request had. What waits at an instance lasts about as long as
    requests have time, and it must not run empty: of 1 s these are 50 ms."""
    like_size: float = 0.5
    """Requests smaller than this part of the refused one may fit and are tried: of 1,000 bytes, 499."""
    avoided_s: float = 5.0
    """Others are asked first for so long at most, and a request that they refuse is not tried here. More spares second
    attempts that end like the first, less finds sooner what others left free. Unit: seconds."""
    unsaid_s: float = 1.0
    """When to come back, where a refusal does not say. Unit: seconds."""
    longest_s: float = 30.0
    """Nobody is sent away for longer: later times are not kept apart but drawn at random from its second half. More
    leaves room unused, as who was given a time may not come; less lets more of a large flood meet. Unit: seconds."""
    most_keys: int = 1024
    """Kinds of requests that are remembered, the newest: about 1 KB each. Who makes the others be forgotten, with
    names without end, makes an instance be asked, no more."""
    most_instances: int = 64
    """Instances that are remembered for each kind. Where a sidecar has more behind it, they are always asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What decides whether a request is refused."""

    queue: str
    """Where it would wait at an instance, as method and model; room in one says nothing of another."""
    caller: Caller
    size: Callable[[], int]
    """Measures the message, which takes about as long as to send it. Unit: bytes."""
    time_s: float
    """What the deadline left of it when it was asked. Unit: seconds."""

    @property
    def key(self) -> tuple[str, Caller]:
        """Refusals of one kind of request say nothing of another."""
        return self.queue, self.caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The newest refusal that one instance gave for one kind of request."""

    size: int
    """Of the request. Unit: bytes."""
    time_s: float
    """Requests with more time than this are tried. Unit: seconds."""
    believed_until_s: float
    avoided_until_s: float
    room_at_s: float
    """When the instance said that there would be room."""
    work_s: float
    """What the request would have taken, once begun. Unit: seconds."""

    def work_of(self, size: int) -> float:
        """What a request of so many bytes would take: 0.1 s for 1,000 bytes are 0.4 s for 4,000. Unit: seconds."""
        return self.work_s * size / self.size if self.size else self.work_s


class Refusals:
    """Remembers refusals and the retry times that were given away. Not thread-safe; `now_s` is of one monotonic clock.

    A caller keeps one for all instances of a service; a service keeps one of its own to give retry times.
    """

    def __init__(self, policy: RefusalPolicy = RefusalPolicy()) -> None:
        self._policy = policy
        self._refused: OrderedDict[tuple[str, Caller], OrderedDict[str, Refusal]] = OrderedDict()
        """By kind of request and by instance."""
        self._free_at_s: OrderedDict[Hashable, float] = OrderedDict()
        """When the work of those to whom times were given will be done."""
        self._believed_until_s = self._avoided_until_s = float("-inf")
        """Of all refusals."""

    def is_any_believed(self, now_s: float) -> bool:
        """Whether some requests need not be made now; costs one comparison."""
        return now_s < self._believed_until_s

    def is_any_avoided(self, now_s: float) -> bool:
        """Whether there is an instance that some requests should avoid now; costs one comparison."""
        return now_s < self._avoided_until_s

    def believed(self, asked: Asked, *, now_s: float) -> Mapping[str, Refusal]:
        """By instance, the refusals that need not be asked for again: all, when every instance has given one."""
        if not self.is_any_believed(now_s):
            return {}
        avoided = self.avoided(asked, now_s=now_s)
        return {who: last for who, last in avoided.items() if now_s < last.believed_until_s}

    def avoided(self, asked: Asked, *, now_s: float) -> Mapping[str, Refusal]:
        """By instance, the refusals of a request that would have fared no worse, those believed and some more."""
        if not self.is_any_avoided(now_s) or (known := self._refused.get(asked.key)) is None:
            return {}
        late = {who: r for who, r in known.items() if now_s < r.avoided_until_s and asked.time_s <= r.time_s}
        size = asked.size() if late else 0
        return {who: last for who, last in late.items() if size >= self._policy.like_size * last.size}

    def refuse(self, asked: Asked, refused: Mapping[str, Refusal], *, now_s: float) -> Overloaded:
        """The refusal of a request that nobody needs to be asked for: it may come back to whoever has room first.

        Args:
            asked: the request.
            refused: the refusals of the like, by instance; at least one.
            now_s: on the clock.
        """
        free_at_s = self._free_at_s

        def room_at_s(who: str) -> float:
            return max(refused[who].room_at_s, free_at_s.get((asked.key, who), 0.0))

        who = min(refused, key=room_at_s)
        work_s = refused[who].work_of(asked.size())
        delay_s = self.retry_after_s((asked.key, who), earliest_s=0.0, work_s=work_s, now_s=now_s)
        return _refused_early(max(delay_s, refused[who].room_at_s - now_s))

    def observe(self, asked: Asked, refusal: Overloaded, *, who: str, took_s: float, now_s: float) -> Overloaded:
        """Take note of a refusal; returns it, or one that says later, if earlier times are given away.

        Args:
            asked: the request.
            refusal: as the instance gave it.
            who: the instance.
            took_s: how long it took to come. Unit: seconds.
            now_s: on the clock.
        """
        policy = self._policy
        retry_after_s = policy.unsaid_s if refusal.retry_after_s is None else refusal.retry_after_s
        work_s = refusal.work_s or 0.0
        believed_s = min(max(policy.believed_s, took_s), policy.believed_share * asked.time_s, retry_after_s)
        avoided_s = min(max(policy.avoided_s, believed_s), retry_after_s)
        self._believed_until_s = max(self._believed_until_s, now_s + believed_s)
        self._avoided_until_s = max(self._avoided_until_s, now_s + avoided_s)
        last = Refusal(
            size=asked.size(),
            # As much at the end of the moment as the refused one had at its start: a client's next is no better off.
            time_s=asked.time_s * (1 + policy.believed_share),
            believed_until_s=now_s + believed_s,
            avoided_until_s=now_s + avoided_s,
            room_at_s=now_s + retry_after_s,
            work_s=work_s,
        )
        instances = self._refused.get(asked.key, OrderedDict())
        _remember(instances, who, last, most=policy.most_instances)
        _remember(self._refused, asked.key, instances, most=policy.most_keys)
        delay_s = self.retry_after_s((asked.key, who), earliest_s=retry_after_s, work_s=work_s, now_s=now_s)
        return refusal if delay_s < retry_after_s + _MILLISECOND_S else _refused_early(delay_s)

    def retry_after_s(self, key: Hashable, *, earliest_s: float, work_s: float, now_s: float) -> float:
        """Seconds until a refused request may come back: a time of its own, so that those that obey do not meet.

        The next of the same key comes back when this one's work is done: of three with 0.1 s of work for which there
        is room in 5 s the first gets 5.0, the second 5.1, the third 5.2.

        Args:
            key: whose requests share the room.
            earliest_s: when there is room for it. Unit: seconds from now.
            work_s: how long it will take then. Unit: seconds.
            now_s: on the clock.
        """
        policy = self._policy
        latest_s = now_s + policy.longest_s
        room_at_s = now_s + earliest_s
        at_s = max(room_at_s, self._free_at_s.get(key, now_s))
        # The last that fits ends before the latest time, or the next ones would get times as close as they came.
        is_after_others = at_s > room_at_s
        if at_s >= latest_s or (is_after_others and at_s + work_s > latest_s):
            return random.uniform(0.5, 1.0) * policy.longest_s  # noqa: S311 - not for secrets
        _remember(self._free_at_s, key, min(at_s + work_s, latest_s), most=policy.most_keys)
        return max(_MILLISECOND_S, at_s - now_s)


def _remember(known: OrderedDict[KeyT, ValueT], key: KeyT, value: ValueT, *, most: int) -> None:
    """Keep a value as the newest; beyond `most` the oldest is forgotten."""
    known[key] = value
    known.move_to_end(key)
    if len(known) > most:
        known.popitem(last=False)


def _refused_early(delay_s: float) -> Overloaded:
    return Overloaded(
        f"the like was refused a moment ago, as too much is waiting; try again in {delay_s:.1f} s or send less at once",
        retry_after_s=delay_s,
    )
