"""Notes and comments, put into the body behind the blocks that they are about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from docx.oxml import OxmlElement

from services.documents.backends.reading.docx.names import P_PR, VALUE, A, Element, P, T, V, W, blocks, local, remove
from services.documents.backends.reading.ordinals import roman

_ID = W + "id"
REFERENCES = {W + "footnoteReference": "footnote", W + "endnoteReference": "endnote"}
"""The kinds of notes by what refers to them."""
_COMMENT = W + "commentReference"
_NO_NOTES = frozenset({"separator", "continuationSeparator", "continuationNotice"})
_SYMBOLS = "*†‡§"
_FORMATS: dict[str, Callable[[int], str]] = {
    "lowerRoman": roman,
    "upperRoman": lambda n: roman(n).upper(),
    "lowerLetter": lambda n: chr(ord("a") + (n - 1) % 26) * ((n - 1) // 26 + 1),
    "upperLetter": lambda n: chr(ord("A") + (n - 1) % 26) * ((n - 1) // 26 + 1),
    "chicago": lambda n: _SYMBOLS[(n - 1) % 4] * ((n - 1) // 4 + 1),
}


@dataclass(slots=True)
class Annexes:
    """What goes into the body, and where."""

    behind: dict[Element, list[Element]] = field(default_factory=lambda: defaultdict(list))
    """Blocks by the block of the body that they follow."""
    at_end: list[Element] = field(default_factory=list)

    def add(self, block: Element | None, content: list[Element]) -> None:
        """Put content behind a block; at the end without one."""
        (self.at_end if block is None else self.behind[block]).extend(content)

    def place(self, body: Element) -> None:
        """Put everything into the body. A list is one block: its items are not parted."""
        waiting: list[Element] = []
        children = list(body)
        for child, following in zip(children, [*children[1:], None], strict=True):
            waiting += self.behind.get(child, ())
            if waiting and not (_is_listed(child) and _is_listed(following)):
                for element in reversed(waiting):
                    child.addnext(element)
                waiting.clear()
        for element in self.at_end:
            body.append(element)


def notes(body: Element, parts: dict[str, Element], settings: Element, annexes: Annexes) -> list[Element]:
    """Number the references, and lay out the notes.

    Args:
        body: the body.
        parts: the root of each part, by "footnote" and "endnote".
        settings: the root of the settings.
        annexes: takes the notes.

    Returns:
        The paragraphs of notes.
    """
    known = {(kind, note.get(_ID)): note for kind, root in parts.items() for note in proper_notes(root)}
    number_of = {kind: _Numbers(kind, settings, body) for kind in parts}
    placed: list[Element] = []
    for reference in list(body.iter(*REFERENCES)):
        kind = REFERENCES[reference.tag]
        note = known.pop((kind, reference.get(_ID)), None)
        if note is None:
            continue
        own_mark = reference.get(W + "customMarkFollows") in {"1", "true", "on"}
        mark = "" if own_mark else f"[{number_of[kind].next()}]"
        _write(reference, mark)
        content = _content(note, f"{mark} " if mark else "")
        annexes.add(_block_of(reference, body), content)
        placed += content
    return [element for element in placed if element.tag == P]


def proper_notes(root: Element) -> Iterator[Element]:
    """The notes of a part, without the lines that stand above notes."""
    for note in root:
        if local(note) in {"footnote", "endnote"} and note.get(W + "type") not in _NO_NOTES:
            yield note


def comments(body: Element, root: Element, annexes: Annexes) -> None:
    """Lay out the comments, each with its author, behind the last block that it is about."""
    block_of: dict[str, Element] = {}
    for mark in body.iter(_COMMENT, W + "commentRangeEnd"):
        block = _block_of(mark, body)
        if block is not None and (mark.tag == _COMMENT or mark.get(_ID) not in block_of):
            block_of[mark.get(_ID)] = block
    for comment in list(root.iter(W + "comment")):
        author = comment.get(W + "author", "").strip()
        content = _content(comment, f"Comment by {author}: " if author else "Comment: ")
        annexes.add(block_of.get(comment.get(_ID)), content)


def _content(note: Element, head: str) -> list[Element]:
    """The blocks of a note, its mark before the first."""
    content = list(blocks(note))
    for picture in list(note.iter(A + "blip", V + "imagedata")):
        remove(picture)  # its file is one of another part
    if not content or content[0].tag != P:
        content.insert(0, OxmlElement("w:p"))
    first = next((text.text or "" for text in content[0].iter(T)), "")
    head = head.rstrip() if first[:1].isspace() else head
    _write(next((child for child in content[0] if child.tag != P_PR), None), head, content[0])
    return content


def _write(before: Element | None, text: str, paragraph: Element | None = None) -> None:
    """Put text before an element of a run or paragraph, or at the end of the paragraph."""
    content = OxmlElement("w:t")
    content.text = text
    if paragraph is not None:
        run = OxmlElement("w:r")
        run.append(content)
        content = run
    if before is not None:
        before.addprevious(content)
    elif paragraph is not None:
        paragraph.append(content)


def _block_of(element: Element, body: Element) -> Element | None:
    child = element
    for ancestor in element.iterancestors():
        if ancestor is body:
            return child
        child = ancestor
    return None


def _is_listed(block: Element | None) -> bool:
    """True for an item of a list."""
    if block is None or block.tag != P:
        return False
    style = block.find(f"{P_PR}/{W}pStyle")
    return block.find(f"{P_PR}/{W}numPr") is not None or (style is not None and style.get(VALUE, "").startswith("List"))


class _Numbers:
    """Numbers as the file wants them."""

    def __init__(self, kind: str, settings: Element, body: Element) -> None:
        properties = [
            found for root in (body, settings) for found in root.iter(f"{W}{kind}Pr") if found.find(_ID) is None
        ]
        self._format = _first(properties, "numFmt", "decimal" if kind == "footnote" else "lowerRoman")
        start = _first(properties, "numStart", "1")
        self._next = int(start) if start.isdecimal() and len(start) < 6 else 1

    def next(self) -> str:
        number = self._next
        self._next += 1
        return _FORMATS.get(self._format, str)(number) if number > 0 else str(number)


def _first(properties: list[Element], name: str, default: str) -> str:
    for element in properties:
        if (found := element.find(W + name)) is not None:
            return str(found.get(VALUE, default))
    return default
