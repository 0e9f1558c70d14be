"""A line of text whose pieces differ in format, as a reader of its own puts it into a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from docling_core.types.doc.common.formatting import Formatting, Script
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.group import ListGroup
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.items.text import ListItem
from docling_core.types.doc.labels import DocItemLabel
from pydantic import AnyUrl, ValidationError

from services.documents.backends.reading.glue import GLUE, is_glued

PLAIN: frozenset[str] = frozenset()
BOLD, ITALIC, UNDERLINE, STRIKE = (frozenset([name]) for name in ("bold", "italic", "underline", "strikethrough"))
SUB, SUPER = frozenset(["sub"]), frozenset(["super"])

_SPACES = re.compile(r"[ \t\r\f\v]+")
_BREAKS = re.compile(r" *\n *")
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class Run(NamedTuple):
    """A piece of a line. A line feed in it is a line break that a reader sees."""

    text: str
    style: frozenset[str] = PLAIN
    """Any of the names above."""
    link: str = ""
    label: DocItemLabel = DocItemLabel.TEXT
    """Text, code or a formula in TeX."""


def plain(runs: Iterable[Run]) -> str:
    """The words of a line, in one piece."""
    return _tidy("".join(run.text for run in runs))


def add_line(
    document: DoclingDocument,
    runs: Iterable[Run],
    parent: NodeItem | None = None,
    label: DocItemLabel = DocItemLabel.TEXT,
) -> NodeItem | None:
    """Add a paragraph; None when there is nothing in it."""
    pieces = list(_pieces(runs))
    if not pieces:
        return None
    if len(pieces) == 1 and pieces[0].label is DocItemLabel.TEXT:
        run = pieces[0]
        added: NodeItem = document.add_text(
            label=label, text=run.text, formatting=_formatting(run), hyperlink=_target(run.link), parent=parent
        )
        return added
    if label is DocItemLabel.TEXT:
        return _add_group(document, pieces, parent)
    holder: NodeItem = document.add_text(label=label, text="", parent=parent)
    _add_group(document, pieces, holder)
    return holder


def add_item(
    document: DoclingDocument, runs: Iterable[Run], parent: ListGroup, *, enumerated: bool = False, marker: str = ""
) -> ListItem:
    """Add an item to a list, an empty one too: it holds what follows."""
    pieces = list(_pieces(runs))
    is_simple = len(pieces) <= 1 and all(run.label is DocItemLabel.TEXT for run in pieces)
    run = pieces[0] if pieces and is_simple else Run("")
    item: ListItem = document.add_list_item(
        text=run.text,
        enumerated=enumerated,
        marker=marker or None,
        formatting=_formatting(run),
        hyperlink=_target(run.link),
        parent=parent,
    )
    if not is_simple:
        _add_group(document, pieces, item)
    return item


def add_heading(
    document: DoclingDocument, runs: Iterable[Run], parent: NodeItem | None = None, level: int = 0
) -> NodeItem | None:
    """Add the title of a document (level 0) or of a section; only links, code and formulas keep their format."""
    runs = list(runs)
    pieces = list(_pieces(runs))
    if not pieces:
        return None
    is_simple = all(run.label is DocItemLabel.TEXT and not run.link for run in pieces)
    text = plain(runs).replace("\n", " ") if is_simple else ""
    heading: NodeItem = (
        document.add_heading(text=text, level=min(level, 100), parent=parent)
        if level
        else document.add_title(text=text, parent=parent)
    )
    if not is_simple:
        _add_group(document, pieces, heading)
    return heading


def is_plain(runs: Iterable[Run]) -> bool:
    """True when the line is one piece of text without any format."""
    pieces = list(_pieces(runs))
    return not pieces or (len(pieces) == 1 and pieces[0][1:] == Run("")[1:])


def _pieces(runs: Iterable[Run]) -> Iterator[Run]:
    """The runs as they go into a document: equal neighbours joined, stripped, glued where nothing stands between."""
    kept: list[tuple[str, Run]] = []
    for key, group in groupby((run for run in runs if run.text), key=_format_of):
        text = "".join(run.text for run in group)
        run = Run("", *key)
        kept.append((_SPACES.sub(" ", text) if run.label is DocItemLabel.TEXT else text, run))
    while kept and not kept[-1][0].strip():
        kept.pop()
    is_first = True
    for place, (text, run) in enumerate(kept):
        if not (stripped := _tidy(text) if run.label is DocItemLabel.TEXT else text.strip()):
            if "\n" in text and not is_first:
                yield run._replace(text="\n")
            continue
        after = kept[place + 1][0] if place + 1 < len(kept) else ""
        if run.label is DocItemLabel.TEXT:
            stripped = _with_breaks(text, stripped, is_first=is_first, is_last=not after)
        is_first = False
        yield run._replace(text=stripped + GLUE if is_glued(text, after) else stripped)


def _with_breaks(text: str, stripped: str, *, is_first: bool, is_last: bool) -> str:
    """A piece with the line breaks at its ends that are within the line."""
    before = "\n" if not is_first and "\n" in text[: text.index(stripped[0])] else ""
    behind = "\n" if not is_last and "\n" in text[text.rindex(stripped[-1]) + 1 :] else ""
    return before + stripped + behind


def _format_of(run: Run) -> tuple[frozenset[str], str, DocItemLabel]:
    return run[1:]


def _tidy(text: str) -> str:
    return _BREAKS.sub("\n", _SPACES.sub(" ", text)).strip()


def _add_group(document: DoclingDocument, pieces: Iterable[Run], parent: NodeItem | None) -> NodeItem:
    group: NodeItem = document.add_inline_group(parent=parent)
    for run in pieces:
        formatting, target = _formatting(run), _target(run.link)
        if run.label is DocItemLabel.CODE:
            document.add_code(text=run.text, formatting=formatting, hyperlink=target, parent=group)
        elif run.label is DocItemLabel.FORMULA:
            document.add_formula(text=run.text, parent=group)
        else:
            document.add_text(
                label=DocItemLabel.TEXT, text=run.text, formatting=formatting, hyperlink=target, parent=group
            )
    return group


def _formatting(run: Run) -> Formatting | None:
    if not run.style:
        return None
    script = Script.SUB if "sub" in run.style else Script.SUPER if "super" in run.style else Script.BASELINE
    return Formatting(script=script, **{name: True for name in run.style if name not in {"sub", "super"}})


def _target(link: str) -> AnyUrl | Path | None:
    if not link:
        return None
    if _HAS_SCHEME.match(link):
        try:
            return AnyUrl(link)
        except ValidationError:
            return None
    return Path(link)
