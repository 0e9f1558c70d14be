"""CSV: one table, every cell as it is written."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.table.table_data import TableCell, TableData

from services.documents.backends.reading import text
from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.reader import Report, Source

_DELIMITERS = ",;\t|"
_NONE = "\x1f"
"""Delimiter of a file of one column: a character that separates units, and that no text has."""
_SAMPLE = 2**16
"""Characters whose rows tell the delimiter."""
_BACKSLASHES = re.compile(r'(\\+)("?)')
_NO_DECIMAL = re.compile(r"(?:^|(?<=\D)),|,(?=\D|$)", re.MULTILINE)
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(\\t|[^\r\n"])"?[;,]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
"""`sep=;`: a word to Excel, and no row."""


class _Style(NamedTuple):
    """How the cells are written."""

    delimiter: str
    has_escapes: bool = False
    r"""True for `"a \"word\" in quotes"`, as MySQL writes it."""
    has_spaces: bool = False
    """True for quotes behind a delimiter and spaces: `1, "a, b"`."""

    @classmethod
    def of(cls, content: str, delimiter: str) -> _Style:
        """The style of a text: what no file has that Excel writes, and all quotes of this one have."""
        end = rf"[ \t]*(?:[{re.escape(delimiter)}\r\n]|$)"
        spaced = rf"(?<={re.escape(delimiter)})[ \t]+\""
        opened = len(re.findall(spaced, content))
        return cls(
            delimiter,
            has_escapes='\\"' in content and re.search(rf'(?<!\\)(?:\\\\)*\\"(?!"|{end})', content) is not None,
            has_spaces=opened > 0 and opened == len(re.findall(rf'{spaced}(?:[^"\\]|""|\\.)*+"{end}', content)),
        )


def read(source: Source, report: Report) -> DoclingDocument:
    """Read a table: its first row is its head, blank lines are left out, short rows end early."""
    content = text.decoded(source, report, page_break=" ")
    delimiter = None
    if told := _SEPARATOR_LINE.match(content):
        delimiter = "\t" if told[1] == "\\t" else told[1]
        content = content[told.end() :]
    report.passages.extend(_passages(content))
    parsed = DoclingDocument(name=PurePath(source.filename).stem)
    style = _Style.of(content, delimiter or _delimiter(content))
    rows = [row for row in _rows(content, style) if row]
    if rows:
        parsed.add_table(data=_table(rows))
    return parsed


def _delimiter(content: str) -> str:
    """What separates the cells: the character by which most rows get equally many cells, more than one.

    Docling asks `csv.Sniffer`, which reads the first line alone and finds `:` in times of day.
    """
    sample = content[:_SAMPLE]
    if len(sample) < len(content):
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, most = _NONE, (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = [len(row) for row in _rows(sample, _Style.of(sample, delimiter)) if row]
        width, count = Counter(widths or [0]).most_common(1)[0]
        is_table = width > 1 and (2 * count >= len(widths) or widths[0] > 1)
        if delimiter == "," and is_table and _is_decimal(sample, widths):
            continue
        if is_table and (count / len(widths), width) > most:
            best, most = delimiter, (count / len(widths), width)
        elif not is_table and widths and widths[0] > 1 and best == _NONE:
            best = delimiter
    return best


def _is_decimal(sample: str, widths: list[int]) -> bool:
    """True where all commas stand between digits, and another delimiter or a head of one cell says what they are."""
    has_others = widths[0] == 1 or any(delimiter in sample for delimiter in ";\t|")
    return has_others and _NO_DECIMAL.search(sample) is None


def _rows(content: str, style: _Style) -> Iterator[list[str]]:
    csv.field_size_limit(max(len(content), 1))
    if style.has_escapes:
        content = _BACKSLASHES.sub(_doubled, content)
    yield from csv.reader(
        _lines(content),
        delimiter=style.delimiter,
        escapechar="\\" if style.has_escapes else None,
        skipinitialspace=style.has_spaces,
    )


def _doubled(found: re.Match[str]) -> str:
    """Backslashes that stay as they are, but for one that escapes a quote."""
    backslashes, quote = len(found[1]), found[2]
    return "\\" * (2 * backslashes - 1 if quote and backslashes % 2 else 2 * backslashes) + quote


def _lines(content: str) -> Iterator[str]:
    """The lines with their ends, which quoted cells keep."""
    return (line for line in re.split(r"(?<=\n)|(?<=\r)(?!\n)", content) if line)


def _table(rows: list[list[str]]) -> TableData:
    cells = [
        TableCell(
            text=cell,
            start_row_offset_idx=row,
            end_row_offset_idx=row + 1,
            start_col_offset_idx=column,
            end_col_offset_idx=column + 1,
            column_header=row == 0,
        )
        for row, of_row in enumerate(rows)
        for column, cell in enumerate(of_row)
    ]
    return TableData(num_rows=len(rows), num_cols=max(map(len, rows)), table_cells=cells)


def _passages(content: str) -> Iterator[Passage]:
    for number, line in enumerate(content.splitlines(), start=1):
        yield Passage(f"line {number}", line)
