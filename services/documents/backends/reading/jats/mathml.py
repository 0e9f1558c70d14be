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
        return _SHAPES[name]([_tex(child) for child in node if isinstance(child.tag, str)])
    if name == "semantics":
        return next((_tex(child) for child in node if isinstance(child.tag, str)), "")
    if name == "mfenced":
        inner = [_tex(child) for child in node if isinstance(child.tag, str)]
        separators = node.get("separators", ",").strip() or " "
        return node.get("open", "(") + separators[0].join(inner) + node.get("close", ")")
    if name == "mtable":
        rows = [[_tex(cell) for cell in row] for row in node if isinstance(row.tag, str)]
        return r"\begin{matrix}" + r" \\ ".join(" & ".join(row) for row in rows) + r"\end{matrix}"
    text = (node.text or "").strip()
    if name == "mtext":
        return rf"\text{{{node.text or ''}}}" if text else " "
    if name == "mo":
        return f" {_ESCAPED.get(text, text)} "
    if name in {"mi", "mn", "ms"}:
        word = _ESCAPED.get(text, text)
        return rf"\mathrm{{{word}}}" if name == "mi" and len(word) > 1 and word.isalpha() else word
    return (node.text or "") + "".join(_tex(child) + (child.tail or "") for child in node)


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
