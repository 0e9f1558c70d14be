"""Constructs of a format, written with marks where words stand, and the files made of them.

| mark | the word there |
|---|---|
| `@w` | is kept, whole and in order |
| `@rtl` | the same, in Hebrew letters |
| `@l`, `@m`, `@r` | parts of one word that is kept: `@l<b>@r</b>`, `@l<b>@m</b>@r` |
| `@x` | is switched off: in no form |
| `@footnotes` | is in Markdown, HTML and text only where footnotes are asked for; so with every value of `include` |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from services.documents.backends.base import Include, Output

FORMS = tuple(Output)
SHOWN = (Output.MARKDOWN, Output.HTML, Output.JSON)
"""Forms with a place for what is not text itself: the target of a link, the description of a picture."""

_MARK = re.compile(rf"@(w|rtl|l|m|r|x|{'|'.join(Include)})(?![a-z0-9])")
_HEBREW = str.maketrans("0123456789", "אבגדהוזחטי")


@dataclass(frozen=True, slots=True, kw_only=True)
class Construct:
    """Something that a format knows, with words in it."""

    name: str
    source: str
    """The piece of the file, with marks."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The same for other places of the file, by the name that the format's builder has for them."""
    forms: Sequence[Output] = FORMS
    """Where its words are kept."""
    ordered: bool = True
    """False where the place of the words is free, as that of a caption is."""
    anyway: bool = False
    """True where what `include` names may be in the answer without being asked for: Docling has it in the text."""
    alone: bool = False
    """True for what must be the only construct of its file: front matter, an encoding."""
    tells: bool = False
    """True where a sentence in `errors` is right although nothing is lost: something was guessed."""
    encoding: str = "utf-8"
    """Of a text format's file."""
    md: str = ""
    """What the Markdown must hold, with `@1` for the first word: "- [x] @1"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word that is in one place of one file."""

    text: str
    construct: str
    include: Include | None = None
    """What has to be asked for to see it."""
    is_off: bool = False
    """True when it is in no form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A construct with its words filled in."""

    construct: Construct
    source: str
    parts: Mapping[str, str]
    words: Sequence[Word]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format with its constructs."""

    name: str
    filename: str
    constructs: Sequence[Construct]
    build: Callable[[Sequence[Piece]], bytes]
    """Makes a file of the pieces, in their order."""
    markup: str = r"(?!)"
    """A regular expression for the format's markup, which no answer may show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A file and what is expected of it."""

    format: Format
    filename: str
    data: bytes
    pieces: Sequence[Piece]

    @property
    def words(self) -> list[Word]:
        """All words, in the order of the file."""
        return [word for piece in self.pieces for word in piece.words]


def samples(format_: Format, *, each: bool = False) -> list[Sample]:
    """The files of a format: one with all constructs that stand beside others, one for each that does not.

    Args:
        format_: the format.
        each: one file for every construct, to find which one is at fault.
    """
    pieces = fill(format_)
    together = [] if each else [piece for piece in pieces if not piece.construct.alone]
    apart = [piece for piece in pieces if each or piece.construct.alone]
    groups = [together] if together else []
    groups += [[piece] for piece in apart]
    return [
        Sample(format=format_, filename=format_.filename, data=format_.build(group), pieces=group) for group in groups
    ]


def fill(format_: Format) -> list[Piece]:
    """The constructs with their words."""
    namer = _Namer(format_.name)
    return [namer.fill(construct) for construct in format_.constructs]


def text_file(pieces: Sequence[Piece]) -> bytes:
    """A file of a text format: pieces with an empty line between."""
    text = "\n\n".join(piece.source for piece in pieces) + "\n"
    return text.encode(pieces[0].construct.encoding)


def parts(pieces: Iterable[Piece]) -> Mapping[str, str]:
    """What the pieces say in each of the other places of the file."""
    found: dict[str, str] = {}
    for piece in pieces:
        for name, source in piece.parts.items():
            found[name] = found.get(name, "") + source
    return MappingProxyType(found)


class _Namer:
    """Gives every mark its word: all have the same length, so that none is a part of another."""

    def __init__(self, format_: str) -> None:
        self._suffix = "".join(character for character in format_ if character.isalpha())
        self._number = 0
        self._head = ""
        self._words: list[Word] = []

    def fill(self, construct: Construct) -> Piece:
        self._words = []

        def replaced(source: str) -> str:
            return _MARK.sub(lambda mark: self._written(mark[1], construct.name), source)

        source = replaced(construct.source)
        others = {name: replaced(text) for name, text in construct.parts.items()}
        return Piece(construct=construct, source=source, parts=others, words=self._words)

    def _written(self, mark: str, construct: str) -> str:
        """What stands for a mark; notes the word when it is complete."""
        match mark:
            case "l":
                self._number += 1
                self._head = f"w{self._number:03}"
                return self._head
            case "m":
                self._head += "mid"
                return "mid"
            case "r":
                self._words.append(Word(text=f"{self._head}{self._suffix}", construct=construct))
                return self._suffix
        self._number += 1
        text = f"w{self._number:03}{self._suffix}"
        if mark == "rtl":
            text = "ש" + f"{self._number:04}".translate(_HEBREW)
        include = Include(mark) if mark in set(Include) else None
        self._words.append(Word(text=text, construct=construct, include=include, is_off=mark == "x"))
        return text
