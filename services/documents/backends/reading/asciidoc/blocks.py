"""The blocks of an AsciiDoc file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from docling.utils.code_language import detect_code_language
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.group import ListGroup
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.items.text import ListItem, TextItem
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading import text
from services.documents.backends.reading.asciidoc import tables
from services.documents.backends.reading.asciidoc.header import add_header
from services.documents.backends.reading.asciidoc.inline import Inline
from services.documents.backends.reading.asciidoc.passages import passages
from services.documents.backends.reading.asciidoc.source import (
    ATTRIBUTES,
    COMMENT,
    DELIMITER,
    ITEM,
    TITLE,
    Attributes,
    entry,
    kept_lines,
    section_title,
    titles,
)
from services.documents.backends.reading.line import BOLD, Run, add_heading, add_item, add_line
from services.documents.backends.reading.reader import Report, Source
from services.documents.backends.reading.table import Cell, add_table

_MOST_LEVELS = 40
"""Blocks within blocks and lists within lists; deeper ones are text."""

_ENDS = -1
"""An item says it when its list ends behind it; less by the blank lines before a `+`, each of which leaves a list."""

_SHOWN_LETTERS = 40
"""Of what is nested too deeply."""

_TABLE = re.compile(r"[|,:!]={3,}$")
_BREAK = re.compile(r"(?:'{3,}|<{3,}|-{3}|\*{3}|- - -|\* \* \*)$")
_MEDIA = re.compile(r"(image|video|audio)::([^\[]*)\[(.*)\]$")
_OMITTED_MACRO = re.compile(r"toc::\[.*\]$")
_MATH = {"stem", "latexmath", "asciimath"}
_START = re.compile(r"([0-9]{1,9})(?:\.|$)")
_TERM = re.compile(r"[ \t]*(?P<term>(?!//|::)\S.*?)(?P<marker>:{2,4}|;;)(?:[ \t]+(?P<text>\S.*))?$")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION)$")
_ADMONITION_PARAGRAPH = re.compile(r"(?:NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]")
_PIPED = re.compile(r"\|.*\S")
_CALLOUT = re.compile(
    r"(?<![ \t])(?:[ \t]*(?://|#|--|;;))?(?P<all>(?:[ \t]*<!?(?:--)?(?:\d+|\.)(?:--)?>)+)$", re.MULTILINE
)
_CALLOUT_NUMBER = re.compile(r"<!?(?:--)?(\d+|\.)(?:--)?>")
_TAG = re.compile(r"<[^<>]*>")


@dataclass(slots=True)
class _About:
    """What the lines above a block say of it."""

    positional: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    options: set[str] = field(default_factory=set)
    title: str = ""

    @property
    def style(self) -> str:
        return self.positional[0] if self.positional else ""


def read(source: Source, report: Report) -> DoclingDocument:
    """The document of an AsciiDoc file."""
    parsed = text.empty(source, "text/asciidoc")
    lines, numbers = kept_lines(text.decoded(source, report), report.problems)
    report.passages.extend(passages(lines, numbers))
    attributes = Attributes()
    inline = Inline(attributes, titles(lines))
    blocks = _Blocks(parsed, inline)
    start = add_header(parsed, inline, lines)
    blocks.add(lines[start:], None)
    report.problems.extend(blocks.problems())
    return parsed


class _Blocks:
    def __init__(self, document: DoclingDocument, inline: Inline) -> None:
        self._document = document
        self._inline = inline
        self._level = 0
        self._is_in_item = False

    def problems(self) -> Iterator[str]:
        """What was nested too deeply to be read."""
        if found := self._inline.too_deep:
            first = " ".join(found[0].split())[:_SHOWN_LETTERS]
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            yield f"'{first}'{more}: nested too deeply; what is inside is returned as it is written"

    def _is_too_deep(self, line: str) -> bool:
        """True where blocks can be nested no deeper; the line is noted."""
        if self._level < _MOST_LEVELS:
            return False
        self._inline.too_deep.append(line)
        return True

    def add(self, lines: Sequence[str], parent: NodeItem | None) -> None:
        """Add the blocks of some lines."""
        self._level += 1
        before, self._is_in_item = self._is_in_item, False
        number, earlier = 0, len(self._inline.notes.pending)
        while number < len(lines):
            number = self._block(lines, number, parent)
            self._add_notes(parent, earlier)
        self._is_in_item = before
        self._level -= 1

    def _block(self, lines: Sequence[str], number: int, parent: NodeItem | None, *, is_attached: bool = False) -> int:
        """Add the next block with what stands above it; the number of the line behind it."""
        about = _About()
        while number < len(lines):
            line = lines[number]
            if not line.strip() or COMMENT.match(line):
                if is_attached and not line.strip():
                    break
                number += 1
            elif defined := entry(line):
                self._inline.attributes.define(*defined)
                number += 1
            elif ATTRIBUTES.match(line):
                self._note_attributes(line, about)
                number += 1
            elif (match := TITLE.match(line)) and not ITEM.match(line):
                about.title = match[1]
                number += 1
            else:
                return self._content(lines, number, parent, about)
        self._add_title(about, parent)
        return number

    def _note_attributes(self, line: str, about: _About) -> None:
        content = self._inline.attributes.replaced(line[1:-1])
        if content.startswith("["):
            return
        for position, part in enumerate(_split_attributes(content)):
            name, equals, value = part.partition("=")
            if equals and re.fullmatch(r"[\w-]+", name.strip()):
                value = _unquoted(value.strip())
                about.named[name.strip()] = value
                if name.strip() in {"options", "opts"}:
                    about.options.update(option.strip() for option in value.split(","))
            else:
                style, *shorthand = (
                    re.split(r"(?=[.#%])", _unquoted(part.strip())) if position == 0 else [_unquoted(part.strip())]
                )
                about.options.update(option[1:] for option in shorthand if option.startswith("%"))
                about.positional.append(style) if position >= len(about.positional) else None
                if style:
                    about.positional[position] = style

    def _content(self, lines: Sequence[str], number: int, parent: NodeItem | None, about: _About) -> int:
        line = lines[number]
        section = section_title(lines, number)
        if section is not None:
            self._add_title(about, parent)
            level, heading, height = section
            add_heading(self._document, self._inline.runs(heading), parent, max(1, level))
            return number + height
        if DELIMITER.match(line) and not self._is_too_deep(line):
            return self._delimited(lines, number, parent, about)
        if _BREAK.match(line) or _OMITTED_MACRO.match(line):
            return number + 1
        if media := _MEDIA.match(line):
            self._add_media(media, parent, about)
            return number + 1
        if (ITEM.match(line) or _TERM.match(line)) and not self._is_too_deep(line):
            self._add_title(about, parent)
            return self._list(lines, number, parent, [], about)[0]
        end = self._paragraph_end(lines, number)
        self._paragraph(lines[number:end], parent, about)
        return end

    def _paragraph_end(self, lines: Sequence[str], number: int) -> int:
        number += 1
        while number < len(lines):
            line = lines[number]
            if not line.strip() or line == "+" or DELIMITER.match(line) or ATTRIBUTES.match(line):
                break
            if self._is_in_item and _kind(line):
                break
            number += 1
        return number

    def _paragraph(self, lines: Sequence[str], parent: NodeItem | None, about: _About) -> None:
        lines = [line for line in lines if not COMMENT.match(line)]
        style = about.style
        if style in {"source", "listing", "literal"} or (not style and lines[0][:1].isspace()):
            self._add_title(about, parent)
            self._add_code(lines, parent, about)
        elif style in _MATH or style == "pass":
            self._add_raw(lines, parent, about)
        elif all(map(_PIPED.match, lines)):
            self._add_piped(lines, parent, about)
        else:
            self._add_title(about, parent)
            self._add_text(lines, parent, about)

    def _add_text(self, lines: Sequence[str], parent: NodeItem | None, about: _About) -> None:
        credit = ", ".join(about.positional[1:3]) if about.style in {"quote", "verse"} else ""
        if lines[-1].startswith("-- ") and len(lines) > 1 and lines[0].startswith('"'):
            lines, credit = lines[:-1], lines[-1][3:]
        if all(line.startswith(">") for line in lines) and not self._is_too_deep(lines[0]):
            self.add([line.removeprefix(">").removeprefix(" ") for line in lines], parent)
            return
        prefix = f"{about.style}: " if _ADMONITION.match(about.style) else ""
        if (
            about.style == "verse"
            or "hardbreaks" in about.options
            or "hardbreaks-option" in self._inline.attributes.values
        ):
            content = " +\n".join(line.removesuffix(" +") for line in lines)
        else:
            content = "\n".join(line.strip() for line in lines)
        add_line(self._document, self._inline.runs(prefix + content), parent)
        self._add_credit(credit, parent)

    def _add_credit(self, credit: str, parent: NodeItem | None) -> None:
        if credit:
            add_line(self._document, [Run("\u2014 "), *self._inline.runs(credit)], parent)

    def _add_title(self, about: _About, parent: NodeItem | None, prefix: str = "") -> None:
        if about.title or prefix:
            runs = self._inline.runs(about.title)
            separator = ": " if about.title and prefix else ""
            bold = [run._replace(style=run.style | BOLD) for run in [Run(prefix + separator), *runs]]
            add_line(self._document, bold, parent)
            about.title = ""

    def _caption(self, runs: Iterable[Run]) -> TextItem | None:
        caption = add_line(self._document, runs, label=DocItemLabel.CAPTION)
        return caption if isinstance(caption, TextItem) else None

    def _add_notes(self, parent: NodeItem | None, earlier: int) -> None:
        """Add the footnotes of the last block; earlier ones belong to a block that this one is part of."""
        pending = self._inline.notes.pending
        added, pending[earlier:] = pending[earlier:], []
        for number, runs in added:
            add_line(self._document, [Run(f"[{number}] "), *runs], parent, DocItemLabel.FOOTNOTE)

    def _add_media(self, media: re.Match[str], parent: NodeItem | None, about: _About) -> None:
        parts = [part for part in _split_attributes(media[3]) if "=" not in part or part.startswith('"')]
        alternative = [Run(_unquoted(parts[0].strip()))] if parts and media[1] == "image" else []
        about.title = about.title or _named(media[3], "title")
        title = self._inline.runs(about.title) if about.title else []
        self._document.add_picture(parent=parent, caption=self._caption(title or alternative))
        if about.title:
            add_line(self._document, alternative, parent)

    def _delimited(self, lines: Sequence[str], number: int, parent: NodeItem | None, about: _About) -> int:
        delimiter = lines[number]
        closing = "```" if delimiter.startswith("`") else delimiter
        end = number + 1
        while end < len(lines) and lines[end] != closing:
            end += 1
        content = lines[number + 1 : end]
        if delimiter.startswith("////"):
            pass
        elif _TABLE.match(delimiter):
            self._add_table(content, delimiter[0], parent, about)
        elif about.style in _MATH or delimiter.startswith("++++"):
            self._add_raw(content, parent, about)
        elif delimiter.startswith(("----", "....", "`")) or about.style in {"source", "listing", "literal"}:
            if delimiter.startswith("`") and delimiter[3:].strip():
                about.positional[:] = ["source", delimiter.strip("`").split(",")[0].strip()]
            self._add_title(about, parent)
            self._add_code(content, parent, about)
        elif about.style == "verse":
            self._add_title(about, parent)
            self._add_text(content or [""], parent, about)
        else:
            prefix = about.style if _ADMONITION.match(about.style) else ""
            self._add_title(about, parent, prefix)
            self.add(content, parent)
            if delimiter.startswith("____") or about.style == "quote":
                self._add_credit(", ".join(filter(None, about.positional[1:3])), parent)
        return end + 1

    def _add_code(self, lines: Sequence[str], parent: NodeItem | None, about: _About) -> None:
        content = "\n".join(lines).strip("\n")
        if lines and all(not line or line[0].isspace() for line in lines):
            indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
            content = "\n".join(line[indent:] for line in lines).strip("\n")
        if "attributes" in about.named.get("subs", ""):
            content = self._inline.attributes.replaced(content)
        content = _numbered(content)
        if not content.strip():
            return
        hint = (
            about.positional[1]
            if about.style == "source" and len(about.positional) > 1
            else about.named.get("language")
        )
        is_source = about.style == "source" or bool(hint)
        language = detect_code_language(content, hint=hint) if is_source and hint else None
        self._document.add_code(text=content, code_language=language, parent=parent)

    def _add_raw(self, lines: Sequence[str], parent: NodeItem | None, about: _About) -> None:
        self._add_title(about, parent)
        content = "\n".join(lines).strip()
        if about.style in _MATH:
            if content:
                self._document.add_formula(text=content, parent=parent)
        else:
            add_line(self._document, [Run(_TAG.sub(" ", content).replace("\n", " "))], parent)

    def _add_piped(self, lines: Sequence[str], parent: NodeItem | None, about: _About) -> None:
        """Lines of cells without a table's delimiters: each is a row."""
        rows = [
            [tables.Piece(part.strip()) for part in line.rstrip().removesuffix("|").split("|")[1:]] for line in lines
        ]
        self._place(rows, tables.Layout(has_header=True), parent, about)

    def _add_table(self, lines: Sequence[str], sign: str, parent: NodeItem | None, about: _About) -> None:
        while lines and not lines[-1].strip():
            lines = lines[:-1]
        lines = [line for line in lines if not COMMENT.match(line)]
        format_ = about.named.get("format") or {",": "csv", ":": "dsv"}.get(sign, "psv")
        default = {"csv": ",", "dsv": ":", "tsv": "\t"}.get(format_, sign if sign in "|!" else "|")
        layout = tables.Layout(
            styles=tables.column_styles(about.named.get("cols", "")),
            has_header="noheader" not in about.options
            and ("header" in about.options or tables.has_implicit_header(lines)),
            has_footer="footer" in about.options,
            separator=about.named.get("separator", default).replace("\\t", "\t") or default,
            format={"tsv": "csv"}.get(format_, format_),
        )
        self._place(tables.rows(lines, layout), layout, parent, about)

    def _place(
        self, rows: Sequence[Sequence[tables.Piece]], layout: tables.Layout, parent: NodeItem | None, about: _About
    ) -> None:
        placed: list[list[Cell]] = []
        for number, row in enumerate(rows):
            is_header = layout.has_header and number == 0
            placed.append([self._cell(piece, layout, column, is_header=is_header) for column, piece in enumerate(row)])
        caption = self._caption(self._inline.runs(about.title)) if about.title else None
        about.title = ""
        if placed or caption:
            add_table(self._document, placed, parent, caption)

    def _cell(self, piece: tables.Piece, layout: tables.Layout, column: int, *, is_header: bool) -> Cell:
        style = "" if is_header else piece.style or (layout.styles[column] if column < len(layout.styles) else "")
        cell = Cell(columns=piece.columns, rows=piece.rows, is_column_header=is_header, is_row_header=style == "h")
        content = piece.text.strip("\n") if style in "al" else piece.text.strip()
        if style == "a":
            lines = content.strip().split("\n")
            is_blocks = len(lines) > 1 or any(sign(lines[0]) for sign in (ITEM.match, _TERM.match, _MEDIA.match))
            if is_blocks and not self._is_too_deep(lines[0]):
                cell.build = self._builder(lines)
                return cell
        if style == "l":
            cell.runs = [Run(content)]
            return cell
        blocks = [part.replace("\n", " ") for part in re.split(r"\n[ \t]*\n", content)]
        runs = self._inline.code(content) if style == "m" else self._inline.runs(" +\n".join(blocks))
        cell.runs = [run for run in runs if run.text]
        return cell

    def _builder(self, lines: Sequence[str]) -> Callable[[NodeItem], None]:
        return lambda group: self.add(lines, group)

    def _list(
        self, lines: Sequence[str], number: int, parent: NodeItem | None, outer: list[str], about: _About
    ) -> tuple[int, int]:
        """Add a list from its first item on: the line behind it, and how many blank lines stand before a `+` there."""
        self._level += 1
        kind = _kind(lines[number])
        group = self._document.add_list_group(parent=parent)
        first = _START.match(about.named.get("start") or lines[number].lstrip())
        count = int(first[1]) if first else 1
        blanks = 0
        while number < len(lines) and _kind(lines[number]) == kind:
            number, blanks = self._item(lines, number, group, [*outer, kind], count)
            count += 1
            if blanks < 0:
                break
        self._level -= 1
        return number, blanks

    def _item(
        self, lines: Sequence[str], number: int, group: ListGroup, kinds: list[str], count: int
    ) -> tuple[int, int]:
        """Add an item with all that belongs to it; negative blank lines: the list ends behind it."""
        number, runs = self._item_text(lines, number)
        marker = f"{count}." if kinds[-1].startswith((".", "<")) else ""
        item = add_item(self._document, runs, group, enumerated=bool(marker), marker=marker)
        while True:
            number, blanks = _skip_blanks(lines, number)
            if number >= len(lines):
                return number, _ENDS
            if lines[number] == "+":
                if blanks and len(kinds) > 1:
                    return number, _ENDS - blanks  # it belongs to an item around this one
                number = self._attached(lines, number + 1, item)
                continue
            target = number + _about_lines(lines, number)
            kind = _kind(lines[target]) if target < len(lines) else ""
            if self._opens_list(kind, kinds) and not (blanks and target > number):
                number, left = self._nested(lines, number, target, item, kinds)
                if left < _ENDS - 1 and len(kinds) > 1:
                    return number, left + 1
                if left < _ENDS:
                    number = self._attached(lines, number + 1, item)
            elif blanks and lines[number][:1].isspace() and not kind:
                number = self._attached(lines, number, item)
            else:
                return number, 0 if kind == kinds[-1] and target == number else _ENDS

    def _opens_list(self, kind: str, kinds: Sequence[str]) -> bool:
        return bool(kind) and kind not in kinds and self._level < _MOST_LEVELS  # else it is noted as a block

    def _nested(
        self, lines: Sequence[str], number: int, target: int, item: ListItem, kinds: list[str]
    ) -> tuple[int, int]:
        about = _About()
        for above in lines[number:target]:
            self._note_attributes(above, about)
        return self._list(lines, target, item, kinds, about)

    def _attached(self, lines: Sequence[str], number: int, item: ListItem) -> int:
        """Add the block behind a `+`; unlike elsewhere, the next item ends its paragraph."""
        if number >= len(lines):
            return number
        before, self._is_in_item = self._is_in_item, True
        number = self._block(lines, number, item, is_attached=True)
        self._is_in_item = before
        return number

    def _item_text(self, lines: Sequence[str], number: int) -> tuple[int, list[Run]]:
        """The text of an item, over its lines; of a term, bold, with what it means."""
        match = ITEM.match(lines[number])
        terms: list[str] = []
        if match is None:
            while number < len(lines) and (term := _TERM.match(lines[number])) and not ITEM.match(lines[number]):
                terms.append(term["term"])
                number += 1
                if term["text"] or not (number < len(lines) and _TERM.match(lines[number])):
                    break
            first = (term["text"] or "") if term else ""
            while not first and number < len(lines) and not lines[number].strip():
                number += 1
            if not first and number < len(lines) and not _interrupts(lines, number):
                first = lines[number].strip()
                number += 1
        else:
            first = match["text"]
            number += 1
        content = [first]
        while first and number < len(lines) and lines[number].strip() and not _interrupts(lines, number):
            if not COMMENT.match(lines[number]):
                content.append(lines[number].strip())
            number += 1
        runs = self._inline.runs("\n".join(content))
        if not terms:
            return number, runs
        named = [run._replace(style=run.style | BOLD) for run in self._inline.runs(", ".join(terms))]
        return number, [*named, Run(": ") if first else Run(""), *runs]


