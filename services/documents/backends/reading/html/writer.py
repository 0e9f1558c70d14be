"""Lines of HTML as items of a document: where the walk is, and what is added there."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Any

from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.base import Include
from services.documents.backends.reading import glue
from services.documents.backends.reading.html.line import (
    PLAIN,
    SPACE,
    Box,
    Look,
    Picture,
    Run,
    Token,
    destination,
    paragraphs,
    tidy,
)


@dataclass(slots=True)
class List:
    """A list while it is read."""

    kind: str
    outer: State
    number: int = 1
    step: int = 1
    shown: Callable[[int], str] = str
    """A number of an item as it stands there."""
    group: NodeItem | None = None
    last: NodeItem | None = None
    descriptions: NodeItem | None = None
    """Of the last term."""


@dataclass(slots=True)
class Slot:
    """An item of a list, made when its first content comes."""

    list: List
    tag: str
    number: int
    item: NodeItem | None = None


@dataclass(slots=True)
class Figure:
    """What a figure's captions belong to: the first picture, table or code in it."""

    target: Any = None
    captions: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where the walk is."""

    look: Look = PLAIN
    parent: NodeItem | None = None
    label: DocItemLabel = DocItemLabel.TEXT
    slot: Slot | None = None
    list: List | None = None
    figure: Figure | None = None
    is_in_cell: bool = False
    is_flat: bool = False
    """Blocks do not end the line."""
    is_at_top: bool = False
    """In what stands above a page."""
    is_at_foot: bool = False
    tag: str = "#root"
    """Of the innermost block."""


class Writer:
    """Adds lines to a document, where the walk through a tree is.

    Args:
        document: what is read is added to it.
        include: see `Source`.
        infers_headers: what stands in `header` and `nav` above the first heading is no part of the body.
        is_typographic: quotes, dashes and spaces are written plainly, as Docling does.
        link: an address as it is returned.
    """

    def __init__(
        self,
        document: DoclingDocument,
        *,
        include: Set[Include] = frozenset(),
        infers_headers: bool = True,
        is_typographic: bool = True,
        link: Callable[[str], str] = str.strip,
    ) -> None:
        self._document = document
        self._include = include
        self._is_typographic = is_typographic
        self._link = link
        self._state = State()
        self._line: list[Token] = []
        self._is_above = infers_headers and Include.HEADERS not in include
        self._was_custom = False

    # Lines.

    def _take(self) -> list[Token]:
        taken, self._line = self._line, []
        return taken

    def _end_line(self) -> None:
        if not self._line:
            return
        if self._state.is_flat:
            self._line.append(SPACE)
            return
        for line in paragraphs(self._take()):
            self._emit(tidy(line, is_typographic=self._is_typographic))

    def _emit(self, tokens: list[Token]) -> None:
        """Add a line; a box begins a task, or ends it where it stands behind its text."""
        if not tokens:
            return
        boxes = [index for index, token in enumerate(tokens) if isinstance(token, Box)]
        if not boxes:
            self._add(tokens, self._state.label)
            return
        if boxes == [len(tokens) - 1]:
            boxes, tokens = [0], [tokens[-1], *tokens[:-1]]
        if boxes[0]:
            self._add(tokens[: boxes[0]], self._state.label)
        for start, end in zip(boxes, [*boxes[1:], len(tokens)], strict=True):
            box = tokens[start]
            is_done = isinstance(box, Box) and box.is_checked
            label = DocItemLabel.CHECKBOX_SELECTED if is_done else DocItemLabel.CHECKBOX_UNSELECTED
            self._add(tokens[start + 1 : end], label)

    def _add(self, tokens: list[Token], label: DocItemLabel) -> None:
        """Add a line as an item of a list, a caption, a task, a paragraph."""
        slot = self._state.slot
        item: NodeItem | None
        is_task = label in (DocItemLabel.CHECKBOX_SELECTED, DocItemLabel.CHECKBOX_UNSELECTED)
        pictures = [token for token in tokens if isinstance(token, Picture)]
        if pictures and len(pictures) == len(tokens) and not is_task:
            for picture in pictures:
                self._picture(picture, self._container())
            return
        text, look = self._plain(tokens, label)
        rest: dict[str, Any] = {"text": text, "content_layer": self._layer()}
        if text and look:
            rest |= {"formatting": look.formatting, "hyperlink": destination(look.link) if look.link else None}
        if slot and slot.item is None:
            item = self._item(slot, label if is_task else None, rest)
        elif text or is_task or label != DocItemLabel.TEXT:
            item = self._document.add_text(label=label, parent=self._container(), **rest)
            if label == DocItemLabel.CAPTION and self._state.figure:
                self._state.figure.captions.append(item)
        else:
            item = self._container()
        if not text and tokens:
            self._inline(tokens, item)

    def _plain(self, tokens: list[Token], label: DocItemLabel) -> tuple[str, Look | None]:
        """The text of a line that needs no pieces, and its look; empty for others."""
        runs = [token for token in tokens if isinstance(token, Run)]
        if len(runs) < len(tokens) or any(run.is_math for run in runs):
            return "", None
        if len(runs) == 1 and not runs[0].look.code:
            return glue.clean(runs[0].text), runs[0].look
        if label == DocItemLabel.CAPTION:
            return glue.clean(glue.join(run.text for run in runs)), None
        return "", None

    def _inline(self, tokens: list[Token], parent: NodeItem | None) -> None:
        document, layer = self._document, self._layer()
        group = document.add_inline_group(parent=parent, content_layer=layer)
        for token in tokens:
            if isinstance(token, Picture):
                self._picture(token, group)
            elif isinstance(token, Run):
                add = {True: document.add_formula, False: document.add_code if token.look.code else None}[token.is_math]
                rest: dict[str, Any] = {
                    "text": token.text,
                    "parent": group,
                    "content_layer": layer,
                    "formatting": token.look.formatting,
                    "hyperlink": destination(token.look.link) if token.look.link else None,
                }
                if add:
                    add(**rest)
                else:
                    document.add_text(label=DocItemLabel.TEXT, **rest)

    def _heading(self, level: int, tokens: list[Token]) -> None:
        runs = [token for token in tokens if isinstance(token, Run)]
        rest: dict[str, Any] = {"parent": self._container(), "content_layer": self._layer()}
        is_plain = len(runs) == len(tokens) and not any(run.is_math for run in runs)
        rest["text"] = glue.clean(glue.join(run.text for run in runs)) if is_plain else ""
        if is_plain and len({run.look for run in runs}) == 1:
            look = runs[0].look
            rest |= {"formatting": look.formatting, "hyperlink": destination(look.link) if look.link else None}
        item = self._document.add_title(**rest) if level == 1 else self._document.add_heading(level=level - 1, **rest)
        if not is_plain:
            self._inline(tokens, item)

    def _picture(self, token: Picture, parent: NodeItem | None) -> None:
        layer = self._layer()
        caption = None
        for alt in tidy([Run(token.element.get("alt"))], is_typographic=self._is_typographic):
            if not isinstance(alt, Run):
                continue
            link = destination(token.look.link) if token.look.link else None
            caption = self._document.add_text(
                label=DocItemLabel.CAPTION, text=alt.text, hyperlink=link, content_layer=layer, parent=parent
            )
        self._is_target(self._document.add_picture(parent=parent, caption=caption, content_layer=layer))

    def _is_target(self, item: Any) -> None:
        """What a figure's captions belong to, if it is the first."""
        figure = self._state.figure
        if figure and figure.target is None and self._state.label != DocItemLabel.CAPTION:
            figure.target = item

    # Where things are added.

    def _layer(self) -> ContentLayer:
        state = self._state
        is_outside = state.is_at_foot or (state.is_at_top and self._is_above)
        return ContentLayer.FURNITURE if is_outside else ContentLayer.BODY

    def _container(self) -> NodeItem | None:
        """What the next block is added to; None is the body."""
        return self._container_of(self._state)

    def _container_of(self, state: State) -> NodeItem | None:
        if state.slot:
            return state.slot.item or self._item(state.slot, None, {"text": "", "content_layer": self._layer()})
        if state.list:  # between the items of a list, which goes on behind it
            of = state.list
            if of.last is not None and self._state.list is not of:
                return of.last  # a list right in a list belongs to the item in front of it
            of.group = of.descriptions = None
            return self._container_of(of.outer)
        return state.parent

    def _item(self, slot: Slot, task: DocItemLabel | None, rest: dict[str, Any]) -> NodeItem:
        """The item of a slot, and its list if it is the first in it."""
        of, layer = slot.list, self._layer()
        if of.group is None:
            of.group = self._document.add_list_group(
                name=of.kind, parent=self._container_of(of.outer), content_layer=layer
            )
        group = of.group
        if slot.tag == "dd" and of.last is not None:
            if of.descriptions is None:
                of.descriptions = self._document.add_list_group(
                    name="descriptions", parent=of.last, content_layer=layer
                )
            group = of.descriptions
        item: NodeItem
        if task:
            item = self._document.add_text(label=task, parent=group, **rest)
        else:
            is_ordered = of.kind == "ordered list"
            item = self._document.add_list_item(
                enumerated=is_ordered, marker=f"{of.shown(slot.number)}." if is_ordered else "", parent=group, **rest
            )
        slot.item = item
        if slot.tag != "dd":
            of.last, of.descriptions = item, None
        return item
