"""Text of DrawingML, which sheets and slides share: text boxes, SmartArt, charts, descriptions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from services.documents.backends.reading import omml
from services.documents.backends.reading.omml import M

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
A14 = "{http://schemas.microsoft.com/office/drawing/2010/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
CX = "{http://schemas.microsoft.com/office/drawing/2014/chartex}"
DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"

_KNOWN = re.compile(
    r"http://schemas\.openxmlformats\.org/|http://purl\.oclc\.org/ooxml/|urn:schemas-microsoft-com:"
    r"|http://schemas\.microsoft\.com/(?:\w+/)+20[0-2]\d(?:/|$)"
)
"""Names of the extensions that programs have: `http://schemas.microsoft.com/office/powerpoint/2010/main`."""
_FILE_NAME = re.compile(r"\S+\.(?:png|jpe?g|gif|bmp|tiff?|svg|[ew]mf|webp)", re.IGNORECASE)
_MADE_BY_PROGRAMS = ("Description automatically generated", "AI-generated content may be incorrect")


def paragraphs(body: Any) -> list[str]:
    """The paragraphs of a text body; a line break is a newline."""
    return [text for paragraph in body.iter(f"{A}p") if (text := paragraph_text(paragraph).strip())]


def paragraph_text(paragraph: Any) -> str:
    """A paragraph's runs, fields, line breaks and formulas, as they follow each other."""
    return "".join(_pieces(paragraph))


def choose_alternatives(root: Any) -> None:
    """Put what an up-to-date program shows in the place of each choice that the file offers."""
    for alternative in list(root.iter(f"{MC}AlternateContent")):
        parent = alternative.getparent()
        if parent is None:
            continue
        branch = chosen(alternative)
        for child in [] if branch is None else list(branch):
            alternative.addprevious(child)
        parent.remove(alternative)


def chosen(alternative: Any) -> Any | None:
    """The branch of a choice that an up-to-date program shows: the first that it understands, else the fallback."""
    choices = [child for child in alternative.iterchildren(f"{MC}Choice") if len(child)]
    fallback = next(alternative.iterchildren(f"{MC}Fallback"), None)
    understood = (choice for choice in choices if fallback is None or (_is_understood(choice) and not _is_ink(choice)))
    return next(understood, fallback)


def _is_understood(choice: Any) -> bool:
    names = [choice.nsmap.get(prefix) or "" for prefix in (choice.get("Requires") or "").split()]
    return all(map(_KNOWN.match, names))


def _is_ink(choice: Any) -> bool:
    """True for what was drawn by hand: nobody here reads it, and the fallback is a picture of it."""
    return next(choice.iterchildren("{*}contentPart"), None) is not None


def diagram(root: Any) -> list[tuple[int, str]]:
    """The texts of a SmartArt graphic in reading order, each with its level."""
    texts = {point.get("modelId"): "\n".join(paragraphs(point)) for point in root.iter(f"{DGM}pt")}
    children: dict[str, list[tuple[int, str]]] = {}
    for connection in root.iter(f"{DGM}cxn"):
        if connection.get("type", "parOf") == "parOf":
            child = (int(connection.get("srcOrd", 0)), connection.get("destId"))
            children.setdefault(connection.get("srcId"), []).append(child)
    inner = {child for of_one in children.values() for _, child in of_one}
    found = []
    seen = set()
    waiting = [(0, point) for point in reversed([*texts]) if point not in inner]
    while waiting:
        level, point = waiting.pop()
        if point in seen:
            continue
        seen.add(point)
        if texts.get(point):
            found.append((level, texts[point]))
        below = level + 1 if texts.get(point) else level
        waiting.extend((below, child) for _, child in sorted(children.get(point, []), reverse=True))
    found.extend((0, text) for point, text in texts.items() if text and point not in seen)
    return found


def chart_texts(root: Any) -> Iterator[str]:
    """What a chart says: titles, labels, names of series and categories."""
    for paragraph in root.iter(f"{A}p"):
        if text := paragraph_text(paragraph).strip():
            yield text
    for points in root.iter(f"{C}strCache", f"{C}lvl"):
        for value in points.iter(f"{C}v"):
            if value.text:
                yield value.text
    for series in root.iter(f"{C}tx"):
        for value in series.iterchildren(f"{C}v"):
            if value.text:
                yield value.text


def chart_labels(root: Any) -> Iterator[str]:
    """What a chart says that its table does not: titles of the axes of values, and labels that people wrote."""
    for holder in [*root.iter(f"{C}valAx", f"{C}serAx"), *root.iter(f"{C}dLbl")]:
        titles = [holder] if holder.tag == f"{C}dLbl" else holder.iterchildren(f"{C}title")
        for title in titles:
            if text := " ".join(paragraphs(title)):
                yield text


def new_chart_texts(root: Any) -> Iterator[str]:
    """What a chart of the kinds of 2016 says: waterfalls, funnels, trees."""
    for element in root.iter(f"{A}p", f"{CX}pt", f"{CX}v"):
        text = paragraph_text(element) if element.tag == f"{A}p" else element.text or ""
        if text.strip():
            yield text.strip()


def is_hidden(shape: Any) -> bool:
    """True for a shape that is switched off, or that stands in a group which is."""
    return any(
        properties.get("hidden") in {"1", "true"}
        for around in [shape, *shape.iterancestors("{*}grpSp")]
        for own in around.iterchildren()
        for properties in own.iterchildren("{*}cNvPr")
    )


def description(properties: Any, name: str = "descr") -> str:
    """The text that stands for a picture, where somebody wrote one."""
    text = (properties.get(name) or "").strip()
    is_made = _FILE_NAME.fullmatch(text) or any(phrase in text for phrase in _MADE_BY_PROGRAMS)
    return "" if is_made else text


def _pieces(element: Any) -> Iterator[str]:
    for child in element:
        match child.tag:
            case str(tag) if tag in {f"{A}r", f"{A}fld"}:
                yield "".join(text.text or "" for text in child.iterchildren(f"{A}t")).replace("\v", "\n")
            case str(tag) if tag == f"{A}br":
                yield "\n"
            case str(tag) if tag == f"{M}oMath":
                yield latex(child)
            case str(tag) if tag in {f"{A14}m", f"{M}oMathPara"}:
                yield from _pieces(child)
            case str(tag) if tag == f"{MC}AlternateContent":
                branch = chosen(child)
                yield from () if branch is None else _pieces(branch)


def latex(math: Any) -> str:
    """A formula in LaTeX."""
    omml.prepare(math)
    return omml.latex(math)
