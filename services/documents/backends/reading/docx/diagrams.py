"""SmartArt: its texts are in a part of their own, which Docling leaves to LibreOffice."""

from __future__ import annotations

from docx.oxml import OxmlElement

from services.documents.backends.reading.docx.names import DGM, A, Element, R, W, remove
from services.documents.backends.reading.docx.passages import Related


def write_out(root: Element, related: Related) -> None:
    """Put the texts of each diagram in a text box in its place."""
    for diagram in list(root.iter(DGM + "relIds")):
        data = related(diagram.get(R + "dm", ""))
        drawing = next(diagram.iterancestors(W + "drawing"), None)
        if data is None or drawing is None:
            continue
        box = OxmlElement("w:txbxContent")
        for point in data.iter(DGM + "pt"):
            for line in point.iterfind(f"{DGM}t/{A}p"):
                _add(box, "".join(text.text or "" for text in line.iter(A + "t")))
        if len(box):
            drawing.addprevious(box)
            remove(drawing)


def _add(box: Element, text: str) -> None:
    if text.strip():
        paragraph, run, content = OxmlElement("w:p"), OxmlElement("w:r"), OxmlElement("w:t")
        content.text = text
        run.append(content)
        paragraph.append(run)
        box.append(paragraph)
