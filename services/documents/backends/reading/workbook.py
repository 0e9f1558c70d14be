"""Cells of an XLSX file as its own XML has them: values as they are shown, and formulas that were never computed."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from lxml import etree
from openpyxl.formula.translate import Translator
from openpyxl.utils.cell import column_index_from_string as _column_index
from openpyxl.utils.cell import coordinate_from_string

from services.documents.backends.reading import numbers, opc
from services.documents.backends.reading.sheets import Place, name

_SAFE: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "remove_comments": True,
    "remove_pis": True,
}
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_FUTURE = re.compile(r"_xl(?:fn|ws|pm|udf)\.")
_NUMBER = re.compile(r"-?\d+")
_MOST_COLUMNS = 16_384
_MOST_TRANSLATED = 2_000_000
"""Characters of shared formulas that are moved to their cells, some 2 s; others are as their first cell has them."""


@dataclass(slots=True)
class Sheet:
    """A sheet's own XML, read."""

    cells: dict[Place, str] = field(default_factory=dict)
    """Texts as shown, hidden cells included."""
    uncomputed: list[Place] = field(default_factory=list)
    """Cells whose text is a formula, since nobody computed its value."""
    hidden_rows: list[tuple[int, int]] = field(default_factory=list)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    """The first and the last of each hidden stretch."""
    headers: list[str] = field(default_factory=list)
    footers: list[str] = field(default_factory=list)


