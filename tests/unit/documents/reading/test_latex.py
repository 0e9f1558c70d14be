"""LaTeX as its reader sees it."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import time

import pytest

from tests.unit.documents.reading.conftest import Parse


def source(body: str, preamble: str = "") -> bytes:
    return f"\\documentclass{{article}}\n{preamble}\n\\begin{{document}}\n{body}\n\\end{{document}}\nafter".encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("a % no\nb 5\\% \\iffalse no \\fi\\begin{comment}no\\end{comment}c", "a b 5% c"),
        ("\\ifdraft no\\else yes\\fi", "yes"),
        ("\\textbf{D}ocument un\\emph{sure} {\\bf b}c", "Document unsure bc"),
        (
            "Na\\\"{\\i}ve caf\\'e \\v{S}koda \\c{c}a \\AA{} Stra\\ss e",
            "Na\u00efve caf\u00e9 \u0160koda \u00e7a \u00c5 Stra\u00dfe",
        ),
        ("``quoted'' 1--2 --- a~b\\ldots", "\u201cquoted\u201d 1\u20132 \u2014 a b\u2026"),
        ("\\key{us} \\pair{salt} \\pair[x]{y} \\lab.", "us a and salt x and y the lab."),
        ("word\\footnote{below} on", "word[1] on\n\n[1] below"),
        ("word\\marginpar{beside} on", "word on\n\nbeside"),
        ("\\marginpar[left]{beside $x$}wo\\todo[inline]{check}rd", "word\n\nbeside $x$\n\ncheck"),
        ("word\\sidenote{beside} on", "word[1] on\n\n[1] beside"),
        ("Sec.~\\ref{s} \\cite[p.~3]{k} \\label{x}end", "Sec. [s] [k, p. 3] end"),
        ("\\verb|a_b%c| and \\texttt{d\\_e}", "a_b%c and d_e"),
        ("\\href{https://x.example/a\\_b}{site} \\url{https://y.example/%20z}", "site https://y.example/%20z"),
        ("$a_1$ and \\(b\\) \\[c=1\\label{e}\\] d", "$a_1$ and $b$\n\n$$c=1$$\n\nd"),
        ("\\be x=1 \\ee", "$$x=1$$"),
        ("\\textcolor{red}{shown} \\vspace{2em}\\hspace*{1cm}\\resizebox{3cm}{!}{this}", "shown this"),
        ("\\begin{thm}[Name] It holds.\\end{thm}", "Theorem (Name). It holds."),
        ("\\begin{boxy}{red}in\\end{boxy}", "red: in"),
        (
            "\\begin{itemize}\\item one\\item[x] two\\begin{enumerate}\\item deep\\end{enumerate}\\end{itemize}",
            "- one\n- x two\n    1. deep",
        ),
        ("\\begin{description}\\item[Term] means\\end{description}", "- Term: means"),
        ("\\begin{verbatim}\n$ raw % text\n\\end{verbatim}", "$ raw % text"),
        ("\\begin{lstlisting}[language=C]\nint x; // 1%\n\\end{lstlisting}", "int x; // 1%"),
        (
            "\\begin{figure}[h]\\includegraphics[width=2cm]{p/q.png}\\caption{A \\textbf{cap}tion}\\label{f}\\end{figure}",
            "A caption",
        ),
        ("\\unknown{kept} \\begin{strange}also\\end{strange}", "kept\n\nalso"),
    ],
)
def test_text(parse: Parse, body: str, said: str) -> None:
    preamble = (
        "\\newif\\ifdraft\\newcommand{\\key}[1]{\\textcolor{red}{\\textbf{#1}}}\\newcommand{\\pair}[2][a]{#1 and #2}\\def\\lab{the lab}"
        "\\newcommand{\\be}{\\begin{equation}}\\newcommand{\\ee}{\\end{equation}}\\newtheorem{thm}{Theorem}"
        "\\newenvironment{boxy}[1]{\\begin{quote}#1: }{\\end{quote}}"
    )
    answer = parse("a.tex", source(body, preamble))

    assert answer.text == said
    assert answer.errors == []


def test_tables(parse: Parse) -> None:
    table = (
        "\\begin{table}\\begin{tabular}{@{}l|rp{2cm}@{}}\\toprule \\multirow{2}{*}{Name} & \\multicolumn{2}{c}{Both} \\\\"
        "\\cmidrule(lr){2-3} & A & B \\\\ \\midrule x & \\textbf{2}\\% & \\makecell{p\\\\q} \\\\[2pt] \\bottomrule\\end{tabular}"
        "\\caption{Rates}\\end{table}"
    )
    answer = parse("a.tex", source(table))
    lines = [line for line in answer.text.splitlines() if line.startswith("|") and "--" not in line]

    assert answer.text.startswith("Rates")
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == [
        ["Name", "Both", "Both"],
        ["Name", "A", "B"],
        ["x", "2%", "p q"],
    ]
    assert answer.errors == []


def test_title_authors_abstract_and_references(parse: Parse) -> None:
    preamble = "\\title{On \\emph{Small} Pumps}\\author{A. Berg \\and C. Dahl}\\date{May 2020}"
    body = "\\maketitle\\begin{abstract}Short.\\end{abstract}\\section{One}x\\begin{thebibliography}{9}\\bibitem{d} Doe.\\end{thebibliography}"
    answer = parse("a.tex", source(body, preamble))

    assert (
        answer.text
        == "On Small Pumps\n\nA. Berg\n\nC. Dahl\n\nMay 2020\n\nAbstract\n\nShort.\n\nOne\n\nx\n\nReferences\n\n- [d] Doe."
    )


def test_what_is_elsewhere_is_named(parse: Parse) -> None:
    answer = parse("a.tex", source("a \\input{chap} \\begin{tikzpicture}\\node{n};\\end{tikzpicture} b"))

    assert answer.text.split() == ["a", "b"]
    assert answer.errors[0].startswith("chap is not included")
    assert "tikzpicture" in answer.errors[1]


@pytest.mark.parametrize(
    "body",
    ["\\def\\a{\\a\\a}\\a", "{" * 3000, "\\begin{x}" * 2000, "\\textbf{" * 3000, "$a" * 3001, "\\iffalse " * 3000],
)
def test_source_that_never_ends_is_bounded(parse: Parse, body: str) -> None:
    started = time.perf_counter()
    parse("a.tex", source(body))

    assert time.perf_counter() - started < 30
