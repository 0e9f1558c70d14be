"""LaTeX's source as tokens: comments and switched-off parts are gone, the author's own commands expanded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

_TOKEN = re.compile(r"\\(?:[A-Za-z@]+\*?|[\s\S])|%[^\n]*(?:\n[ \t]*)?|\s+|[^\\%{}\[\]\s$&~#]+|[\s\S]")
_MOST_EXPANDED = 500_000
"""Characters that definitions may add beyond four times the source: they may call each other, and double each time."""
_MOST_PENDING = 200

_RAW_ENVIRONMENTS = {
    "verbatim",
    "verbatim*",
    "Verbatim",
    "Verbatim*",
    "lstlisting",
    "minted",
    "alltt",
    "BVerbatim",
    "LVerbatim",
}
_DROPPED_ENVIRONMENTS = {"comment", "filecontents", "filecontents*", "CCSXML"}
_WITH_ADDRESS = {"url", "href", "nolinkurl", "path"}
_ADDRESS = re.compile(
    r"\s*(?:\[[^\[\]{}]{0,200}\]\s*)?\{(?P<braced>[^{}\n]{1,4000})\}|(?P<sign>[|!+/])(?P<between>[^\n]{1,4000}?)(?P=sign)"
)
_RAW_BEGIN = re.compile(r"\s*\{([A-Za-z]+\*?)\}")
_DEFINITIONS = {"newcommand", "renewcommand", "providecommand", "DeclareRobustCommand", "DeclareMathOperator"}
_DOCUMENT_DEFINITIONS = {
    f"{how}DocumentCommand" for how in ("New", "Renew", "Provide", "Declare", "NewExpandable", "DeclareExpandable")
}
_PLAIN_DEFINITIONS = {"def", "edef", "gdef", "xdef"}
_CONDITIONS_WITH_ARGUMENTS = {
    **dict.fromkeys(("ifx", "ifcat", "if"), 2),
    "ifdefined": 1,
    **dict.fromkeys(("ifmmode", "ifhmode", "ifvmode", "ifinner", "ifpdf", "ifxetex", "ifluatex", "iftutex"), 0),
    **dict.fromkeys(("ifPDFTeX", "ifXeTeX", "ifLuaTeX", "ifnum", "ifdim", "ifodd", "ifcase"), 0),
}
_OPERAND = r"(-?[\d.]+(?:pt|em|ex|cm|mm|in|sp)?|\\[A-Za-z@]+(?:\s*\{[^{}]{0,100}\})?)"
_COMPARED = re.compile(rf"\s*{_OPERAND}\s*([<>=])\s*{_OPERAND}\s?")
_OPERANDS = {"ifodd": re.compile(rf"\s*{_OPERAND}\s?"), "ifcase": re.compile(rf"\s*{_OPERAND}\s?")}
_TWO_SIGNS = re.compile(r"\s*([^\\\s{}#])([^\\{}#])\s*")
_OVERLAY = re.compile(r"(\\[A-Za-z]+\*?(?:[ \t]*\{[A-Za-z*]+\})?)<(?=[^<>\n]*[\d+.])[-\d,+.|@a-z:() ]{1,40}>")
_MOST_IN_ARGUMENT = 4_000
"""Characters that an argument may have which ends with a sign of its own."""
_XPARSE = re.compile(r"[+!>]|(?P<kind>[mosOdDrRvt])(?P<told>\{[^{}]*\}|(?<=[dDrRt])\S{1,2}(?:\{[^{}]*\})?)?")
_NO_VALUE = "-NoValue-"
_CHOICES = {
    "IfBooleanTF": (r"\BooleanTrue", True, True),
    "IfBooleanT": (r"\BooleanTrue", True, False),
    "IfBooleanF": (r"\BooleanTrue", False, True),
    "IfNoValueTF": (_NO_VALUE, True, True),
    "IfNoValueT": (_NO_VALUE, True, False),
    "IfNoValueF": (_NO_VALUE, False, True),
}
"""What the first argument has to be, and whether one follows for that case and for the other."""


class Raw(NamedTuple):
    """Text that is shown as it is written."""

    kind: str
    """`verb`, or the environment's name."""
    options: str
    text: str


class Command(str):
    """A command or sign with the line of the source that it comes from."""

    __slots__ = ("line",)
    line: int


Token = str | Raw


class _Argument(NamedTuple):
    kind: str = "m"
    """`m` in braces, `o` in brackets, `s` a star, `d` up to a sign of its own."""
    told: str = ""
    """What stands for one that is not given, or that sign."""


