"""Notes that generators of sites set apart: `!!! tip "Title"` with what is set in below it, `:::` around it."""

from __future__ import annotations

import re
from typing import Any

from marko import block


class Admonition(block.BlockElement):
    """A note, a folded one or a tab of MkDocs."""

    pattern = re.compile(
        r" {,3}(?:(?:!!!|\?{3}\+?)[ \t]+[\w\"]|={3}[+!]*[ \t]+\")[^\n]*(?=\n(?:[> \t]*\n)?[> ]*(?: {4}|\t)[ \t]*\S)"
    )
    priority = 6
    breaks_paragraph = True
    _prefix = " {4}"

    @classmethod
    def match(cls, source: Any) -> bool:
        """True where one begins."""
        return bool(source.expect_re(cls.pattern))

    @classmethod
    def parse(cls, source: Any) -> Admonition:
        """The note that begins in the current line, its first line as a paragraph."""
        note = cls()
        head = source.parser.block_elements["Paragraph"]([source.next_line()])
        source.consume()
        with source.under_state(note):
            note.children = [head, *source.parser.parse_source(source)]
        return note


class ContainerMark(block.BlockElement):
    """The line that begins or ends a container: no part of the paragraph beside it."""

    pattern = re.compile(r" {,3}:{3,}[^\n]*\n?")
    priority = 6
    breaks_paragraph = True

    def __init__(self, line: str) -> None:
        self.inline_body = line.strip()

    @classmethod
    def match(cls, source: Any) -> bool:
        """True in such a line."""
        return bool(source.expect_re(cls.pattern))

    @classmethod
    def parse(cls, source: Any) -> ContainerMark:
        """The line."""
        line = source.next_line()
        source.consume()
        return cls(line)
