"""The text of an AsciiDoc line: formats, links, notes, replacements."""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading.asciidoc.source import Attributes
from services.documents.backends.reading.line import (
    BOLD,
    ITALIC,
    PLAIN,
    STRIKE,
    SUB,
    SUPER,
    UNDERLINE,
    Run,
    plain,
)

_MOST_LEVELS = 12
_HELD = "\ufdd1"
_HELD_PLACE = re.compile(rf"{_HELD}(\d+){_HELD}")
"""Opens and closes the number of a piece that is not to be read again; no text that is decoded has it."""

_PASSTHROUGH = re.compile(
    r"(?<!\\)\+\+\+(?P<triple>.+?)\+\+\+"
    r"|(?<!\\)(?P<macro>pass|stem|latexmath|asciimath):(?P<subs>[\w,]*)\[(?P<content>(?:[^\]\\]|\\.){0,1000})\]"
    r"|(?<![\\+])\+\+(?P<double>[^+]+(?:\+[^+]+)*)\+\+"
    r"|\$\$(?P<dollars>[^$]+)\$\$"
    r"|(?<![\w\\`])`\+(?P<literal>[^`+]+(?:\+[^`+]+)*)\+`(?!\w)"
    r"|(?<![\w\\;:+])\+(?P<single>[^\s+](?:[^+]*[^\s+])?)\+(?![\w+])",
    re.DOTALL,
)
_URL = r"(?:https?|ftp|irc)://[^\s\[\]<>]*[^\s\[\]<>.,;:!?'\")]"
_TOKEN = re.compile(
    r"(?P<held>\ufdd1(?P<number>\d+)\ufdd1)"
    r"|\\?(?P<bracketed>\[\[\[?[^\[\]\n]+\]\]\]?)"
    r"|\\?(?P<role>\[[^\[\]\n]*\])(?=##?[^\s#]|##|\*|_|`)"
    rf"|\\?(?P<angle><{_URL}>)"
    rf"|\\?(?P<url>{_URL})"
    r"|\\?(?P<macro>(?<!\w)(?:link|xref|mailto|image|icon|kbd|btn|menu|anchor|indexterm2?)|footnote(?:ref)?)"
    r":(?!:)"
    r"|\\?(?P<cross><<[^<>\n]+?>>)"
    r"|\\?(?P<index>\(\(\(?[^()\n]+\)\)\)?)"
    r"|\\?(?P<email>(?<![\w/])[\w.%+-]{1,64}@[A-Za-z0-9][\w.-]*\.[A-Za-z]{2,}\b)"
    r"|\\?(?P<quote>\"`|'`)(?=\S)"
    r"|\\?(?P<mark>\*\*?|__?|``?|##?|\^|~)"
)
_TARGET_END = re.compile(r"[\s\[\]]")
_STYLES: Mapping[str, frozenset[str]] = {"*": BOLD, "_": ITALIC, "^": SUPER, "~": SUB, "`": PLAIN, "#": PLAIN}
_ROLES = (("line-through", STRIKE), ("underline", UNDERLINE), ("strike", STRIKE))
_QUOTES = {'"`': ("\u201c", "\u201d", '`"'), "'`": ("\u2018", "\u2019", "`'")}
_CLOSERS = {
    **{mark: re.compile(rf"(?<=\S)(?<!\\){re.escape(mark)}(?!\w)") for mark in "*_`#"},
    **{mark * 2: re.compile(re.escape(mark * 2)) for mark in "*_`#"},
    **{mark: re.compile(rf"(?<!\\){re.escape(mark)}") for mark in "^~"},
    **{close: re.compile(rf"(?<=\S){re.escape(close)}(?!\w)") for _, _, close in _QUOTES.values()},
}
_REPLACEMENTS = (
    (re.compile(r"\(C\)"), "\u00a9"),
    (re.compile(r"\(R\)"), "\u00ae"),
    (re.compile(r"\(TM\)"), "\u2122"),
    (re.compile(r"(?<=\w)--(?=\w)"), "\u2014"),
    (re.compile(r"(?:(?<=\s)|^) ?--(?=\s|$)"), "\u2014"),
    (re.compile(r"\.\.\."), "\u2026"),
    (re.compile(r"(?<=\w)`?'(?=\w)"), "\u2019"),
    (re.compile(r"->"), "\u2192"),
    (re.compile(r"=>"), "\u21d2"),
    (re.compile(r"<-"), "\u2190"),
    (re.compile(r"<="), "\u21d0"),
)
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]*|#\d{2,7}|#x[0-9A-Fa-f]{2,6});")
_HARD_BREAK = re.compile(r"(?:^|(?<=\s))\+\n")
_TAG = re.compile(r"<[^<>]*>")
_MATH_MACROS = {"stem", "latexmath", "asciimath"}


