"""LaTeX: what the printed page says is kept."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loss.constructs import SHOWN, Construct, Format, Piece, parts

_TABULAR = "\\begin{{tabular}}{{{}}}\n{}\n\\end{{tabular}}"


def _table(columns: str, rows: str) -> str:
    return _TABULAR.format(columns, rows)


_CONSTRUCTS = (
    Construct(name="title", source="", parts={"head": "\\title{@w \\emph{@w} @w}\n"}),
    Construct(name="author and date", source="", parts={"head": "\\author{@w \\and @w}\n\\date{@w}\n"}, ordered=False),
    Construct(name="abstract", source="\\begin{abstract}@w 5\\% @w\\end{abstract}"),
    Construct(
        name="section", source="\\section{@w \\textit{@w}}\\label{a} @w\n\\subsection*{@w} @w\n\\paragraph{@w} @w"
    ),
    Construct(name="short title of a section", source="\\section[@x]{@w} @w"),
    Construct(name="paragraphs", source="@w @w\n@w\n\n@w\\par @w"),
    Construct(name="format in a word", source="@l\\textbf{@r} @l\\emph{@m}@r \\textit{@l}@r"),
    Construct(name="sub and sup in a word", source="@l\\textsubscript{@r} @l\\textsuperscript{@r}"),
    Construct(name="declarations of format", source="{\\bf @w} {\\itshape @w} {\\large @w} @w"),
    Construct(name="nested formats", source="\\textbf{@w \\emph{@w \\texttt{@w}} @w}"),
    Construct(
        name="colour, underline, box",
        source="\\textcolor{red}{@w} {\\color{blue} @w} \\underline{@w} \\fbox{@w} \\mbox{@w} \\textsc{@w}",
    ),
    Construct(name="escaped characters", source="@w 10\\% \\& @w \\$5 \\#1 @w\\_@w"),
    Construct(name="quotes and dashes", source="``@w'' `@w' @w---@w @w--@w"),
    Construct(name="accents", source="@w na\\\"ive caf\\'e \\ss{} \\o{} @w"),
    Construct(name="spaces", source="@w~@w @w\\ @w\\,@w @w\\quad @w"),
    Construct(name="hyphenation in a word", source="@l\\-@r"),
    Construct(name="line breaks", source="@w \\\\ @w \\newline @w"),
    Construct(
        name="command of the author",
        source="\\key{@w} \\pair{@w}{@w} \\lab{} @w",
        parts={"head": "\\newcommand{\\key}[1]{\\textbf{#1}}\\newcommand{\\pair}[2]{#1 and #2}\\def\\lab{@w}\n"},
        ordered=False,
    ),
    Construct(
        name="command with a default",
        source="\\greet{@w} \\greet[@w]{@w}",
        parts={"head": "\\newcommand{\\greet}[2][hello]{#1 #2}\n"},
    ),
    Construct(
        name="command with delimiters",
        source="\\both(@w,@w) @w",
        parts={"head": "\\def\\both(#1,#2){#1 and #2}\n"},
    ),
    Construct(
        name="command of xparse",
        source="\\shown{@w} \\shown*[@w]{@w}",
        parts={"head": "\\NewDocumentCommand{\\shown}{s o m}{\\IfNoValueTF{#2}{}{#2 }#3}\n"},
    ),
    Construct(name="arguments of an unknown command", source="\\entry{@w}{@w}{@w} \\aside[opt]{@w} @w"),
    Construct(name="quantities", source="@w \\SI{10}{\\kilo\\metre} @w \\num{3} @w \\ang{45} @w"),
    Construct(name="quotes of csquotes", source="@w \\enquote{@w \\enquote{@w}} @w"),
    Construct(
        name="acronym",
        source="\\gls{ab} @w",
        parts={"head": "\\newacronym{ab}{@w}{@w @w}\n"},
        ordered=False,
    ),
    Construct(name="reference and citation", source="@w Sec.~\\ref{a} @w \\cite{doe} @w \\eqref{a} \\pageref{a} @w"),
    Construct(name="text of a link", source="@w \\href{https://example.org}{@w \\textbf{@w}} @w"),
    Construct(
        name="target of a link",
        source="\\url{https://example.org/@w} \\href{https://example.org/@w}{text}",
        forms=SHOWN,
        ordered=False,
    ),
    Construct(name="address as text", source="@w \\url{https://example.org/@w} @w"),
    Construct(name="footnote", source="@w\\footnote{@footnotes \\emph{@footnotes}} @w", ordered=False, anyway=True),
    Construct(name="margin note", source="@w\\marginpar{@w} @w", ordered=False),
    Construct(
        name="bullet list",
        source="\\begin{itemize}\\item @w \\item \\textit{@w} @w \\item @l\\textbf{@r}\\end{itemize}",
    ),
    Construct(name="labelled item", source="\\begin{itemize}\\item[@w] @w\\end{itemize}"),
    Construct(
        name="nested list",
        source="\\begin{enumerate}\\item @w \\begin{itemize}\\item @w\\end{itemize} @w \\item @w\\end{enumerate}",
    ),
    Construct(name="paragraphs in an item", source="\\begin{itemize}\\item @w\n\n@w\n\\item @w\\end{itemize}"),
    Construct(name="definition list", source="\\begin{description}\\item[@w] @w \\item[@w] @w\\end{description}"),
    Construct(name="table", source=_table("l|r", "\\hline @w & @w \\\\ \\hline @w & \\textbf{@w} \\\\ \\hline")),
    Construct(name="columns joined", source=_table("lrr", "@w & \\multicolumn{2}{c}{@w} \\\\ @w & @w & @w \\\\")),
    Construct(name="rows joined", source=_table("ll", "\\multirow{2}{*}{@w} & @w \\\\ & @w \\\\")),
    Construct(
        name="rules of booktabs",
        source=_table(
            "ll", "\\toprule @w & @w \\\\ \\midrule @w & @w \\\\ \\cmidrule(lr){1-2} @w & @w \\\\ \\bottomrule"
        ),
    ),
    Construct(
        name="math, command and break in a cell",
        source=_table("ll", "$x$ @w & \\key{@w} \\& @w \\\\ \\makecell{@w \\\\ @w} & @w \\\\"),
    ),
    Construct(
        name="caption of a table",
        source="\\begin{table}[ht]\\caption{@w \\emph{@w}}" + _table("l", "@w \\\\") + "\\end{table}",
        ordered=False,
    ),
    Construct(
        name="other tables",
        source="\\begin{tabularx}{\\textwidth}{lX}@w & @w \\\\\\end{tabularx}\n\n\\begin{longtable}{ll}@w & @w \\\\\\end{longtable}",
    ),
    Construct(
        name="long table",
        source="\\begin{longtable}{ll}@w & @w \\\\ \\endfirsthead @x & @x \\\\ \\endhead @x & @x \\\\ \\endfoot"
        " \\endlastfoot @w & @w \\\\ \\end{longtable}",
    ),
    Construct(name="tabbing", source="\\begin{tabbing}@w \\= @w \\\\ @w \\> @w\\end{tabbing}"),
    Construct(
        name="algorithm",
        source="\\begin{algorithm}\\caption{@w}\\begin{algorithmic}\\Require @w\\If{@w}\\State @w \\Comment{@w}\\EndIf"
        "\\end{algorithmic}\\end{algorithm}",
    ),
    Construct(
        name="algorithm in braces",
        source="\\begin{algorithm2e}\\While{@w}{@w\\; \\eIf{@w}{@w\\;}{@w\\;}}\\end{algorithm2e}",
    ),
    Construct(
        name="pictures with captions in a figure",
        source="\\begin{figure}\\subfloat[@w]{\\includegraphics{a}}\\subfloat[@w]{\\includegraphics{b}}\\caption{@w}\\end{figure}",
        ordered=False,
    ),
    Construct(name="box with a title", source="\\begin{tcolorbox}[title={@w \\emph{@w}}]@w\\end{tcolorbox}"),
    Construct(
        name="figure",
        source="\\begin{figure}[ht]\\centering\\includegraphics[width=1cm]{a.png}\\caption{@w \\textbf{@w}}\\label{f}\\end{figure}",
    ),
    Construct(name="text in a figure", source="\\begin{figure}@w \\caption{@w}\\end{figure}", ordered=False),
    Construct(name="math in a line", source="@w $a_1 < @w$ @w \\(@w\\) @w"),
    Construct(name="equation", source="@w \\begin{equation} @w = mc^2 \\label{e}\\end{equation} @w \\[ @w \\] @w"),
    Construct(name="aligned equations", source="\\begin{align} a &= \\text{@w} \\\\ b &= @w \\end{align}\n$$ @w $$"),
    Construct(
        name="code",
        source="\\begin{verbatim}\n@w $ % @w\n\\end{verbatim}\n\\begin{lstlisting}[language=C]\n@w\n\\end{lstlisting} \\verb|@w| @w",
    ),
    Construct(
        name="quote",
        source="\\begin{quote}@w\\end{quote}\\begin{quotation}@w\\end{quotation}\\begin{verse}@w\\\\ @w\\end{verse}",
    ),
    Construct(
        name="centred and boxed blocks",
        source="\\begin{center}@w\\end{center}\\begin{minipage}{5cm}@w\\end{minipage}\\begin{flushright}@w\\end{flushright}",
    ),
    Construct(name="theorem", source="\\begin{theorem}[@w] @w\\end{theorem}\\begin{proof}@w\\end{proof}"),
    Construct(name="unknown environment and command", source="\\begin{mystery}@w\\end{mystery} \\puzzle{@w} @w"),
    Construct(name="comment", source="@w % @x\n@w\n% @x\n@w"),
    Construct(name="comment environment", source="\\begin{comment}\n@x\n\\end{comment}\n@w"),
    Construct(name="switched off by \\iffalse", source="\\iffalse\n@x\n\\fi\n@w \\iffalse @x \\else @w \\fi"),
    Construct(name="comparison", source="\\if0 @x \\fi @w \\ifnum1<2 @w\\else @x\\fi"),
    Construct(
        name="excluded comment",
        source="\\begin{answers}@x\\end{answers} @w",
        parts={"head": "\\excludecomment{answers}\n"},
    ),
    Construct(
        name="settings",
        source="\\setlength{\\parskip}{1pt}\\vspace{2cm}\\hspace{1cm}\\pagestyle{empty}\\bibliographystyle{plain} @w",
    ),
    Construct(
        name="bibliography",
        source="\\begin{thebibliography}{9}\\bibitem{doe} @w, \\emph{@w}. @w.\\bibitem[@w]{roe} @w\\end{thebibliography}",
        ordered=False,
    ),
    Construct(name="input of another file", source="@w\n\\input{other}\n@w"),
    Construct(name="right to left", source="@rtl @rtl"),
    Construct(name="after the end", source="@w", parts={"tail": "@x"}),
)


def _document(pieces: Sequence[Piece]) -> bytes:
    others = parts(pieces)
    body = "\n\n".join(piece.source for piece in pieces if piece.source)
    return (
        f"\\documentclass[12pt]{{article}}\n\\usepackage{{amsmath}}\n{others.get('head', '')}\\begin{{document}}\n"
        f"\\maketitle\n{body}\n\\end{{document}}\n{others.get('tail', '')}\n"
    ).encode()


FORMAT = Format(
    name="latex",
    filename="sample.tex",
    constructs=_CONSTRUCTS,
    build=_document,
    markup=r"\\(?:begin|end)\{(?!equation|align|gather|multline|split|cases|array|.?matrix)|\\(?:text(?:bf|it|tt)|item|hline|caption|includegraphics|key|pair|multi(?:row|column))\b",
)
