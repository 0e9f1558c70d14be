"""Algorithms as `algorithmicx`, `algorithmic` and `algorithm2e` print them: line by line, with their words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.documents.backends.reading.latex.cursor import Cursor
from services.documents.backends.reading.latex.expand import Token

_LINE: tuple[Token, ...] = (r"\par",)
_ARGUMENT = "#"
_BLOCK = "@"
_SHOWN: Mapping[str, str] = {
    "State": "|",
    "Statex": "|",
    "STATE": "|",
    ";": "|",
    "Require": "|Require: ",
    "Ensure": "|Ensure: ",
    "Input": "|Input: ",
    "Output": "|Output: ",
    "If": "|if # then@|end|",
    "ElsIf": "|else if # then",
    "ElseIf": "|else if # then@|end|",
    "Else": "|else@|end|",
    "eIf": "|if # then@|else@|end|",
    "EndIf": "|end if",
    "For": "|for # do@|end|",
    "ForAll": "|for all # do@|end|",
    "ForEach": "|for each # do@|end|",
    "EndFor": "|end for",
    "While": "|while # do@|end|",
    "EndWhile": "|end while",
    "Loop": "|loop",
    "EndLoop": "|end loop",
    "Repeat": "|repeat@|end|",
    "Until": "|until #",
    "Procedure": "|procedure #(#)",
    "EndProcedure": "|end procedure",
    "Function": "|function #(#)",
    "EndFunction": "|end function",
    "Call": "#(#)",
    "Return": "return ",
    "Comment": " (#)",
    "tcp": " (#)|",
    "tcc": " (#)|",
    "KwData": "|Data: #|",
    "KwResult": "|Result: #|",
    "KwIn": "|Input: #|",
    "KwOut": "|Output: #|",
    "KwRet": "return #",
}
"""What commands print: `|` begins a line, `#` is an argument, `@` the block in braces that `algorithm2e` has there,
without which nothing follows."""
_ARGUMENTS = {name.upper(): name for name in _SHOWN}


def is_algorithm(name: str) -> bool:
    """True for the environments of these packages."""
    return name in {"algorithm", "algorithmic", "algorithm2e", "procedure", "function"}


def spelled(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with words and ends of lines in place of an algorithm's commands."""
    cursor = Cursor(tokens)
    found: list[Token] = []
    behind: list[str] = []  # each brace that is open: what is printed behind it
    while (token := cursor.next()) is not None:
        name = _name(token)
        if name is not None:
            _print(_SHOWN[name], cursor, found, behind)
        elif token == "}" and behind and behind[-1]:
            _print(behind.pop()[1:], cursor, found, behind)
        else:
            if token == "{":
                behind.append("")
            elif token == "}" and behind:
                behind.pop()
            found.append(token)
    return found


def _print(shown: str, cursor: Cursor, found: list[Token], behind: list[str]) -> None:
    """Print up to the next argument, which is read in its turn."""
    for place, sign in enumerate(shown):
        if sign == "|":
            found.extend(_LINE)
        elif sign not in {_ARGUMENT, _BLOCK}:
            found.append(sign)
        elif cursor.skip_spaces() == "{":
            cursor.next()
            found.extend(_LINE if sign == _BLOCK else ())
            behind.append(shown[place:])
            return
        elif sign == _BLOCK:
            return


def _name(token: Token) -> str | None:
    r"""The command of the table that a token is; `\FOR` of `algorithmic` is `\For`."""
    if not isinstance(token, str) or token[:1] != "\\":
        return None
    bare = token[1:]
    return bare if bare in _SHOWN else _ARGUMENTS.get(bare) if bare.isupper() else None
