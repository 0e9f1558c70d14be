"""What an instance has just refused is refused again without asking it: a flood is kept from where work is done.

To be asked costs an instance about as much time as to answer a small request. So a refusal is believed for a moment, by
requests that would fare no better: of the same client, for the same queue, not much smaller and with no more time. Then
the instance is asked again; what comes until it has refused that goes to it too.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from services.common.caller import Caller
from services.common.deadline import Clock
from services.common.errors import Overloaded
from services.common.promises import Promises

_LEAST_S = 0.010
"""How long a refusal is believed, or for as long as it took to come: what is sent meanwhile is sent blindly."""
_MOST_SHARE = 0.05
"""The same at most, as a share of the time that the request had: a queue is about as long, and must not run empty."""
_SMALLER = 0.5
"""Less than this part of what was refused may fit."""
_SAME_S = 0.001
"""Delays that differ by less are the same."""
_MOST_KEYS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What decides whether a request is refused."""

    queue: str
    """Where it would wait at the instance; room in one says nothing of another."""
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
class _Refused:
    """The newest refusal of its kind."""

    size: int
    time_s: float
    """Requests with more time than this are tried."""
    until_s: float
    """When it is believed no longer."""
    room_at_s: float
    """When the instance said that there would be room."""
    work_s: float
    """What the request would have taken, once begun."""


class HoldOff:
    """Remembers what one instance refused. Not thread-safe.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._promises = Promises(clock)
        self._refused: OrderedDict[tuple[str, Caller], _Refused] = OrderedDict()
        self._until_s = float("-inf")

    @property
    def is_active(self) -> bool:
        """Whether anything is refused now."""
        return self._clock() < self._until_s

    def refusal(self, asked: Asked) -> Overloaded | None:
        """The refusal of a request that need not be tried; None when it has to be."""
        last, now_s = self._refused.get(asked.key), self._clock()
        if last is None or now_s >= last.until_s:
            return None
        if asked.time_s > last.time_s or (size := asked.size()) < _SMALLER * last.size:
            return None
        work_s = last.work_s * size / last.size if last.size else last.work_s
        return _held(max(self._promises.give(asked.key, 0.0, work_s), last.room_at_s - now_s))

    def observe(self, asked: Asked, refusal: Overloaded, *, retry_after_s: float, took_s: float) -> Overloaded:
        """Take note of an instance's refusal; returns it, or one that says later, if earlier times are given away."""
        now_s, work_s = self._clock(), refusal.work_s or 0.0
        until_s = now_s + min(max(_LEAST_S, took_s), _MOST_SHARE * asked.time_s, retry_after_s)
        self._until_s = max(self._until_s, until_s)
        self._refused.pop(asked.key, None)
        self._refused[asked.key] = _Refused(
            size=asked.size(),
            # As much at the end of the while as the refused one had at its start: a client's next is no better off.
            time_s=asked.time_s * (1 + _MOST_SHARE),
            until_s=until_s,
            room_at_s=now_s + retry_after_s,
            work_s=work_s,
        )
        if len(self._refused) > _MOST_KEYS:
            self._refused.popitem(last=False)
        delay_s = self._promises.give(asked.key, retry_after_s, work_s)
        return refusal if delay_s < retry_after_s + _SAME_S else _held(delay_s)


def _held(delay_s: float) -> Overloaded:
    return Overloaded(
        f"the like was refused a moment ago, as too much is waiting; try again in {delay_s:.1f} s or send less at once",
        retry_after_s=delay_s,
    )
