"""Acronyms and glossaries: what the packages `glossaries`, `acronym` and `acro` print for a key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.documents.backends.reading.latex.cursor import Cursor, written
from services.documents.backends.reading.latex.expand import Token

DEFINITIONS = {
    "newacronym": "omtt",
    "newglossaryentry": "mm",
    "longnewglossaryentry": "mmm",
    "DeclareAcronym": "mm",
    "acrodef": "mom",
    "newacro": "mom",
    "acro": "mom",
}
"""Their arguments, of which none is shown where they stand."""
USE = re.compile(
    r"(?P<form>gls|ac|acr)(?P<kind>short|long|full|first|text|name|desc|symbol|s|l|f|lu|su)?(?P<plural>pl|p)?\*?$"
)
_KEYS = re.compile(r"(name|short|long|description)\s*=\s*(\{(?:[^{}]|\{[^{}]*\})*\}|[^,]*)")


class _Entry(NamedTuple):
    short: str
    long: str


@dataclass(slots=True)
class Acronyms:
    """What the keys of a document stand for."""

    entries: dict[str, _Entry] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def define(self, tokens: Sequence[Token]) -> None:
        """Take the definitions among some tokens."""
        cursor = Cursor(tokens)
        while (token := cursor.next()) is not None:
            name = token[1:] if isinstance(token, str) and token[:1] == "\\" else ""
            if name == "newacronym":
                cursor.optional()
                key = written(cursor.argument())
                self.entries[key] = _Entry(written(cursor.argument()), written(cursor.argument()))
            elif name in {"acrodef", "newacro", "acro"}:
                key = written(cursor.argument())
                own = cursor.optional()
                self.entries[key] = _Entry(written(own) if own else key, written(cursor.argument()))
            elif name in DEFINITIONS:
                key = written(cursor.argument())
                told = {found[1]: found[2].strip("{} ") for found in _KEYS.finditer(written(cursor.argument()))}
                short = told.get("short") or told.get("name") or key
                self.entries[key] = _Entry(short, told.get("long", "") if "short" in told else "")

    def shown(self, use: re.Match[str], key: str) -> str:
        """What stands for a key: its long form with the short one at first, then the short one."""
        entry = self.entries.get(key.strip(), _Entry(key.strip(), ""))
        kind, plural = use["kind"] or "", "s" if use["plural"] else ""
        is_first = key not in self._used and not kind
        self._used.add(key)
        if kind in {"long", "l", "desc", "lu"}:
            return (entry.long or entry.short) + plural
        if entry.long and (is_first or kind in {"full", "f", "first"}):
            return f"{entry.long}{plural} ({entry.short}{plural})"
        return entry.short + plural

    def listed(self) -> Iterator[str]:
        """A line for each, as a list of acronyms has them."""
        return (f"{entry.short}: {entry.long}" for entry in self.entries.values() if entry.long)
