"""The rows and cells of a `tabular`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.documents.backends.reading.latex.cursor import Cursor, is_space, written
from services.documents.backends.reading.latex.expand import Token

_RULES = {
    **dict.fromkeys(
        ("hline", "toprule", "midrule", "bottomrule", "endhead", "endfirsthead", "endfoot", "endlastfoot"), ""
    ),
    **dict.fromkeys(("Xhline", "cline", "noalign", "hhline"), "m"),
    "specialrule": "mmm",
    "morecmidrules": "",
    "addlinespace": "o",
    "cmidrule": "opm",
    "rowcolor": "omoo",
    "rowcolors": "omm",
    "cellcolor": "om",
    "columncolor": "om",
    "arrayrulecolor": "om",
    "centering": "",
    "raggedright": "",
}
"""Commands that draw: they and what is said to them is no text."""


_LONG_TABLES = {"longtable": "om", "xltabular": "omm", "longtabu": "m", "supertabular": "m"}
_PARTS = {r"\endfirsthead", r"\endhead", r"\endfoot", r"\endlastfoot"}
"""What ends a part that a long table repeats on each page, but for the first or last."""


@dataclass(slots=True)
class Piece:
    """A cell."""

    tokens: list[Token] = field(default_factory=list)
    columns: int = 1
    rows: int = 1

    @property
    def is_empty(self) -> bool:
        """True when nothing stands in it."""
        return all(is_space(token) for token in self.tokens)


def tabbed(tokens: Sequence[Token]) -> list[Token]:
    """The lines of a `tabbing` as rows, its stops as columns; lines that only set stops are gone."""
    found: list[Token] = []
    line = 0
    for token in tokens:
        if token == r"\kill":
            del found[line:]
        elif token in {r"\=", r"\>"}:
            found.append("&")
        elif token not in {r"\<", r"\+", r"\-"}:
            found.append(token)
        if token in {r"\\", r"\kill"}:
            line = len(found)
    return found


def as_printed(tokens: Sequence[Token]) -> list[Token]:
    """Tokens whose long tables have their first head and last foot, each in its place, and not those of other pages."""
    cursor = Cursor(tokens)
    found: list[Token] = []
    while (token := cursor.next()) is not None:
        found.append(token)
        name = written(cursor.tokens[cursor.place : cursor.place + 3]).strip("{}") if token == r"\begin" else ""
        if name in _LONG_TABLES:
            cursor.argument()
            content = Cursor(cursor.environment(name))
            for kind in _LONG_TABLES[name]:
                content.optional() if kind == "o" else content.argument()
            found.extend(["{", name, "}", *content.tokens[: content.place]])
            found.extend([*_in_order(content.tokens[content.place :]), r"\end", "{", name, "}"])
    return found


def _in_order(tokens: Sequence[Token]) -> list[Token]:
    parts: dict[Token, list[Token]] = {}
    part: list[Token] = []
    for token in tokens:
        if token in _PARTS:
            parts[token], part = part, []
        else:
            part.append(token)
    head = parts.get(r"\endfirsthead", parts.get(r"\endhead", []))
    foot = parts.get(r"\endlastfoot", parts.get(r"\endfoot", []))
    return [*head, *part, *([r"\\", *foot] if foot else [])]


def rows(tokens: Sequence[Token]) -> list[list[Piece]]:
    """The rows; a cell that one above covers is left out where it is empty."""
    split = [[_spanned(cell) for cell in row] for row in _split(tokens)]
    found = [row for row in split if not all(cell.is_empty for cell in row)]
    covered: dict[int, int] = {}  # column -> first row that is free again
    kept: list[list[Piece]] = []
    for number, row in enumerate(found):
        column = 0
        kept.append([])
        for cell in row:
            is_covered = covered.get(column, 0) > number
            if not (is_covered and cell.is_empty):
                kept[-1].append(cell)
            if cell.rows > 1:
                covered[column] = number + min(cell.rows, len(found))
            column += cell.columns
    return kept


def _split(tokens: Sequence[Token]) -> list[list[list[Token]]]:
    cursor = Cursor(tokens)
    found: list[list[list[Token]]] = [[[]]]
    depth = 0
    while (token := cursor.next()) is not None:
        if token == r"\begin":
            start = cursor.place - 1
            cursor.environment(written(cursor.argument()).strip())
            found[-1][-1].extend(cursor.tokens[start : cursor.place])
            continue
        depth += (token == "{") - (token == "}")
        if depth == 0 and token == "&":
            found[-1].append([])
        elif depth == 0 and token in {r"\\", r"\\*", r"\tabularnewline", r"\cr"}:
            if cursor.place < len(cursor.tokens) and cursor.tokens[cursor.place] == "[":
                cursor.optional()
            found.append([[]])
        elif isinstance(token, str) and token[:1] == "\\" and token[1:] in _RULES:
            _skip(_RULES[token[1:]], cursor)
        else:
            found[-1][-1].append(token)
    return found


def _skip(kinds: str, cursor: Cursor) -> None:
    for kind in kinds:
        if kind == "o":
            cursor.optional()
        elif kind == "m":
            cursor.argument()
        elif isinstance(following := cursor.skip_spaces(), str) and following.startswith("("):
            cursor.place += 1


def _spanned(tokens: list[Token]) -> Piece:
    """A cell with how far it reaches."""
    cell = Piece(tokens)
    for _ in range(2):
        cursor = Cursor(cell.tokens)
        first = cursor.skip_spaces()
        if first in {r"\multicolumn", r"\multicolumn*"}:
            cursor.next()
            cell.columns = _number(written(cursor.argument()))
            cursor.argument()
            cell.tokens = [*cursor.argument(), *cursor.tokens[cursor.place :]]
        elif first in {r"\multirow", r"\multirow*", r"\multirowcell"}:
            cursor.next()
            cursor.optional()
            cell.rows = _number(written(cursor.argument()))
            cursor.optional()
            if first != r"\multirowcell":
                if cursor.skip_spaces() == "*":
                    cursor.next()
                else:
                    cursor.argument()
            cursor.optional()
            cell.tokens = [*cursor.argument(), *cursor.tokens[cursor.place :]]
    return cell


def _number(said: str) -> int:
    said = said.strip().lstrip("-")
    return int(said) if said.isascii() and said.isdigit() and 0 < len(said) < 6 else 1
