"""The inputs of a request, each checked for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.common.errors import InvalidRequest, RequestError, TooLarge

InputT = TypeVar("InputT", bound=str | Sequence[int])
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Generic[InputT]):
    """A request's inputs, of which some may be wrong alone."""

    good: list[InputT]
    """Those that can be computed, in order."""
    sizes: list[int]
    """Of the good ones. Unit: bytes."""
    problems: list[InvalidRequest | None]
    """One per input."""

    def some(self, places: Sequence[int]) -> Checked[InputT]:
        """Those of the good ones at these places, as a request of their own."""
        good, sizes = [self.good[at] for at in places], [self.sizes[at] for at in places]
        return Checked(good=good, sizes=sizes, problems=[None] * len(places))

    def map(self, tokenize: Callable[[list[InputT]], Iterable[ResultT]]) -> list[ResultT | RequestError]:
        """One result per input: what `tokenize` makes of the good ones, and the problems of the others."""
        results = iter(tokenize(self.good) if self.good else ())
        return [next(results) if problem is None else problem for problem in self.problems]


def check_each(inputs: Iterable[InputT], *, what: str, most_bytes: int) -> Checked[InputT]:
    """Tell apart the inputs that are empty or too large.

    Args:
        inputs: texts, or token ids.
        what: one of them is called in messages.
        most_bytes: largest input.
    """
    good, sizes, problems = list[InputT](), list[int](), list[InvalidRequest | None]()
    for one in inputs:
        size = byte_size(one)
        if 0 < size <= most_bytes:
            good.append(one)
            sizes.append(size)
            problems.append(None)
        elif not size:
            problems.append(InvalidRequest(f"the {what} is empty; leave it out"))
        else:
            problems.append(TooLarge(f"the {what} has {size} bytes; at most {most_bytes}; split it"))
    return Checked(good=good, sizes=sizes, problems=problems)


def byte_size(given: str | Sequence[int]) -> int:
    """Bytes of UTF-8, or of token ids at four each."""
    if not isinstance(given, str):
        return 4 * len(given)
    return len(given) if given.isascii() else len(given.encode())
