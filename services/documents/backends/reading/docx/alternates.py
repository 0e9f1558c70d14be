"""What a file says in several ways, for programs of several ages."""

from __future__ import annotations

from services.documents.backends.reading.docx.formulas import MATH
from services.documents.backends.reading.docx.names import EMOJI, MC, NEW_CHART, A, Element, T, V, W, local, unwrap

ALTERNATES = MC + "AlternateContent"
_HAS_WORDS = (T, A + "t", MATH, EMOJI, W + "delText", NEW_CHART)
_HAS_PICTURE = (A + "blip", V + "imagedata")


def choose(root: Element) -> None:
    """Leave one branch of each, where there is something to read in any."""
    for element in list(root.iter(ALTERNATES)):
        branch = chosen(element)
        if branch is not None:
            unwrap(element, branch)


def chosen(alternates: Element) -> Element | None:
    """The branch to read: the first with words, else the first with a picture; None when there is neither in any.

    Slides and sheets show the first that a program of today understands; see `reading.drawings`. In Word's files the
    first one is often a shape without text, and the fallback has the words.
    """
    branches = [branch for branch in alternates if local(branch) in {"Choice", "Fallback"}]
    for wanted in (_HAS_WORDS, _HAS_PICTURE):
        for branch in branches:
            if next(branch.iter(*wanted), None) is not None:
                return branch
    return None
