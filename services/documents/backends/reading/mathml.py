"""MathML as TeX, with every sign that it shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_TEX = re.compile(r"tex", re.IGNORECASE)
_STYLE = re.compile(r"^\{\\(?:display|text)style\s+(.*)\}$", re.DOTALL)
_ESCAPED = re.compile(r"[\\{}$&#%_]")
_LARGE = frozenset("\u2211\u220f\u2210\u22c3\u22c2\u22c1\u22c0\u2a01\u2a02\u222b")
"""Operators with limits: sums, products, unions, integrals."""
_UNSHOWN = frozenset(["annotation", "annotation-xml", "mphantom", "mprescripts", "none"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An element of a formula, whatever tree it comes from."""

    name: str
    """Without prefix or namespace."""
    attributes: Mapping[str, str]
    children: Sequence[Node | str]

    def elements(self) -> Iterator[Node]:
        """The elements right below."""
        return (child for child in self.children if isinstance(child, Node))

    def descendants(self) -> Iterator[Node]:
        """Itself and the elements below, in order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed([*node.elements()]))

    def words(self) -> str:
        """Its text, on one line."""
        found: list[str] = []
        waiting: list[Node | str] = [self]
        while waiting:
            child = waiting.pop()
            if isinstance(child, str):
                found.append(child)
            else:
                waiting.extend(reversed(child.children))
        return " ".join("".join(found).split())


def of_lxml(element: Any) -> Node:
    """A formula that lxml holds; comments and the like are left out."""
    children: list[Node | str] = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            children.append(of_lxml(child))
        children.append(child.tail or "")
    return Node(name=element.tag.rpartition("}")[2], attributes=element.attrib, children=children)


def source(math: Node) -> str | None:
    """The TeX that a formula carries beside its MathML."""
    for node in math.descendants():
        if node.name == "annotation" and _TEX.search(node.attributes.get("encoding", "")):
            return _STYLE.sub(r"\1", node.words()).strip()
    return None


def tex(math: Node) -> str:
    """A formula as TeX: its own source, else what its elements say."""
    return source(math) or " ".join(_shown(math).split())


def _shown(node: Node) -> str:
    """An element, each part of it read once: elements nest, and reading them twice takes time beyond all bounds."""
    if node.name in _UNSHOWN:
        return ""
    parts: list[str] = []  # a comprehension would call once more for each level
    is_shaped = node.name in _BY_NAME
    for child in node.children:
        if isinstance(child, Node):
            parts.append(_shown(child))
        elif not is_shaped:
            parts.append(_escaped(child))
    if is_shaped:
        return _BY_NAME[node.name](node, parts or [_escaped(node.words())])
    return " ".join(filter(None, parts))


def _escaped(text: str) -> str:
    return _ESCAPED.sub(r"\\\g<0>", text).strip()


def _token(node: Node, _: list[str]) -> str:
    return _escaped(node.words())


def _words(node: Node, _: list[str]) -> str:
    text = _escaped(node.words())
    return rf"\text{{{text}}}" if text else ""


def _identifier(node: Node, _: list[str]) -> str:
    text = _escaped(node.words())
    return rf"\mathrm{{{text}}}" if len(text) > 1 else text


def _group(text: str) -> str:
    return text if len(text) == 1 else f"{{{text}}}"


def _scripts(marks: str) -> Callable[[Node, list[str]], str]:
    def shown(_: Node, arguments: list[str]) -> str:
        base, *scripts = arguments or [""]
        rest = filter(None, scripts[len(marks) :])
        return " ".join([_group(base) + _marked(marks, scripts), *rest])

    return shown


def _marked(marks: str, scripts: Sequence[str]) -> str:
    return "".join(f"{mark}{_group(script)}" for mark, script in zip(marks, scripts, strict=False) if script)


def _all_scripts(node: Node, arguments: list[str]) -> str:
    """Scripts in pairs behind the base, then those before it."""
    names = [child.name for child in node.elements()]
    border = names.index("mprescripts") if "mprescripts" in names else len(names)
    base, *behind = arguments[:border] or [""]
    before = _pairs(arguments[border + 1 :])
    return " ".join(filter(None, [*(f"{{}}{pair}" for pair in before), _group(base) + "{}".join(_pairs(behind))]))


def _pairs(scripts: Sequence[str]) -> list[str]:
    return [pair for place in range(0, len(scripts), 2) if (pair := _marked("_^", scripts[place : place + 2]))]


def _limits(mark: str, command: str) -> Callable[[Node, list[str]], str]:
    def shown(_: Node, arguments: list[str]) -> str:
        base, limit = [*arguments, "", ""][:2]
        return f"{base}{mark}{_group(limit)}" if base in _LARGE else rf"\{command}{{{limit}}}{{{base}}}"

    return shown


def _fenced(node: Node, arguments: list[str]) -> str:
    opened, closed = node.attributes.get("open", "("), node.attributes.get("close", ")")
    separator = (node.attributes.get("separators", ",").strip() or " ")[0]
    return f"{opened}{f'{separator} '.join(arguments)}{closed}"


def _fraction(_: Node, arguments: list[str]) -> str:
    return r"\frac" + "".join(f"{{{argument}}}" for argument in arguments)


def _root(_: Node, arguments: list[str]) -> str:
    return rf"\sqrt[{' '.join(arguments[1:])}]{{{' '.join(arguments[:1])}}}"


def _cells(_: Node, arguments: list[str]) -> str:
    return " & ".join(arguments)


_BY_NAME: Mapping[str, Callable[[Node, list[str]], str]] = MappingProxyType(
    {
        "mi": _identifier,
        "mn": _token,
        "mo": _token,
        "mtext": _words,
        "ms": _words,
        "msup": _scripts("^"),
        "msub": _scripts("_"),
        "msubsup": _scripts("_^"),
        "mmultiscripts": _all_scripts,
        "munder": _limits("_", "underset"),
        "mover": _limits("^", "overset"),
        "munderover": _scripts("_^"),
        "mfrac": _fraction,
        "msqrt": lambda _, arguments: rf"\sqrt{{{' '.join(filter(None, arguments))}}}",
        "mroot": _root,
        "mfenced": _fenced,
        "mtable": lambda _, arguments: r"\begin{matrix} " + r" \\ ".join(arguments) + r" \end{matrix}",
        "mtr": _cells,
        "mlabeledtr": _cells,
    }
)
