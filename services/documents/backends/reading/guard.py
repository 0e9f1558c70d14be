"""No word is lost in silence: what a file says, read a second time, is looked up in what is returned.

A reader reads its file twice: once into a document, once simply, as passages of text with their places (`Passage`). A
passage with a word that no longer is in the answer becomes a sentence in `errors`. So a construct that nobody has
thought of costs a word in `errors`, not the words themselves. LaTeX is the exception: its passages are taken from the
tokens that its blocks are made of, so what is lost while its commands are expanded is not named.
"""

from __future__ import annotations

import html
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

_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"<[^>]*>")
_INLINE_TAG = re.compile(r"</?(?:a|code|del|em|strong|sub|sup|u)(?:\s[^>]*)?>")
"""Tags inside of words; see `rendering`."""
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_MARKS = re.compile(r"\]\([^()\s]*\)|[\[*~`]")
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
    letters = ""
    searched = 0
    for passage in passages:
        missing = []
        for word in _words(passage.text):
            if left[word] > 0:
                left[word] -= 1
                continue
            letters = letters or "".join(said)
            searched += len(letters)
            if word in left or searched > _MOST_SEARCHED or word not in letters:
                missing.append(word)
        if missing:
            yield passage, missing


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _plain(output: Output, content: str) -> str:
    """The words of an output, without its markup."""
    match output:
        case Output.TEXT:
            return content
        case Output.MARKDOWN:
            return html.unescape(_MARKS.sub("", _ESCAPED.sub(" ", content)))
        case Output.HTML:
            return html.unescape(_TAG.sub(" ", _INLINE_TAG.sub("", _HEAD.sub("", content))))
        case Output.JSON:
            return "\n".join(_texts(json.loads(content))).replace(f"{GLUE}\n", "")


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
