"""Results that may be asked for again, bounded by bytes.

What was asked for once goes first, the least recently used of it; what was asked for again is kept in the greater part
of the memory, which a pass over many texts that are asked for once cannot reach (segmented LRU, Karedla et al. 1994).
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from services.models.batching.call import Result

_OVERHEAD_BYTES = 240
"""What an entry costs beside its numbers: key, array or scalar object, and its place in the table (measured)."""
_AGAIN_SHARE = 0.8
"""Part of the memory for what was asked for again."""


class ResultCache:
    """Keeps results by key. Safe on several threads.

    Args:
        max_bytes: memory for all entries together; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._once: OrderedDict[bytes, Result] = OrderedDict()
        self._again: OrderedDict[bytes, Result] = OrderedDict()
        self._again_bytes = 0
        self._lock = threading.Lock()
        self.bytes = 0
        self.evictions = 0

    @property
    def is_on(self) -> bool:
        """True when it keeps anything."""
        return self._max_bytes > 0

    def get(self, key: bytes) -> Result | None:
        """The result kept under that key; None when there is none."""
        with self._lock:
            if (found := self._again.get(key)) is not None:
                self._again.move_to_end(key)
            elif (found := self._once.pop(key, None)) is not None:
                self._again[key] = found
                self._again_bytes += _size(found)
                while self._again_bytes > _AGAIN_SHARE * self._max_bytes:
                    oldest, result = self._again.popitem(last=False)
                    self._again_bytes -= _size(result)
                    self._once[oldest] = result
            return found

    def __contains__(self, key: bytes) -> bool:
        """Whether a result is kept, without asking for it."""
        with self._lock:
            return key in self._again or key in self._once

    def put(self, key: bytes, result: Result) -> None:
        """Keep a copy of a result, which must not be changed by those who get it."""
        if (size := _size(result)) > self._max_bytes:
            return
        kept = result.copy()  # a row would keep its whole batch alive
        if isinstance(kept, np.ndarray):
            kept.setflags(write=False)
        with self._lock:
            self._drop(key)
            self._once[key] = kept
            self.bytes += size
            while self.bytes > self._max_bytes:
                self._drop(next(iter(self._once or self._again)))
                self.evictions += 1

    def drop_prefix(self, prefix: bytes) -> None:
        """Forget every result whose key begins so."""
        with self._lock:
            for key in [key for key in (*self._once, *self._again) if key.startswith(prefix)]:
                self._drop(key)

    def __len__(self) -> int:
        return len(self._once) + len(self._again)

    def _drop(self, key: bytes) -> None:
        if (result := self._once.pop(key, None)) is not None:
            self.bytes -= _size(result)
        elif (result := self._again.pop(key, None)) is not None:
            self.bytes -= _size(result)
            self._again_bytes -= _size(result)


def _size(result: Result) -> int:
    return int(result.nbytes) + _OVERHEAD_BYTES
