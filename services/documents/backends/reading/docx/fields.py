"""Fields: the result stays, the instruction goes; nested ones as well."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from docx.oxml import OxmlElement

from services.documents.backends.reading.docx.names import (
    FIELD_CHARACTER,
    INSTRUCTION,
    VALUE,
    Element,
    M,
    T,
    W,
    is_on,
    local,
    remove,
)
from services.documents.backends.reading.docx.places import Places
from services.documents.backends.reading.docx.symbols import character

_SHOWN = (T, *(W + name for name in ("tab", "br", "cr", "ptab", "noBreakHyphen", "sym", "drawing")), M + "oMath")
_SYMBOL = re.compile(r'SYMBOL\s+(0x[0-9A-F]{1,6}|\d{1,7})(?:.*?\\f\s+"?([^"\\]+))?', re.DOTALL | re.IGNORECASE)
_BUTTON = re.compile(r"(?:MACROBUTTON|GOTOBUTTON)\s+\S+\s+(.*)", re.DOTALL | re.IGNORECASE)
_EQUATION = re.compile(r"EQ\s", re.IGNORECASE)
_READING = re.compile(r"\\o\s*\\a[cdlr]\s*\(\s*\\s\s*\\up\s*\d+\s*\(([^()\\]*)\)\s*[,;]\s*([^()\\]*)\)", re.IGNORECASE)
"""How older programs write ruby: `EQ \\o\\ad(\\s\\up 9(reading),base)`."""
_ENCLOSED = re.compile(r"\\o\s*\\ac\s*\(\s*[○◯□△◇]\s*[,;]\s*([^()\\]+)\)", re.IGNORECASE)
"""How Word writes a character in a circle: `eq \\o\\ac(○,A)`."""


@dataclass(slots=True)
class _Field:
    begin: Element
    instruction: list[str] = field(default_factory=list)
    in_instruction: list[Element] = field(default_factory=list)
    """What would be shown, did it not stand in the instruction: the results of nested fields."""
    has_separator: bool = False
    has_result: bool = False

    @property
    def code(self) -> str:
        """The instruction."""
        return "".join(self.instruction).strip()


def has_fields(root: Element) -> bool:
    """True when the tree has fields of the kind that has a beginning and an end."""
    return next(root.iter(FIELD_CHARACTER), None) is not None


def keep_results(root: Element, places: Places) -> list[str]:
    """Take out what stands in instructions, and put text where a field draws it.

    Returns a sentence for each formula that only Word draws.
    """
    drawn: list[_Field] = []
    open_fields: list[_Field] = []
    instructions: list[_Field] = []
    for element in list(root.iter(FIELD_CHARACTER, INSTRUCTION, *_SHOWN)):
        if element.tag == INSTRUCTION:
            if open_fields:
                open_fields[-1].instruction.append(element.text or "")
        elif element.tag != FIELD_CHARACTER:
            if instructions:
                instructions[0].in_instruction.append(element)
            elif open_fields:
                open_fields[-1].has_result = True
        else:
            _turn(element, open_fields, instructions, drawn)
    return [
        f"{places.of(of.begin)}: a formula that only Word draws ({of.code[:60]}) is not in the answer" for of in drawn
    ]


def _turn(mark: Element, open_fields: list[_Field], instructions: list[_Field], drawn: list[_Field]) -> None:
    """Take note of a field's beginning, separator or end."""
    match mark.get(W + "fldCharType"):
        case "begin":
            open_fields.append(_Field(mark))
            instructions.append(open_fields[-1])
        case "separate" if open_fields:
            open_fields[-1].has_separator = True
            _leave(open_fields[-1], instructions)
        case "end" if open_fields:
            ended = open_fields.pop()
            if not ended.has_separator:
                ended.has_result = bool(ended.in_instruction)
                ended.in_instruction.clear()
                _leave(ended, instructions)
            if not ended.has_result:
                text = _drawn_text(ended)
                _write(text, mark)
                if not text and _EQUATION.match(ended.code):
                    drawn.append(ended)
            elif open_fields:
                open_fields[-1].has_result = True


def _leave(of: _Field, instructions: list[_Field]) -> None:
    if instructions and instructions[-1] is of:
        instructions.pop()
    for element in of.in_instruction:
        remove(element)
    of.in_instruction.clear()


def _drawn_text(of: _Field) -> str:
    """What a field without a result shows."""
    if symbol := _SYMBOL.match(of.code):
        return character(int(symbol[1], 0), (symbol[2] or "").strip())
    if button := _BUTTON.match(of.code):
        return button[1].strip()
    if _EQUATION.match(of.code) and (ruby := _READING.search(of.code)):
        return f"{ruby[2].strip()}({ruby[1].strip()})"
    if _EQUATION.match(of.code) and (enclosed := _ENCLOSED.search(of.code)):
        return f"({enclosed[1].strip()})"
    return _form_text(of.begin)


def _write(text: str, end: Element) -> None:
    """Put text before the end of a field."""
    if text:
        content = OxmlElement("w:t")
        content.text = text
        end.addprevious(content)


def _form_text(begin: Element) -> str:
    """What an old form field shows without a result: a box, or the entry chosen."""
    for control in begin.iter(W + "checkBox", W + "ddList"):
        if local(control) == "checkBox":
            checked = control.find(W + "checked")
            return "☒" if is_on(checked if checked is not None else control.find(W + "default")) else "☐"
        entries = [entry.get(VALUE, "") for entry in control.iter(W + "listEntry")]
        chosen = control.find(W + "result")
        chosen = chosen if chosen is not None else control.find(W + "default")
        index = chosen.get(VALUE, "0") if chosen is not None else "0"
        if index.isdecimal() and int(index) < len(entries):
            return str(entries[int(index)])
    return ""
