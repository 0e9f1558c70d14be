"""When those who were refused may come back."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Hashable

from services.common.deadline import Clock

_MOST_S = 30.0
"""Nobody is sent away for longer."""
_MOST_CLIENTS = 1024


class Promises:
    """Gives each refused request of a client a time of its own, so that those that obey do not meet. Not thread-safe.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free_at_s: OrderedDict[Hashable, float] = OrderedDict()
        """When the work that was promised to a client's requests will be done."""

    def give(self, client: Hashable, earliest_s: float, work_s: float) -> float:
        """Seconds until a refused request may come back.

        Args:
            client: who asks.
            earliest_s: when there is room for it. Unit: seconds from now.
            work_s: how long it will take then. Unit: seconds.
        """
        now_s = self._clock()
        latest_s = now_s + _MOST_S
        at_s = max(now_s + earliest_s, self._free_at_s.pop(client, now_s))
        self._free_at_s[client] = min(at_s + work_s, latest_s)
        if len(self._free_at_s) > _MOST_CLIENTS:
            self._free_at_s.popitem(last=False)
        if at_s >= latest_s:
            return random.uniform(0.5, 1.0) * _MOST_S  # noqa: S311 - not for secrets
        return max(0.001, at_s - now_s)
