"""The blocks of a LaTeX document."""

from __future__ import annotations

import re

from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading import text
from services.documents.backends.reading.latex import algorithms, commands
from services.documents.backends.reading.latex.cursor import Cursor, written
from services.documents.backends.reading.latex.expand import Expander, Token
from services.documents.backends.reading.latex.parts import (
    first_paragraph,
    items,
    preamble_and_body,
    split,
    without_captions,
    without_columns,
)
from services.documents.backends.reading.latex.passages import passages
from services.documents.backends.reading.latex.reader import LABEL, UNSHOWN_IN_MATH, Reader, Text
from services.documents.backends.reading.latex.signs import has_german_quotes
from services.documents.backends.reading.latex.table import as_printed, rows, tabbed
from services.documents.backends.reading.line import (
    BOLD,
    PLAIN,
    Run,
    add_heading,
    add_item,
    add_line,
)
from services.documents.backends.reading.reader import Report, Source
from services.documents.backends.reading.table import Cell, add_table

_BOX_TITLE = re.compile(r"(?:^|,)\s*(?:frame)?title\s*=\s*(\{(?:[^{}]|\{[^{}]*\})*\}|[^,]*)")
_LIKE_TITLE = re.compile(r"[A-Z][^\W\d]{2,}[^=\\]*|[^\W\d]+ [^=\\]+")


def read(source: Source, report: Report) -> DoclingDocument:
    """The document of a LaTeX file."""
    parsed = text.empty(source, None)
    expander = Expander(text.decoded(source, report))
    tokens = as_printed(list(expander.tokens()))
    if expander.is_exhausted:
        report.problems.append("its definitions expand to too much; those behind that point are not expanded")
    reader = Reader(parsed, report, {**commands.THEOREMS, **expander.theorems}, Blocks)
    preamble, body = preamble_and_body(tokens)
    reader.acronyms.define(tokens)
    reader.has_german_quotes = has_german_quotes(written(preamble))
    report.passages.extend(
        passages(body, commands.UNSHOWN_ARGUMENTS, commands.TABULARS | commands.ENVIRONMENT_ARGUMENTS)
    )
    reader.title(preamble, body)
    reader.add(body, None)
    report.problems.extend(reader.places.sentences())
    return parsed


