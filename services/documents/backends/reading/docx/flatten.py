"""Makes a tree plain: paragraphs of runs and links, tables of rows of cells, and nothing around or between them.

Docling looks for runs, rows and cells at the few places where they usually stand. Here everything that stands around
them goes (content controls, smart tags, custom XML, simple fields, direction), and what draws text in another way than
`w:t` (ruby, symbols, formulas) becomes text.
"""

from __future__ import annotations

from collections import defaultdict

from docx.oxml import OxmlElement

from services.documents.backends.reading.docx import alternates, changes, drawings, fields, formulas
from services.documents.backends.reading.docx.formulas import MATH, MATH_PARAGRAPH
from services.documents.backends.reading.docx.names import (
    EMOJI,
    FRAME,
    HYPERLINK,
    R_,
    RUBY,
    TC,
    TEXT_BOX,
    W14,
    Element,
    P,
    T,
    W,
    remove,
    unwrap,
)
from services.documents.backends.reading.docx.places import Places
from services.documents.backends.reading.docx.symbols import character, is_symbol_font, translated

_WRAPPERS = tuple(W + name for name in ("customXml", "smartTag", "fldSimple", "bdo", "dir"))
_THEIR_PROPERTIES = tuple(W + name for name in ("customXmlPr", "smartTagPr", "fldData"))
_CONTROL, _SYMBOL = W + "sdt", W + "sym"
_BREAK, _SOFT_HYPHEN, _FONTS = W + "br", W + "softHyphen", W + "rFonts"
_STRAY = frozenset({R_, HYPERLINK, MATH, MATH_PARAGRAPH})


def flatten(root: Element, *, show_changes: bool, has_items: bool = True) -> list[str]:
    """Mend the tree in place.

    Args:
        root: of a part, or what is to become of one.
        show_changes: whether changes are shown; else they are accepted.
        has_items: whether Docling makes items of the paragraphs; of notes and comments it takes the text.

    Returns what could not be kept, one sentence each.
    """
    alternates.choose(root)
    drawings.write_out(root)
    _unwrap(_found(root, _CONTROL, *_WRAPPERS, *_THEIR_PROPERTIES))
    if changes.has_changes(root):
        (changes.show if show_changes else changes.accept)(root)
    places = Places(root)
    problems = fields.keep_results(root, places) if fields.has_fields(root) else []
    found = _found(root, RUBY, _SYMBOL, EMOJI, _BREAK, _SOFT_HYPHEN, _FONTS, FRAME, MATH)
    problems += [problem for symbol in [*found[_SYMBOL], *found[EMOJI]] for problem in _write_symbol(symbol, places)]
    for ruby in found[RUBY]:
        _write_ruby(ruby)
    for hyphen in found[_SOFT_HYPHEN]:
        remove(hyphen)
    for break_ in found[_BREAK]:
        if break_.get(W + "type") in {"page", "column"}:
            _replace_by_text(break_, " ")
    _translate(found[_FONTS])
    _join_initials(found[FRAME])
    problems += formulas.write_out(found[MATH], places, are_apart=has_items)
    _enclose_strays(root)
    return problems


def _found(root: Element, *names: str) -> dict[str, list[Element]]:
    """The elements of some names, by name, in order."""
    found: dict[str, list[Element]] = defaultdict(list)
    for element in root.iter(*names):
        found[element.tag].append(element)
    return found


def _unwrap(found: dict[str, list[Element]]) -> None:
    for tag in _THEIR_PROPERTIES:
        for element in found[tag]:
            remove(element)
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


def _write_symbol(symbol: Element, places: Places) -> list[str]:
    prefix = symbol.tag.rpartition("}")[0] + "}"
    font, code = symbol.get(prefix + "font", ""), symbol.get(prefix + "char", "")
    try:
        text = character(int(code, 16), font)
    except ValueError:
        text = ""
    problems = [] if text else [f"{places.of(symbol)}: the symbol {code} of the font {font} is not in the answer"]
    _replace_by_text(symbol, text or "\ufffd")
    return problems


def _translate(fonts: list[Element]) -> None:
    """Make Unicode of the text of symbol fonts."""
    for font in fonts:
        name = font.get(W + "ascii", "")
        run = next(font.iterancestors(R_), None) if is_symbol_font(name) else None
        if run is not None:
            for text in run.iterfind(T):
                text.text = translated(text.text or "", name)


def _join_initials(frames: list[Element]) -> None:
    """A large initial is a paragraph of its own: put it back before its word."""
    for frame in reversed(frames):  # backwards, so that everything moves once
        paragraph = next(frame.iterancestors(P), None)
        if frame.get(W + "dropCap") in {"drop", "margin"} and paragraph is not None:
            following = paragraph.getnext()
            if following is not None and following.tag == P:
                changes.join(paragraph, following)


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
