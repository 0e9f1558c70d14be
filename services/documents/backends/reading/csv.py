"""CSV: one table, every cell as it is written."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath

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
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(\\t|[^\r\n"])"?[;,]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
"""`sep=;`: a word to Excel, and no row."""


def read(source: Source, report: Report) -> DoclingDocument:
    """Read a table: its first row is its head, blank lines are left out, short rows end early."""
    content = text.decoded(source, report)
    delimiter = None
    if told := _SEPARATOR_LINE.match(content):
        delimiter = "\t" if told[1] == "\\t" else told[1]
        content = content[told.end() :]
    report.passages.extend(_passages(content))
    parsed = DoclingDocument(name=PurePath(source.filename).stem)
    rows = [row for row in _rows(content, delimiter or _delimiter(content)) if row]
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
        widths = [len(row) for row in _rows(sample, delimiter) if row]
        width, count = Counter(widths or [0]).most_common(1)[0]
        is_table = width > 1 and (2 * count >= len(widths) or widths[0] > 1)
        if is_table and (count / len(widths), width) > most:
            best, most = delimiter, (count / len(widths), width)
        elif not is_table and widths and widths[0] > 1 and best == _NONE:
            best = delimiter
    return best


def _rows(content: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(max(len(content), 1))
    yield from csv.reader(_lines(content), delimiter=delimiter)


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
