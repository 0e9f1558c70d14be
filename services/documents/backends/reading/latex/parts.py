"""Tokens in parts: a preamble and a body, items, captions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.documents.backends.reading.latex.commands import FLOATS
from services.documents.backends.reading.latex.cursor import Cursor, is_space, written
from services.documents.backends.reading.latex.expand import Raw, Token

BLANK_LINE = re.compile(r"\n[ \t]*\n")
_COLUMNS = re.compile(r"\(\d+\)")


def preamble_and_body(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """What stands before the document, and in it."""
    for place, token in enumerate(tokens):
        if token == r"\begin" and written(tokens[place + 1 : place + 4]) == "{document}":
            cursor = Cursor(tokens)
            cursor.place = place + 4
            return tokens[:place], cursor.environment("document")
    return [], tokens


def split(tokens: Sequence[Token], *separators: str) -> list[list[Token]]:
    """The tokens between separators."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token in separators:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def without_captions(tokens: list[Token]) -> tuple[list[Token], list[list[Token]]]:
    """The tokens without the captions among them, but those of floats within; the captions."""
    cursor = Cursor(tokens)
    rest: list[Token] = []
    captions: list[list[Token]] = []
    while (token := cursor.next()) is not None:
        if token == r"\begin":
            start = cursor.place - 1
            name = written(cursor.argument()).strip()
            if name.rstrip("*") in FLOATS:
                cursor.environment(name)
            rest.extend(cursor.tokens[start : cursor.place])
        elif token in {r"\caption", r"\caption*"}:
            cursor.optional()
            captions.append(cursor.argument())
            if cursor.skip_spaces() == r"\\":
                cursor.next()
        else:
            rest.append(token)
    return rest, captions


def items(cursor: Cursor) -> list[tuple[list[Token] | None, list[Token]]]:
    """The items of a list, each with its label where it has one of its own."""
    items: list[tuple[list[Token] | None, list[Token]]] = []
    while (token := cursor.next()) is not None:
        if token == r"\item":
            items.append((cursor.optional(), []))
        elif token == r"\begin":
            start = cursor.place - 1
            cursor.environment(written(cursor.argument()).strip())
            if items:
                items[-1][1].extend(cursor.tokens[start : cursor.place])
        elif items:
            items[-1][1].append(token)
    return items


def without_columns(tokens: Sequence[Token]) -> list[Token]:
    """The tokens of a `tasks` as those of a list: without the number of its columns."""
    start = next((place for place, token in enumerate(tokens) if not is_space(token)), len(tokens))
    rest = list(tokens[start:])
    if rest and isinstance(rest[0], str):
        rest[0] = _COLUMNS.sub("", rest[0]) or " "
    return [r"\item" if token in {r"\task", r"\task*"} else token for token in rest]


def first_paragraph(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """What an item's line is, and the blocks behind it."""
    start = next((place for place, token in enumerate(tokens) if not is_space(token)), len(tokens))
    for place in range(start, len(tokens)):
        token = tokens[place]
        is_block = token in {r"\begin", r"\[", r"\par"} or (isinstance(token, Raw) and token.kind != "verb")
        if is_block or (is_space(token) and BLANK_LINE.search(str(token))):
            return tokens[start:place], tokens[place:]
    return tokens[start:], []
