"""Texts that lie, nest, repeat or define what grows, or that make matching go back again and again."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator

from tests.integration.documents.bait import DEEP, MANY, Hostile, jats, png, text_file


def lies() -> Iterator[Hostile]:
    """Content that is something else than the name says, and noise."""
    noise = random.Random(0).randbytes(200_000)
    bodies = {
        "png.docx": b"\x89PNG\r\n\x1a\n" + noise,
        "pdf.xlsx": b"%PDF-1.7\n" + noise,
        "program.html": b"\x7fELF\x02\x01\x01" + noise,
        "windows-program.txt": b"MZ\x90\x00" + noise,
        "gzip.csv": b"\x1f\x8b\x08\x00" + noise,
        "rtf.docx": b"{\\rtf1 " + b"{" * MANY,
        "ole.docx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + noise,
        "noise.epub": noise,
        "noise.odt": b"PK\x03\x04" + noise,
    }
    for filename, data in bodies.items():
        yield Hostile(name=f"lie-{filename}", filename=filename, make=lambda _, data=data: data, is_refused=True)  # type: ignore[misc]
    odd = {
        "noise.txt": b"wombat " * 2000 + noise,
        "noise.md": b"wombat " * 2000 + noise,
        "noise.tex": b"\\documentclass{article}" + b"wombat " * 2000 + noise,
        "noise.adoc": b"wombat " * 2000 + noise,
        "late-nul.txt": b"wombat " * 2000 + b"\0" * 1000,
        "odd-utf16.txt": b"\xff\xfe" + "wombat".encode("utf-16-le") + b"x",
        "surrogates.txt": b"wombat \xed\xa0\x80 \xed\xb0\x80",
        "noncharacters.md": "wombat \ufdd0\ufdd0 **\ufdd0** \uffff".encode(),
        "noncharacters.html": "<html><p>wombat\ufdd0<b>\ufdd0</b>\ufffe".encode(),
    }
    for filename, data in odd.items():
        yield Hostile(name=f"odd-{filename}", filename=filename, make=lambda _, data=data: data)  # type: ignore[misc]
    yield text_file("docx-named-txt", "a.txt", "", make=lambda bait: bait.good("docx"), says="wombat")


def deep() -> Iterator[Hostile]:
    """Depth."""
    for tag in ("div", "blockquote", "ul><li", "ol><li", "table><tr><td", "b", "span", "a href=x", "svg", "math"):
        yield text_file(f"html-deep-{tag}", "a.html", f"<html><body>wombat {f'<{tag}>' * DEEP}x")
    yield text_file("html-nested-480", "a.html", "<html><body>wombat " + "<div>" * 480 + "x</div>" * 480)
    yield text_file("html-lists-100", "a.html", "<html><body>wombat " + "<ul><li>x" * 100)
    yield text_file("html-tables-30", "a.html", "<html><body>wombat " + "<table><tr><td>x" * 30)
    yield text_file("md-quotes", "a.md", "wombat\n\n" + "> " * DEEP + "x")
    yield text_file("md-quoted-lines", "a.md", "wombat\n\n" + "".join("> " * depth + "x\n\n" for depth in range(300)))
    yield text_file("md-lists", "a.md", "wombat\n\n" + "".join("  " * depth + "- x\n" for depth in range(1000)))
    yield text_file("md-one-line-lists", "a.md", "wombat\n\n" + "- " * DEEP + "x")
    yield text_file("md-html", "a.md", "wombat\n\n" + "<div>" * DEEP)
    yield text_file("adoc-lists", "a.adoc", "= wombat\n\n" + "".join("*" * depth + " x\n" for depth in range(1, 1000)))
    yield text_file(
        "adoc-blocks", "a.adoc", "= wombat\n\n" + "".join("=" * (4 + depth) + "\n" for depth in range(1000))
    )
    for tag in ("{", "\\textbf{", "\\begin{itemize}\\item x ", "\\footnote{", "\\left(", "$"):
        yield text_file(f"latex-deep-{tag}", "a.tex", "\\documentclass{article}\\begin{document}wombat " + tag * DEEP)
    for tag in ("sec", "italic", "list><list-item", "table-wrap><table><tr><td"):
        name = tag.split(">", maxsplit=1)[0]
        yield text_file(f"jats-deep-{name}", "a.nxml", make=jats(f"<{tag}>" * DEEP + "x" + _closed(tag) * DEEP))


def wide() -> Iterator[Hostile]:
    """Many of one thing, and numbers that claim many."""
    for tag in ("p", "li", "td", "tr", "dt", "option", "br", "b", "i", "a", "font", "h1", "img", "hr", "input"):
        yield text_file(f"html-unclosed-{tag}", "a.html", "<html><body>wombat " + f"<{tag}>x " * MANY, is_long=True)
    for end in ("</p>", "</b>", "</div>", "<!--", "<![CDATA[", "<!x", "&", "&#", "&#x110000;", "<"):
        yield text_file(f"html-many-{end}", "a.html", "<html><body>wombat " + end * MANY, is_long=True)
    yield text_file("html-long-attribute", "a.html", f'<html><p title="{"x" * 5_000_000}">wombat')
    attributes = " ".join(f"a{number}=x" for number in range(MANY))
    yield text_file("html-many-attributes", "a.html", f"<html><p {attributes}>wombat")
    yield text_file("html-style", "a.html", f'<html><p style="{"color:red;" * MANY}">wombat')
    for name in ("colspan", "rowspan"):
        yield text_file(
            f"html-{name}", "a.html", f"<html><table><tr><td {name}=1000000000>wombat<td>x<tr><td>y</table>"
        )
        rows = f"<tr>{f'<td {name}=100>x' * 30}" * 30
        yield text_file(f"html-many-{name}", "a.html", f"<html><table>{rows}</table>wombat")
    yield text_file("html-ol-start", "a.html", f"<html><ol start={'9' * 10_000}><li>wombat</ol>")
    yield text_file("csv-million-columns", "a.csv", "wombat," * 1_000_000)
    yield text_file("csv-million-rows", "a.csv", "wombat,x\n" * 1_000_000)
    yield text_file("csv-ragged", "a.csv", "".join("wombat," * (number % 300) + "\n" for number in range(5000)))
    yield text_file("csv-quotes", "a.csv", 'wombat,"' * 100_000)
    yield text_file("csv-quoted", "a.csv", '"a""b' * 100_000, says="")
    yield text_file("csv-long-field", "a.csv", f"wombat,{'x' * 10_000_000}\n")
    yield text_file("txt-one-word", "a.txt", "wombat " + "x" * 10_000_000)
    yield text_file("txt-marks", "a.txt", "wombat " + "a\u0301" * 1_000_000)
    yield text_file("vtt-many-cues", "a.vtt", "WEBVTT\n\n" + "00:00:00.000 --> 00:00:01.000\nwombat\n\n" * 5000)
    yield text_file(
        "jats-colspan",
        "a.nxml",
        make=jats(
            "<table-wrap><table><tr><td colspan='1000000000' rowspan='1000000000'>x</td></tr></table></table-wrap>"
        ),
    )


def definitions() -> Iterator[Hostile]:
    """Definitions that grow when they are used."""
    attributes = ":a0: haha\n" + "".join(f":a{n}: {f'{{a{n - 1}}}' * 10}\n" for n in range(1, 12))
    yield text_file("adoc-attributes", "a.adoc", f"= wombat\n{attributes}\n{{a11}}\n")
    yield text_file("adoc-attribute-of-itself", "a.adoc", "= wombat\n:a: {a}{a}\n\n{a}\n")
    yield text_file("adoc-spans", "a.adoc", "= wombat\n\n|===\n|x\n1000000000.1000000000+|y\n|===\n")
    yield text_file("adoc-columns", "a.adoc", '= wombat\n\n[cols="1000000000*"]\n|===\n|x\n|===\n')
    yield text_file("adoc-copies", "a.adoc", "= wombat\n\n|===\n1000000000*|x\n|===\n")
    begin = "\\documentclass{article}"
    macros = "\\newcommand{\\xa}{ha}" + "".join(
        f"\\newcommand{{\\x{name}}}{{{before * 10}}}"
        for name, before in zip("bcdefghij", (f"\\x{name} " for name in "abcdefghi"), strict=True)
    )
    yield text_file("latex-macros", "a.tex", begin + macros + "\\begin{document}wombat \\xj\\end{document}")
    yield text_file(
        "latex-macro-of-itself", "a.tex", begin + "\\def\\x{\\x\\x}\\begin{document}wombat \\x\\end{document}"
    )
    yield text_file(
        "latex-multicolumn",
        "a.tex",
        begin + "\\begin{document}wombat\\begin{tabular}{l}"
        "\\multicolumn{1000000000}{c}{x}\\\\\\end{tabular}\\end{document}",
    )
    yield text_file(
        "latex-columns",
        "a.tex",
        begin + "\\begin{document}wombat\\begin{tabular}{*{1000000000}{l}}x\\end{tabular}\\end{document}",
    )
    laughs = "a: &a [x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    yield text_file("md-front-matter-laughs", "a.md", f"---\n{laughs}---\n\nwombat\n")
    yield text_file("md-front-matter-unclosed", "a.md", "---\n" + "a: b\n" * MANY + "wombat")
    references = "".join(f"[r{number}]: x\n" for number in range(10_000))
    yield text_file("md-references", "a.md", f"wombat {'[r1] ' * 10_000}\n\n{references}")


def matches() -> Iterator[Hostile]:
    """What makes matching go back again and again."""
    pieces = {
        "md": [
            "[",
            "![",
            "[x](",
            "**",
            "*a ",
            "_a",
            "a_b_",
            "~~a",
            "~~",
            "`a``",
            "<a ",
            "<!--",
            "$",
            "$$\n",
            "|",
            "\\",
            "&#",
            "#",
            "# x #",
            "---\n",
            "```\n",
            "- [ ] ",
            "1. x\n",
            "<b>",
            "http://",
            "a@b.",
            "=\n",
            "- x\n\n",
            ":-:|",
            "[^1]",
        ],
        "adoc": [
            "*",
            "*a ",
            "_a ",
            "`a ",
            "**a",
            "[[a",
            "[a]",
            "{a}",
            "http://a[",
            "link:a[",
            "footnote:[",
            "image::a[",
            "|",
            "|===\n",
            "----\n",
            "////\n",
            "a::",
            "a:: b\n",
            "== ",
            "[source,",
            "+\n",
            "(((a",
            "<<a",
            "xref:a[",
            "stem:[",
        ],
        "tex": [
            "\\",
            "\\a",
            "\\begin{a}",
            "\\end{a}",
            "$x",
            "$$",
            "\\[",
            "\\(",
            "%\n",
            "&",
            "\\\\",
            "~",
            "\\item ",
            "\\section{a",
            "\\iffalse ",
            "\\fi ",
            "\\verb|a",
            "\\cite{a}",
            "\\[x\\]",
            "#1",
            "^{",
            "--",
        ],
        "vtt": ["<v a>", "<c.a>", "<00:00:00.000>", "&", "<", "-->", "\n\nNOTE ", "x\n", "\n00:00 --> 00:01 a:b\n"],
        "html": [
            "<p>x",
            "<a href=x>",
            "<code>x",
            "<sub>x</sub>",
            "<pre>",
            "x<br>",
            "<table>",
            "<caption>x",
            "<label>x",
            "<ruby>x<rt>y",
            "<b>x</b>y",
            "<li><p>x",
            "<q>x",
            "<details><summary>x",
            "<math><mi>x</mi></math>",
            "<figure>",
            "<span>x</span> ",
        ],
    }
    starts = {
        "md": "wombat ",
        "adoc": "= wombat\n\n",
        "tex": "\\documentclass{article}\\begin{document}wombat ",
        "vtt": "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nwombat ",
        "html": "<html><body>wombat ",
    }
    for extension, several in pieces.items():
        for piece in several:
            yield text_file(
                f"{extension}-many-{piece}", f"a.{extension}", starts[extension] + piece * MANY, is_long=True
            )
    yield text_file("md-backticks", "a.md", "wombat " + " ".join("`" * count for count in range(1, 700)))
    yield text_file("md-spaces", "a.md", "wombat" + " " * 1_000_000 + "x")
    yield text_file("adoc-spaces", "a.adoc", "= wombat\n\nx" + " " * 200_000 + "x\n* " + " " * 200_000 + "x")
    yield text_file("md-other-blanks", "a.md", "wombat" + "\u00a0" * 1_000_000 + "x")
    yield text_file("csv-spaces", "a.csv", "wombat,x" + " " * 1_000_000 + "x\n")
    yield text_file(
        "html-spaces-in-a-cell", "a.html", f"<html><table><tr><td>wombat<td><pre>x{' ' * 1_000_000}x</table>"
    )
    yield text_file("vtt-spaces", "a.vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nwombat <v" + " " * 1_000_000)
    yield text_file("html-spaces", "a.html", "<html><p>wombat" + " " * 1_000_000 + "x")


def pictures() -> Iterator[Hostile]:
    """Pictures that are larger than memory."""
    url = base64.b64encode(png(30_000)).decode()
    yield text_file("html-image", "a.html", f"<html><p>wombat<img src='data:image/png;base64,{url}'>")
    yield text_file("md-image", "a.md", f"wombat ![x](data:image/png;base64,{url})")


def references() -> Iterator[Hostile]:
    """What names other files: it is not opened, and what it would show is not shown."""
    page = (
        "<html><head><base href={url}><link rel=stylesheet href={url}.css><script src={url}.js></script></head><body>"
        "<p>wombat<img src={url}.png><img src=file://{secret}><iframe src={url}></iframe><object data=file://{secret}>"
        "</object><embed src={url}><svg><image href={url}.svg /><use href=file://{secret} /></svg>"
        "<video poster={url}><source src={url}></video><style>@import url({url});</style>"
    )
    texts = {
        "a.html": page,
        "a.md": "wombat ![a]({url}.png) ![b](file://{secret}) <img src='{url}.png'>\n\n[x]: {url}\n",
        "a.adoc": "= wombat\n\nimage::{url}.png[]\n\ninclude::{secret}[]\n\ninclude::{url}[]\n",
        "a.tex": "\\documentclass{{article}}\\begin{{document}}wombat\\input{{{secret}}}\\include{{{secret}}}"
        "\\includegraphics{{{url}.png}}\\write18{{cat {secret}}}\\openin5={secret} \\verbatiminput{{{secret}}}"
        "\\bibliography{{{secret}}}\\end{{document}}",
    }
    for filename, text in texts.items():
        yield Hostile(
            name=f"references-{filename}",
            filename=filename,
            make=lambda bait, text=text: text.format(url=bait.url, secret=bait.secret).encode(),  # type: ignore[misc]
        )


def _closed(tags: str) -> str:
    return "".join(f"</{tag.split()[0]}>" for tag in reversed(tags.split("><")))
