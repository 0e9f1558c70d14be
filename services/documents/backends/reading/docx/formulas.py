"""Formulas as LaTeX in the text of a run, where Docling takes text for text."""

from __future__ import annotations

from collections.abc import Iterator

from docx.oxml import OxmlElement

from services.documents.backends.reading import omml
from services.documents.backends.reading.docx.names import Element, M, remove
from services.documents.backends.reading.docx.places import Places

FORMULA, FORMULA_END = "\ufdd1", "\ufdd2"
"""Noncharacters around LaTeX; see `glue.GLUE`."""
MATH, MATH_PARAGRAPH = M + "oMath", M + "oMathPara"

_SHOWN_CHARACTERS = 60


def write_out(maths: list[Element], places: Places, *, are_apart: bool) -> Iterator[str]:
    """Put a run with LaTeX in the place of each formula.

    Args:
        maths: the formulas.
        places: names them.
        are_apart: whether they are to be pieces of their own; else they are text between dollars.

    Yields:
        What is not whole.
    """
    before, behind = (FORMULA, FORMULA_END) if are_apart else ("$", "$")
    for math in maths:
        if any(True for _ in math.iterancestors(MATH)):
            continue
        omml.prepare(math)
        latex = omml.latex(math)
        if not omml.is_whole(math, latex):
            said = omml.said(math)[:_SHOWN_CHARACTERS].strip()
            yield f"{places.of(math)}: a formula ({said}) is not whole in the answer"
        run, text = OxmlElement("w:r"), OxmlElement("w:t")
        text.text = f"{before}{latex}{behind}" if latex else ""
        run.append(text)
        place = math.getparent() if math.getparent().tag == MATH_PARAGRAPH else math
        place.addprevious(run)
        remove(math)
