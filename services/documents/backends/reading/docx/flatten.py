"""Makes a tree plain: paragraphs of runs and links, tables of rows of cells, and nothing around or between them.

Docling looks for runs, rows and cells at the few places where they usually stand. Here everything that stands around
them goes (content controls, smart tags, custom XML, simple fields, direction), and what draws text in another way than
`w:t` (ruby, symbols, formulas) becomes text.
"""

from __future__ import annotations

from collections import defaultdict

from docling.backend.docx.latex.omml import oMath2Latex
from docx.oxml import OxmlElement

from services.documents.backends.reading.docx import changes, fields
from services.documents.backends.reading.docx.names import (
    HYPERLINK,
    MC,
    R_,
    TC,
    TEXT_BOX,
    W14,
    A,
    Element,
    M,
    P,
    T,
    V,
    W,
    local,
    remove,
    unwrap,
)
from services.documents.backends.reading.docx.symbols import character

FORMULA, FORMULA_END = "\ufdd1", "\ufdd2"
"""Noncharacters around LaTeX in the text of a run; see `glue.GLUE`."""

_WRAPPERS = tuple(W + name for name in ("customXml", "smartTag", "fldSimple", "bdo", "dir"))
_THEIR_PROPERTIES = tuple(W + name for name in ("customXmlPr", "smartTagPr", "fldData"))
_CONTROL, _ALTERNATES, _RUBY, _SYMBOL = W + "sdt", MC + "AlternateContent", W + "ruby", W + "sym"
_EMOJI = "{http://schemas.microsoft.com/office/word/2015/wordml/symex}symEx"
_BREAK, _SOFT_HYPHEN, _FRAME = W + "br", W + "softHyphen", W + "framePr"
_MATH, _MATH_PARAGRAPH = M + "oMath", M + "oMathPara"
_STRAY = frozenset({R_, HYPERLINK, _MATH, _MATH_PARAGRAPH})
_HAS_WORDS = (T, A + "t", _MATH, _EMOJI, W + "delText")
_HAS_PICTURE = (A + "blip", V + "imagedata")

_TO_MEND = (
    *_WRAPPERS,
    *_THEIR_PROPERTIES,
    _CONTROL,
    _ALTERNATES,
    _RUBY,
    _SYMBOL,
    _EMOJI,
    _BREAK,
    _SOFT_HYPHEN,
    _FRAME,
    _MATH,
)


def flatten(root: Element, *, show_changes: bool) -> list[str]:
    """Mend the tree in place.

    Returns what could not be kept, one clause each.
    """
    choose_alternates(root)
    if changes.has_changes(root):
        (changes.show if show_changes else changes.accept)(root)
    found: dict[str, list[Element]] = defaultdict(list)
    for element in root.iter(*_TO_MEND):
        found[element.tag].append(element)
    problems = [f"a formula that only Word draws ({code})" for code in _mend_fields(root)]
    for tag in (*_THEIR_PROPERTIES, _SOFT_HYPHEN):
        for element in found[tag]:
            remove(element)
    _unwrap(found)
    for element in found[_RUBY]:
        _write_ruby(element)
    for element in [*found[_SYMBOL], *found[_EMOJI]]:
        problems += _write_symbol(element)
    for element in found[_BREAK]:
        if element.get(W + "type") in {"page", "column"}:
            _replace_by_text(element, " ")
    _join_initials(found[_FRAME])
    for element in found[_MATH]:
        _write_formula(element)
    _enclose_strays(root)
    return problems


def choose_alternates(root: Element) -> None:
    """Leave one branch of what a file says in several ways: the first with words, else the first with a picture."""
    for element in list(root.iter(_ALTERNATES)):
        branches = [branch for branch in element if local(branch) in {"Choice", "Fallback"}]
        chosen = chosen_branch(branches)
        if chosen is not None:
            unwrap(element, chosen)


