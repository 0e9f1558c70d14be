"""What of a sample came out: words kept, torn, lost, named, misplaced, leaked."""

from __future__ import annotations

import html
import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.loss.constructs import FORMS, Piece, Sample, Word
from services.documents.backends.base import Include, Output

_HEAD = re.compile(r"<head>.*?</head>", re.DOTALL)
_INLINE = re.compile(r"</?(?:a|b|bdo|code|del|em|i|ins|m[a-z]+|rb|ruby|s|span|strong|sub|sup|u)(?:\s[^<>]*)?/?>")
_ATTRIBUTE = re.compile(r'\s(?:href|alt|title)="([^"]*)"')
_TAG = re.compile(r"(?<!\\)<(?:/?[a-zA-Z][^<>]*|!--.*?--)>", re.DOTALL)
_LINK = re.compile(r"!?(?<!\\)\[((?:[^\[\]\\]|\\.)*)\]\(([^()]*)\)")
_EMPHASIS = re.compile(r"[*`\\]|~~|(?<![a-z0-9])_|_(?![a-z0-9])")
_CUT = "\x1f"
"""Between the pieces of a line in JSON: a word whose format changes in its middle stands in two of them."""
_REPRS = re.compile(r"<class '|object at 0x|\bNone\b|\x00|\ufdd0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a system made of a file."""

    outputs: Mapping[Output, str]
    errors: Sequence[str] = ()


@dataclass(slots=True, kw_only=True)
class Count:
    """What became of the words of one construct in one form."""

    expected: int = 0
    kept: int = 0
    torn: list[str] = field(default_factory=list)
    """Cut in pieces, or joined to what stands beside it."""
    lost: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    """Torn or lost, and a sentence in `errors` says so. Not counted under `torn` and `lost`."""
    misplaced: list[str] = field(default_factory=list)
    """Kept, at another place of the text."""
    leaked: list[str] = field(default_factory=list)
    """Words that are switched off or were not asked for, markup, representations of objects."""
    unshown: list[str] = field(default_factory=list)
    """What the Markdown should hold and does not."""
    alarms: list[str] = field(default_factory=list)
    """Kept, and a sentence in `errors` says that it is not."""

    is_refused: bool = False
    """True when the file gave no answer at all."""

    @property
    def is_right(self) -> bool:
        """True when nothing is lost in silence and nothing leaks."""
        return not (self.torn or self.lost or self.misplaced or self.leaked or self.unshown or self.alarms)

    def __str__(self) -> str:
        faults = {
            "lost": self.lost,
            "torn": self.torn,
            "named": self.named,
            "misplaced": self.misplaced,
            "leaked": self.leaked,
            "unshown": self.unshown,
            "alarms": self.alarms,
        }
        return ", ".join(f"{name} {' '.join(words)}" for name, words in faults.items() if words) or "ok"


WHOLE_FILE = "(whole file)"
"""Stands for a construct where a leak belongs to none."""

Counts = dict[tuple[str, Output], Count]
"""By construct and form."""


def count(sample: Sample, answer: Answer, include: Include | None = None) -> Counts:
    """What of a sample is in an answer.

    Args:
        sample: the file.
        answer: what came of it.
        include: what was asked for; only its words are counted then, and what leaks.
    """
    told = "\n".join(answer.errors)
    counts: Counts = {}
    for form in FORMS:
        plain = _Plain(form, answer.outputs[form])
        for piece in sample.pieces:
            counts[piece.construct.name, form] = _of_piece(piece, form, plain, told, include)
        for word in _misplaced(sample, form, plain, include):
            counts[word.construct, form].misplaced.append(word.text)
        leaked = plain.leaks(sample.format.markup)
        if leaked:
            counts[WHOLE_FILE, form] = Count(leaked=leaked)
    return counts


def _of_piece(piece: Piece, form: Output, plain: _Plain, told: str, include: Include | None) -> Count:
    result = Count()
    for word in piece.words:
        if _is_expected(word, piece, form, include):
            _look_up(word.text, plain, told, result, tells=piece.construct.tells)
        elif _is_leak(word, piece, form, include) and word.text in plain.content:
            result.leaked.append(word.text)
    if form is Output.MARKDOWN and include is None and piece.construct.md:
        shown = re.sub(r"@(\d)", lambda mark: piece.words[int(mark[1]) - 1].text, piece.construct.md)
        if shown not in plain.content:
            result.unshown.append(shown)
    return result


def _is_expected(word: Word, piece: Piece, form: Output, include: Include | None) -> bool:
    if word.is_off or form not in piece.construct.forms:
        return False
    return word.include is include


def _is_leak(word: Word, piece: Piece, form: Output, include: Include | None) -> bool:
    """True for a word that may not be in this form. JSON has what was not asked for in its other layers."""
    if word.is_off:
        return True
    if word.include is None or word.include is include or piece.construct.anyway:
        return False
    return form is not Output.JSON or word.include is Include.CHANGES


def _look_up(text: str, plain: _Plain, told: str, result: Count, *, tells: bool) -> None:
    result.expected += 1
    if plain.has_whole(text):
        result.kept += 1
        if text in told and not tells:
            result.alarms.append(text)
    elif text in told:
        result.named.append(text)
    elif text in plain.letters:
        result.torn.append(text)
    else:
        result.lost.append(text)


def _misplaced(sample: Sample, form: Output, plain: _Plain, include: Include | None) -> Iterator[Word]:
    """Words outside of the longest run of words that are in the order of the file."""
    placed = [
        (word, position)
        for piece in sample.pieces
        if piece.construct.ordered
        for word in piece.words
        if _is_expected(word, piece, form, include) and (position := plain.position(word.text)) >= 0
    ]
    in_order = longest_rise([position for _, position in placed])
    yield from (word for index, (word, _) in enumerate(placed) if index not in in_order)


def longest_rise(numbers: Sequence[int]) -> set[int]:
    """Indices of a longest increasing subsequence."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for index, number in enumerate(numbers):
        place = bisect_left(tails, number)
        before.append(ends[place - 1] if place else -1)
        tails[place:] = [number, *tails[place + 1 :]]
        ends[place:] = [index, *ends[place + 1 :]]
    found: set[int] = set()
    index = ends[-1] if ends else -1
    while index >= 0:
        found.add(index)
        index = before[index]
    return found


class _Plain:
    """An output as a reader sees it."""

    def __init__(self, form: Output, content: str) -> None:
        self._form = form
        self.content = content
        self._text = _read(form, content)
        self.letters = "".join(character for character in self._text if character.isalnum())

    def has_whole(self, word: str) -> bool:
        letters = f"{_CUT}*".join(word) if self._form is Output.JSON else word
        return re.search(rf"(?<![^\W_]){letters}(?![^\W_])", self._text) is not None

    def position(self, word: str) -> int:
        """Where the word stands; negative where it is not."""
        return self.letters.find(word)

    def leaks(self, markup: str) -> list[str]:
        found = [match[0] for match in _REPRS.finditer(self.content)]
        if self._form in {Output.TEXT, Output.JSON}:
            found += ["&#124;"] * self._text.count("&#124;")
        if self._form is not Output.MARKDOWN:
            found += [match[0] for match in re.finditer(markup, self._text)]
        return [f"{item!r}" for item in found]


def _read(form: Output, content: str) -> str:
    match form:
        case Output.TEXT:
            return content
        case Output.MARKDOWN:
            bare, targets = _without_links(content)
            bare = _TAG.sub(" ", _INLINE.sub("", bare))
            return html.unescape(f"{_EMPHASIS.sub('', bare)}\n{targets}")
        case Output.HTML:
            body = _HEAD.sub("", content)
            targets = " ".join(_ATTRIBUTE.findall(body))
            return html.unescape(f"{_TAG.sub(' ', _INLINE.sub('', body))}\n{targets}")
        case Output.JSON:
            return "\n".join(_texts(json.loads(content)))


def _without_links(content: str) -> tuple[str, str]:
    """Markdown with the texts of links alone, and where they lead."""
    targets = ""
    for _ in range(2):  # a picture in a link
        targets += " ".join(target for _, target in _LINK.findall(content)) + "\n"
        content = _LINK.sub(r"\1", content)
    return content, targets


def _texts(document: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a DoclingDocument in reading order, then whatever else its fields say."""
    seen: set[str] = set()
    yield from _below(document, document.get("body", {}), seen)
    yield from _strings({name: value for name, value in document.items() if name not in {"body", "name", "origin"}})


def _below(document: Mapping[str, Any], item: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    if item.get("label") == "inline":
        yield _CUT.join(_inside(document, item, seen))
    else:
        yield from _inside(document, item, seen)


def _inside(document: Mapping[str, Any], item: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    if isinstance(item.get("text"), str):
        yield item["text"]
    cells = item.get("data", {}).get("table_cells", ()) if isinstance(item.get("data"), dict) else ()
    for part in [*item.get("captions", ()), *cells, *item.get("children", ())]:
        reference = part.get("ref") or part  # a cell of blocks refers to them
        if (path := reference.get("$ref")) is None:
            yield part["text"]
        elif path not in seen:
            seen.add(path)
            yield from _below(document, _resolved(document, path), seen)


def _resolved(document: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    value: Any = document
    for name in path.split("/")[1:]:
        value = value[int(name)] if isinstance(value, list) else value[name]
    found: Mapping[str, Any] = value
    return found


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)
