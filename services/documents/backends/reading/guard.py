"""No word is lost in silence: what a file says, read a second time, is looked up in what is returned.

A reader reads its file twice: once into a document, once simply, as passages of text with their places (`Passage`). A
passage with a word that no longer is in the answer becomes a sentence in `errors`. So a construct that nobody has
thought of costs a word in `errors`, not the words themselves. LaTeX is the exception: its passages are taken from the
tokens that its blocks are made of, so what is lost while its commands are expanded is not named.
"""

from __future__ import annotations

import html
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from services.documents.backends.base import Output
from services.documents.backends.reading.glue import GLUE

MOST_SENTENCES = 20
"""Places named one by one; the others are counted."""
_SHOWN_WORDS = 8
_MOST_SEARCHED = 200_000_000
"""Letters that are looked through for words that were torn or joined, some 0.1 s: a file whose every word is missing
would take hours. What is missing beyond that is called lost without a search."""

_PLACE = 64
"""To look at one place where a word could be torn takes as long as to look through so many letters."""

_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"<[^>]*>")
_INLINE_TAG = re.compile(r"</?(?:a|code|del|em|strong|sub|sup|u)(?:\s[^>]*)?>")
"""Tags inside of words; see `rendering`."""
_MARK = re.compile(
    r"(?P<escaped>\\[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|(?P<math>\$\$[^$]*\$\$|\$(?=\S)[^$\n]*(?<=\S)\$(?!\d))"
    r"|(?P<target>\]\([^()\s]*\))|(?P<bracket>[\[\]])|\*+|~~",
    re.DOTALL,
)
"""What Markdown writes around words, and inside of them: `**D**ocument`, `[li](where)nk`."""
_HEAD = re.compile(r"<head>.*?</head>", re.DOTALL)


class Passage(NamedTuple):
    """A piece of text that a reader of the file sees."""

    place: str
    """Where it stands, for the sentence in `errors`: "cell B3 of sheet Costs"."""
    text: str


def lost(passages: Iterable[Passage], outputs: Mapping[Output, str]) -> list[str]:
    """A sentence for each passage with words that one of the outputs, its glue in it, does not hold.

    A word counts as often as it is said: of two rows "Total", one that is lost is found. A word that is torn or joined
    to its neighbour is not lost: its letters still follow each other.
    """
    passages = list(passages)
    found: dict[Passage, list[str]] = {}
    for output, content in outputs.items():
        said = _words(_plain(output, content))
        for passage, words in _missing(passages, said):
            found.setdefault(passage, words)
    sentences = [
        f"{passage.place}: {_quoted(words)} not in the answer" for passage, words in [*found.items()][:MOST_SENTENCES]
    ]
    if (more := len(found) - len(sentences)) > 0:
        sentences.append(f"words of {more} more places are not in the answer")
    return sentences


def _missing(passages: Iterable[Passage], said: list[str]) -> Iterator[tuple[Passage, list[str]]]:
    left = Counter(said)
    unmatched = []
    for passage in passages:
        words = []
        for word in _words(passage.text):
            if left[word] > 0:
                left[word] -= 1
            else:
                words.append(word)
        if words:
            unmatched.append((passage, words))
    if not unmatched:
        return
    pieces = _Pieces(said, left)
    for passage, words in unmatched:
        if missing := [word for word in words if word not in pieces]:
            yield passage, missing


class _Pieces:
    """The letters of an answer, for words that do not stand in it as such.

    A torn word is made of whole ones: `D ocument`, and not of a part of another, as `not` is of `nothing`. A joined one
    is a part of words that the file does not say: `payment12`.

    Args:
        said: all words, in order.
        left: how many of each were not looked for.
    """

    def __init__(self, said: list[str], left: Counter[str]) -> None:
        self._letters = "".join(said)
        self._borders = {0, *itertools.accumulate(map(len, said))}
        self._others = "".join(itertools.chain.from_iterable(itertools.repeat(word, left[word]) for word in left))
        self._searched = 0

    def __contains__(self, word: str) -> bool:
        """Whether the word is there, torn or joined."""
        self._searched += len(self._letters) + len(self._others)
        if self._searched > _MOST_SEARCHED:
            return False
        return word in self._others or (len(word) > 1 and self._is_torn(word))

    def _is_torn(self, word: str) -> bool:
        """Whether it is several whole words, one after the other."""
        start = self._letters.find(word)
        while start >= 0 and self._searched <= _MOST_SEARCHED:
            self._searched += _PLACE
            end = start + len(word)
            if {start, end} <= self._borders and not self._borders.isdisjoint(range(start + 1, end)):
                return True
            start = self._letters.find(word, start + 1)
        return False


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _plain(output: Output, content: str) -> str:
    """The words of an output, without its markup."""
    match output:
        case Output.TEXT:
            return content
        case Output.MARKDOWN:
            return html.unescape(_unmarked(content))
        case Output.HTML:
            return html.unescape(_TAG.sub(" ", _INLINE_TAG.sub("", _HEAD.sub("", content))))
        case Output.JSON:
            return "\n".join(_texts(json.loads(content))).replace(f"{GLUE}\n", "")


def _unmarked(markdown: str) -> str:
    """Markdown without the marks around words; a bracket that is no link's, code and formulas stay as they are."""
    said: list[str] = []
    opened: list[int] = []  # where the brackets without end are
    at = 0
    for match in _MARK.finditer(markdown):
        said.append(markdown[at : match.start()])
        at = match.end()
        stays = ""
        if match["bracket"] == "[":
            opened.append(len(said))
            stays = "["
        elif match["target"] and opened:
            said[opened.pop()] = ""
        elif match["bracket"] and opened:
            opened.pop()
        if match["escaped"] or match["bracket"] == "]":
            stays = " "
        said.append(stays or match["math"] or (match["code"] or "").replace("`", " "))
    return "".join([*said, markdown[at:]])


def _texts(content: Any) -> Iterator[str]:
    """Every string in the fields `text` of a DoclingDocument."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)


def _quoted(words: list[str]) -> str:
    shown = " ".join(words[:_SHOWN_WORDS]) + (" ..." if len(words) > _SHOWN_WORDS else "")
    return f"the word '{shown}' is" if len(words) == 1 else f"the words '{shown}' are"
