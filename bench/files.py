"""Small HTML and DOCX documents of 5 to 50 KB, of which no two hold the same words.

Each has headings, paragraphs, bold in the middle of words, links, lists and tables. Half of the DOCX are packages as
python-docx makes them, with Word's 400 KB of styles, half small ones as converters write them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import numpy as np

from bench.load import Request
from bench.texts import Texts

_LEAST_SECTIONS, _MOST_SECTIONS = 2, 10
_BOUNDARY = "isolane-bench-boundary"
FORM_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
"""Content type of `File.form`."""

_MAIN = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_DOCUMENT, _RELATIONS = "word/document.xml", "word/_rels/document.xml.rels"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file to convert."""

    name: str
    data: bytes = field(repr=False)

    @property
    def form(self) -> bytes:
        """As docling-serve's API takes it, Markdown asked for; see `FORM_TYPE`."""
        lines = [
            f"--{_BOUNDARY}",
            'Content-Disposition: form-data; name="to_formats"\r\n\r\nmd',
            f"--{_BOUNDARY}",
            f'Content-Disposition: form-data; name="files"; filename="{self.name}"',
            "Content-Type: application/octet-stream\r\n\r\n",
        ]
        return "\r\n".join(lines).encode() + self.data + f"\r\n--{_BOUNDARY}--\r\n".encode()

    @property
    def request(self) -> Request:
        """For the load generator."""
        return Request(body=self.form, tokens=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What a part of a document says."""

    heading: str
    paragraphs: Sequence[str]
    items: Sequence[str]
    rows: Sequence[Sequence[str]]
    link: str


class Files:
    """An endless supply of files; the same seed gives the same ones in the same order of calls.

    Args:
        seed: any number.
    """

    def __init__(self, seed: int) -> None:
        self._texts = Texts(seed)
        self._random = np.random.default_rng(seed)
        self._made = 0

    def html(self, count: int) -> list[File]:
        """Web pages."""
        return [self._file("html", html_page(self._sections())) for _ in range(count)]

    def docx(self, count: int, *packages: Callable[[], bytes]) -> list[File]:
        """Word files, made of these packages in turns."""
        return [
            self._file("docx", word_file(self._sections(), packages[number % len(packages)]()))
            for number in range(count)
        ]

    def mixed(self, count: int) -> list[File]:
        """Web pages and Word files, in turns."""
        pages, words = (
            iter(self.html(count - count // 2)),
            iter(self.docx(count // 2, python_docx_package, small_package)),
        )
        return [next(words if number % 2 else pages) for number in range(count)]

    def _file(self, extension: str, data: bytes) -> File:
        self._made += 1
        return File(name=f"file-{self._made}.{extension}", data=data)

    def _sections(self) -> list[Section]:
        spread = _MOST_SECTIONS / _LEAST_SECTIONS
        return [self._section() for _ in range(round(_LEAST_SECTIONS * spread ** self._random.random()))]

    def _section(self) -> Section:
        heading, link, *words = self._texts.queries(14)
        paragraphs = self._texts.lognormal(4)
        cells = [word.removesuffix(".") for word in words]
        return Section(
            heading=heading.removesuffix("."),
            paragraphs=paragraphs,
            items=cells[:4],
            rows=[cells[row : row + 2] for row in range(4, 12, 2)],
            link=link,
        )


def html_page(sections: Sequence[Section]) -> bytes:
    """The sections as a web page."""
    body = "\n".join(line for section in sections for line in _html_lines(section))
    return f"<!DOCTYPE html>\n<html><head><title>Page</title></head>\n<body>\n{body}\n</body></html>\n".encode()


def _html_lines(section: Section) -> Iterator[str]:
    yield f"<h2>{section.heading}</h2>"
    for paragraph in section.paragraphs:
        before, bold, after = torn(paragraph)
        yield f"<p>{before}<b>{bold}</b>{after}</p>"
    yield f'<p>See <a href="https://example.org/page">{section.link}</a></p>'
    yield "<ul>" + "".join(f"<li>{item}</li>" for item in section.items) + "</ul>"
    rows = ("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in section.rows)
    yield "<table>" + "".join(rows) + "</table>"


def word_file(sections: Sequence[Section], package: bytes) -> bytes:
    """The sections as a Word file in a package that lacks its document."""
    body = "".join(part for section in sections for part in _word_parts(section))
    document = (
        f'{_HEAD}<w:document xmlns:w="{_MAIN}" xmlns:r="{_OFFICE}"><w:body>{body}<w:sectPr/></w:body></w:document>'
    )
    target = io.BytesIO(package)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_DOCUMENT, document)
    return target.getvalue()


def _word_parts(section: Section) -> Iterator[str]:
    yield _paragraph(_run(section.heading), "Heading2")
    for paragraph in section.paragraphs:
        before, bold, after = torn(paragraph)
        yield _paragraph(_run(before) + _run(bold, "<w:b/>") + _run(after))
    yield _paragraph(f'{_run("See ")}<w:hyperlink r:id="rIdLink">{_run(section.link)}</w:hyperlink>')
    yield from (_paragraph(_run(item), "ListBullet") for item in section.items)
    rows = ("".join(f"<w:tc>{_paragraph(_run(cell))}</w:tc>" for cell in row) for row in section.rows)
    yield "<w:tbl><w:tblPr/><w:tblGrid/>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"


def torn(paragraph: str) -> tuple[str, str, str]:
    """A paragraph cut in the middle of its longest word: before, two letters of it, after."""
    word = max(paragraph.split(), key=len)
    at = paragraph.index(word) + 1
    return paragraph[:at], paragraph[at : at + 2], paragraph[at + 2 :]


def _paragraph(runs: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}{runs}</w:p>"


def _run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


@cache
def python_docx_package() -> bytes:
    """What python-docx writes, without its document."""
    target = io.BytesIO()
    template = resources.files("docx") / "templates" / "default.docx"
    with (
        zipfile.ZipFile(io.BytesIO(template.read_bytes())) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            if name == _RELATIONS:
                relations = source.read(name).decode()
                archive.writestr(name, relations.replace("</Relationships>", f"{_link()}</Relationships>"))
            elif name != _DOCUMENT:
                archive.writestr(name, source.read(name))
    return target.getvalue()


@cache
def small_package() -> bytes:
    """The least that a Word file needs for its styles and lists, without its document."""
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    types = f"{_PACKAGE}/content-types"
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{style}"><w:name w:val="{name}"/><w:pPr>{more}</w:pPr></w:style>'
        for style, name, more in (
            ("Normal", "Normal", ""),
            ("Heading2", "heading 2", '<w:outlineLvl w:val="1"/>'),
            ("ListBullet", "List Bullet", '<w:numPr><w:numId w:val="1"/></w:numPr>'),
        )
    )
    level = '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="-"/></w:lvl>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{types}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{word}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{word}.styles+xml"/>'
        f'<Override PartName="/word/numbering.xml" ContentType="{word}.numbering+xml"/></Types>',
        "_rels/.rels": _relations(_relation("rId1", "officeDocument", _DOCUMENT)),
        _RELATIONS: _relations(
            _relation("rId1", "styles", "styles.xml"), _relation("rId2", "numbering", "numbering.xml"), _link()
        ),
        "word/styles.xml": f'<w:styles xmlns:w="{_MAIN}">{styles}</w:styles>',
        "word/numbering.xml": f'<w:numbering xmlns:w="{_MAIN}"><w:abstractNum w:abstractNumId="0">{level}'
        '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>',
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, _HEAD + content)
    return target.getvalue()


def _relations(*relations: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{"".join(relations)}</Relationships>'


def _relation(name: str, kind: str, target: str, more: str = "") -> str:
    return f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"{more}/>'


def _link() -> str:
    return _relation("rIdLink", "hyperlink", "https://example.org/page", ' TargetMode="External"')
