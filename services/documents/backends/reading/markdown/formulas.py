r"""Formulas in Markdown: between dollars, in LaTeX's `\(...\)` and `\[...\]`, and in its environments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from marko import block, inline

_TEX = r"(?:[^\\]|\\[^()\[\]])"
r"""A sign of TeX that begins or ends no formula: `\\[2pt]` is the end of a row."""
_ENVIRONMENT = r"(?:align|alignat|eqnarray|equation|flalign|gather|multline)\*?"
_SIGN = re.compile(r"[\\^_=+<>|{}]")
_VARIABLE = re.compile(r"\s*[^\W_]{1,3}\s*")
r"""`\(x\)`; `\(see below\)` are escaped parentheses."""
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_MARKS = re.compile(r"\A(?:\$+|\\[(\[])|(?:\$+|\\[)\]])\Z")


class Math(inline.InlineElement):
    """A formula in a line: dollars that touch it, and no digit behind the second, as in `$5 and $6`."""

    pattern = re.compile(
        rf"(?<![\\$])(\$\$[^$]+\$\$(?![\d$])|\$(?=[^\s$])[^$]*?(?<=[^\s\\])\$(?![\d$])|\\\({_TEX}+\\\))"
    )
    priority = 6

    @classmethod
    def find(cls, text: str, *, source: Any) -> Iterator[Any]:
        """Those in a text, in order."""
        return (found for found in super().find(text, source=source) if _is_formula(found.group()))

    @property
    def tex(self) -> str:
        """The formula."""
        return bare(str(self.children))


class Literal(inline.Literal):
    """An escaped sign that begins and ends no formula."""

    override = True

    @classmethod
    def find(cls, text: str, *, source: Any) -> Iterator[Any]:
        """Those in a text, in order."""
        formulas = Math.find(text, source=source) if "\\(" in text else ()
        marks = {place for found in formulas for place in (found.start(), found.end() - len(r"\)"))}
        return (found for found in super().find(text, source=source) if found.start() not in marks)


class MathBlock(block.BlockElement):
    """A formula on lines of its own."""

    pattern = re.compile(
        r" {,3}(?P<formula>\$\$[^$]*\$\$"
        rf"|\\\[{_TEX}+\\\]"
        rf"|\\begin\{{(?P<kind>{_ENVIRONMENT})\}}(?:[^\\]|\\(?!(?:begin|end)\{{{_ENVIRONMENT}\}}))*\\end\{{(?P=kind)\}}"
        r")[ \t]*(?:\n|\Z)"
    )
    priority = 7
    breaks_paragraph = True

    def __init__(self, text: str) -> None:
        self.tex = bare(text.strip())

    @classmethod
    def match(cls, source: Any) -> bool:
        """True where one begins, if it ends."""
        found = source.expect_re(cls.pattern)
        if not found or _EMPTY_LINE.search(found["formula"]) or not _is_formula(found["formula"]):
            return False
        source.context.formula_lines = found["formula"].count("\n") + 1
        return True

    @classmethod
    def parse(cls, source: Any) -> MathBlock:
        """The formula that begins in the current line."""
        lines: list[str] = []
        for _ in range(source.context.formula_lines):
            if (line := source.next_line()) is None:
                break
            lines.append(line)
            source.consume()
        return cls("".join(lines))


def bare(formula: str) -> str:
    """A formula without the signs around it."""
    return _MARKS.sub("", formula).strip()


def _is_formula(text: str) -> bool:
    r"""True for dollars, and where `\(...\)` and `\[...\]` are no escaped brackets."""
    if not text.startswith(("\\(", "\\[")):
        return True
    inner = bare(text)
    return bool(_SIGN.search(inner) or (_VARIABLE.fullmatch(inner) if text[1] == "(" else "\n" in text))