class _Macro(NamedTuple):
    arguments: Sequence[_Argument]
    body: str
    opening: str = ""
    """What stands before the arguments."""

    @classmethod
    def counted(cls, count: int, default: str | None, body: str) -> _Macro:
        """A macro of so many arguments, the first of which may have a default."""
        arguments = [_Argument()] * count
        if default is not None:
            arguments[:1] = [_Argument("o", default)]
        return cls(arguments, body)


class Expander:
    """Reads a source once, from left to right."""

    def __init__(self, source: str, line: int = 1) -> None:
        if "{beamer}" in source:
            source = _OVERLAY.sub(r"\1", source)  # on which steps of a slide
        self._source = source
        self._line, self._counted = line, 0
        """The line at a position of the source: what is before it is counted once."""
        self._stack: list[tuple[str, int]] = [(source, 0)]
        self._excluded: set[str] = set(_DROPPED_ENVIRONMENTS)
        self._budget = _MOST_EXPANDED + 4 * len(source)
        self._macros: dict[str, _Macro] = {}
        self._environments: dict[str, tuple[_Macro, str]] = {}
        self._flags: dict[str, bool] = {"false": False, "true": True}
        self._open: list[bool | None] = []
        """Of each condition that is open: whether it holds; None: nobody knows, all of it is kept."""
        self._off = 0
        """How many of them do not hold."""
        self._expanded = 0
        self.theorems: dict[str, str] = {}
        self._commands: dict[str, Callable[[], None]] = {
            **dict.fromkeys(_DEFINITIONS, self._define),
            **dict.fromkeys(_DOCUMENT_DEFINITIONS, self._define_by_kinds),
            **{name: partial(self._choose, *choice) for name, choice in _CHOICES.items()},
            "excludecomment": self._exclude,
            "includecomment": self._include,
            "newenvironment": self._define_environment,
            "renewenvironment": self._define_environment,
            "newtheorem": self._define_theorem,
            "let": self._let,
            **dict.fromkeys(_PLAIN_DEFINITIONS, self._define_plainly),
            "newif": self._new_condition,
        }

    def tokens(self) -> Iterator[Token]:
        """What is left of the source."""
        while (token := self._next()) is not None:
            if not token.startswith("\\"):
                if self._is_on:
                    yield token
                continue
            yield from self._command(token[1:], token)

    @property
    def is_exhausted(self) -> bool:
        """True when definitions added so much that the rest was not expanded."""
        return self._expanded >= self._budget

    @property
    def _is_on(self) -> bool:
        return self._off == 0

    def _command(self, name: str, token: str) -> Iterator[Token]:
        if name in {"fi", "else", "or"} or (name.startswith("if") and self._is_condition(name)):
            self._condition(name)
        elif not self._is_on:
            if name == "begin":
                self._skip_raw()
        else:
            yield from self._kept(name, token)

    def _kept(self, name: str, token: str) -> Iterator[Token]:
        """What comes of a command that is not switched off."""
        if name in {"begin", "end"}:
            yield from self._environment(name, token)
        elif command := self._commands.get(name.rstrip("*")):
            command()
        elif name in _WITH_ADDRESS:
            yield token
            yield from self._address()
        elif name in {"verb", "verb*", "lstinline", "mintinline"}:
            yield from self._verb(name)
        elif name.removesuffix("true").removesuffix("false") in self._flags and name not in self._flags:
            self._flags[name.removesuffix("true").removesuffix("false")] = name.endswith("true")
        elif (macro := self._macros.get(name)) and self._expanded < self._budget:
            self._push(self._expansion(macro))
        elif (macro := self._macros.get(name.removesuffix("*"))) and name[-1] == "*" and self._expanded < self._budget:
            has_star = bool(macro.arguments) and macro.arguments[0].kind == "s"
            self._push(self._expansion(macro, has_star=has_star) + "*" * (not has_star))
        else:
            yield self._placed(token)

    def _next(self) -> str | None:
        while self._stack:
            text, position = self._stack[-1]
            match = _TOKEN.match(text, position)
            if match is None:
                self._stack.pop()
                continue
            self._stack[-1] = (text, match.end())
            if match[0][0] == "%":
                continue
            return match[0]
        return None

    def _placed(self, token: str) -> Command:
        """A token with its line; what a definition says stands in the line where it is used."""
        text, position = self._stack[0] if self._stack else ("", 0)
        if text is self._source:
            self._line += self._source.count("\n", self._counted, position)
            self._counted = position
        placed = Command(token)
        placed.line = self._line
        return placed

    def _push(self, text: str) -> None:
        if self._stack and self._stack[-1][1] >= len(self._stack[-1][0]):
            self._stack.pop()
        self._expanded += len(text)
        if len(self._stack) < _MOST_PENDING and self._expanded < self._budget:
            self._stack.append((text, 0))

    def _peek(self) -> str:
        """The next character that is no space; spaces before it are passed over."""
        while (token := self._next()) is not None:
            if not token.isspace():
                text, position = self._stack[-1]
                self._stack[-1] = (text, position - len(token))
                return token
        return ""

    def _argument(self) -> str:
        first = self._peek()
        if first != "{":
            token = self._next() or ""
            if len(token) > 1 and token[0] != "\\":
                text, position = self._stack[-1]
                self._stack[-1] = (text, position - len(token) + 1)
                token = token[0]
            return token
        self._next()
        return self._until("}")

    def _optional(self) -> str | None:
        if self._peek() != "[":
            return None
        self._next()
        return self._until("]")

    def _until(self, closing: str) -> str:
        parts: list[str] = []
        depth = 0
        while (token := self._next()) is not None:
            if depth == 0 and token == closing:
                break
            depth += (token == "{") - (token == "}")
            parts.append(token)
        return "".join(parts)

    def _expansion(self, macro: _Macro, *, has_star: bool = False) -> str:
        text, position = self._stack[-1] if self._stack else ("", 0)
        if macro.opening and text.startswith(macro.opening, position):
            self._stack[-1] = (text, position + len(macro.opening))
        given = [self._given(argument, has_star=has_star) for argument in macro.arguments]
        return _filled(macro.body, given)

    def _given(self, argument: _Argument, *, has_star: bool) -> str:
        if argument.kind == "s":
            return r"\BooleanTrue" if has_star else r"\BooleanFalse"
        if argument.kind == "o":
            given = self._optional()
            return argument.told if given is None else given
        return self._up_to(argument.told) if argument.kind == "d" else self._argument()

    def _up_to(self, sign: str) -> str:
        text, position = self._stack[-1] if self._stack else ("", 0)
        end = text.find(sign, position, position + _MOST_IN_ARGUMENT)
        if end < 0:
            return self._argument()
        self._stack[-1] = (text, end + len(sign))
        return text[position:end]

    def _define(self) -> None:
        name = self._argument().strip().lstrip("\\")
        count, default = self._optional(), self._optional()
        body = self._argument()
        if name not in {"\\", ""}:
            self._macros[name.strip()] = _Macro.counted(_count(count), default, body)

    def _define_by_kinds(self) -> None:
        name, kinds, body = self._argument().strip().lstrip("\\"), self._argument(), self._argument()
        found = [(part["kind"], (part["told"] or "").strip("{}")) for part in _XPARSE.finditer(kinds) if part["kind"]]
        arguments = [
            _Argument("o", told if kind == "O" else _NO_VALUE)
            if kind in "oO"
            else _Argument("s" if kind in "st" else "m")
            for kind, told in found
        ]
        if name and not any(kind in "dDrRv" for kind, _ in found):
            self._macros[name] = _Macro(arguments, body)

    def _choose(self, wanted: str, has_this: bool, has_other: bool) -> None:  # noqa: FBT001 - filled in by a table
        is_met = self._argument().strip() == wanted
        this = self._argument() if has_this else ""
        other = self._argument() if has_other else ""
        self._push(this if is_met else other)

    def _include(self) -> None:
        self._excluded.discard(self._argument().strip())

    def _exclude(self) -> None:
        self._excluded.add(self._argument().strip())

    def _define_plainly(self) -> None:
        name = (self._next() or "").lstrip("\\")
        parameters: list[str] = []
        while (token := self._next()) is not None and token != "{":
            parameters.append(token)
        body = self._until("}")
        opening, *others = re.split(r"#\d", "".join(parameters))
        arguments = [_Argument("d", sign) if sign.strip() else _Argument() for sign in others]
        self._macros[name] = _Macro(arguments, body, opening.strip())

    def _define_environment(self) -> None:
        name = self._argument().strip()
        count, default = self._optional(), self._optional()
        opening, closing = self._argument(), self._argument()
        self._environments[name] = (_Macro.counted(_count(count), default, opening), closing)

    def _define_theorem(self) -> None:
        name = self._argument().strip()
        self._optional()
        self.theorems[name] = self._argument()
        self._optional()

    def _let(self) -> None:
        name = (self._next() or "").lstrip("\\")
        target = self._peek()
        if target == "=":
            self._next()
            target = self._peek()
        self._next()
        if target.lstrip("\\") in self._macros:
            self._macros[name] = self._macros[target.lstrip("\\")]
        elif target.startswith("\\") and target[1:] != name:
            self._macros[name] = _Macro((), target + " ")

    def _new_condition(self) -> None:
        self._flags[(self._next() or "").removeprefix("\\if")] = False

    def _is_condition(self, name: str) -> bool:
        return name[2:] in self._flags or name in _CONDITIONS_WITH_ARGUMENTS

    def _condition(self, name: str) -> None:
        if name == "fi":
            if self._open:
                self._off -= self._open.pop() is False
        elif name in {"else", "or"}:
            if self._open and self._open[-1] is not None:
                self._open[-1] = not self._open[-1]
                self._off += -1 if self._open[-1] else 1
        else:
            state = self._state(name) if self._is_on else None
            self._open.append(state)
            self._off += state is False

    def _state(self, name: str) -> bool | None:
        """Whether a condition holds, where the source says it; what it compares is passed."""
        if name[2:] in self._flags:
            return self._flags[name[2:]]
        text, position = self._stack[-1] if self._stack else ("", 0)
        pattern = _TWO_SIGNS if name == "if" else _COMPARED if name in {"ifnum", "ifdim"} else _OPERANDS.get(name)
        if pattern and (found := pattern.match(text, position)):
            self._stack[-1] = (text, found.end())
            return _holds(name, found.groups())
        for _ in range(_CONDITIONS_WITH_ARGUMENTS[name]):
            self._next()
        return None

    def _environment(self, kind: str, token: str) -> Iterator[Token]:
        text, position = self._stack[-1]
        match = _RAW_BEGIN.match(text, position)
        name = match[1] if match else ""
        if match and kind == "begin" and (name in _RAW_ENVIRONMENTS or name in self._excluded):
            self._stack[-1] = (text, match.end())
            yield from self._raw(name)
        elif match and name in self._environments and self._expanded < self._budget:
            self._stack[-1] = (text, match.end())
            opening, closing = self._environments[name]
            self._push(self._expansion(opening) if kind == "begin" else closing)
        else:
            yield self._placed(token)

    def _skip_raw(self) -> None:
        text, position = self._stack[-1]
        match = _RAW_BEGIN.match(text, position)
        if match and (match[1] in _RAW_ENVIRONMENTS or match[1] in self._excluded):
            self._stack[-1] = (text, match.end())
            list(self._raw(match[1]))

    def _raw(self, name: str) -> Iterator[Token]:
        text, position = self._stack[-1]
        closing = f"\\end{{{name}}}"
        end = text.find(closing, position)
        content = text[position : end if end >= 0 else len(text)]
        self._stack[-1] = (text, end + len(closing) if end >= 0 else len(text))
        if name in self._excluded:
            return
        options = ""
        if match := re.match(r"[ \t]*(?:\[[^\]]*\])?(?:\{[^}\n]*\})?", content):
            options = match[0] if name in {"lstlisting", "minted"} or "[" in match[0] else ""
        yield Raw(name.rstrip("*"), options, content[len(options) :].strip("\n"))

    def _address(self) -> Iterator[Token]:
        """An address in braces, in which `%` opens no comment."""
        text, position = self._stack[-1]
        if match := _ADDRESS.match(text, position):
            self._stack[-1] = (text, match.end())
            yield from ("{", match["braced"] or match["between"], "}")

    def _verb(self, name: str) -> Iterator[Token]:
        if name in {"lstinline", "mintinline"}:
            self._optional()
        if name == "mintinline":
            self._argument()
        text, position = self._stack[-1]
        delimiter = text[position : position + 1]
        end = text.find("}" if delimiter == "{" else delimiter, position + 1) if delimiter else -1
        if end >= 0:
            self._stack[-1] = (text, end + 1)
            yield Raw("verb", "", text[position + 1 : end])


def _holds(name: str, said: Sequence[str]) -> bool | None:
    if name == "if":
        return said[0] == said[1]
    if name == "ifcase" or not all(re.fullmatch(r"-?\d+", part) for part in said[::2]):
        return None
    if name == "ifodd":
        return int(said[0]) % 2 == 1
    left, right = int(said[0]), int(said[2])
    return {"<": left < right, ">": left > right, "=": left == right}[said[1]]


def _count(given: str | None) -> int:
    return int(given) if given and given.strip().isdigit() and len(given.strip()) == 1 else 0


def _filled(body: str, arguments: Sequence[str]) -> str:
    def value(match: re.Match[str]) -> str:
        index = int(match[1]) - 1
        return arguments[index] if index < len(arguments) else ""

    return re.sub(r"#([1-9])", value, body) if arguments else body
