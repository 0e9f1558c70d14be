"""Retry times; a stand-in until the record of refusals takes its place."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Hashable


class Refusals:
    def __init__(self) -> None:
        self._free_at_s: OrderedDict[Hashable, float] = OrderedDict()

    def retry_after_s(self, key: Hashable, *, earliest_s: float, work_s: float, now_s: float) -> float:
        latest_s = now_s + 30.0
        at_s = max(now_s + earliest_s, self._free_at_s.pop(key, now_s))
        self._free_at_s[key] = min(at_s + work_s, latest_s)
        if len(self._free_at_s) > 1024:
            self._free_at_s.popitem(last=False)
        if at_s >= latest_s:
            return random.uniform(0.5, 1.0) * 30.0
        return max(0.001, at_s - now_s)
