"""Places of which nobody gets all: for what is in progress, or waits."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from services.common.caller import Caller
from services.common.dynamic_threshold import most_more

KeyT = TypeVar("KeyT")

_ORIGIN_FACTOR, _CLIENT_FACTOR = 4, 2
"""An origin may take a place while it has fewer than 4 for each that is free, a client while it has fewer than 2: of 8
places one client gets 6, all clients of its origin 7, and the last is for another origin. A client makes up its id as
it likes; where it comes from it cannot."""


class Places:
    """A number of places. Not thread-safe.

    Args:
        number: of them.
        what: takes them, in the plural.
    """

    def __init__(self, number: int, what: str) -> None:
        self._what = what
        self._number = number
        self.taken = 0
        self._by_origin: Counter[str] = Counter()
        self._by_client: Counter[tuple[str, str]] = Counter()

    def problem(self, caller: Caller) -> str:
        """Why there is none for a caller, in a few words; empty when there is."""
        free = self._number - self.taken
        if free <= 0:
            return f"{self.taken} {self._what} are in progress, which is the limit"
        for taken, factor, whose in (
            (self._by_client[caller.identity], _CLIENT_FACTOR, "client"),
            (self._by_origin[caller.origin], _ORIGIN_FACTOR, "origin"),
        ):
            if most_more(taken, free, factor=factor) <= 0:
                return (
                    f"{taken} {self._what} of this {whose} are in progress, and the {free} places left are for others"
                )
        return ""

    @contextlib.contextmanager
    def hold(self, caller: Caller) -> Iterator[None]:
        """Hold a place while the body runs."""
        self.taken += 1
        self._by_origin[caller.origin] += 1
        self._by_client[caller.identity] += 1
        try:
            yield
        finally:
            self.taken -= 1
            _leave(self._by_origin, caller.origin)
            _leave(self._by_client, caller.identity)


def _leave(counts: Counter[KeyT], key: KeyT) -> None:
    """One fewer; who has none is forgotten."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
