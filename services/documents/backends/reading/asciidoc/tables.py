"""The cells of an AsciiDoc table, and the rows that they fill by the number of columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_SPEC = r"(?:(?P<columns>\d+)?(?:\.(?P<rows>\d+))?(?P<kind>[+*]))?[<^>]?(?:\.[<^>])?(?P<style>[adehlmsv])?"
_SPEC_AT_START = re.compile(_SPEC)
_SPEC_AT_END = re.compile(rf"(?<=\s){_SPEC}$")
"""Behind a space: `|a|b` has two cells of text, `|x a|b` has one of text and one of blocks."""
_COLUMN = re.compile(r"\s*(?:(?P<times>\d+)\*)?[<^>]?(?:\.[<^>])?\s*(?:\d+|~)?%?\s*(?P<style>[adehlmsv])?\s*")
_MOST_COPIES = 1000


class Piece(NamedTuple):
    """A cell as it is written."""

    text: str
    style: str = ""
    columns: int = 1
    rows: int = 1


@dataclass(slots=True, kw_only=True)
class Layout:
    """What stands above a table about it."""

    styles: Sequence[str] = ()
    """One for each column; empty where nothing says how many there are."""
    has_header: bool = False
    has_footer: bool = False
    separator: str = "|"
    format: str = "psv"


def column_styles(cols: str) -> list[str]:
    """The styles of the columns that `cols=` describes: `1,2a`, `3*`, `^.^40,<.^60`."""
    styles: list[str] = []
    for part in re.split(r"[,;]", cols) if cols.strip() else []:
        match = _COLUMN.match(part)
        times = min(int(match["times"] or 1), _MOST_COPIES) if match else 1
        styles.extend([(match["style"] or "") if match else ""] * times)
    return styles


def rows(lines: Sequence[str], layout: Layout) -> list[list[Piece]]:
    """The rows of a table."""
    text = "\n".join(lines)
    if layout.format == "psv":
        pieces, first = _separated(text, layout.separator)
        count = len(layout.styles) or first or 1
        return list(_filled(pieces, count))
    if layout.format == "dsv":
        split = re.compile(rf"(?<!\\){re.escape(layout.separator)}")
        return [[Piece(_bare(cell, layout)) for cell in split.split(line)] for line in lines if line.strip()]
    reader = csv.reader((line + "\n" for line in lines), delimiter=layout.separator)
    return [[Piece(cell.strip()) for cell in row] for row in reader if row]


def has_implicit_header(lines: Sequence[str]) -> bool:
    """True when the first line is followed by an empty one, and only by that."""
    return len(lines) > 1 and bool(lines[0].strip()) and not lines[1].strip()


def _bare(cell: str, layout: Layout) -> str:
    return cell.replace(f"\\{layout.separator}", layout.separator).strip()


def _separated(text: str, separator: str) -> tuple[list[Piece], int]:
    """The cells in order, and how many the first line has."""
    pieces: list[Piece] = []
    first = 0
    parts = re.split(rf"(?<!\\){re.escape(separator)}", text)
    spec = _SPEC_AT_START.fullmatch(parts[0].strip())
    before = "" if spec else parts[0]
    if spec is None:
        spec, before = _spec(parts[0])
    position, first_end = len(parts[0]), _first_line_end(text)
    if before.strip():  # text in front of the first separator is a cell as well
        pieces.append(Piece(before.strip()))
    for index, part in enumerate(parts[1:], 1):
        next_spec, content = _spec(part) if index < len(parts) - 1 else (None, part)
        content = content.replace(f"\\{separator}", separator).strip("\n").rstrip()
        copies, piece = _piece(spec, content)
        pieces.extend([piece] * copies)
        if position < first_end:
            first += copies * piece.columns
        position += len(separator) + len(part)
        spec = next_spec
    return pieces, first


def _first_line_end(text: str) -> int:
    start = len(text) - len(text.lstrip())
    end = text.find("\n", start)
    return end if end >= 0 else len(text)


def _spec(part: str) -> tuple[re.Match[str] | None, str]:
    """What the end of a piece says of the next cell, and the piece without it."""
    tail = part[-24:] if len(part) > 24 else part
    match = _SPEC_AT_END.search(tail)
    if match is None or not match[0]:
        return None, part
    return match, part[: len(part) - len(match[0])]


def _piece(spec: re.Match[str] | None, content: str) -> tuple[int, Piece]:
    if spec is None:
        return 1, Piece(content)
    columns, rows_, style = int(spec["columns"] or 1), int(spec["rows"] or 1), spec["style"] or ""
    if spec["kind"] == "*":
        return max(1, min(columns, _MOST_COPIES)), Piece(content, style)
    return 1, Piece(content, style, max(1, columns), max(1, rows_))


def _filled(pieces: Sequence[Piece], count: int) -> Iterator[list[Piece]]:
    """Rows of so many columns; what a cell above covers is taken."""
    changes: Counter[int] = Counter()  # row -> columns more that cells above cover from it on
    row: list[Piece] = []
    number = covered = 0
    free = count
    for piece in pieces:
        wide = min(piece.columns, free)
        row.append(piece._replace(columns=wide))
        free -= wide
        changes[number + 1] += wide
        changes[number + min(piece.rows, len(pieces))] -= wide
        while free <= 0:
            yield row
            row, number = [], number + 1
            covered = covered + changes.pop(number, 0) if number < 2 * len(pieces) else 0
            free = count - covered
    if row:
        yield row
