"""What LaTeX's commands for letters and signs show."""

from __future__ import annotations

import re
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
    "textquotesingle": "'",
    "textquotestraightbase": "\u201a",
    "textcent": "\u00a2",
    "textcurrency": "\u00a4",
    "textbrokenbar": "\u00a6",
    "textonehalf": "\u00bd",
    "textonequarter": "\u00bc",
    "textthreequarters": "\u00be",
    "textonesuperior": "\u00b9",
    "texttwosuperior": "\u00b2",
    "textthreesuperior": "\u00b3",
    "textordfeminine": "\u00aa",
    "textordmasculine": "\u00ba",
    "textlnot": "\u00ac",
    "textdiv": "\u00f7",
    "textminus": "\u2212",
    "textfractionsolidus": "\u2044",
    "textperthousand": "\u2030",
    "textpertenthousand": "\u2031",
    "textohm": "\u03a9",
    "textcelsius": "\u2103",
    "textestimated": "\u212e",
    "textservicemark": "\u2120",
    "textcircledP": "\u2117",
    "textrecipe": "\u211e",
    "textreferencemark": "\u203b",
    "textleftarrow": "\u2190",
    "textuparrow": "\u2191",
    "textrightarrow": "\u2192",
    "textdownarrow": "\u2193",
    "textexclamdown": "\u00a1",
    "textquestiondown": "\u00bf",
    "textinterrobang": "\u203d",
    "textasteriskcentered": "*",
    "textsection": "\u00a7",
    "textparagraph": "\u00b6",
    "textdaggerdbl": "\u2021",
    "textsurd": "\u221a",
    "textlangle": "\u27e8",
    "textrangle": "\u27e9",
    "textwon": "\u20a9",
    "textdong": "\u20ab",
    "textbaht": "\u0e3f",
    "textflorin": "\u0192",
    "textasciiacute": "\u00b4",
    "textasciigrave": "`",
    "textasciimacron": "\u00af",
    "textasciidieresis": "\u00a8",
    "textvisiblespace": "\u2423",
    "quotesinglbase": "\u201a",
    "quotedblbase": "\u201e",
    "guilsinglleft": "\u2039",
    "guilsinglright": "\u203a",
    "guillemetleft": "\u00ab",
    "guillemetright": "\u00bb",
    "glq": "\u201a",
    "grq": "\u2018",
    "og": "\u00ab",
    "fg": " \u00bb",
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


_GERMAN_PACKAGE = re.compile(r"\\usepackage\s*\{n?german\}")
_BABEL = re.compile(r"\\usepackage\s*\[([^\]]*)\]\s*\{babel\}")
_GERMAN = {
    **dict(zip("aouAOU", "\u00e4\u00f6\u00fc\u00c4\u00d6\u00dc", strict=True)),
    **dict.fromkeys("sz", "\u00df"),
    **dict.fromkeys('-|"', ""),
    **dict.fromkeys("=~", "-"),
    "`": "\u201e",
    "'": "\u201c",
    "<": "\u00ab",
    ">": "\u00bb",
}
_GERMAN_QUOTE = re.compile(r"\"([aouAOUsz\-|\"=~`'<>])")


def accented(accent: str, letter: str) -> str:
    """A letter with an accent, in one character where Unicode has it."""
    base = {"\u0131": "i", "\u0237": "j"}.get(letter[:1], letter[:1])
    return unicodedata.normalize("NFC", (base or " ") + _COMBINING[accent]) + letter[1:]


def has_german_quotes(preamble: str) -> bool:
    """True where `babel` gives the double quote a meaning: for German, the main language."""
    if _GERMAN_PACKAGE.search(preamble):
        return True
    languages = _BABEL.search(preamble)
    main = re.search(r"main\s*=\s*(\w+)", languages[1]) if languages else None
    name = main[1] if main else languages[1].split(",")[-1].strip() if languages else ""
    return name in {"german", "ngerman", "austrian", "naustrian", "swissgerman", "nswissgerman"}


def german(text: str) -> str:
    """Text with what the double quote makes of the sign behind it: umlauts, quotes, hyphens."""
    return _GERMAN_QUOTE.sub(lambda found: _GERMAN[found[1]], text)


def ligated(text: str) -> str:
    """Text with the dashes and quotes that TeX makes of several characters."""
    for written, shown in _LIGATURES:
        text = text.replace(written, shown)
    return text