def chosen_branch(branches: list[Element]) -> Element | None:
    """The branch to read; None when there is nothing to read in any."""
    for wanted in (_HAS_WORDS, _HAS_PICTURE):
        for branch in branches:
            if next(branch.iter(*wanted), None) is not None:
                return branch
    return None


def _mend_fields(root: Element) -> list[str]:
    return fields.keep_results(root) if fields.has_fields(root) else []


def _unwrap(found: dict[str, list[Element]]) -> None:
    boxes_of: dict[Element, list[Element]] = {}
    for control in found[_CONTROL]:
        box = next(control.iterfind(f"{W}sdtPr/{W14}checkbox"), None)
        content = control.find(W + "sdtContent")
        if box is not None:
            _keep_box(control, box, boxes_of)
        if content is None:
            remove(control)
        else:
            unwrap(control, content)
    for paragraph, boxes in boxes_of.items():
        if len(boxes) == 1:  # of several, each stays a character of the text
            paragraph.append(boxes[0])
    for tag in _WRAPPERS:
        for element in found[tag]:
            unwrap(element)


def _keep_box(control: Element, box: Element, boxes_of: dict[Element, list[Element]]) -> None:
    """Docling makes a task of a paragraph with a box in it."""
    paragraph = next(control.iterancestors(P), None)
    if paragraph is not None:
        boxes_of.setdefault(paragraph, []).append(box)


def _write_ruby(ruby: Element) -> None:
    """The base, and in brackets behind it how it is read."""
    base, reading = (
        "".join(text.text or "" for part in ruby.iterfind(W + name) for text in part.iter(T))
        for name in ("rubyBase", "rt")
    )
    _replace_by_text(ruby, f"{base}({reading})" if reading.strip() else base)


def _write_symbol(symbol: Element) -> list[str]:
    prefix = symbol.tag.rpartition("}")[0] + "}"
    font, code = symbol.get(prefix + "font", ""), symbol.get(prefix + "char", "")
    try:
        text = character(int(code, 16), font)
    except ValueError:
        text = ""
    _replace_by_text(symbol, text or "\ufffd")
    return [] if text else [f"the symbol {code} of the font {font}, which is no letter"]


def _join_initials(frames: list[Element]) -> None:
    """A large initial is a paragraph of its own: put it back before its word."""
    for frame in frames:
        paragraph = frame.getparent().getparent() if frame.getparent() is not None else None
        if frame.get(W + "dropCap") in {"drop", "margin"} and paragraph is not None and paragraph.tag == P:
            following = paragraph.getnext()
            if following is not None and following.tag == P:
                changes.join(paragraph, following)


def _write_formula(math: Element) -> None:
    run, text = OxmlElement("w:r"), OxmlElement("w:t")
    text.text = FORMULA + _latex(math) + FORMULA_END
    run.append(text)
    parent = math.getparent()
    if parent is None or any(True for _ in math.iterancestors(_MATH)):
        return
    if parent.tag == _MATH_PARAGRAPH:
        parent.addprevious(run)
        remove(math)
    else:
        math.addprevious(run)
        remove(math)


def _latex(math: Element) -> str:
    try:
        return str(oMath2Latex(math)).strip()
    except Exception:  # noqa: BLE001 - Docling's converter meets what it does not know; the symbols are still text
        return " ".join(text.text or "" for text in math.iter(M + "t"))


def _enclose_strays(root: Element) -> None:
    """Give runs that stand outside of paragraphs one."""
    for container in [root, *root.iter(W + "body", TC, TEXT_BOX, W + "footnote", W + "endnote", W + "comment")]:
        for child in list(container):
            if child.tag in _STRAY:
                paragraph = OxmlElement("w:p")
                child.addprevious(paragraph)
                paragraph.append(child)


def _replace_by_text(element: Element, text: str) -> None:
    if text:
        content = OxmlElement("w:t")
        content.text = text
        element.addprevious(content)
    remove(element)
