"""Formulas as LaTeX in the text of a run, where Docling takes text for text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from docling.backend.docx.latex.omml import oMath2Latex
from docx.oxml import OxmlElement

from services.documents.backends.reading.docx.names import Element, M, remove
from services.documents.backends.reading.docx.places import Places

FORMULA, FORMULA_END = "\ufdd1", "\ufdd2"
"""Noncharacters around LaTeX; see `glue.GLUE`."""
MATH, MATH_PARAGRAPH = M + "oMath", M + "oMathPara"

_COMMAND = re.compile(r"\\([A-Za-z]+)")
_LATIN = re.compile(r"[A-Za-z0-9]")
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
        texts = [text.text or "" for text in math.iter(M + "t")]
        said = "".join(texts)
        latex = _latex(math, said)
        if not is_whole(texts, latex):
            yield f"{places.of(math)}: a formula ({said[:_SHOWN_CHARACTERS].strip()}) is not whole in the answer"
        run, text = OxmlElement("w:r"), OxmlElement("w:t")
        text.text = f"{before}{latex}{behind}" if latex else ""
        run.append(text)
        place = math.getparent() if math.getparent().tag == MATH_PARAGRAPH else math
        place.addprevious(run)
        remove(math)


def _latex(math: Element, said: str) -> str:
    try:
        return str(oMath2Latex(math)).strip()
    except Exception:  # noqa: BLE001 - Docling's converter met what it does not know; the symbols are still text
        return said.strip()


def is_whole(texts: list[str], latex: str) -> bool:
    """True when all Latin letters and digits of a formula are in its LaTeX, commands aside."""
    names = {name for text in texts for name in re.findall(r"[A-Za-z]+", text)}
    written = _COMMAND.sub(lambda command: command[1] if command[1] in names else "", latex)
    return not Counter(_LATIN.findall("".join(texts))) - Counter(_LATIN.findall(written))
