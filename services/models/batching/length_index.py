"""Entries by length, and the choice of those that fit beside each other with little padding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.models.batching.entry import Entry


class LengthIndex:
    """Entries by length, of equal lengths the oldest first."""

    def __init__(self) -> None:
        self._by_length: dict[int, OrderedDict[Entry, None]] = {}

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        self._by_length.setdefault(entry.cost, OrderedDict())[entry] = None

    def discard(self, entry: Entry) -> None:
        """Take an entry out."""
        same = self._by_length[entry.cost]
        del same[entry]
        if not same:
            del self._by_length[entry.cost]

    def at(self, length: int) -> Entry | None:
        """The oldest entry of exactly that length."""
        same = self._by_length.get(length)
        return next(iter(same)) if same else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How large a batch may grow. Unit: tokens, padding included."""

    own: int
    """With entries of the client whose turn it is."""
    shared: int
    """With entries of others, who wait for theirs anyway but must not make this one wait for long."""
    padding_share: float
    """Padding that is always accepted, as a share of the batch's own tokens."""
    padding: float
    """Padding that is always accepted: what a batch of its own would cost beside its tokens."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """A batch while it is put together: all entries are padded to the longest."""

    limits: BatchLimits
    entries: list[Entry] = field(default_factory=list)
    longest: int = 0
    tokens: int = 0

    def add(self, entry: Entry) -> None:
        """Take an entry in."""
        self.entries.append(entry)
        self.longest = max(self.longest, entry.cost)
        self.tokens += entry.cost

    @property
    def padded(self) -> int:
        """Tokens that are computed, padding included."""
        return self.longest * len(self.entries)

    def _takes(self, length: int, limit: int) -> bool:
        """True when an entry of that length fits and pads no more than is accepted."""
        padded = max(self.longest, length) * (len(self.entries) + 1)
        if padded > limit:
            return False
        tokens = self.tokens + length
        return padded - tokens <= max(self.limits.padding, self.limits.padding_share * tokens)

    def fill(self, index: LengthIndex, limit: int) -> Iterator[Entry]:
        """Choose entries of `index` while they fit, the nearest lengths first; the consumer takes each out of it."""
        below, above = self.longest, self.longest + 1
        while True:
            below, shorter = self._search(index, below, -1, limit)
            above, longer = self._search(index, above, +1, limit)
            # Padding grows by the difference for a shorter one, and for a longer one by it for every entry there is.
            if shorter and (not longer or self.longest - below <= (above - self.longest) * len(self.entries)):
                chosen = shorter
            elif longer:
                chosen = longer
            else:
                return
            self.add(chosen)
            yield chosen

    def _search(self, index: LengthIndex, length: int, step: int, limit: int) -> tuple[int, Entry | None]:
        """The next entry from `length` on that the draft takes, and the length where the search stopped.

        Nothing is added to the index meanwhile, so that a later search goes on from there.
        """
        while length > 0 and self._takes(length, limit):
            if (entry := index.at(length)) is not None:
                return length, entry
            length += step
        return length, None
