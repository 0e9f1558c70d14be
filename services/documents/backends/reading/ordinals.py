"""Numbers of items as letters and Roman numerals."""

from __future__ import annotations

_LETTERS = 26
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_MOST_ROMAN = 3999


def alphabetic(number: int) -> str:
    """A number in letters, as lists count: a, b, ..., z, aa, ab; in digits where there is none."""
    if number < 1:
        return str(number)
    letters = ""
    while number:
        number, place = divmod(number - 1, _LETTERS)
        letters = chr(ord("a") + place) + letters
    return letters


def roman(number: int) -> str:
    """A Roman numeral; in digits where there is none."""
    if not 0 < number <= _MOST_ROMAN:
        return str(number)
    text = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        text += letters * count
    return text