def _keys(_: str, content: str) -> str:
    return content.replace("\\]", "]")


def _menu(target: str, content: str) -> str:
    return " \u203a ".join(filter(None, [target, *(part.strip() for part in content.split(">"))]))


_SHOWN: Mapping[str, Callable[[str, str], str]] = {
    "image": lambda _, content: _label(content.split(",", 1)[0]),
    "kbd": _keys,
    "btn": _keys,
    "menu": _menu,
}
"""What a reader sees of a macro; others leave nothing: anchors, icons, entries of an index."""


@dataclass(slots=True)
class Notes:
    """Footnotes, numbered through the document."""

    numbers: dict[str, int] = field(default_factory=dict)
    pending: list[tuple[int, list[Run]]] = field(default_factory=list)
    """Notes whose text is to be put behind the block that has them."""
    count: int = 0

    def number(self, identifier: str) -> int:
        """The next number, under which a named note can be referred to again."""
        self.count += 1
        if identifier:
            self.numbers[identifier] = self.count
        return self.count


@dataclass(slots=True)
class Inline:
    """Reads lines; keeps what holds for the whole document."""

    attributes: Attributes
    titles: Mapping[str, str]
    """What each anchor's section or block is called."""
    notes: Notes = field(default_factory=Notes)
    too_deep: list[str] = field(default_factory=list)
    """What is returned as it is written, as it is nested too deeply."""

    def runs(self, text: str, style: frozenset[str] = PLAIN) -> list[Run]:
        """The pieces of a text. Its line feeds are spaces but for those behind a ` +`."""
        held: list[Run] = []
        text = _PASSTHROUGH.sub(lambda match: self._hold(match, held), text) if _may_hold(text) else text
        text = _HARD_BREAK.sub("\ufdd2", self.attributes.replaced(text)).replace("\n", " ")
        return _Scan(self, text, held).runs(style)

    def code(self, text: str) -> list[Run]:
        """The pieces of monospaced text."""
        return [Run(plain(self.runs(text)), label=DocItemLabel.CODE)]

    def _hold(self, match: re.Match[str], held: list[Run]) -> str:
        name = match.lastgroup or ""
        if match["macro"] in _MATH_MACROS:
            held.append(Run(match["content"].replace("\\]", "]"), label=DocItemLabel.FORMULA))
        elif match["macro"]:
            content = match["content"].replace("\\]", "]")
            if {"q", "quotes", "normal", "n"} & set(match["subs"].split(",")):
                return content
            held.append(Run(html.unescape(_TAG.sub("", content))))
        elif match["literal"]:
            held.append(Run(match["literal"], label=DocItemLabel.CODE))
        elif match["triple"]:
            held.append(Run(html.unescape(_TAG.sub("", match["triple"]))))
        else:
            held.append(Run(match["double"] or match["dollars"] or match[name]))
        return f"{_HELD}{len(held) - 1}{_HELD}"


def _may_hold(text: str) -> bool:
    return "+" in text or "$$" in text or "pass:" in text or "math:" in text or "stem:" in text


