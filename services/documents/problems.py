"""What could not be read, as sentences: as many as an answer has room for, whatever the file is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

MOST = 100
"""Sentences of a kind."""
_LONGEST = 400
"""Letters of a sentence: 100 of them and the guard's 21 are 50 KB of Latin, 200 KB of rarer letters."""


def bounded(problems: Sequence[str], most: int = MOST) -> Iterator[str]:
    """The first of them, each cut to what there is room for, and how many more there are."""
    yield from map(cut, problems[:most])
    if (more := len(problems) - most) > 0:
        yield f"{more} more of such problems"


def cut(problem: str) -> str:
    """A sentence, no longer than there is room for."""
    return problem if len(problem) <= _LONGEST else f"{problem[:_LONGEST]} ..."


def of_pages(problems: Iterable[tuple[int, str]]) -> list[str]:
    """Problems of pages, said once where one page after the other has the same.

    Args:
        problems: numbers of pages, ascending, each with a sentence that begins with `page N: `, or with none.
    """
    runs: dict[str, list[list[int]]] = {}
    for number, problem in problems:
        said = problem.removeprefix(f"page {number}: ")
        pages = runs.setdefault(said, [])
        if pages and number - pages[-1][1] <= 1:
            pages[-1][1] = number
        else:
            pages.append([number, number])
    places = sorted((first, last, said) for said, pages in runs.items() for first, last in pages)
    return [f"{_pages(first, last)}: {said}" for first, last, said in places]


def _pages(first: int, last: int) -> str:
    return f"page {first}" if first == last else f"pages {first} to {last}"
