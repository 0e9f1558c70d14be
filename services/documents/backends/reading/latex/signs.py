"""What LaTeX's commands for letters and signs show."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

_COMBINING = {
    '"': "\u0308",
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    "~": "\u0303",
    "=": "\u0304",
    ".": "\u0307",
    "u": "\u0306",
    "v": "\u030c",
    "H": "\u030b",
    "c": "\u0327",
    "k": "\u0328",
    "r": "\u030a",
    "b": "\u0331",
    "d": "\u0323",
    "t": "\u0361",
}
ACCENTS = frozenset(_COMBINING)

SIGNS: Mapping[str, str] = {
    **{sign: sign for sign in "&%$#_{}"},
    **dict.fromkeys((",", ";", ":", " ", ">", "quad", "qquad", "enspace", "thinspace", "space", "\n", "\t"), " "),
    **dict.fromkeys(("!", "/", "-", "@", "protect", "relax", "null"), ""),
    "ss": "\u00df",
    "ae": "\u00e6",
    "AE": "\u00c6",
    "oe": "\u0153",
    "OE": "\u0152",
    "o": "\u00f8",
    "O": "\u00d8",
    "aa": "\u00e5",
    "AA": "\u00c5",
    "l": "\u0142",
    "L": "\u0141",
    "i": "\u0131",
    "j": "\u0237",
    "dh": "\u00f0",
    "DH": "\u00d0",
    "th": "\u00fe",
    "TH": "\u00de",
    "dj": "\u0111",
    "DJ": "\u0110",
    "ng": "\u014b",
    "S": "\u00a7",
    "P": "\u00b6",
    "copyright": "\u00a9",
    "textcopyright": "\u00a9",
    "textregistered": "\u00ae",
    "texttrademark": "\u2122",
    "dag": "\u2020",
    "ddag": "\u2021",
    "textdagger": "\u2020",
    "pounds": "\u00a3",
    "textsterling": "\u00a3",
    "euro": "\u20ac",
    "texteuro": "\u20ac",
    "EUR": "\u20ac",
    "textyen": "\u00a5",
    "ldots": "\u2026",
    "dots": "\u2026",
    "textellipsis": "\u2026",
    "LaTeX": "LaTeX",
    "LaTeXe": "LaTeX2e",
    "TeX": "TeX",
    "BibTeX": "BibTeX",
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textbar": "|",
    "textless": "<",
    "textgreater": ">",
    "textunderscore": "_",
    "textdollar": "$",
    "textbraceleft": "{",
    "textbraceright": "}",
    "textendash": "\u2013",
    "textemdash": "\u2014",
    "textquoteleft": "\u2018",
    "textquoteright": "\u2019",
    "textquotedblleft": "\u201c",
    "textquotedblright": "\u201d",
    "textquotedbl": '"',
    "textbullet": "\u2022",
    "textdegree": "\u00b0",
    "degree": "\u00b0",
    "textmu": "\u00b5",
    "textpm": "\u00b1",
    "texttimes": "\u00d7",
    "guillemotleft": "\u00ab",
    "guillemotright": "\u00bb",
    "glqq": "\u201e",
    "grqq": "\u201c",
    "flqq": "\u00ab",
    "frqq": "\u00bb",
    "textperiodcentered": "\u00b7",
    "slash": "/",
    "textnumero": "\u2116",
    "checkmark": "\u2713",
    "nobreakspace": " ",
    "nobreakdash": "",
}
_LIGATURES = (
    ("---", "\u2014"),
    ("--", "\u2013"),
    ("``", "\u201c"),
    ("''", "\u201d"),
    (",,", "\u201e"),
    ("?`", "\u00bf"),
    ("!`", "\u00a1"),
    ("`", "\u2018"),
    ("'", "\u2019"),
)


def accented(accent: str, letter: str) -> str:
    """A letter with an accent, in one character where Unicode has it."""
    base = {"\u0131": "i", "\u0237": "j"}.get(letter[:1], letter[:1])
    return unicodedata.normalize("NFC", (base or " ") + _COMBINING[accent]) + letter[1:]


def ligated(text: str) -> str:
    """Text with the dashes and quotes that TeX makes of several characters."""
    for written, shown in _LIGATURES:
        text = text.replace(written, shown)
    return text
