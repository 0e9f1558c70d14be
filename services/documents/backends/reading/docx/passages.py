"""What a Word file says, by a plain walk over its own tree; see `guard`. `formulas` checks formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from services.documents.backends.reading.docx.alternates import ALTERNATES, chosen
from services.documents.backends.reading.docx.formulas import MATH
from services.documents.backends.reading.docx.hidden import Hiding
from services.documents.backends.reading.docx.names import (
    DGM,
    FIELD_CHARACTER,
    FRAME,
    NEW_CHART,
    P_PR,
    R_,
    R_PR,
    RUBY,
    TBL,
    TC,
    TC_PR,
    TEXT_BOX,
    TR,
    TR_PR,
    VALUE,
    A,
    C,
    Element,
    P,
    T,
    V,
    W,
)
from services.documents.backends.reading.guard import Passage

_BETWEEN = {W + "tab": " ", W + "br": " ", W + "cr": " ", W + "ptab": " ", W + "noBreakHyphen": "-", MATH: " "}
_DELETED = frozenset({W + "del", W + "moveFrom"})
_DRAWING_TEXT, _DELETED_TEXT = A + "t", W + "delText"
_DIAGRAM, _CHARTS = DGM + "relIds", frozenset({C + "chart", NEW_CHART})
_NEW_POINT = NEW_CHART.replace("}chart", "}pt")
_WORD_ART = V + "textpath"
_SPECIAL = (
    *_DELETED,
    W + "cellDel",
    ALTERNATES,
    FIELD_CHARACTER,
    TEXT_BOX,
    _DRAWING_TEXT,
    _DELETED_TEXT,
    _DIAGRAM,
    *_CHARTS,
    _WORD_ART,
    FRAME,
    RUBY,
)
_FLAT = (T, *_BETWEEN)
_PROPERTIES = frozenset({P_PR, R_PR, TR_PR, TC_PR, W + "sdtPr", W + "sectPr", W + "tblPr"})

Related = Callable[[str], Element | None]
"""The root of the part that a relationship leads to."""


class Walk:
    """Walks the stories of a file in order.

    Args:
        hiding: what is hidden; None to see everything.
        show_changes: whether deleted text is wanted too.
        related: see `Related`.
    """

    def __init__(self, hiding: Hiding | None, *, show_changes: bool, related: Related) -> None:
        self._hiding = hiding
        self._shows_changes = show_changes
        self._related = related
        self._in_instruction: list[bool] = []
        self._aside: list[Passage] = []
        self._place = ""
        self._begun = ""
        self._paragraphs = 0
        self._tables = 0

    def story(self, root: Element, name: str = "") -> Iterator[Passage]:
        """The passages under an element.

        Args:
            root: the body, a header, a note.
            name: what all of it is called; without it places are counted.
        """
        self._in_instruction.clear()
        is_plain = self._hiding is None and next(root.iter(*_SPECIAL), None) is None
        self._words: Callable[[Element], str] = _flat_words if is_plain else self._said
        for block in self._children(root, (P, TBL)):
            if block.tag == P:
                self._paragraphs += 1
                yield from self._passage(block, name or f"paragraph {self._paragraphs}")
            else:
                self._tables += 1
                yield from self._table(block, name)
        yield from self._rest()

    def is_gone(self, element: Element) -> bool:
        """True when an element stands in something that was deleted, and that is not to be seen."""
        return not self._shows_changes and any(
            ancestor.tag in _DELETED
            or self._is_gone(ancestor, TR_PR, ("del", "moveFrom"))
            or self._is_gone(ancestor, TC_PR, ("cellDel",))
            for ancestor in element.iterancestors()
        )

    def _table(self, table: Element, name: str) -> Iterator[Passage]:
        yield from self._rest()
        number = self._tables
        rows = (row for row in self._children(table, (TR,)) if not self._is_gone(row, TR_PR, ("del", "moveFrom")))
        for i, row in enumerate(rows, 1):
            cells = (cell for cell in self._children(row, (TC,)) if not self._is_gone(cell, TC_PR, ("cellDel",)))
            for j, cell in enumerate(cells, 1):
                yield from self._passage(cell, name or f"row {i}, cell {j} of table {number}")

    def _is_gone(self, element: Element, properties: str, names: tuple[str, ...]) -> bool:
        found = element.find(properties)
        return (
            not self._shows_changes
            and found is not None
            and any(found.find(W + change) is not None for change in names)
        )

    def _passage(self, element: Element, place: str) -> Iterator[Passage]:
        self._place = place
        text = self._begun + self._words(element)
        self._begun = ""
        if element.tag == P and not self._has_end(element):
            self._begun = text
        elif text.strip():
            yield Passage(place, text)
        yield from self._aside
        self._aside.clear()

    def _rest(self) -> Iterator[Passage]:
        """What was begun in a paragraph that no other one follows."""
        if self._begun.strip():
            yield Passage(self._place, self._begun)
        self._begun = ""

    def _has_end(self, paragraph: Element) -> bool:
        """False for a paragraph that the next one goes on: its end was deleted, or it is a large initial."""
        properties = paragraph.find(P_PR)
        if properties is None:
            return True
        frame = properties.find(FRAME)
        is_initial = frame is not None and frame.get(W + "dropCap") in {"drop", "margin"}
        return not is_initial and not self._is_gone(properties, R_PR, ("del", "moveFrom"))

    def _children(self, container: Element, wanted: tuple[str, ...]) -> Iterator[Element]:
        """The nearest elements of a kind, whatever stands around them."""
        for child in container:
            if child.tag in wanted:
                yield child
            elif child.tag == ALTERNATES:
                yield from self._children(_branch(child), wanted)
            elif child.tag not in _PROPERTIES and (self._shows_changes or child.tag not in _DELETED):
                yield from self._children(child, wanted)

    def _said(self, element: Element) -> str:
        pieces: list[str] = []
        self._collect(element, None, pieces)
        return "".join(pieces)

    def _collect(self, element: Element, style: str | None, pieces: list[str]) -> None:
        for child in element:
            tag = child.tag
            if tag == T or (tag == _DELETED_TEXT and self._shows_changes):
                if True not in self._in_instruction:
                    pieces.append(child.text or "")
            elif tag in _BETWEEN:
                pieces.append(_BETWEEN[tag])
            elif tag == FIELD_CHARACTER:
                self._turn(child)
            elif tag in {TEXT_BOX, _DIAGRAM, _WORD_ART, *_CHARTS}:
                self._put_aside(child)
            elif tag == _DRAWING_TEXT:
                pieces.append(f" {child.text or ''} ")
            elif not self._is_skipped(child, style):
                self._descend(child, style, pieces)

    def _descend(self, child: Element, style: str | None, pieces: list[str]) -> None:
        if child.tag == P:
            self._collect(child, _style(child), pieces)
            pieces.append(" " * self._has_end(child))
        elif child.tag == ALTERNATES:
            self._collect(_branch(child), style, pieces)
        elif child.tag == RUBY:
            for name in ("rubyBase", "rt"):
                for part in child.iterfind(W + name):
                    self._collect(part, style, pieces)
                pieces.append(" ")
        else:
            self._collect(child, style, pieces)

    def _is_skipped(self, element: Element, style: str | None) -> bool:
        tag = element.tag
        if tag in _PROPERTIES or (tag in _DELETED and not self._shows_changes):
            return True
        if tag == R_ and self._hiding is not None:
            paragraph_style = style
            if paragraph_style is None:
                paragraph = next(element.iterancestors(P), None)
                paragraph_style = _style(paragraph) if paragraph is not None else ""
            return self._hiding.hides(element, paragraph_style)
        if tag == TR:
            return self._is_gone(element, TR_PR, ("del", "moveFrom"))
        return tag == TC and self._is_gone(element, TC_PR, ("cellDel",))

    def _turn(self, mark: Element) -> None:
        match mark.get(W + "fldCharType"):
            case "begin":
                self._in_instruction.append(True)
            case "separate" if self._in_instruction:
                self._in_instruction[-1] = False
            case "end" if self._in_instruction:
                self._in_instruction.pop()

    def _put_aside(self, element: Element) -> None:
        """Take a text box, a diagram or a chart as a passage of its own."""
        if element.tag == TEXT_BOX:
            kind, text = "text box", self._said(element)
        elif element.tag == _WORD_ART:
            kind, text = "drawn text", element.get("string", "")
        else:
            kind, attribute = ("chart", "id") if element.tag in _CHARTS else ("diagram", "dm")
            root = self._related(element.get(_relationship(attribute), ""))
            text = "" if root is None else " ".join(_drawn(root))
        if text.strip():
            self._aside.append(Passage(f"{kind} in {self._place}", text))


def _relationship(name: str) -> str:
    return f"{{http://schemas.openxmlformats.org/officeDocument/2006/relationships}}{name}"


def _drawn(root: Element) -> Iterator[str]:
    """The texts of a chart or diagram, and the names in a chart."""
    for element in root.iter(A + "t", C + "v", _NEW_POINT):
        is_name = element.tag != C + "v" or any(True for _ in element.iterancestors(C + "strCache"))
        if element.text and is_name:
            yield element.text


def _flat_words(element: Element) -> str:
    """The words of an element in which nothing is to be left out."""
    pieces: list[str] = []
    is_cell = element.tag == TC
    for part in element.iter(P, *_FLAT) if is_cell else element.iter(*_FLAT):
        if part.tag == T:
            pieces.append(part.text or "")
        elif part.tag == P:
            pieces.append(" ")
        else:
            pieces.append(_BETWEEN[part.tag])
    return "".join(pieces)


def _style(paragraph: Element) -> str:
    style = paragraph.find(f"{P_PR}/{W}pStyle")
    return "" if style is None else str(style.get(VALUE, ""))


def _branch(alternates: Element) -> Element:
    """The branch that is read; the last where none has words, for what it refers to."""
    branch = chosen(alternates)
    return next(alternates.iterchildren(reversed=True), alternates) if branch is None else branch