class _Scan:
    """One text, read from left to right; what could close a format or a bracket is looked up, not searched."""

    def __init__(self, inline: Inline, text: str, held: Sequence[Run], level: int = 0) -> None:
        self._inline = inline
        self._text = text
        self._held = held
        self._level = level
        self._closers: dict[str, list[int]] = {}
        self._brackets: dict[int, int] | None = None
        self._ends: list[int] | None = None
        """The places where a target ends: all are found once."""

    def runs(self, style: frozenset[str]) -> list[Run]:
        found: list[Run] = []
        position = searched = 0
        while match := _TOKEN.search(self._text, searched):
            escaped = match[0].startswith("\\")
            read = None if escaped else _READERS[match.lastgroup or ""](self, match, style)
            if read is None:
                if escaped and (match.lastgroup != "macro" or self._target_end(match.end()) is not None):
                    found.append(_text(self._text[position : match.start()], style))
                    position = match.start() + 1
                searched = match.end()
                continue
            found.append(_text(self._text[position : match.start()], style))
            runs, position = read
            found.extend(runs)
            searched = position
        found.append(_text(self._text[position:], style))
        return found

    def _inner(self, text: str, style: frozenset[str]) -> list[Run]:
        if self._level >= _MOST_LEVELS:
            if _TOKEN.search(text):
                self._inline.too_deep.append(text)
            return [_text(text, style)]
        return _Scan(self._inline, text, self._held, self._level + 1).runs(style)

    def _restored(self, text: str) -> str:
        """A text that is no markup, with what passthroughs in it say."""
        return _HELD_PLACE.sub(lambda match: self._held[int(match[1])].text, text)

    def _angle(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int]:
        return [_link(self._restored(match["angle"][1:-1]), "", style)], match.end()

    def _email(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int]:
        return [_link(f"mailto:{match['email']}", match["email"], style)], match.end()

    def _kept(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int]:
        run = self._held[int(match["number"])]
        return [run._replace(style=style)], match.end()

    def _anchor(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int] | None:
        content = match["bracketed"]
        if content.startswith("[[[") and content.endswith("]]]"):
            name, _, label = content[3:-3].partition(",")
            return [Run(f"[{(label or name).strip()}]", style)], match.end()
        return ([], match.end()) if content.startswith("[[") and content.endswith("]]") else None

    def _role(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int] | None:
        mark = _TOKEN.match(self._text, match.end())
        if mark is None or not mark["mark"]:
            return None
        styles = [own for name, own in _ROLES if name in match["role"]]
        return self._mark(mark, style.union(*styles))

    def _url(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int]:
        url = self._restored(match["url"])
        if (close := self._bracket(match.end())) is not None:
            return self._linked(url, self._text[match.end() + 1 : close], style), close + 1
        return [_link(url, "", style)], match.end()

    def _linked(self, target: str, label: str, style: frozenset[str]) -> list[Run]:
        text = _label(label)
        if not text:
            return [_link(target, "", style)]
        return [run._replace(link=run.link or target) for run in self._inner(text, style)]

    def _macro(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int] | None:
        start = self._target_end(match.end())
        close = self._bracket(start) if start is not None else None
        if start is None or close is None:
            return None
        name, target = match["macro"], self._restored(self._text[match.end() : start])
        content = self._text[start + 1 : close]
        return self._of_macro(name, target, content, style), close + 1

    def _of_macro(self, name: str, target: str, content: str, style: frozenset[str]) -> list[Run]:
        if name in {"link", "mailto"}:
            link = f"mailto:{target}" if name == "mailto" else target
            if name == "mailto" and not content.startswith('"'):
                content = content.partition(",")[0]  # a subject and a body may follow
            return self._linked(link, content or target, style)
        if name == "xref":
            return self._referred(target, _label(content), style)
        if name.startswith("footnote"):
            if name == "footnoteref":
                target, _, content = content.partition(",")
            return self._note(target.strip(), content, style)
        if name == "indexterm2":
            return self._inner(content, style)
        return [Run(_SHOWN[name](target, self._restored(content)), style)] if name in _SHOWN else []

    def _note(self, identifier: str, content: str, style: frozenset[str]) -> list[Run]:
        notes = self._inline.notes
        if content.strip():
            number = notes.number(identifier)
            notes.pending.append((number, self._inner(content.replace("\\]", "]"), PLAIN)))
        else:
            number = notes.numbers.get(identifier, 0)
        return [Run(f"[{number or identifier}]", style)]

    def _cross(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int]:
        target, _, label = self._restored(match["cross"])[2:-2].partition(",")
        return self._referred(target.strip(), label.strip(), style), match.end()

    def _referred(self, target: str, label: str, style: frozenset[str]) -> list[Run]:
        name = target.partition("#")[2] or target
        link = f"#{name}" if "#" not in target[1:] else target
        if label:
            return [run._replace(link=run.link or link) for run in self._inner(label, style)]
        title = self._inline.titles.get(name.removeprefix("#"))
        return [Run(title or f"[{name.removeprefix('#')}]", style, link)]

    def _index(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int]:
        content = match["index"]
        if content.startswith("(((") and content.endswith(")))"):
            return [], match.end()
        return self._inner(content[2:-2], style), match.end()

    def _quote(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int] | None:
        opening, closing, mark = _QUOTES[match["quote"]]
        end = self._closer(mark, match.end() + 1)
        if end is None:
            return None
        inner = self._inner(self._text[match.end() : end], style)
        return [Run(opening, style), *inner, Run(closing, style)], end + len(mark)

    def _mark(self, match: re.Match[str], style: frozenset[str]) -> tuple[list[Run], int] | None:
        mark, start = match["mark"], match.start("mark")
        if len(mark) == 2:
            end = self._closer(mark, match.end() + 1)
            if end is None:
                return None
            return self._formatted(mark, self._text[match.end() : end], style), end + 2
        text = self._text
        after = text[start + 1 : start + 2]
        is_bound = mark in "*_`#" and start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_;:}\\")
        if not after or after.isspace() or is_bound:
            return None
        end = self._closer(mark, start + 2)
        if end is None or (mark in "^~" and " " in text[start + 1 : end][:200]):
            return None
        return self._formatted(mark, text[start + 1 : end], style), end + 1

    def _formatted(self, mark: str, inner: str, style: frozenset[str]) -> list[Run]:
        runs = self._inner(inner, style | _STYLES[mark[0]])
        if mark[0] != "`":
            return runs
        return [run._replace(label=DocItemLabel.CODE) if run.label is DocItemLabel.TEXT else run for run in runs]

    def _closer(self, mark: str, start: int) -> int | None:
        """Where a mark next stands that closes; the places of each kind are found once."""
        if mark not in self._closers:
            self._closers[mark] = [found.start() for found in _CLOSERS[mark].finditer(self._text)]
        places = self._closers[mark]
        index = bisect_left(places, start)
        return places[index] if index < len(places) else None

    def _target_end(self, start: int) -> int | None:
        """Where the bracket stands behind a macro's target that begins at `start`."""
        if self._ends is None:
            self._ends = [found.start() for found in _TARGET_END.finditer(self._text)]
        index = bisect_left(self._ends, start)
        end = self._ends[index] if index < len(self._ends) else None
        return end if end is not None and self._text[end] == "[" else None

    def _bracket(self, start: int) -> int | None:
        """Where the bracket that opens at `start` closes."""
        if self._brackets is None:
            self._brackets = _matching(self._text)
        return self._brackets.get(start)