class Package:
    """The parts of an XLSX file."""

    def __init__(self, data: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        self._names = frozenset(self._archive.namelist())

    def tree(self, part: str) -> Any | None:
        """A part's root element; None where it is missing or broken."""
        if part not in self._names:
            return None
        try:
            return etree.fromstring(self._archive.read(part), parser=etree.XMLParser(**_SAFE))
        except etree.XMLSyntaxError:
            return None

    def related(self, part: str, kind: str) -> list[str]:
        """Parts that a part refers to, of a kind: the last word of the relationship's type."""
        return [target for type_, target in self._relations(part).values() if type_ == kind]

    def target(self, part: str, reference: str) -> str:
        """The part that a reference of a part means; empty where there is none."""
        return self._relations(part).get(reference, ("", ""))[1]

    @cached_property
    def book(self) -> str:
        """Name of the part that lists the sheets."""
        return next(iter(self.related("", "officeDocument")), "xl/workbook.xml")

    @cached_property
    def sheets(self) -> dict[str, str]:
        """Parts of the sheets by their names."""
        root = self.tree(self.book)
        relations = self._relations(self.book)
        found = {}
        for sheet in [] if root is None else root.iter("{*}sheet"):
            reference = next((value for key, value in sheet.attrib.items() if key.endswith("}id")), "")
            if reference in relations:
                found[sheet.get("name", "")] = relations[reference][1]
        return found

    @cached_property
    def strings(self) -> list[str]:
        """The shared strings."""
        root = next((self.tree(part) for part in self.related(self.book, "sharedStrings")), None)
        return [] if root is None else [_string(item) for item in root.iterchildren("{*}si")]

    def sheet(self, title: str, code: Callable[[int], str], *, from_1904: bool) -> Sheet:
        """A sheet read from its XML.

        Args:
            title: its name.
            code: the format code of a style's number.
            from_1904: dates count from 1904.
        """
        part = self.sheets.get(title)
        if part is None or part not in self._names:
            return Sheet()
        with self._archive.open(part) as content:
            return _Reader(self, code, from_1904=from_1904).read(content)

    @cache  # noqa: B019 - it lives as long as the file
    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        root = self.tree(opc.relationships_of(part))
        found = {}
        for relation in [] if root is None else root.iterchildren("{*}Relationship"):
            if relation.get("TargetMode") != "External":
                target = opc.target_of(part, relation.get("Target", ""))
                kind = relation.get("Type", "").rpartition("/")[2]
                found[relation.get("Id", "")] = (kind, target)
        return found


class _Reader:
    """Reads one sheet as a stream: its XML may be a hundred times its size in the package."""

    def __init__(self, package: Package, code: Callable[[int], str], *, from_1904: bool) -> None:
        self._package = package
        self._code = code
        self._from_1904 = from_1904
        self._shared: dict[str, tuple[str, str]] = {}
        self._translated = _MOST_TRANSLATED
        self._sheet = Sheet()
        self._row = -1
        self._column = -1

    def read(self, content: Any) -> Sheet:
        tags = ("{*}row", "{*}c", "{*}col", "{*}headerFooter")
        for event, element in etree.iterparse(content, events=("start", "end"), tag=tags, **_SAFE):
            tag = etree.QName(element).localname
            if event == "start":
                if tag == "row":
                    self._start_row(element)
            elif tag == "c":
                self._cell(element)
                element.clear()
            elif tag == "row":
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
            elif tag == "col" and element.get("hidden") in {"1", "true"}:
                first, last = int(element.get("min", 1)), int(element.get("max", 1))
                self._sheet.hidden_columns.append((first - 1, min(last, _MOST_COLUMNS) - 1))
            elif tag == "headerFooter":
                self._header_footer(element)
        return self._sheet

    def _start_row(self, row: Any) -> None:
        self._row = int(row.get("r", self._row + 2)) - 1
        self._column = -1
        if row.get("hidden") in {"1", "true"}:
            self._sheet.hidden_rows.append((self._row, self._row))

    def _cell(self, cell: Any) -> None:
        place = self._place(cell.get("r"))
        parts = {etree.QName(child).localname: child for child in cell.iterchildren("{*}v", "{*}f", "{*}is")}
        value = parts["v"].text if "v" in parts else None
        kind = cell.get("t", "n")
        text = self._text(kind, value, parts.get("is"), cell)
        if not text and "f" in parts and ((value is None and kind != "str") or "v" not in parts):
            text = self._formula(parts["f"], place)
            self._sheet.uncomputed.append(place)
        elif "f" in parts and parts["f"].text:
            self._remember(parts["f"], place)
        if text:
            self._sheet.cells[place] = text

    def _place(self, reference: str | None) -> Place:
        if reference:
            letters, number = coordinate_from_string(reference)
            self._row, self._column = number - 1, _column_index(letters) - 1
        else:
            self._column += 1
        return self._row, self._column

    def _text(self, kind: str, value: str | None, inline: Any, cell: Any) -> str:
        if kind == "inlineStr":
            return "" if inline is None else _string(inline)
        if value is None:
            return ""
        match kind:
            case "s":
                index = int(value)
                return self._package.strings[index] if 0 <= index < len(self._package.strings) else ""
            case "b":
                return "TRUE" if value.strip() in {"1", "true"} else "FALSE"
            case "n":
                return self._number(value.strip(), int(cell.get("s", 0)))
            case _:
                return _unescaped(value)

    def _number(self, value: str, style: int) -> str:
        try:
            number: int | float = int(value) if _NUMBER.fullmatch(value) and len(value) < 400 else float(value)
        except ValueError:
            return value
        return numbers.shown(number, self._code(style), from_1904=self._from_1904)

    def _remember(self, formula: Any, place: Place) -> str:
        """A formula's text, kept for the cells that share it."""
        text = _FUTURE.sub("", formula.text or "").strip()
        if text and formula.get("t") == "shared":
            self._shared[formula.get("si", "")] = (text, name(*place))
        return text

    def _formula(self, formula: Any, place: Place) -> str:
        text = self._remember(formula, place)
        master = self._shared.get(formula.get("si", "")) if formula.get("t") == "shared" else None
        if not text and master and self._translated > len(master[0]):
            self._translated -= len(master[0])
            return str(Translator(f"={master[0]}", origin=master[1]).translate_formula(name(*place)))
        if not text and master:
            text = master[0]
        if not text and formula.get("t") == "dataTable":
            text = f"TABLE({formula.get('r1', '')})"
        return f"={text}" if text else ""

    def _header_footer(self, element: Any) -> None:
        kinds = {"odd"}  # others may stand in the file, and no page has them
        kinds |= {"even"} if element.get("differentOddEven") in {"1", "true"} else set()
        kinds |= {"first"} if element.get("differentFirst") in {"1", "true"} else set()
        for child in element:
            found = re.fullmatch(r"(odd|even|first)(Header|Footer)", etree.QName(child).localname)
            if found and found[1] in kinds and (text := _printed(child.text or "")):
                (self._sheet.headers if found[2] == "Header" else self._sheet.footers).append(text)


def _string(item: Any) -> str:
    """The text of a shared or inline string, without its phonetic guide."""
    pieces = []
    for child in item.iterchildren("{*}t", "{*}r"):
        for text in [child] if etree.QName(child).localname == "t" else child.iterchildren("{*}t"):
            pieces.append(text.text or "")
    return _unescaped("".join(pieces))


def _unescaped(text: str) -> str:
    """The characters that XML cannot hold: `_x000D_` is a carriage return."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: _character(int(found[1], 16)), text)


def _character(code: int) -> str:
    if code in {0x09, 0x0A}:
        return chr(code)
    return "" if code < 0x20 or 0xD800 <= code < 0xE000 else chr(code)


def _printed(code: str) -> str:
    """The words of a header or footer: `&L&"Arial,Bold"&12Costs&RPage &P`."""
    code = re.sub(r'&"[^"]*"|&K[0-9A-Fa-f]{6}|&K\d\d[+-]\d{3}|&\d{1,3}', "", code)
    parts: Iterator[str] = iter(re.split(r"&(.)", code, flags=re.DOTALL))
    text = next(parts, "")
    for letter, rest in zip(parts, parts, strict=True):
        text += ("&" if letter == "&" else " " if letter in "LCR" else "") + rest
    return " ".join(text.split())
