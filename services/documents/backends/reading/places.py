"""Sentences that name lines: what stands in several of them is said once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_NAMED = 3
"""Lines that a sentence names; the others are counted."""


@dataclass(slots=True)
class Places:
    """What is to be told, each with the lines where it holds."""

    _lines: dict[str, list[int]] = field(default_factory=dict)

    def note(self, line: int, what: str) -> None:
        """Note what a line has."""
        lines = self._lines.setdefault(what, [])
        if line not in lines[-1:]:
            lines.append(line)

    def sentences(self) -> Iterator[str]:
        """One for each thing: `line 3: ...`, or `lines 3, 7, 9 and 4 more: ...`."""
        for what, lines in self._lines.items():
            named = ", ".join(map(str, lines[:_MOST_NAMED]))
            more = f" and {len(lines) - _MOST_NAMED} more" if len(lines) > _MOST_NAMED else ""
            yield f"line{'s' * (len(lines) > 1)} {named}{more}: {what}"
