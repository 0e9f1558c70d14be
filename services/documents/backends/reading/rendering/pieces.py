"""Pieces of a line: what stands in a paragraph, a heading, an item of a list or a cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePath

from docling_core.types.doc.common.formatting import Formatting, Script
from pydantic import AnyUrl

from services.documents.backends.reading import glue


class Kind(StrEnum):
    """What a piece is."""

    TEXT = "text"
    CODE = "code"
    MATH = "math"
    READY = "ready"
    """In the form asked for already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text of one look."""

    text: str
    kind: Kind = Kind.TEXT
    formatting: Formatting | None = None
    link: AnyUrl | PurePath | None = None
    is_glued: bool = False
    """Nothing stands between it and the next one."""

    @property
    def is_bold(self) -> bool:
        """It is bold."""
        return bool(self.formatting and self.formatting.bold)

    @property
    def is_italic(self) -> bool:
        """It is in italics."""
        return bool(self.formatting and self.formatting.italic)

    @property
    def is_struck(self) -> bool:
        """It is struck through."""
        return bool(self.formatting and self.formatting.strikethrough)

    @property
    def is_underlined(self) -> bool:
        """It is underlined."""
        return bool(self.formatting and self.formatting.underline)

    @property
    def script(self) -> Script:
        """Where it stands against the line."""
        return self.formatting.script if self.formatting else Script.BASELINE


def piece(
    text: str,
    kind: Kind = Kind.TEXT,
    formatting: Formatting | None = None,
    link: AnyUrl | PurePath | None = None,
) -> Piece:
    """A piece of a text that may end in glue."""
    return Piece(text=glue.clean(text), kind=kind, formatting=formatting, link=link, is_glued=text.endswith(glue.GLUE))


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces, those of one look that touch each other as one; none empty."""
    line: list[Piece] = []
    for new in pieces:
        if not new.text.strip(" "):
            if line and new.text:
                line[-1] = replace(line[-1], is_glued=False)
            continue
        last = line[-1] if line else None
        if last and last.is_glued and _look(last) == _look(new) and new.kind in (Kind.TEXT, Kind.CODE):
            line[-1] = replace(new, text=last.text + new.text)
        else:
            line.append(new)
    return line


def spaced(pieces: list[Piece], shown: list[str]) -> str:
    """The rendered pieces as one line: a space between two that do not touch, where none stands yet."""
    line: list[str] = []
    for index, text in enumerate(shown):
        if index and not pieces[index - 1].is_glued and not _has_space(pieces[index - 1].text, pieces[index].text):
            line.append(" ")
        line.append(text)
    return "".join(line)


def _has_space(left: str, right: str) -> bool:
    return left[-1:].isspace() or right[:1].isspace()


def _look(of: Piece) -> tuple[object, ...]:
    return of.kind, of.is_bold, of.is_italic, of.is_struck, of.is_underlined, of.script, of.link
