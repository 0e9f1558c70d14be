"""MathML as TeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from services.documents.backends.reading.html.dom import Element

_TEX = re.compile(r"tex", re.IGNORECASE)
_STYLE = re.compile(r"^\{\\(?:display|text)style\s+(.*)\}$", re.DOTALL)
_ESCAPED = re.compile(r"[\\{}$&#%_]")
_LARGE = frozenset("\u2211\u220f\u2210\u22c3\u22c2\u22c1\u22c0\u2a01\u2a02\u222b")
"""Operators with limits: sums, products, unions, integrals."""


def source(math: Element) -> str | None:
    """The TeX that a formula carries beside its MathML."""
    for node in math.descendants():
        if isinstance(node, Element) and node.tag == "annotation" and _TEX.search(node.get("encoding")):
            text = node.words()
            return _STYLE.sub(r"\1", text).strip()
    return None


def tex(math: Element) -> str:
    """A formula as TeX: its own source, else what its elements say."""
    return source(math) or " ".join(_row(math).split())


def _row(element: Element) -> str:
    return " ".join(filter(None, map(_shown, element.elements()))) or _text(element)


def _shown(element: Element) -> str:
    tag = element.tag.rpartition(":")[2]
    if tag in ("annotation", "annotation-xml", "mphantom", "mprescripts", "none"):
        return ""
    arguments = [_shown(child) for child in element.elements()]
    if tag in _BY_TAG:
        return _BY_TAG[tag](element, arguments)
    return _row(element)


def _text(element: Element) -> str:
    return _ESCAPED.sub(r"\\\g<0>", element.words())


def _identifier(element: Element, _: list[str]) -> str:
    text = _text(element)
    return rf"\mathrm{{{text}}}" if len(text) > 1 else text


def _group(text: str) -> str:
    return text if len(text) == 1 else f"{{{text}}}"


def _scripts(*marks: str) -> Callable[[Element, list[str]], str]:
    def shown(_: Element, arguments: list[str]) -> str:
        base, *scripts = arguments or [""]
        return _group(base) + "".join(f"{mark}{_group(script)}" for mark, script in zip(marks, scripts, strict=False))

    return shown


def _limits(mark: str, command: str) -> Callable[[Element, list[str]], str]:
    def shown(_: Element, arguments: list[str]) -> str:
        base, limit = [*arguments, "", ""][:2]
        return f"{base}{mark}{_group(limit)}" if base in _LARGE else rf"\{command}{{{limit}}}{{{base}}}"

    return shown


def _both_limits(_: Element, arguments: list[str]) -> str:
    base, under, over = [*arguments, "", "", ""][:3]
    return f"{base}_{_group(under)}^{_group(over)}"


def _fenced(element: Element, arguments: list[str]) -> str:
    opened, closed = element.attributes.get("open", "("), element.attributes.get("close", ")")
    separator = (element.attributes.get("separators", ",").strip() or " ")[0]
    return f"{opened}{f'{separator} '.join(arguments)}{closed}"


_BY_TAG: Mapping[str, Callable[[Element, list[str]], str]] = MappingProxyType(
    {
        "mi": _identifier,
        "mn": lambda element, _: _text(element),
        "mo": lambda element, _: _text(element),
        "mtext": lambda element, _: rf"\text{{{_text(element)}}}" if element.words() else "",
        "ms": lambda element, _: rf"\text{{{_text(element)}}}",
        "msup": _scripts("^"),
        "msub": _scripts("_"),
        "msubsup": _scripts("_", "^"),
        "mmultiscripts": _scripts("_", "^", "_", "^"),
        "munder": _limits("_", "underset"),
        "mover": _limits("^", "overset"),
        "munderover": _both_limits,
        "mfrac": lambda _, arguments: r"\frac" + "".join(f"{{{argument}}}" for argument in arguments),
        "msqrt": lambda _, arguments: rf"\sqrt{{{' '.join(arguments)}}}",
        "mroot": lambda _, arguments: rf"\sqrt[{' '.join(arguments[1:])}]{{{' '.join(arguments[:1])}}}",
        "mfenced": _fenced,
        "mtable": lambda _, arguments: r"\begin{matrix} " + r" \\ ".join(arguments) + r" \end{matrix}",
        "mtr": lambda _, arguments: " & ".join(arguments),
        "mlabeledtr": lambda _, arguments: " & ".join(arguments),
    }
)
