"""The tables that the loss meter prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bench.loss.constructs import FORMS, Format
from bench.loss.counting import WHOLE_FILE, Count
from bench.loss.measuring import Reading
from services.documents.backends.base import Include, Output

_SHORT = {Output.MARKDOWN: "md", Output.JSON: "json", Output.HTML: "html", Output.TEXT: "text"}
_LETTERS = {"lost": "l", "torn": "t", "named": "n", "misplaced": "m", "leaked": "+", "unshown": "u", "alarms": "a"}

LEGEND = (
    "ok: every word is kept, whole and in order; l lost, t torn, n torn or lost and named in errors, m misplaced, "
    "+ leaked, u not as it should be in Markdown, a named in errors though kept; each with the number of words"
)


def of_format(format_: Format, readings: Mapping[str, Reading]) -> str:
    """A line for each construct: what of its words came out, by system and form."""
    heads = [f"{system} {_SHORT[form]}" for system in readings for form in FORMS]
    rows = [[name, *cells] for name, cells in _rows(format_, readings)]
    return f"{format_.name}\n{_table(['construct', *heads], rows)}"


def _rows(format_: Format, readings: Mapping[str, Reading]) -> Iterator[tuple[str, list[str]]]:
    names = [construct.name for construct in format_.constructs]
    for name in [*names, WHOLE_FILE]:
        cells = [_cell(reading.plain.get((name, form))) for reading in readings.values() for form in FORMS]
        if any(cells):
            yield name, cells
        for include in Include:
            asked = [
                _cell(reading.asked.get(include, {}).get((name, form)))
                for reading in readings.values()
                for form in FORMS
            ]
            if any(asked):
                yield f"{name}, include={include}", asked


def _cell(found: Count | None) -> str:
    if found is None or not (found.expected or str(found) != "ok"):
        return ""
    marks = [f"{letter}{len(getattr(found, name))}" for name, letter in _LETTERS.items() if getattr(found, name)]
    return "".join(marks) or "ok"


def summary(readings: Mapping[str, Mapping[str, Reading]]) -> str:
    """A line for each format and system: words in all forms together."""
    rows = [
        [
            format_,
            system,
            *map(str, _sums(reading.all_counts())),
            f"{reading.seconds * 1e3:.0f}",
            str(len(reading.refused)),
        ]
        for format_, of_systems in readings.items()
        for system, reading in of_systems.items()
    ]
    heads = ["format", "system", "words", "kept", *_LETTERS, "ms", "refused"]
    return f"{_table(heads, rows)}\n{LEGEND}"


def _sums(counts: Iterable[Count]) -> list[int]:
    found = list(counts)
    lengths = [sum(len(getattr(count, name)) for count in found) for name in _LETTERS]
    return [sum(count.expected for count in found), sum(count.kept for count in found), *lengths]


def as_json(readings: Mapping[str, Reading]) -> dict[str, Any]:
    """The same for programs: by system, construct and form."""
    return {
        system: {
            "ms": reading.seconds * 1e3,
            "refused": reading.refused,
            "constructs": [_entry(name, form, found, None) for (name, form), found in reading.plain.items()]
            + [
                _entry(name, form, found, include)
                for include, counts in reading.asked.items()
                for (name, form), found in counts.items()
                if found.expected
            ],
        }
        for system, reading in readings.items()
    }


def _entry(name: str, form: Output, found: Count, include: Include | None) -> dict[str, Any]:
    faults = {fault: getattr(found, fault) for fault in _LETTERS if getattr(found, fault)}
    return {
        "construct": name,
        "form": str(form),
        "include": include,
        "words": found.expected,
        "kept": found.kept,
        **faults,
    }


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [heads, *rows]]
    return "\n".join(line.rstrip() for line in lines)
