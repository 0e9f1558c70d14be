"""Results that may be asked for again: the least recently used go when the memory is full."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from services.models.batching.base import Result

_OVERHEAD_BYTES = 240
"""What an entry costs beside its numbers: key, array or scalar object, and its place in the table (measured)."""


class ResultCache:
    """Keeps results by key, bounded by bytes. Safe on several threads.

    Args:
        max_bytes: memory for all entries together; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, Result] = OrderedDict()
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
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: bytes, result: Result) -> None:
        """Keep a copy of a result, which must not be changed by those who get it."""
        if (size := _size(result)) > self._max_bytes:
            return
        kept = result.copy()  # a row would keep its whole batch alive
        if isinstance(kept, np.ndarray):
            kept.setflags(write=False)
        with self._lock:
            self._drop(key)
            self._entries[key] = kept
            self.bytes += size
            while self.bytes > self._max_bytes:
                self._drop(next(iter(self._entries)))
                self.evictions += 1

    def drop_prefix(self, prefix: bytes) -> None:
        """Forget every result whose key begins so."""
        with self._lock:
            for key in [key for key in self._entries if key.startswith(prefix)]:
                self._drop(key)

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: bytes) -> None:
        if (result := self._entries.pop(key, None)) is not None:
            self.bytes -= _size(result)


def _size(result: Result) -> int:
    return int(result.nbytes) + _OVERHEAD_BYTES