_READERS: Mapping[str, Callable[[_Scan, re.Match[str], frozenset[str]], tuple[list[Run], int] | None]] = {
    "held": _Scan._kept,
    "bracketed": _Scan._anchor,
    "role": _Scan._role,
    "angle": _Scan._angle,
    "url": _Scan._url,
    "macro": _Scan._macro,
    "cross": _Scan._cross,
    "index": _Scan._index,
    "email": _Scan._email,
    "quote": _Scan._quote,
    "mark": _Scan._mark,
}
"""By the group of `_TOKEN` that closes last; None: it is no markup there."""


def _matching(text: str) -> dict[int, int]:
    """The place of the closing bracket of each opening one."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for found in re.finditer(r"\\[\[\]]|[\[\]]", text):
        if found[0] == "[":
            opened.append(found.start())
        elif found[0] == "]" and opened:
            pairs[opened.pop()] = found.start()
    return pairs


def _label(content: str) -> str:
    """The text of a link's brackets, without its attributes."""
    content = content.replace("\\]", "]").strip()
    if content.startswith('"') and (end := content.find('"', 1)) > 0:
        return content[1:end]
    if "=" in content:
        content = "" if re.match(r"\w+=", content) else re.split(r",\s*\w+=", content, maxsplit=1)[0]
    return content.removesuffix("^").strip()


def _link(target: str, label: str, style: frozenset[str]) -> Run:
    return Run(label or target, style, target)


def _text(text: str, style: frozenset[str]) -> Run:
    """Plain text with the replacements that a reader sees."""
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if any(sign in text for sign in ("(", "-", "...", "'", ">", "<")):
        for pattern, replacement in _REPLACEMENTS:
            text = pattern.sub(replacement, text)
    return Run(text.replace("\ufdd2", "\n"), style)
