"""LaTeX as its reader sees it."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import ast
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.documents.backends.reading import latex
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


@pytest.mark.parametrize(
    ("body", "preamble", "said"),
    [
        ("\\pair(salt,oil) on", "\\def\\pair(#1,#2){#1 and #2}", "salt and oil on"),
        (
            "\\say{a} \\say[x]{b} \\say*{c}",
            "\\NewDocumentCommand{\\say}{s O{y} m}{\\IfBooleanTF{#1}{star}{plain} #2 #3}",
            "plain y a plain x b star y c",
        ),
        ("\\opt{a} \\opt[b]{c}", "\\NewDocumentCommand\\opt{o m}{\\IfNoValueTF{#1}{}{#1 and }#2}", "a b and c"),
        ("\\if0 no \\fi\\if11 yes\\else no\\fi \\ifnum1<2 one\\else two\\fi \\ifodd 2 no\\fi", "", "yes one"),
        ("\\ifnum\\value{page}>1 a\\else b\\fi \\ifcase 1 c\\or d\\fi", "", "a b c d"),
        ("a \\begin{solution}no\\end{solution}b", "\\excludecomment{solution}", "a b"),
        ("\\three{One}{two}{three}, \\boxed[opt]{in} [out]", "", "One two three, in [out]"),
        (
            "\\SI{10}{\\kilo\\metre\\per\\second} \\qty{3}{\\micro\\gram} \\si{\\square\\metre}",
            "",
            "10 km/s 3 \u00b5g m\u00b2",
        ),
        (
            "\\SIrange{1}{10}{\\mega\\hertz} \\num{1e-3} \\numlist{1;2} \\ang{45} \\unit{kg.m^2}",
            "",
            "1\u201310 MHz 1e-3 1, 2 45\u00b0 kg\u00b7m^2",
        ),
        ("\\enquote{a \\enquote{b}} \\og c\\fg{}", "", "\u201ca \u2018b\u2019\u201d \u00ab c \u00bb"),
        ("\\textonehalf\\ \\textquotesingle{}x \\textcent", "", "\u00bd 'x \u00a2"),
        (
            "\\gls{ram} \\glspl{ram} \\gls{cpu} \\acrlong{ram}",
            "\\newacronym{ram}{RAM}{random access memory}\\newglossaryentry{cpu}{name={CPU}, description={x}}",
            "random access memory (RAM) RAMs CPU random access memory",
        ),
        ("\\href[page=2]{https://x.example}{site} \\url|https://y.example/a%b|", "", "site https://y.example/a%b"),
        ("\\begin{tcolorbox}[colback=red,title={A, \\emph{b}}]in\\end{tcolorbox}", "", "A, b\n\nin"),
        ("\\begin{mine}[Take care]in\\end{mine}\\begin{yours}[htbp]on\\end{yours}", "", "Take care\n\nin\n\non"),
        (
            'Gr"u"se "`hier"\' Berg"=Tal',
            "\\usepackage[english,ngerman]{babel}",
            "Gr\u00fc\u00dfe \u201ehier\u201c Berg-Tal",
        ),
        ('so"u"', "\\usepackage[ngerman,english]{babel}", 'so"u"'),
        (
            "\\begin{algorithmic}[1]\\Require $a$\\If{big} \\State stop \\EndIf \\State \\Return it\\end{algorithmic}",
            "",
            "Require: $a$\n\nif big then\n\nstop\n\nend if\n\nreturn it",
        ),
        (
            "\\begin{algorithm}\\caption{How}\\KwData{text}\\While{more}{read\\; \\eIf{good}{keep\\;}{drop\\;}}\\end{algorithm}",
            "",
            "How\n\nData: text\n\nwhile more do\n\nread\n\nif good then\n\nkeep\n\nelse\n\ndrop\n\nend\n\nend",
        ),
        ("\\begin{CJK}{UTF8}{gbsn}text\\end{CJK} \\bibinfo{author}{Lee}", "", "text\n\nLee"),
    ],
)
def test_packages_and_definitions(parse: Parse, body: str, preamble: str, said: str) -> None:
    answer = parse("a.tex", source(body, preamble))

    assert answer.text == said
    assert answer.errors == []


def test_steps_of_slides_are_no_text(parse: Parse) -> None:
    body = "\\begin{frame}<1>{Head}\\begin{block}<2->{Title} a < b\\end{block}\\only<2>{two} \\textbf<3>{three}\\begin{itemize}\\item<1-| alert@2> One\\end{itemize}\\end{frame}"
    answer = parse("a.tex", source(body).replace(b"{article}", b"{beamer}"))

    assert answer.text == "Head\n\nTitle\n\na < b\n\ntwo three\n\n- One"
    assert answer.errors == []


def test_author_of_a_curriculum_vitae(parse: Parse) -> None:
    body = "\\makecvtitle\\cventry{2010}{BSc}{Uni}{}{}{}\\cvlistitem{one}\\cvlistitem{two}"
    answer = parse("a.tex", source(body, "\\name{John}{Doe}\\email{j@d.example}\\phone[mobile]{12}"))

    assert answer.text.split() == ["John", "Doe", "j@d.example", "12", "2010", "BSc", "Uni", "one", "two"]


def test_long_tables_have_head_and_foot_once(parse: Parse) -> None:
    table = (
        "\\begin{longtable}{ll}\\caption{Cap}\\\\ A & B \\\\ \\endfirsthead A & again \\\\ \\endhead on & on \\\\ \\endfoot"
        " sum & 3 \\\\ \\endlastfoot 1 & 2 \\\\ \\end{longtable}"
    )
    answer = parse("a.tex", source(table))

    assert answer.text.split() == [
        "Cap",
        "|",
        "A",
        "|",
        "B",
        "|",
        "|-----|-----|",
        "|",
        "1",
        "|",
        "2",
        "|",
        "|",
        "sum",
        "|",
        "3",
        "|",
    ]
    assert answer.errors == []


def test_tabbing_is_a_table(parse: Parse) -> None:
    answer = parse("a.tex", source("\\begin{tabbing}wide \\= \\kill left \\= mid \\\\ a \\> b\\end{tabbing}"))

    assert answer.text.split() == ["|", "left", "|", "mid", "|", "|--------|-------|", "|", "a", "|", "b", "|"]


def test_pictures_of_a_figure_have_their_captions(parse: Parse) -> None:
    body = "\\begin{figure}\\subfloat[One]{\\includegraphics{a}}\\subfigure[Two]{\\includegraphics{b}}\\caption{All}\\end{figure}"
    answer = parse("a.tex", source(body))

    assert answer.text.split() == ["One", "Two", "All"]
    assert "[One]" not in answer.md


def test_every_way_to_take_in_a_file_is_named(parse: Parse) -> None:
    body = "a \\input one \\import{dir/}{two} \\inputminted{python}{three.py} \\VerbatimInput{four} \\includepdf[pages=-]{five} b"
    answer = parse("a.tex", source(body))

    assert answer.text.split() == ["a", "b"]
    assert [error.split()[4] for error in answer.errors] == ["one", "two", "three.py", "four", "five"]


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
    assert answer.errors[0] == "line 4: the file chap is not included; only the file itself is parsed"
    assert "tikzpicture" in answer.errors[1]


def test_what_is_elsewhere_has_its_lines_and_is_named_once(parse: Parse) -> None:
    draw = "\\begin{tikzpicture}n\\end{tikzpicture}\n"
    body = "a\n\\input{chap}\n\\more\n% \n\\begin{center}" + draw * 5 + "\\end{center}\\input{chap}\\input{chap}"
    answer = parse("a.tex", source(body, "\\newcommand{\\more}{\n\n\\input{two}}"))

    assert answer.errors == [
        "lines 7, 15: the file chap is not included; only the file itself is parsed",
        "line 8: the file two is not included; only the file itself is parsed",
        "lines 10, 11, 12 and 2 more: a drawing (tikzpicture) is not kept, nor is the text in it",
    ]


def test_works_that_only_the_bibliography_names_are_no_text(parse: Parse) -> None:
    answer = parse("a.tex", source("a\\nocite{*} b"))

    assert (answer.text, answer.errors) == ("a b", [])


def _keys(table: ast.Dict) -> Iterator[str]:
    for key, value in zip(table.keys, table.values, strict=True):
        names = [key] if key else value.args[:1] if isinstance(value, ast.Call) else []
        for name in names:
            yield from (str(part.value) for part in ast.walk(name) if isinstance(part, ast.Constant))


@pytest.mark.parametrize("module", sorted(Path(latex.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_no_command_stands_twice_in_a_table(module: Path) -> None:
    tables = [table for table in ast.walk(ast.parse(module.read_text())) if isinstance(table, ast.Dict)]

    assert [name for table in tables for name, count in Counter(_keys(table)).items() if count > 1] == []


def test_lines_break_beside_formulas_and_formats(parse: Parse) -> None:
    answer = parse("a.tex", source("a $x$\\\\b $y$ \\\\ $z$\\\\ \\textbf{c}\\\\d \\\\"))

    assert answer.md == "a $x$  \nb $y$  \n$z$  \n**c**  \nd"
    assert answer.text == "a $x$\nb $y$\n$z$\nc\nd"
    assert answer.html.count("<br>") == 4


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("on \\today.", "on [today]."),
        ("a \\ifthenelse{x>1}{yes}{no} b", "a yes no b"),
        ("a \\hbox to 3cm{in} b \\vbox to 2\\baselineskip{on} c", "a in b on c"),
        ("\\begin{multicols}{2}[Head text] body\\end{multicols}", "Head text\n\nbody"),
        ("\\begin{tasks}(2)\\task one \\task[b)] two\\end{tasks}", "- one\n- b) two"),
        ("\\begin{tasks}[style=x]\\task one\\end{tasks}", "- one"),
    ],
)
def test_options_and_dimensions_are_no_text(parse: Parse, body: str, said: str) -> None:
    answer = parse("a.tex", source(body))

    assert answer.text == said
    assert answer.errors == []


def test_picture_says_what_it_shows(parse: Parse) -> None:
    alone = parse("a.tex", source("a \\includegraphics[alt={A dog, two},width=1cm]{x.png}"))
    figure = parse("a.tex", source("\\begin{figure}\\includegraphics[alt=Dog]{x}\\caption{Cap}\\end{figure}"))

    assert alone.text == "a\n\nA dog, two"
    assert figure.text == "Cap\n\nDog"
    assert "width" not in alone.md


def test_groups_that_nest_too_deeply_are_named(parse: Parse) -> None:
    deep = parse("a.tex", source("\\textbf{" * 65 + "deep" + "}" * 65))
    fine = parse("a.tex", source("\\textbf{" * 60 + "deep" + "}" * 60))

    assert deep.errors == ["line 4: nested too deeply; what is inside is returned as it is written"]
    assert (fine.text, fine.errors) == ("deep", [])


@pytest.mark.parametrize(
    "body",
    [
        "\\def\\a{\\a\\a}\\a",
        "{" * 3000,
        "\\begin{x}" * 2000,
        "\\textbf{" * 3000,
        "$a" * 3001,
        "\\iffalse " * 3000,
        "\\foo[" * 9000,
        "\\begin{algorithm2e}" + "\\If{a}{" * 3000,
    ],
)
def test_source_that_never_ends_is_bounded(parse: Parse, body: str) -> None:
    started = time.perf_counter()
    parse("a.tex", source(body))

    assert time.perf_counter() - started < 30