class Blocks(Text):
    """Text with its environments."""

    def _environment(self, name: str, cursor: Cursor, style: commands.Style) -> None:
        bare = name.rstrip("*")
        content = cursor.environment(name)
        if bare in commands.MATH:
            self._equation(bare, content)
        elif name in commands.TABULARS or bare in commands.TABULARS:
            self._tabular(name if name in commands.TABULARS else bare, content, style)
        elif bare in commands.LISTS:
            self._list(bare, content, style)
        elif bare in commands.DRAWINGS:
            self._reader.places.note(self._reader.line, f"a drawing ({name}) is not kept, nor is the text in it")
        elif bare == "thebibliography":
            self._bibliography(content)
        elif self._is_inline:
            inner = Cursor(content)
            self._arguments(commands.ENVIRONMENT_ARGUMENTS.get(bare, ""), inner, style)
            self.add(inner.tokens[inner.place :], style)
        else:
            self.flush()
            self._block(bare, content, style)
            self.flush()

    def _block(self, name: str, content: list[Token], style: commands.Style) -> None:
        """An environment of blocks."""
        inner = Cursor(content)
        if name == "abstract":
            add_heading(self._reader.document, [Run("Abstract")], self._parent, 1)
        elif name in self._reader.theorems:
            self._theorem(name, inner)
        else:
            self._box_title(name, inner)
            self._arguments(commands.ENVIRONMENT_ARGUMENTS.get(name, "o"), inner, style, ends=True)
            if name == "frame" and inner.skip_spaces() == "{":
                self._section("frametitle", inner)
        rest = list(inner.tokens[inner.place :])
        if algorithms.is_algorithm(name):
            rest, captions = without_captions(rest)
            for caption in captions:
                add_line(self._reader.document, self._reader.inline(caption), self._parent, DocItemLabel.CAPTION)
            self.add(algorithms.spelled(rest), style)
        elif name in commands.FLOATS:
            self._float(rest)
        else:
            before = self._parent
            self.add(rest, style)
            self._parent = before

    def _box_title(self, name: str, inner: Cursor) -> None:
        """Show the title among the options of a box, or the one that the author's own environment seems to have."""
        options = written(Cursor(inner.tokens).optional() or [])
        told = _BOX_TITLE.search(options)
        title = told[1].strip("{} ") if told else ""
        if not told and name not in commands.ENVIRONMENT_ARGUMENTS and _LIKE_TITLE.fullmatch(options):
            title = options
        if title:
            self.add(list(Expander(title, self._reader.line).tokens()), BOLD)
            self.flush()

    def _theorem(self, name: str, inner: Cursor) -> None:
        named = inner.optional()
        title = [Run(self._reader.theorems[name], BOLD)]
        if named:
            title.extend([Run(" (", BOLD), *self._reader.inline(named, BOLD), Run(")", BOLD)])
        self.runs.extend([*title, Run(". ", BOLD)])

    def _float(self, content: list[Token]) -> None:
        """A figure or table: its caption, wherever it stands, goes with the first picture or table."""
        rest, captions = without_captions(content)
        first, *others = captions or [[]]
        self._float_of(rest, [first] if first else [])
        for other in others:
            add_line(self._reader.document, self._reader.inline(other), self._parent)
        self._reader.add_notes(self._parent)

    def _equation(self, name: str, content: list[Token]) -> None:
        cursor = Cursor(content)
        if name in {"alignat", "IEEEeqnarray"}:
            cursor.argument()
        math = written(cursor.tokens[cursor.place :])
        math = " ".join(UNSHOWN_IN_MATH.sub("", LABEL.sub("", math)).split())
        if name == "subequations":
            self.add(content, PLAIN)
        elif name == "math":
            self._formula(math)
        else:
            is_aligned = "&" in math or r"\\" in math
            self._display(
                rf"\begin{{aligned}} {math} \end{{aligned}}" if is_aligned and "\\begin" not in math[:8] else math
            )

    def _list(self, name: str, content: list[Token], style: commands.Style) -> None:
        if self._is_inline:
            self.add(content, style)
            return
        self.flush()
        cursor = Cursor(content)
        cursor.optional()
        if name == "tasks":
            cursor = Cursor(without_columns(cursor.tokens[cursor.place :]))
        group = self._reader.document.add_list_group(parent=self._parent)
        for label, item in items(cursor):
            head = self._reader.inline(label, BOLD) if label else []
            first, rest = first_paragraph(item)
            runs = (
                [*head, Run(" " if name != "description" else ": "), *self._reader.inline(first)]
                if head
                else self._reader.inline(first)
            )
            held = add_item(self._reader.document, runs, group, enumerated="enum" in name and not label)
            self._reader.add_notes(held)
            inner = Blocks(self._reader, held)
            inner.add(rest, style)
            inner.flush()

    def _bibliography(self, content: list[Token]) -> None:
        self.flush()
        cursor = Cursor(content)
        cursor.argument()
        heading = add_heading(self._reader.document, [Run("References")], self._parent, 1)
        group = self._reader.document.add_list_group(parent=heading)
        parts = split(list(cursor.tokens[cursor.place :]), r"\bibitem")
        for part in parts[1:]:
            entry = Cursor(part)
            label = entry.optional()
            key = written(entry.argument()).strip()
            mark = self._reader.inline(label) if label else [Run(key)]
            rest = self._reader.inline(entry.tokens[entry.place :])
            add_item(self._reader.document, [Run("["), *mark, Run("] "), *rest], group)

    def _tabular(self, name: str, content: list[Token], style: commands.Style) -> None:
        cursor = Cursor(content)
        for kind in commands.TABULARS[name]:
            cursor.optional() if kind == "o" else cursor.argument()
        rest, captions = without_captions(list(cursor.tokens[cursor.place :]))
        found = rows(tabbed(rest) if name == "tabbing" else rest)
        if self._is_inline:
            for row in found:
                for cell in row:
                    self.add(cell.tokens, style)
                    self._say(" ", style)
                self._say("\n", style)
            return
        self.flush()
        cells = [
            [
                Cell(
                    runs=self._reader.inline(cell.tokens),
                    columns=cell.columns,
                    rows=cell.rows,
                    is_column_header=number == 0,
                )
                for cell in row
            ]
            for number, row in enumerate(found)
        ]
        if captions and self.caption is None:
            self.caption = self._added_caption(captions[0])
        caption, self.caption = self.caption, None
        if cells:
            add_table(self._reader.document, cells, self._parent, caption)
        self._reader.add_notes(self._parent)
