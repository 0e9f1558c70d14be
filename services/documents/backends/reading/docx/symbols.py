"""Characters of the symbol fonts, as Unicode has them."""

# ruff: noqa: RUF001 - characters that look like others are what this is about
from __future__ import annotations

_SYMBOL_UPPER = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ"
_SYMBOL_LOWER = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ"
_SYMBOL_HIGH = (
    "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓"  # 0xA0 to 0xDF
    "◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪ 〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"  # 0xE0 to 0xFE
)
_SYMBOL_OTHER = {0x22: "∀", 0x24: "∃", 0x27: "∋", 0x2A: "∗", 0x2D: "−", 0x40: "≅", 0x5C: "∴", 0x5E: "⊥", 0x7E: "∼"}
_SYMBOL = {
    **{code: chr(code) for code in range(0x20, 0x7F)},
    **{0x41 + i: letter for i, letter in enumerate(_SYMBOL_UPPER)},
    **{0x61 + i: letter for i, letter in enumerate(_SYMBOL_LOWER)},
    **{0xA0 + i: letter for i, letter in enumerate(_SYMBOL_HIGH)},
    **_SYMBOL_OTHER,
}
_WINGDINGS = {
    0x22: "✂",
    0x28: "☎",
    0x2A: "✉",
    0x4A: "☺",
    0x4B: "😐",
    0x4C: "☹",
    0x6C: "●",
    0x6E: "■",
    0x6F: "□",
    0x71: "❑",
    0x75: "◆",
    0x76: "❖",
    0x9F: "•",
    0xA1: "○",
    0xA7: "▪",
    0xA8: "☐",
    0xD8: "➢",
    0xDF: "←",
    0xE0: "→",
    0xE1: "↑",
    0xE2: "↓",
    0xE8: "➔",
    0xEF: "⇦",
    0xF0: "⇨",
    0xFB: "✗",
    0xFC: "✓",
    0xFD: "☒",
    0xFE: "☑",
}
_WINGDINGS_2 = {0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0xA3: "☐"}
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2}


def is_symbol_font(name: str) -> bool:
    """True for a font whose letters are symbols, and known."""
    return name.casefold() in _FONTS


def translated(text: str, font: str) -> str:
    """Text in a symbol font, as Unicode; what nobody knows stays."""
    return "".join(
        (character(ord(letter), font) or letter) if 0xF020 <= ord(letter) <= 0xF0FF else letter for letter in text
    )


def character(code: int, font: str) -> str:
    """A character of a font; "" when nobody can say what it looks like.

    Symbol fonts have their glyphs at U+F020 to U+F0FF, or at the same places less U+F000.
    """
    if (known := _FONTS.get(font.casefold())) is not None:
        return known.get(code - 0xF000 if 0xF000 <= code <= 0xF0FF else code, "")
    is_text = 0x20 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xF8FF and not 0xFDD0 <= code <= 0xFDEF
    return chr(code) if is_text and code & 0xFFFE != 0xFFFE else ""
