"""Office's formulas: every sign of them is in the LaTeX."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from services.documents.backends.reading import omml

_NAMES = (
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    ' xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
)


def r(text: str) -> str:
    """A run of a formula."""
    return f"<m:r><m:t>{text}</m:t></m:r>"


def e(*texts: str) -> str:
    """A part for each text."""
    return "".join(f"<m:e>{r(text)}</m:e>" for text in texts)


def _formula(inner: str) -> Any:
    math = etree.fromstring(f"<m:oMath {_NAMES}>{inner}</m:oMath>")
    omml.prepare(math)
    return math


FORMULAS = {
    "a frame": (f"<m:borderBox>{e('a+b')}</m:borderBox>", r"\boxed{a+b}"),
    "a phantom that is seen": (f"<m:phant>{e('a')}</m:phant>", "a"),
    "a phantom": (f'<m:phant><m:phantPr><m:show m:val="0"/></m:phantPr>{e("a")}</m:phant>{r("b")}', "b"),
    "scripts before": (
        f"<m:sPre><m:sub>{r('6')}</m:sub><m:sup>{r('14')}</m:sup>{e('C')}</m:sPre>",
        "{}_{6}^{14} C",
    ),
    "a bracket of parts": (
        f'<m:d><m:dPr><m:begChr m:val="["/><m:sepChr m:val=";"/></m:dPr>{e("a", "b", "c")}</m:d>',
        r"\left[a;b;c\right)",
    ),
    "a bracket of two parts": (f"<m:d>{e('a', 'b')}</m:d>", r"\left(a|b\right)"),
    "an accent without properties": (f"<m:acc>{e('x')}</m:acc>", r"\hat{x}"),
    "an accent that has no name": (
        f'<m:acc><m:accPr><m:chr m:val="★"/></m:accPr>{e("x")}</m:acc>',
        r"\overset{★}{x}",
    ),
    "an arrow below": (
        f'<m:groupChr><m:groupChrPr><m:chr m:val="→"/></m:groupChrPr>{e("x")}</m:groupChr>',
        r"\underset{→}{x}",
    ),
    "an arrow above": (
        f'<m:groupChr><m:groupChrPr><m:chr m:val="→"/><m:pos m:val="top"/></m:groupChrPr>{e("x")}</m:groupChr>',
        r"\overset{→}{x}",
    ),
    "an integral without properties": (f"<m:nary><m:sub/><m:sup/>{e('x')}</m:nary>", r"\int_{}^{}x"),
    "a function with a name": (f"<m:func><m:fName>{r('sin')}</m:fName>{e('x')}</m:func>", r"\sin(x)"),
    "a function of one's own": (f"<m:func><m:fName>{r('erf')}</m:fName>{e('x')}</m:func>", r"\operatorname{erf}x"),
    "lines": (
        f"<m:eqArr>{e('x&amp;=1#(2)', 'y&amp;=3')}</m:eqArr>",
        r"\begin{aligned}x&=1\qquad (2)\\y&=3\end{aligned}",
    ),
    "one line": (f"<m:eqArr>{e('x=1')}</m:eqArr>", "x=1"),
    "a script before": (f"<m:sPre><m:sub>{r('6')}</m:sub><m:sup/>{e('C')}</m:sPre>", "{}_{6} C"),
    "a break": ("<m:r><m:t>1</m:t></m:r><m:r><w:br/><m:t>2</m:t></m:r>", r"1\\ 2"),
    "runs of text": ("<m:r><w:t>a</w:t><m:t>b</m:t><m:t>c</m:t></m:r><w:r><w:t>d</w:t></w:r>", "abcd"),
    "other alphabets": (r("скорость 速度 é"), "скорость 速度 é"),
    "braces and signs": (r("{a_b} 5% $ # &amp;"), r"\{a\_b\} 5\% \$ \# \&"),
    "letters of mathematics": (r("𝑥∈ℝ"), r"x \in \mathbb{R}"),  # noqa: RUF001 - as Office writes them
    "signs of text": (r("½ 5° →"), "½ 5° →"),
    "Greek": (r("α"), r"\alpha"),  # noqa: RUF001 - Greek
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_whole(name: str) -> None:
    source, expected = FORMULAS[name]
    math = _formula(source)

    written = omml.latex(math)

    assert written == expected
    assert omml.is_whole(math, written)


@pytest.mark.parametrize("letter", ["q", "7", "ж"])
def test_a_formula_that_lacks_a_letter_is_not_whole(letter: str) -> None:
    assert not omml.is_whole(_formula(r(f"x{letter}")), r"x\qquad")
