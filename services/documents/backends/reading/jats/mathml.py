"""MathML as TeX, with every sign that it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_Node = Any  # lxml has no types


def tex(node: _Node) -> str:
    """The formula of a `math` element."""
    return " ".join(_tex(node).split())


def _tex(node: _Node) -> str:
    if not isinstance(node.tag, str):
        return ""
    name = node.tag.rpartition("}")[2]
    if name in _SHAPES:
        return _SHAPES[name](_children(node))
    if name == "semantics":
        return next((_tex(child) for child in node if isinstance(child.tag, str)), "")
    if name == "mfenced":
        return _fenced(node)
    if name == "mtable":
        rows = [_children(row) for row in node if isinstance(row.tag, str)]
        return r"\begin{matrix}" + r" \\ ".join(" & ".join(row) for row in rows) + r"\end{matrix}"
    return _sign(name, node)


def _fenced(node: _Node) -> str:
    separator: str = (node.get("separators", ",").strip() or " ")[0]
    return str(node.get("open", "(")) + separator.join(_children(node)) + str(node.get("close", ")"))


def _sign(name: str, node: _Node) -> str:
    """A token: an identifier, a number, an operator, words; else all that is in it."""
    text: str = (node.text or "").strip()
    if name == "mtext":
        return rf"\text{{{node.text or ''}}}" if text else " "
    if name == "mo":
        return f" {_ESCAPED.get(text, text)} "
    if name in {"mi", "mn", "ms"}:
        word = _ESCAPED.get(text, text)
        return rf"\mathrm{{{word}}}" if name == "mi" and len(word) > 1 and word.isalpha() else word
    return text + "".join(_tex(child) + (child.tail or "") for child in node)


def _children(node: _Node) -> list[str]:
    return [_tex(child) for child in node if isinstance(child.tag, str)]


def _scripts(marks: str) -> Callable[[list[str]], str]:
    def shape(parts: list[str]) -> str:
        base, *scripts = parts or [""]
        extra = scripts[len(marks) :]
        written = "".join(f"{mark}{{{script}}}" for mark, script in zip(marks, scripts, strict=False))
        return (
            f"{{{base}}}{written}" + " ".join(extra)
            if len(base.strip()) > 1
            else base.strip() + written + "".join(extra)
        )

    return shape


def _command(name: str) -> Callable[[list[str]], str]:
    return lambda parts: f"\\{name}" + "".join(f"{{{part}}}" for part in parts)


_ESCAPED = {sign: f"\\{sign}" for sign in "{}%#&$_"}
_SHAPES: Mapping[str, Callable[[list[str]], str]] = {
    "msup": _scripts("^"),
    "msub": _scripts("_"),
    "msubsup": _scripts("_^"),
    "munder": _scripts("_"),
    "mover": _scripts("^"),
    "munderover": _scripts("_^"),
    "mmultiscripts": _scripts("_^"),
    "mfrac": _command("frac"),
    "msqrt": lambda parts: rf"\sqrt{{{''.join(parts)}}}",
    "mroot": lambda parts: rf"\sqrt[{parts[1] if len(parts) > 1 else ''}]{{{parts[0] if parts else ''}}}",
}
