"""Text that is drawn: in SmartArt, WordArt and old shapes. Each becomes a text box in its place."""

from __future__ import annotations

from collections.abc import Iterable

from docx.oxml import OxmlElement

from services.documents.backends.reading.docx.names import DGM, A, Element, R, V, W, remove
from services.documents.backends.reading.docx.passages import Related
from services.documents.backends.reading.drawings import paragraph_text

_WORD_ART, _SHAPE_TEXT = V + "textpath", A + "txBody"


def write_out_diagrams(root: Element, related: Related) -> None:
    """Write out SmartArt: its texts are in a part of their own, which Docling leaves to LibreOffice."""
    for diagram in list(root.iter(DGM + "relIds")):
        data = related(diagram.get(R + "dm", ""))
        drawing = next(diagram.iterancestors(W + "drawing"), None)
        if data is None or drawing is None:
            continue
        lines = [paragraph_text(line) for point in data.iter(DGM + "pt") for line in point.iterfind(f"{DGM}t/{A}p")]
        if _put_box(drawing, lines):
            remove(drawing)


def write_out(root: Element) -> None:
    """Write out WordArt, and shapes whose text is not Word's own."""
    for art in list(root.iter(_WORD_ART)):
        _put_box(art, [art.get("string", "")])
    for shape in list(root.iter(_SHAPE_TEXT)):
        if _put_box(shape, [paragraph_text(line) for line in shape.iter(A + "p")]):
            remove(shape)


def _put_box(before: Element, lines: Iterable[str]) -> bool:
    """Put a text box before an element; False if there is nothing to put into it."""
    box = OxmlElement("w:txbxContent")
    for text in lines:
        if text.strip():
            paragraph, run = OxmlElement("w:p"), OxmlElement("w:r")
            for number, line in enumerate(text.split("\n")):
                if number:
                    run.append(OxmlElement("w:br"))
                content = OxmlElement("w:t")
                content.text = line
                run.append(content)
            paragraph.append(run)
            box.append(paragraph)
    if len(box):
        before.addprevious(box)
    return len(box) > 0
