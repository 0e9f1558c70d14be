"""Numbers with units, as `siunitx` prints them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_PREFIXES: Mapping[str, str] = {
    "femto": "f",
    "pico": "p",
    "nano": "n",
    "micro": "\u00b5",
    "milli": "m",
    "centi": "c",
    "deci": "d",
    "deca": "da",
    "hecto": "h",
    "kilo": "k",
    "mega": "M",
    "giga": "G",
    "tera": "T",
    "peta": "P",
    "kibi": "Ki",
    "mebi": "Mi",
    "gibi": "Gi",
}
_UNITS: Mapping[str, str] = {
    **dict.fromkeys(("metre", "meter"), "m"),
    **dict.fromkeys(("litre", "liter"), "L"),
    **dict.fromkeys(("celsius", "degreeCelsius"), "\u00b0C"),
    "gram": "g",
    "kg": "kg",
    "second": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
    "ampere": "A",
    "kelvin": "K",
    "mole": "mol",
    "candela": "cd",
    "newton": "N",
    "pascal": "Pa",
    "joule": "J",
    "watt": "W",
    "coulomb": "C",
    "volt": "V",
    "farad": "F",
    "ohm": "\u03a9",
    "siemens": "S",
    "weber": "Wb",
    "tesla": "T",
    "henry": "H",
    "hertz": "Hz",
    "lumen": "lm",
    "lux": "lx",
    "becquerel": "Bq",
    "gray": "Gy",
    "sievert": "Sv",
    "radian": "rad",
    "steradian": "sr",
    "electronvolt": "eV",
    "dalton": "Da",
    "bar": "bar",
    "tonne": "t",
    "hectare": "ha",
    "angstrom": "\u00c5",
    "degree": "\u00b0",
    "arcminute": "\u2032",
    "arcsecond": "\u2033",
    "percent": "%",
    "decibel": "dB",
    "bit": "bit",
    "byte": "B",
    "squared": "\u00b2",
    "cubed": "\u00b3",
}
_POWERS = {"square": "\u00b2", "cubic": "\u00b3"}
_PART = re.compile(r"\\([A-Za-z]+)\s*(?:\{([^{}]*)\})?|([^\\\s{}]+)")
_BEHIND = frozenset("\u00b2\u00b3")


def unit(source: str) -> str:
    r"""A unit in characters: `\kilo\metre\per\second` is km/s; one that is not known stays as its name."""
    shown = ""
    power = joint = ""
    for name, argument, literal in _PART.findall(source):
        if name == "per":
            joint = "/"
        elif name in _POWERS:
            power = _POWERS[name]
        elif name in {"of", "tothe", "raiseto"}:
            shown += f" {argument}" if name == "of" else f"^{argument}"
        elif name in _PREFIXES:
            shown, joint = f"{shown}{joint}{_PREFIXES[name]}", ""
            shown += "\0"  # the unit belongs to it
        else:
            sign = _UNITS.get(name, name) or literal.replace(".", "\u00b7").replace("~", "\u00b7")
            if shown.endswith("\0") or sign in _BEHIND:
                shown = shown.removesuffix("\0") + sign + power
            else:
                shown += (joint or ("\u00b7" if shown else "")) + sign + power
            power = joint = ""
    return shown.replace("\0", "")


def number(source: str) -> str:
    """A number as it is written, without the spaces around it."""
    return source.replace("\\pm", "\u00b1").replace("+-", "\u00b1").replace("~", " ").strip()


def quantity(numbers: str, units: str) -> str:
    """A number with its unit."""
    sign = unit(units)
    return f"{number(numbers)}{'' if sign in {chr(0xB0), chr(0x2032), chr(0x2033)} else ' '}{sign}".strip()


def listed(numbers: str) -> str:
    """Numbers between semicolons."""
    return ", ".join(map(number, numbers.split(";")))


QUANTITIES: Mapping[str, tuple[int, Callable[..., str]]] = {
    **dict.fromkeys(("SI", "qty"), (2, quantity)),
    **dict.fromkeys(("si", "unit"), (1, unit)),
    **dict.fromkeys(("SIrange", "qtyrange"), (3, lambda low, high, unit: f"{low}\u2013{quantity(high, unit)}")),
    **dict.fromkeys(("SIlist", "qtylist"), (2, lambda all_, unit: quantity(listed(all_), unit))),
    "num": (1, number),
    "numrange": (2, lambda low, high: f"{low}\u2013{high}"),
    "numlist": (1, listed),
    "ang": (1, lambda angle: f"{angle}\u00b0"),
}
"""Commands of `siunitx`: how many arguments they have, and what they show."""