def _skip_blanks(lines: Sequence[str], number: int) -> tuple[int, int]:
    """The next line that says something, and how many empty ones stand before it."""
    blanks = 0
    while number < len(lines) and (not lines[number].strip() or COMMENT.match(lines[number])):
        blanks += not lines[number].strip()
        number += 1
    return number, blanks


def _kind(line: str) -> str:
    """What tells the lists of a nest apart: their marker, any number as one; "" for other lines."""
    if _BREAK.match(line):
        return ""
    if match := ITEM.match(line):
        marker = match["marker"]
        if marker[0] == "<":
            return "<1>"
        if marker[0].isalnum():
            return ". " if marker[0].isdigit() else f"..{marker[-1]}{marker[0].isupper()}"
        return marker if marker[0] != "." else "." * len(marker)
    if match := _TERM.match(line):
        return match["marker"]
    return ""


def _interrupts(lines: Sequence[str], number: int) -> bool:
    """True for a line that ends the text of a list item."""
    line = lines[number]
    return bool(
        line == "+"
        or _kind(line)
        or DELIMITER.match(line)
        or ATTRIBUTES.match(line)
        or (TITLE.match(line) and not ITEM.match(line))
    )


def _about_lines(lines: Sequence[str], number: int) -> int:
    count = 0
    while number + count < len(lines) and ATTRIBUTES.match(lines[number + count]):
        count += 1
    return count


def _split_attributes(content: str) -> list[str]:
    """The parts between commas that stand in no quotes."""
    return re.findall(r"(?:^|(?<=,))((?:[^,\"]*\"[^\"]*\"[^,]*|[^,]*))", content)


def _named(content: str, name: str) -> str:
    """What some attributes say under a name."""
    parts = (part.partition("=") for part in _split_attributes(content))
    return next((_unquoted(value.strip()) for key, _, value in parts if key.strip() == name), "")


def _numbered(code: str) -> str:
    """Code with the numbers of its callouts; `<.>` is the next one."""
    count = itertools.count(1)

    def numbers(match: re.Match[str]) -> str:
        return " " + _CALLOUT_NUMBER.sub(
            lambda callout: f"({next(count) if callout[1] == '.' else callout[1]})", match["all"].strip()
        )

    return _CALLOUT.sub(numbers, code)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
