"""The lines of an AsciiDoc file that count: conditions are decided, includes and comments taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from services.documents.backends.reading.places import Places

_CONDITION = re.compile(r"(\\)?(ifdef|ifndef|ifeval|endif)::(\S*?(?:([,+])\S+?)?)\[(.*)\]\s*$")
_INCLUDE = re.compile(r"(\\)?include::([^\s\[][^\[]*)\[.*\]\s*$")
_ENTRY = re.compile(r":(!?\w[\w-]*!?):(?:[ \t]+(.*))?$")
_EVAL = re.compile(r"""(["']?)(.*?)\1\s*(==|!=|<=|>=|<|>)\s*(["']?)(.*?)\4$""")
_REFERENCE = re.compile(r"(\\?)\{(?:(counter2?|set):)?(\w[\w-]*!?)(?::([^{}\n]*))?\}")
_MOST_DIGITS = 10
"""Of a counter."""
_MOST_CHARACTERS = 4_000_000
"""That attributes may add to a document: their values may name attributes, and double with every line."""
_COMMENT_BLOCK = re.compile(r"/{4,}$")
_COMMENT_STYLE = re.compile(r"\[comment[\]%.#,]")
DELIMITER = re.compile(r"(?:-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|```.*|[|,:!]={3,})$")
_VERBATIM = re.compile(r"(?:-{4,}|\.{4,}|\+{4,}|`{3,}.*)$")
COMMENT = re.compile(r"//(?!/)")
_SECTION = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:(?<![ \t])[ \t]+\1)?$")
_UNDERLINE = re.compile(r"([=\-~^+])\1+$")
TITLE = re.compile(r"\.(\.?[^\s.].*)$")
ATTRIBUTES = re.compile(r"\[(?:|[\w.#%{,\"'!].*|\[[^\[\]]*\])\]$")
ITEM = re.compile(
    r"[ \t]*(?P<marker>-|\*{1,}|\u2022|\.{1,}|\d+\.|[A-Za-z]\.|[ivxIVX]+\)|<(?:\d+|\.)>)[ \t]+(?P<text>\S.*)$"
)
_LONGEST_TITLE = 1000

BUILT_IN = {
    "nbsp": "\u00a0",
    "zwsp": "\u200b",
    "wj": "\u2060",
    "deg": "\u00b0",
    "ldquo": "\u201c",
    "rdquo": "\u201d",
    "lsquo": "\u2018",
    "rsquo": "\u2019",
    "apos": "'",
    "quot": '"',
    "brvbar": "\u00a6",
    "cpp": "C++",
    "pp": "++",
    "empty": "",
    "blank": "",
    "sp": " ",
    "amp": "&",
    "lt": "<",
    "gt": ">",
    "startsb": "[",
    "endsb": "]",
    "vbar": "|",
    "caret": "^",
    "asterisk": "*",
    "tilde": "~",
    "backslash": "\\",
    "backtick": "`",
    "plus": "+",
    "two-colons": "::",
    "two-semicolons": ";;",
    "asciidoctor": "",
    "backend": "html5",
    "backend-html5": "",
    "basebackend": "html",
    "basebackend-html": "",
    "doctype": "article",
    "doctype-article": "",
    "sectids": "",
    "note-caption": "NOTE",
    "tip-caption": "TIP",
    "important-caption": "IMPORTANT",
    "warning-caption": "WARNING",
    "caution-caption": "CAUTION",
}


@dataclass(slots=True)
class Attributes:
    """What `{name}` stands for, as it changes through the file."""

    values: dict[str, str] = field(default_factory=lambda: dict(BUILT_IN))
    _written: int = 0

    def define(self, name: str, value: str) -> None:
        """Set an attribute, or unset it: `!name` and `name!`."""
        bare = name.strip("!").lower()
        if name != bare and "!" in name:
            self.values.pop(bare, None)
        else:
            self.values[bare] = self.replaced(value)

    def replaced(self, text: str) -> str:
        """The text with the values of the attributes it names; unknown ones stay, as Asciidoctor leaves them."""
        if "{" not in text:
            return text
        return _REFERENCE.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        value = self._told(match[2], match[3].lower(), match[4]) if match[2] else None
        if value is None:
            value = match[0] if match[4] else self.values.get(match[3].lower(), match[0])
        self._written += len(value)
        return value if self._written < _MOST_CHARACTERS else match[0]

    def _told(self, kind: str, name: str, value: str | None) -> str:
        """Set an attribute in the middle of a text; what a reader sees of that."""
        if kind == "set":
            self.define(name, value or "")
            return ""
        held = self.values.get(name)
        self.values[name] = _counted(held) if held else value or "1"
        return self.values[name] if kind == "counter" else ""


def _counted(value: str) -> str:
    """What a counter says next: 2 after 1, b after a."""
    if value.isdecimal() and len(value) < _MOST_DIGITS:
        return str(int(value) + 1)
    return chr(ord(value) + 1) if len(value) == 1 and value.isalpha() else "1"


def entry(line: str) -> tuple[str, str] | None:
    """Name and value of a line that defines an attribute."""
    match = _ENTRY.match(line)
    return (match[1], (match[2] or "").strip()) if match else None


def kept_lines(text: str, problems: list[str]) -> tuple[list[str], list[int]]:
    """The lines, and the number of each in the file. An included file is named in `problems`."""
    missing = Places()
    kept = list(_kept(text.split("\n"), missing))
    problems.extend(missing.sentences())
    return [line for line, _ in kept], [number for _, number in kept]


def _kept(lines: Sequence[str], missing: Places) -> Iterator[tuple[str, int]]:
    attributes = Attributes()
    conditions = _Conditions(attributes)
    inside = _Inside()
    for number, raw in enumerate(_joined(lines), 1):
        line = raw.rstrip()
        if inside.skips(line):
            continue
        if (match := _CONDITION.match(line)) and not match[1]:
            if (inline := conditions.read(match)) and conditions.are_met:
                yield inline, number
        elif conditions.are_met:
            if (include := _INCLUDE.match(line)) and not include[1]:
                missing.note(number, f"{include[2]} is not included; only the file itself is parsed")
                continue
            if inside.opens_comment(line):
                continue
            if not inside.verbatim and (defined := entry(line)):
                attributes.define(*defined)
            yield line[1:] if match or include else line, number


@dataclass(slots=True)
class _Inside:
    """Which block of comments or of code the lines stand in."""

    comment: str | None = None
    """What closes it: its own delimiter, or the empty line behind a paragraph."""
    verbatim: str = ""
    is_styled: bool = False
    """True behind `[comment]`, where the next line tells what closes it."""

    def skips(self, line: str) -> bool:
        """True for a line of a comment."""
        if self.comment is None:
            return False
        if self.is_styled:
            self.comment, self.is_styled = line if DELIMITER.match(line) else "", False
        elif line == self.comment:
            self.comment = None
        return True

    def opens_comment(self, line: str) -> bool:
        """Note where blocks open and close; true for the first line of a comment."""
        if self.verbatim:
            self.verbatim = "" if line == self.verbatim else self.verbatim
        elif _COMMENT_BLOCK.match(line):
            self.comment = line
        elif _COMMENT_STYLE.match(line):
            self.comment, self.is_styled = "", True
        elif _VERBATIM.match(line):
            self.verbatim = "```" if line.startswith("`") else line
        return self.comment is not None


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """The lines with the value of an attribute in one, where it goes on; their number stays."""
    parts: list[str] = []
    for line in lines:
        if parts or (line.endswith(" \\") and _ENTRY.match(line)):
            parts.append(line.strip().removesuffix("\\").rstrip(" ") if line.endswith("\\") else line.strip())
            if not line.endswith(" \\"):
                yield " ".join(parts)
                yield from ["//"] * (len(parts) - 1)
                parts = []
        else:
            yield line
    if parts:
        yield " ".join(parts)


@dataclass(slots=True)
class _Conditions:
    """The conditions that are open."""

    attributes: Attributes
    _open: list[bool] = field(default_factory=list)
    """Of each: whether it holds."""
    _unmet: int = 0
    """How many do not; all of them are not looked through for each line."""

    @property
    def are_met(self) -> bool:
        """True where what stands inside of them is kept."""
        return self._unmet == 0

    def read(self, match: re.Match[str]) -> str:
        """Open or close a condition; the text of one that has it in the same line and holds."""
        kind, text = match[2], match[5]
        if kind == "endif":
            if self._open:
                self._unmet -= not self._open.pop()
            return ""
        is_met = _holds(self.attributes.replaced(text)) if kind == "ifeval" else self._is_defined(match)
        if text and kind != "ifeval":
            return text if is_met else ""
        self._open.append(is_met)
        self._unmet += not is_met
        return ""

    def _is_defined(self, match: re.Match[str]) -> bool:
        defined = [name.lower() in self.attributes.values for name in re.split(r"[,+]", match[3])]
        is_met = all(defined) if match[4] == "+" else any(defined)
        return is_met if match[2] == "ifdef" else not is_met


def _holds(expression: str) -> bool:
    match = _EVAL.match(expression.strip())
    if match is None:
        return False
    left, right = match[2], match[5]
    if not (match[1] or match[4]) and (numbers := _numbers((left, right))):
        return _compare(numbers[0], match[3], numbers[1])
    return _compare(left, match[3], right)


def _numbers(texts: Iterable[str]) -> list[float] | None:
    try:
        return [float(text) for text in texts]
    except ValueError:
        return None


def _compare(left: str | float, operator: str, right: str | float) -> bool:
    less, equal = left < right, left == right  # type: ignore[operator]  # both are of one type
    return {
        "==": equal,
        "!=": not equal,
        "<": less,
        "<=": less or equal,
        ">": not less and not equal,
        ">=": not less,
    }[operator]


def section_title(lines: Sequence[str], number: int) -> tuple[int, str, int] | None:
    """Level, title and height in lines of a section title, in either way of writing one."""
    if number >= len(lines):
        return None
    line = lines[number]
    if match := _SECTION.match(line):
        return len(match[1]) - 1, match[2], 1
    below = lines[number + 1] if number + 1 < len(lines) else ""
    if (
        (match := _UNDERLINE.match(below))
        and abs(len(below) - len(line)) <= 1
        and re.search(r"\w", line)
        and not line[:1].isspace()
        and not ITEM.match(line)
        and len(below) > 1
    ):
        return "=-~^+".index(match[1]), line.strip(), 2
    return None


def titles(lines: Sequence[str]) -> dict[str, str]:
    """What is called by each anchor: the section, or the block with a title, that it stands above."""
    found: dict[str, str] = {}
    anchors: list[str] = []
    for number, line in enumerate(lines):
        if len(line) > _LONGEST_TITLE:
            anchors = []
        elif match := re.match(r"\[\[([^\],\[]+)(?:,\s*([^\]]+))?\]\]$", line):
            anchors.append(match[1])
            if match[2]:
                found[match[1]] = match[2]
        elif match := re.match(r"\[[^\]]*?#([\w:-]+)[^\]]*\]$", line) or re.match(
            r"\[.*?\bid=[\"']?([\w:-]+).*\]$", line
        ):
            anchors.append(match[1])
        elif (section := section_title(lines, number)) or (title := TITLE.match(line)):
            name = section[1] if section else title[1]  # type: ignore[index]  # one of the two matched
            anchors.extend(re.findall(r"\[\[([^\],]+)[^\]]*\]\]", name))
            name = re.sub(r"\[\[[^\]]*\]\]", "", name).strip()
            for anchor in anchors:
                found.setdefault(anchor, name)
            if section:
                found.setdefault("_" + re.sub(r"[\s.-]+", "_", re.sub(r"[^\w\s.-]", "", name.lower())).strip("_"), name)
                found.setdefault(name, name)
            anchors = []
        elif line.strip() and not ATTRIBUTES.match(line):
            anchors = []
    return found
