"""The words of a LaTeX document's text, in its tokens' order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.latex.cursor import Cursor, is_space, written
from services.documents.backends.reading.latex.expand import Raw, Token
from services.documents.backends.reading.latex.signs import ACCENTS

_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_PLAIN_WORD = re.compile(r"[A-Za-z]{3,}")
_NO_TEXT_BEHIND = re.compile(
    r"(?:[A-Za-z]*(?:ref|cite\w*|label|input|include\w*|rule|color|skip|style|ruled?|box|space|length|counter|graphics|url))\*?$"
)


def passages(
    tokens: Sequence[Token], commands: Mapping[str, str], environments: Mapping[str, str]
) -> Iterator[Passage]:
    """A passage for each paragraph: its plain words, but for formulas and what commands are told."""
    words: list[str] = []
    cursor = Cursor(tokens)
    while (token := cursor.next()) is not None:
        if isinstance(token, Raw):
            words.extend(_PLAIN_WORD.findall(token.text))
        elif token == "$":
            cursor.until("$")
        elif token in {r"\(", r"\["}:
            cursor.until(r"\)", r"\]")
        elif token == r"\begin":
            _enter(cursor, environments)
        elif token[0] == "\\" and token[1:] in ACCENTS:
            _pass_accent(cursor, words)
        elif token[0] == "\\":
            _pass(token[1:].rstrip("*"), cursor, commands)
        elif _BLANK_LINE.search(token):
            yield from _passage(words)
            words = []
        elif _PLAIN_WORD.fullmatch(token.strip(".,;:!?()")) and _stands_alone(cursor):
            words.extend(_PLAIN_WORD.findall(token))
    yield from _passage(words)


def _stands_alone(cursor: Cursor) -> bool:
    """True for a word with spaces around it; another may go on behind a command."""
    before = cursor.tokens[cursor.place - 2] if cursor.place > 1 else " "
    after = cursor.tokens[cursor.place] if cursor.place < len(cursor.tokens) else " "
    return is_space(before) and (is_space(after) or after in {"&", "~"})


def _enter(cursor: Cursor, environments: Mapping[str, str]) -> None:
    name = written(cursor.argument()).strip()
    bare = name.rstrip("*")
    if re.match(
        r"equation|align|gather|multline|eqnarray|displaymath|math|flalign|tikz|pgf|picture|array|dmath|IEEEeq", bare
    ):
        cursor.environment(name)
        return
    _pass_arguments(environments.get(name, environments.get(bare, "o")), cursor)


def _pass(name: str, cursor: Cursor, commands: Mapping[str, str]) -> None:
    if name == "end" or _NO_TEXT_BEHIND.match(name):
        cursor.optional()
        if cursor.skip_spaces() == "{":
            cursor.argument()
        elif name == "input":
            cursor.next()
        if name.endswith(("color", "box")) and cursor.skip_spaces() == "[":
            cursor.optional()
        return
    _pass_arguments(commands.get(name, "o" if name in {"item", "footnote", "caption", "section", "\\"} else ""), cursor)


def _pass_arguments(kinds: str, cursor: Cursor) -> None:
    """Leave arguments out, by a letter each, up to the first that is text (`t`, `h`); `o` is an optional one."""
    for kind in kinds:
        if kind in "th":
            break
        if kind == "o":
            cursor.optional()
        elif kind != "b":
            cursor.argument()


def _pass_accent(cursor: Cursor, words: list[str]) -> None:
    """Leave the word out that has an accent in it."""
    before = cursor.tokens[cursor.place - 2] if cursor.place > 1 else ""
    if words and isinstance(before, str) and before.endswith(words[-1]):
        words.pop()
    if cursor.skip_spaces() == "{":
        cursor.argument()
    following = cursor.tokens[cursor.place] if cursor.place < len(cursor.tokens) else ""
    if isinstance(following, str) and following[:1].isalpha():
        cursor.next()


def _passage(words: list[str]) -> Iterator[Passage]:
    if words:
        yield Passage(f"the paragraph that begins '{' '.join(words[:4])}'", " ".join(words))
