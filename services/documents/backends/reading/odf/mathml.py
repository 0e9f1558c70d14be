"""MathML, as OpenDocument embeds it, in TeX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

_LEFT_OUT = frozenset({"annotation", "annotation-xml", "mphantom"})

_Parts = list[str]
_SHAPES: Mapping[str, Callable[[_Parts], str]] = MappingProxyType(
    {
        "mfrac": lambda parts: f"\\frac{{{parts[0]}}}{{{parts[1]}}}",
        "msup": lambda parts: f"{parts[0]}^{{{parts[1]}}}",
        "msub": lambda parts: f"{parts[0]}_{{{parts[1]}}}",
        "msubsup": lambda parts: f"{parts[0]}_{{{parts[1]}}}^{{{parts[2]}}}",
        "mover": lambda parts: f"{parts[0]}^{{{parts[1]}}}",
        "munder": lambda parts: f"{parts[0]}_{{{parts[1]}}}",
        "munderover": lambda parts: f"{parts[0]}_{{{parts[1]}}}^{{{parts[2]}}}",
        "mroot": lambda parts: f"\\sqrt[{parts[1]}]{{{parts[0]}}}",
    }
)


def tex(math: Any) -> str:
    """A formula in TeX; every word and number of it in order."""
    return " ".join(_shown(math).split())


def _shown(element: Any) -> str:
    tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "annotation"
    if tag in _LEFT_OUT:
        return ""
    parts = [shown for child in element if (shown := _shown(child))]
    if tag == "msqrt":
        return f"\\sqrt{{{' '.join(parts)}}}"
    if tag == "mfenced":
        return f"{element.get('open', '(')}{', '.join(parts)}{element.get('close', ')')}"
    if tag in _SHAPES:
        try:
            return _SHAPES[tag](parts)
        except IndexError:
            pass
    return " ".join(parts) or (element.text or "").strip()
