r"""Text that stays text in Markdown: what CommonMark or GitHub would read as markup is escaped, nothing else.

`2*3*4` becomes `2\*3\*4`, `snake_case` stays, since an underscore inside a word marks nothing.
"""

from __future__ import annotations

import re
import unicodedata

_SPECIAL = re.compile(r"\[\^[\w.-]+\]|(?:https?://|www\.)[^\s<>]+|\\|\*+|_+|`|~+|<|&|[\[\]]|\$|!$")
_LINK = re.compile(r"\](?=[(\[:])")
_TILDES = re.compile("~+")
_IN_ADDRESS = re.compile(r"[*`\[]")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_MATH = re.compile(r"\$(?=\S)[^$\n]*(?<=\S)\$(?!\d)|\$\$")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")

_BLOCK = re.compile(
    r"""(?P<indent>[ \t]*)(?:
      (?P<first>\#{1,6}(?=\s|$) | > | [-+*](?=\s|$) | ~{3,} | ([*_-][ \t]*){3,}$ )
      | (?P<number>\d{1,9})(?P<dot>[.)])(?=\s|$)
    )""",
    re.VERBOSE,
)
_UNDERLINE = re.compile(r"[ \t]*([|:-][ \t:|-]*|=+[ \t]*)$")
"""What makes the line above it a heading or a table."""
_TASK = re.compile(r"\[(?=[ xX]\](?:\s|$))")


def is_punctuation(character: str) -> bool:
    """True for what CommonMark calls punctuation."""
    return character in _PUNCTUATION or unicodedata.category(character)[0] in "PS"


def escaped(text: str, *, before: str = "", after: str = "", is_in_link: bool = False) -> str:
    """The text with its markup escaped.

    Args:
        text: what is to be read.
        before: the character in front of it, if it touches one.
        after: the character behind it, if it touches one.
        is_in_link: it is the text of a link.
    """
    if not _SPECIAL.search(text):
        return text
    rule = _Rule(text=text, before=before, whole=text + after, is_in_link=is_in_link)
    return _SPECIAL.sub(rule.replaced, text)


class _Rule:
    """What is escaped in one text."""

    def __init__(self, *, text: str, before: str, whole: str, is_in_link: bool) -> None:
        self._text = text
        self._before = before
        self._whole = whole
        self._escapes = {
            "[": is_in_link or bool(_LINK.search(whole)),
            "$": bool(_MATH.search(text)),
            "~": len(_TILDES.findall(text)) > 1,
            "!": whole.endswith("!["),
            "`": True,
        }
        self._escapes["]"] = self._escapes["["]

    def replaced(self, match: re.Match[str]) -> str:
        """What stands for a run of special characters, or an address."""
        found = match[0]
        match found[0]:
            case "\\" | "*" | "_":
                is_markup = self._is_markup(match)
            case "<":
                return "&lt;" if _TAG.match(self._whole, match.start()) else found
            case "&":
                return "&amp;" if _ENTITY.match(self._whole, match.start()) else found
            case "[" if len(found) > 1:  # the mark of a note
                is_markup = False
            case first if first in self._escapes:
                is_markup = self._escapes[first]
            case _:
                return _IN_ADDRESS.sub(r"\\\g<0>", _ENTITY.sub("&amp;", found))
        return "".join(f"\\{character}" for character in found) if is_markup else found

    def _is_markup(self, match: re.Match[str]) -> bool:
        """True where a run of backslashes, asterisks or underscores would be read as markup."""
        before = self._text[match.start() - 1] if match.start() else self._before
        after = self._whole[match.end() : match.end() + 1]
        if match[0] == "\\":
            return not after or after in _PUNCTUATION or after == "\n"
        is_between_spaces = _is_space(before) and _is_space(after)
        is_in_word = match[0][0] == "_" and before.isalnum() and after.isalnum()
        return not (is_between_spaces or is_in_word)


def escaped_starts(text: str, *, is_at_start: bool) -> str:
    """The text with what would begin a block at the start of a line escaped; `escaped` was applied to it."""
    first, *others = text.split("\n")
    lines = [_escaped_start(first) if is_at_start else first]
    lines += [_escaped_start(line, is_under_text=True) for line in others]
    return "\n".join(lines)


def escaped_task(text: str) -> str:
    """The text of an item of a list, which is no task though it begins as one."""
    return "\\" + text if _TASK.match(text) else text


def _escaped_start(line: str, *, is_under_text: bool = False) -> str:
    match = _BLOCK.match(line)
    if not match:
        line = line.lstrip(" \t")
        return f"\\{line}" if is_under_text and _UNDERLINE.match(line) else line
    rest = line[match.end("indent") :]
    if match["number"]:
        return f"{match['number']}\\{rest[len(match['number']) :]}"
    return f"\\{rest}"


def _is_space(character: str) -> bool:
    return not character or character.isspace()
