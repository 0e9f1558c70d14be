"""Office's formulas as LaTeX: Docling's converter, with the constructs and characters that it drops or breaks."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from docling.backend.docx.latex.latex_dict import CHR, FUNC, FUNC_PLACE
from docling.backend.docx.latex.omml import oMath2Latex

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_VALUE = f"{M}val"
_TEXTS = (f"{M}t", f"{_W}t")
_HAS_PROPERTIES = tuple(f"{M}{name}" for name in ("acc", "bar", "d", "groupChr", "nary"))
"""What Docling fails at where its properties are left out, as they may be."""
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_ENCODED = re.compile(r"\{?\\ensuremath\{(\\[A-Za-z]+(?:\{\w\})?)\}\}?")
"""A sign with a command of its own; other commands are those of text, which no formula knows."""
_NAMED = re.compile("[\u0370-\u03ff\u1f00-\u1fff\u2100-\u214f\U0001d400-\U0001d7ff]")
"""Letters with a command: Greek ones, and those that Unicode has for mathematics."""
_ITALIC = re.compile(r"\\mathit\{(\w)\}")
_SIGNS = {
    **{sign: rf"\{sign}" for sign in "{}%&#_$"},
    **dict.fromkeys("\u2013\u2014\u2212", "-"),
    "\\": r"\backslash ",
    "~": r"\sim ",
    "\u00d7": r"\times ",
}


def prepare(math: Any) -> None:
    """Make a formula such that `latex` reads all of it: call it once for each formula."""
    for phantom in list(math.iter(f"{M}phant")):
        if phantom.find(f"{M}phantPr/{M}show") is not None and not _is_on(phantom.find(f"{M}phantPr/{M}show")):
            phantom.getparent().remove(phantom)
    for run in list(math.iter(f"{_W}r")):
        run.tag = f"{M}r"
    for element in math.iter(*_HAS_PROPERTIES):
        if element.find(f"{element.tag}Pr") is None:
            element.insert(0, element.makeelement(f"{element.tag}Pr"))
    for fence in math.iter(f"{M}d"):
        _join_parts(fence)


def latex(math: Any) -> str:
    """A prepared formula as LaTeX; its symbols where Docling's converter meets what it does not know."""
    try:
        return str(_Converter(math)).strip()
    except Exception:  # noqa: BLE001 - the symbols are still text
        return said(math).strip()


def said(math: Any) -> str:
    """The symbols of a formula, as they follow each other."""
    return "".join(text.text or "" for text in math.iter(*_TEXTS))


def is_whole(math: Any, written: str) -> bool:
    """True when all letters and digits of a prepared formula that LaTeX has no names for are in its LaTeX."""
    texts = [text.text or "" for text in math.iter(*_TEXTS)]
    names = {name for text in texts for name in re.findall(r"[A-Za-z]+", text)}
    plain = _COMMAND.sub(lambda command: command[1] if command[1] in names else "", written)
    return not Counter(filter(_is_kept, "".join(texts))) - Counter(plain)


def _is_kept(character: str) -> bool:
    return (character.isascii() and character.isalnum()) or _is_foreign(character)


def _is_foreign(character: str) -> bool:
    """True for letters that formulas have no commands for: Cyrillic, Chinese, accented ones."""
    return not character.isascii() and character.isalpha() and not _NAMED.match(character)


class _Converter(oMath2Latex):
    def _run(self, run: Any) -> str:
        pieces: list[str] = []
        in_lines = any(True for _ in run.iterancestors(f"{M}eqArr"))
        for part in run:
            match part.tag.rpartition("}")[2]:
                case "t":
                    pieces.extend(self._align(sign) if in_lines else self._sign(sign) for sign in part.text or "")
                case "br" | "cr":
                    pieces.append(r"\\ ")
                case "tab":
                    pieces.append(" ")
        return "".join(pieces)

    def _align(self, sign: str) -> str:
        """In lines below each other, `&` is where they are aligned, and `#` stands before the number of a line."""
        return {"&": "&", "#": r"\qquad "}.get(sign) or self._sign(sign)

    def _sign(self, sign: str) -> str:
        if sign in _SIGNS:
            return _SIGNS[sign]
        if sign.isascii() or _is_foreign(sign):
            return sign
        found = _ENCODED.fullmatch(self.u.unicode_to_latex(sign))
        return " " + _ITALIC.sub(r"\1", found[1]) + " " if found else sign

    def _lines(self, array: Any) -> str:
        lines = r"\\".join(self.process_children(line) for line in array.iterchildren(f"{M}e"))
        is_one = r"\\" not in lines and "&" not in lines
        return lines if is_one else rf"\begin{{aligned}}{lines}\end{{aligned}}"

    def _framed(self, box: Any) -> str:
        return rf"\boxed{{{self.process_children(box)}}}"

    def _before(self, element: Any) -> str:
        """Scripts that stand before their base."""
        parts = self.process_children_dict(element)
        scripts = [parts.get(name, "") for name in ("sub", "sup")]
        return f"{{}}{''.join(script for script in scripts if not script.endswith('{}'))} {parts.get('e', '')}"

    def _over(self, element: Any) -> str:
        """A sign over or below; Docling writes the sign alone where it has no command for it."""
        properties = element.find(f"{element.tag}Pr")
        sign = properties.find(f"{M}chr")
        character = sign.get(_VALUE, "") if sign is not None else ""
        if not character or character in CHR:
            method = "acc" if element.tag == f"{M}acc" else "groupChr"
            return str(oMath2Latex.tag2meth[method](self, element))
        position = properties.find(f"{M}pos")
        is_above = element.tag == f"{M}acc" or (position is not None and position.get(_VALUE) == "top")
        base = "".join(str(self.process_children(child)) for child in element.iterchildren(f"{M}e"))
        return rf"\{'over' if is_above else 'under'}set{{{self._sign(character).strip()}}}{{{base}}}"

    def _name(self, name: Any) -> str:
        """The name of a function, with the place of what it is applied to."""
        written = self.process_children(name)
        known = FUNC.get(written.strip())
        if known is None and re.fullmatch(r"\s*[A-Za-z]{2,}\s*", written):
            known = rf"\operatorname{{{written.strip()}}}{{fe}}"
        written = known or written
        return written if FUNC_PLACE in written else written + FUNC_PLACE

    tag2meth: dict[str, Any] = {  # noqa: RUF012 - as Docling declares it
        **oMath2Latex.tag2meth,
        "acc": _over,
        "borderBox": _framed,
        "eqArr": _lines,
        "fName": _name,
        "groupChr": _over,
        "phant": oMath2Latex.process_children,
        "r": _run,
        "sPre": _before,
    }


def _join_parts(fence: Any) -> None:
    """Put the parts of a bracket into its first, with what stands between them: Docling keeps the last one."""
    separator = fence.find(f"{M}dPr/{M}sepChr")
    first, *others = list(fence.iterchildren(f"{M}e")) or [None]
    for part in others:
        run, text = part.makeelement(f"{M}r"), part.makeelement(f"{M}t")
        text.text = "|" if separator is None else separator.get(_VALUE, "")
        run.append(text)
        first.append(run)
        first.extend(list(part))
        fence.remove(part)


def _is_on(switch: Any) -> bool:
    return switch.get(_VALUE, "1") not in {"0", "false", "off"}
