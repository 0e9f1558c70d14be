"""Read docstrings and readme files as plain prose: a summary, its paragraphs, its documented parameters."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

_UNDERLINE = re.compile(r"^\s*([=\-~^*#\"+])\1{2,}\s*$")
_PARAMETER = re.compile(r"^(\s*)\**(\w+)\**\s*(?:\([^)]*\))?\s*:(.*)$")
_GOOGLE_SECTION = re.compile(r"^\s*(\w[\w ]{2,24}):\s*$")
_MARKUP: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), " "),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r":[\w:]+:`~?!?(?:[\w.]*\.)?([^`<]+?)(?:\s*<[^`]*>)?`"), r"\1"),
    (re.compile(r"`([^`<]+?)\s*<[^`]*>`_+"), r"\1"),
    (re.compile(r"<[^>]{1,80}>|https?://\S+|\[\d+\]_?|\|\w+\|"), " "),
    (re.compile(r"[`*]+|\\[a-zA-Z]+|[{}$^\\]|_(?=\s)"), " "),
    (re.compile(r"\s+"), " "),
)
_PARAMETER_SECTIONS = frozenset({"parameters", "args", "arguments", "keyword args", "attributes", "keyword arguments"})
_SKIPPED_SECTIONS = frozenset({"references", "examples", "example", "see also", "shape", "raises", "yields", "usage"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """A named object and the raw text that documents it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading (empty before the first) and the raw lines below it."""

    heading: str
    lines: tuple[str, ...]


def documented_objects(source: str) -> Iterator[Documented]:
    """Yield every documented module, class, function and `add_newdoc`-style call in Python source.

    Raises:
        SyntaxError: the source is not valid for this Python.
    """
    yield from _documented_below(ast.parse(source), owner="")


def _documented_below(node: ast.AST, *, owner: str) -> Iterator[Documented]:
    name = owner
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        own = getattr(node, "name", "")
        name = own if own and not own.startswith("__") else owner
        text = ast.get_docstring(node, clean=True)
        if text:
            yield Documented(name=name, text=text)
    elif isinstance(node, ast.Call):
        yield from _added_docstring(node)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt) or (isinstance(node, ast.Expr) and isinstance(child, ast.Call)):
            yield from _documented_below(child, owner=name)


def _added_docstring(call: ast.Call) -> Iterator[Documented]:
    function = call.func
    called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if not called.startswith(("add_newdoc", "add_docstr")) or len(call.args) < 2:
        return
    names = [part for argument in call.args[:-1] for part in re.findall(r"\w+", ast.unparse(argument))]
    texts = [node.value for node in ast.walk(call.args[-1]) if isinstance(node, ast.Constant)]
    text = max((text for text in texts if isinstance(text, str)), key=len, default="")
    lines = inspect.cleandoc(text).splitlines()
    # C functions open with their signature, which is no summary.
    while lines and (not lines[0].strip() or re.match(r"[\w.]+\(.*", lines[0])):
        lines.pop(0)
    if names and lines:
        yield Documented(name=names[-1], text="\n".join(lines))


def sections(text: str) -> list[Section]:
    """Split text at underlined headings, Markdown headings and `Args:`-style lines."""
    lines = text.splitlines()
    found: list[Section] = []
    heading, body = "", list[str]()
    for index, line in enumerate(lines):
        title = _heading(lines, index)
        if title is not None:
            found.append(Section(heading=heading, lines=tuple(body)))
            heading, body = title, []
        elif not _UNDERLINE.match(line):
            body.append(line)
    found.append(Section(heading=heading, lines=tuple(body)))
    return found


def _heading(lines: list[str], index: int) -> str | None:
    line = lines[index]
    following = lines[index + 1] if index + 1 < len(lines) else ""
    if line.strip() and not _UNDERLINE.match(line) and _UNDERLINE.match(following):
        return plain(line)
    if re.match(r"^#{1,6} \S", line):
        return plain(line.lstrip("#"))
    google = _GOOGLE_SECTION.match(line)
    known = _PARAMETER_SECTIONS | _SKIPPED_SECTIONS | {"returns", "note", "notes"}
    return google.group(1) if google and google.group(1).lower() in known else None


def is_skipped(section: Section) -> bool:
    """Say whether a section holds code, references or lists rather than prose."""
    return section.heading.lower().rstrip(":") in _SKIPPED_SECTIONS


def holds_parameters(section: Section) -> bool:
    """Say whether a section lists parameters, one entry each."""
    return section.heading.lower().rstrip(":") in _PARAMETER_SECTIONS


def paragraphs(lines: tuple[str, ...]) -> Iterator[str]:
    """Yield the prose paragraphs of some lines as plain text, leaving out code, tables and directives."""
    for block in re.split(r"\n\s*\n", "\n".join(lines)):
        stripped = block.strip()
        if stripped and not re.match(r"(>>>|\.\. |```|\$ |\||\+-|[-=]{3,}|@|import |from )", stripped):
            yield plain(block)


def parameters(section: Section) -> Iterator[tuple[str, str]]:
    """Yield (name, description) of each entry of a parameter section, as plain text."""
    entries: list[tuple[str, list[str]]] = []
    indents = [len(line) - len(line.lstrip()) for line in section.lines if line.strip()]
    outer = min(indents, default=0)
    for line in section.lines:
        match = _PARAMETER.match(line)
        if match and len(match.group(1)) == outer:
            # NumPy style puts the type after the colon; prose there is Google style.
            inline = match.group(3) if len(match.group(3).split()) > 5 else ""
            entries.append((match.group(2), [inline]))
        elif entries:
            entries[-1][1].append(line)
    for name, body in entries:
        description = next(paragraphs(tuple(body)), "")
        if description:
            yield name, description


def plain(text: str) -> str:
    """Return text on one line with reStructuredText and Markdown markup removed."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text.strip()
