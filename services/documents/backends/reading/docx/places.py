"""Where something stands, in words."""

from __future__ import annotations

from services.documents.backends.reading.docx.names import TBL, Element, P


class Places:
    """Names paragraphs and tables of a story by their numbers, as `passages` does.

    Args:
        root: what holds the story; it is counted once, when the first place is asked for.
    """

    def __init__(self, root: Element) -> None:
        self._root = root
        self._names: dict[Element, str] = {}

    def of(self, element: Element) -> str:
        """The paragraph or table around an element: "paragraph 12"."""
        if not self._names:
            self._count()
        outermost = None
        for outermost in element.iterancestors(P, TBL):  # noqa: B007 - the last one is wanted
            pass
        if outermost is None:
            before = next((block for block in element.itersiblings(P, TBL, preceding=True)), None)
            return f"behind {self._names[before]}" if before in self._names else "the beginning"
        return self._names.get(outermost, "the text")

    def _count(self) -> None:
        numbers = {P: 0, TBL: 0}
        for block in self._root.iter(P, TBL):
            if next(block.iterancestors(P, TBL), None) is None:
                numbers[block.tag] += 1
                kind = "paragraph" if block.tag == P else "table"
                self._names[block] = f"{kind} {numbers[block.tag]}"
