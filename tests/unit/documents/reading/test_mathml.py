"""Formulas in MathML, which pages, articles and OpenDocument hold, as TeX."""

from __future__ import annotations

import time

import pytest
from lxml import etree

from services.documents.backends.reading.html import dom
from services.documents.backends.reading.mathml import of_lxml, tex

FORMULAS = {
    "<mi>E</mi><mo>=</mo><mi>m</mi><msup><mi>c</mi><mn>2</mn></msup>": "E = m c^2",
    "<mi>sin</mi><mo>%</mo>": r"\mathrm{sin} \%",
    "<msqrt>2</msqrt><msqrt><mi>a</mi><mi>b</mi></msqrt>": r"\sqrt{2} \sqrt{a b}",
    "<mroot><mi>x</mi><mn>3</mn></mroot>": r"\sqrt[3]{x}",
    "<munder><mo>\u2211</mo><mi>i</mi></munder><munder><mi>lim</mi><mi>n</mi></munder>": (
        "\u2211_i \\underset{n}{\\mathrm{lim}}"
    ),
    "<munderover><mo>\u222b</mo><mn>0</mn><mn>10</mn></munderover>": "\u222b_0^{10}",
    "<msup><mi>a</mi><mi>b</mi><mi>c</mi></msup><msub><mi>a</mi></msub>": "a^b c a",
    "<mmultiscripts><mi>X</mi><mn>1</mn><none/><mprescripts/><mn>2</mn><mn>3</mn></mmultiscripts>": "{}_2^3 X_1",
    "<mfenced open='[' close=']' separators=';'><mi>a</mi><mi>b</mi></mfenced>": "[a; b]",
    "<mrow>loose <mi>a</mi> text</mrow><mphantom><mi>b</mi></mphantom>": "loose a text",
    "<semantics><mi>x</mi><annotation encoding='StarMath 5.0'>x over y</annotation></semantics>": "x",
    "<semantics><mi>x</mi><annotation encoding='LaTeX'>{\\displaystyle x_1}</annotation></semantics>": "x_1",
    "<mtable><mtr><mtd><mi>p</mi></mtd><mtd><mi>q</mi></mtd></mtr><mtr><mtd><mi>r</mi></mtd></mtr></mtable>": (
        r"\begin{matrix} p & q \\ r \end{matrix}"
    ),
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_formula_of_each_tree_becomes_the_same_tex(formula: str) -> None:
    tree = etree.fromstring(f'<math xmlns="http://www.w3.org/1998/Math/MathML"><!-- c -->{formula}</math>')
    root, _ = dom.parsed(f"<m:math>{formula}</m:math>".replace("m:", ""))
    page = next(root.elements())

    assert tex(of_lxml(tree)) == FORMULAS[formula]
    assert tex(page.formula()) == FORMULAS[formula]


@pytest.mark.parametrize("name", ["mrow", "msqrt", "msup", "mi", "unknown"])
def test_deep_formula_takes_no_more_time_than_a_wide_one(name: str) -> None:
    tree = etree.fromstring(f"<math>{f'<{name}>' * 200}x{f'</{name}>' * 200}</math>")
    started = time.perf_counter()

    formula = tex(of_lxml(tree))

    assert time.perf_counter() - started < 5
    assert "x" in formula
