"""A line of HTML: its runs of text, with blanks as a browser shows them, as items of a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from docling_core.types.doc.common.formatting import Formatting, Script
from pydantic import AnyUrl, TypeAdapter, ValidationError

from services.documents.backends.reading import glue
from services.documents.backends.reading.html.dom import Element

_BLANKS = re.compile(r"[ \t\r\n\f]+")
_AROUND_BREAK = re.compile(r" *\n *")
_URL: TypeAdapter[AnyUrl] = TypeAdapter(AnyUrl)
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u00ad\u200b\ufeff\u2060", ""),
        **dict.fromkeys("\u00a0\u202f", " "),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015", "-"),
        **dict.fromkeys("\u2018\u2019", "'"),
        **dict.fromkeys("\u201c\u201d", '"'),
        "\u2026": "...",
    }
)
"""Characters that Docling writes plainly; unlike Docling we keep joiners, which spell words of many scripts."""
_INVISIBLE = str.maketrans(dict.fromkeys("\u00ad\u200b\ufeff\u2060", ""))


@dataclass(frozen=True, slots=True)
class Look:
    """How a run looks."""

    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    script: Script = Script.BASELINE
    code: bool = False
    link: str = ""

    @property
    def formatting(self) -> Formatting | None:
        """The same for a document; None for plain text."""
        if not (self.bold or self.italic or self.underline or self.strike or self.script is not Script.BASELINE):
            return None
        return Formatting(
            bold=self.bold,
            italic=self.italic,
            underline=self.underline,
            strikethrough=self.strike,
            script=self.script,
        )


PLAIN = Look()


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one look, or a formula."""

    text: str
    look: Look = PLAIN
    is_math: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in a line."""

    element: Element
    look: Look


@dataclass(frozen=True, slots=True)
class Box:
    """A box that is ticked or not."""

    is_checked: bool


BREAK = Run("\n")
"""The end of a line."""
SPACE = Run(" ")
Token = Run | Picture | Box


def paragraphs(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    """The tokens of each paragraph: two breaks end one."""
    line: list[Token] = []
    breaks = 0
    for token in tokens:
        if token is BREAK:
            breaks += 1
        elif breaks and not (isinstance(token, Run) and not token.is_math and not token.text.strip()):
            if breaks > 1:
                yield line
                line = []
            elif line:
                line.append(BREAK)
            breaks = 0
            line.append(token)
        elif not breaks:
            line.append(token)
    yield line


def tidy(tokens: Iterable[Token], *, is_typographic: bool) -> list[Token]:
    """The tokens with their blanks collapsed, those of one look as one; a run that touches the next ends in glue."""
    table = _TYPOGRAPHY if is_typographic else _INVISIBLE
    line: list[Token] = []
    run: Run | None = None
    texts: list[str] = []  # of the run

    def end_run() -> None:
        if run:
            line.append(replace(run, text="".join(texts)))
            texts.clear()

    for token in tokens:
        if not isinstance(token, Run) or token.is_math:
            end_run()
            run = None
            line.append(token)
            continue
        text = token.text if token is BREAK else _BLANKS.sub(" ", token.text).translate(table)
        if not text or (not line and not run and not text.strip()):
            continue
        if not (run and (token is BREAK or not text.strip(" ") or run.look == token.look)):
            end_run()
            run = token
        texts.append(text)
    end_run()
    return _glued(line)


def _glued(line: list[Token]) -> list[Token]:
    shown: list[Token] = []
    for index, token in enumerate(line):
        if not isinstance(token, Run):
            shown.append(token)
            continue
        if not token.text.strip():
            continue
        following = line[index + 1] if index + 1 < len(line) else None
        touches = (
            isinstance(following, Run) and bool(following.text.strip()) and glue.is_glued(token.text, following.text)
        )
        text = _AROUND_BREAK.sub("\n", re.sub(" +", " ", token.text)) if not token.is_math else token.text
        text = text.strip(" ").lstrip("\n")
        if not (isinstance(following, Run) and "\n" in token.text[len(token.text.rstrip()) :]):
            text = text.rstrip("\n")
        shown.append(replace(token, text=text + (glue.GLUE if touches else "")))
    return shown


@lru_cache(maxsize=4096)
def destination(href: str) -> AnyUrl | Path | None:
    """Where a link leads."""
    try:
        return _URL.validate_python(href)
    except ValidationError:
        return Path(href)
