"""A place in a list of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from services.documents.backends.reading.latex.expand import Raw, Token


class Cursor:
    """Reads tokens, and what belongs to a command behind it."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = list(tokens)  # a copy: a letter may be taken off a word
        self.place = 0

    def next(self) -> Token | None:
        """The next token."""
        if self.place >= len(self.tokens):
            return None
        self.place += 1
        return self.tokens[self.place - 1]

    def following(self) -> Token | None:
        """The next token, which stays."""
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def skip_spaces(self) -> Token | None:
        """The next token that is no space, which stays."""
        while self.place < len(self.tokens) and is_space(self.tokens[self.place]):
            self.place += 1
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def argument(self) -> list[Token]:
        """The tokens of `{...}`, or one that stands without braces."""
        first = self.skip_spaces()
        if first is None or first == "}":
            return []
        self.place += 1
        if first == "{":
            return self._until("}")
        if isinstance(first, str) and len(first) > 1 and first[0] != "\\":
            self.place -= 1
            self.tokens[self.place] = first[1:]
            return [first[0]]
        return [first]

    def optional(self) -> list[Token] | None:
        """The tokens of `[...]`; None where there is none."""
        place = self.place
        if self.skip_spaces() != "[":
            self.place = place
            return None
        self.place += 1
        return self._until("]")

    def _until(self, closing: str) -> list[Token]:
        start, depth = self.place, 0
        while (token := self.next()) is not None:
            if depth == 0 and token == closing:
                return list(self.tokens[start : self.place - 1])
            depth += (token == "{") - (token == "}")
        return list(self.tokens[start : self.place])

    def until(self, *closing: str) -> list[Token]:
        """The tokens before one of some tokens, which is passed."""
        start = self.place
        while (token := self.next()) is not None:
            if token in closing:
                return list(self.tokens[start : self.place - 1])
        return list(self.tokens[start:])

    def environment(self, name: str) -> list[Token]:
        """The tokens up to the end of an environment, which is passed."""
        start, depth = self.place, 0
        while (token := self.next()) is not None:
            if token in {r"\begin", r"\end"}:
                before = self.place - 1
                if written(self.argument()).strip() == name:
                    depth += 1 if token == r"\begin" else -1
                    if depth < 0:
                        return list(self.tokens[start:before])
        return list(self.tokens[start:])


def is_space(token: Token) -> bool:
    """True for spaces and line ends."""
    return isinstance(token, str) and token.isspace()


def written(tokens: Sequence[Token]) -> str:
    """Tokens as they are in the source."""
    return "".join(token.text if isinstance(token, Raw) else token for token in tokens)
