"""Office packages (Open Packaging Conventions) of which parts are damaged or missing: the rest is read.

A reader finds every part that some relationship leads to. One that is not there, or is no XML, is replaced by an
empty one, so that all else is where it was; where no empty one is known, nothing refers to it any longer.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from lxml import etree

from services.common.errors import UnprocessableFile
from services.documents.backends.reading.parts import Archive, parsed
from services.documents.backends.reading.reader import Report, Source

_TYPES = "[Content_Types].xml"
_MAIN = "officeDocument"
_WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"
_CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"
_NO_CHART = "<c:chart><c:plotArea><c:barChart/></c:plotArea></c:chart>"
_PLAIN_STYLES = (
    "<fonts><font/></fonts><fills><fill><patternFill/></fill></fills><borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs>"
    '<cellXfs>{}</cellXfs><cellStyles><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles><dxfs>{}</dxfs>'
)
_NO_SHAPES = "<p:cSld><p:spTree/></p:cSld>"

_SAYS: Mapping[str, str] = MappingProxyType(
    {
        "chart": "its chart is",
        "chartEx": "its chart is",
        "chartsheet": "its chart is",
        "comments": "its comments are",
        "diagramData": "its diagram is",
        "drawing": "what is drawn there is",
        "endnotes": "its endnotes are",
        "footer": "its footer is",
        "footnotes": "its footnotes are",
        "header": "its header is",
        "notesSlide": "its notes are",
        "numbering": "the numbers and signs of its lists are",
        "slide": "its slide is",
        "styles": "its styles (headings, lists, formats of numbers) are",
        "threadedComment": "its comments are",
        "worksheet": "its cells are",
    }
)
"""What is told of, by the last word of the relationship's type: other parts hold nothing that an answer has."""

_PAGES = frozenset({"chartsheet", "dialogsheet", "slide", "worksheet"})
"""What the main part lists; without it, a relationship says nothing."""

_REQUIRED = frozenset({"officeDocument", "sharedStrings"})
"""Kinds of parts without which nothing is left: the main one, and the texts of all cells."""

_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_ABOVE = {"ppt/slides/": "slideLayout", "ppt/slideLayouts/": "slideMaster"}
_SHOWN_ONLY = ("ppt/slideLayouts/", "ppt/slideMasters/", "ppt/notesMasters/", "ppt/theme/")
"""Folders of parts that say how others look."""
_REFERENCE = re.compile(rb"""\br:(?:id|embed|link|dm)=["'][^"']""")
_STYLE = re.compile(rb"""\b(?:s|style|dxfId)=["'](\d{1,5})["']""")


def _empty(root: str, namespace: str, content: str = "") -> bytes:
    prefix, colon, _ = root.rpartition(":")
    return f'<{root} xmlns{colon}{prefix}="{namespace}">{content}</{root}>'.encode()


_EMPTY_CHART = _empty("c:chartSpace", _CHART, _NO_CHART)
_EMPTY_PARTS: Mapping[tuple[str, str], bytes] = MappingProxyType(
    {
        ("word", "comments"): _empty("w:comments", _WORDS),
        ("word", "endnotes"): _empty("w:endnotes", _WORDS),
        ("word", "footer"): _empty("w:ftr", _WORDS),
        ("word", "footnotes"): _empty("w:footnotes", _WORDS),
        ("word", "header"): _empty("w:hdr", _WORDS),
        ("word", "numbering"): _empty("w:numbering", _WORDS),
        ("word", "settings"): _empty("w:settings", _WORDS),
        ("word", "styles"): _empty("w:styles", _WORDS),
        ("xl", "chart"): _EMPTY_CHART,
        ("xl", "comments"): _empty("comments", _SHEETS, "<authors/><commentList/>"),
        ("xl", "drawing"): _empty("xdr:wsDr", _DRAWING),
        ("xl", "worksheet"): _empty("worksheet", _SHEETS, "<sheetData/>"),
        ("ppt", "chart"): _EMPTY_CHART,
        ("ppt", "notesMaster"): _empty("p:notesMaster", _SLIDES, _NO_SHAPES),
        ("ppt", "notesSlide"): _empty("p:notes", _SLIDES, _NO_SHAPES),
        ("ppt", "slide"): _empty("p:sld", _SLIDES, _NO_SHAPES),
        ("ppt", "slideLayout"): _empty("p:sldLayout", _SLIDES, _NO_SHAPES),
        ("ppt", "slideMaster"): _empty("p:sldMaster", _SLIDES, _NO_SHAPES),
    }
)
"""By the main part's folder and the last word of the relationship's type."""


class _Relation(NamedTuple):
    element: Any
    kind: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broken:
    """A part that cannot be read."""

    kind: str
    damage: str
    place: str
    """The sheet or slide that it belongs to, "" for none."""


_PARSED = frozenset(
    {
        "officeDocument",
        "footer",
        "header",
        "notesMaster",
        "notesSlide",
        "numbering",
        "settings",
        "sharedStrings",
        "slide",
        "slideLayout",
        "slideMaster",
        "styles",
        "worksheet",
    }
)
"""Kinds of parts which python-docx, python-pptx and openpyxl parse whole when they open a file, or refuse."""
_WITHOUT_REFERENCES = frozenset(
    {
        "core-properties",
        "customXml",
        "extended-properties",
        "fontTable",
        "image",
        "sharedStrings",
        "styles",
        "stylesWithEffects",
        "theme",
        "webSettings",
    }
)
"""Kinds of parts that refer to none which an answer needs."""
_SOUND_OR_REFUSED = _PARSED | _WITHOUT_REFERENCES
"""Kinds of parts that reading takes as they are, or fails on."""


def mended(source: Source, report: Report, *, thoroughly: bool) -> Source:
    """The file with empty parts in place of those that are damaged or missing, which the report names.

    Raises:
        UnprocessableFile: the part that lists all others is one of them, or nothing is left.
    """
    package = _Package(source, is_thorough=thoroughly)
    parts = package.parts()
    report.problems.extend(package.problems)
    return replace(source, data=package.archive.rewritten(parts)) if parts else source


class _Package:
    """Follows all relationships of a package, each part once."""

    def __init__(self, source: Source, *, is_thorough: bool) -> None:
        self._filename = source.filename
        self._is_thorough = is_thorough
        self.archive = Archive(source.data)
        self.problems: list[str] = []
        self._relations: dict[str, tuple[Any, list[_Relation]]] = {}
        self._broken: dict[str, _Broken] = {}
        self._pages: dict[str, str] = {}
        self._main = ""

    def parts(self) -> dict[str, bytes | None]:
        """The parts that are to be others, None for those that are to go."""
        for name in (_TYPES, relationships_of("")):
            self._require(name)
        self._walk()
        changed: dict[str, bytes | None] = {}
        for name, broken in self._broken.items():
            changed[name] = self._stand_in(name, broken)
            self._tell(name, broken)
        if self._pages and all(page in self._broken for page in self._pages):
            page = next(iter(self._pages))
            raise self._refused(page, f", {self._pages[page]}: {self._broken[page].damage}")
        for name, (root, relations) in self._relations.items():
            if self._cut(relations, changed):
                changed[name] = etree.tostring(root)
        return changed

    def _walk(self) -> None:
        waiting = [("", "")]
        seen = set()
        while waiting:
            part, place = waiting.pop()
            relations = self._read_relations(part, place)
            if part == self._main and part:
                self._pages = self._listed(relations)
            for relation in relations:
                target = relation.target
                if target in seen:
                    continue
                seen.add(target)
                if relation.kind == _MAIN and not part:
                    self._main = target
                damage = self._damage(target, relation.kind)
                if damage and relation.kind in _REQUIRED:
                    raise self._refused(target, f": {damage}")
                if damage:
                    place_of = self._pages.get(target, place)
                    self._broken[target] = _Broken(kind=relation.kind, damage=damage, place=place_of)
                if relation.kind not in _WITHOUT_REFERENCES:
                    waiting.append((target, self._pages.get(target, place)))

    def _damage(self, name: str, kind: str) -> str:
        if not self._is_thorough and name in self.archive.names and kind in _SOUND_OR_REFUSED:
            return ""
        return self.archive.damage(name)

    def _read_relations(self, part: str, place: str) -> list[_Relation]:
        name = relationships_of(part)
        if name not in self.archive.names and not self._refers(part):
            return []
        if part in {"", self._main} and (name in self.archive.names or not part.startswith("word/")):
            self._require(name)
        elif damage := self.archive.damage(name):
            self._broken[name] = _Broken(kind="", damage=damage, place=place)
            if part.startswith("xl/drawings/drawing"):  # nobody reads one whose charts and pictures are not to be found
                self._broken.setdefault(
                    part, _Broken(kind="drawing", damage="it cannot be read without them", place=place)
                )
            return []
        root = parsed(self.archive.read(name))
        relations = [] if root is None else list(self._inside(part, root))
        self._relations[name] = (root, relations)
        return relations

    def _refers(self, part: str) -> bool:
        """Whether a part without relationships should have some."""
        if part not in self.archive.names or not part.endswith(".xml") or part in self._broken:
            return False
        if part == self._main:
            folder = part.partition("/")[0]
            return any(name != part and name.startswith(f"{folder}/") for name in self.archive.names)
        return part.startswith(tuple(_ABOVE)) or _REFERENCE.search(self.archive.read(part)) is not None

    def _inside(self, part: str, root: Any) -> Iterator[_Relation]:
        """The relationships to parts of the package."""
        for element in root.iterchildren("{*}Relationship"):
            if element.get("TargetMode") != "External":
                kind = element.get("Type", "").rpartition("/")[2]
                target = target_of(part, element.get("Target", ""))
                yield _Relation(element, kind, target)

    def _listed(self, relations: list[_Relation]) -> dict[str, str]:
        """The sheets or slides, each with what the main part calls it."""
        of_id = {relation.element.get("Id"): relation.target for relation in relations if relation.kind in _PAGES}
        root = parsed(self.archive.read(self._main)) if of_id else None
        pages = {}
        for number, element in enumerate([] if root is None else root.iter("{*}sheet", "{*}sldId"), start=1):
            reference = next((value for key, value in element.attrib.items() if key.endswith("}id")), "")
            if reference in of_id:
                title = element.get("name")
                pages[of_id[reference]] = f"slide {number}" if title is None else f"sheet {title}"
        return pages

    def _stand_in(self, name: str, broken: _Broken) -> bytes | None:
        """The empty part in place of a broken one."""
        if name.endswith(".rels"):
            return self._plain_relations(name)
        if (self._main.partition("/")[0], broken.kind) == ("xl", "styles"):
            return self._plain_styles()
        stand_in = _EMPTY_PARTS.get((self._main.partition("/")[0], broken.kind))
        is_xml = name.endswith(".xml") or "." not in posixpath.basename(name)
        return stand_in if stand_in is not None or is_xml else b""

    def _plain_relations(self, name: str) -> bytes:
        """None, but for a slide's layout and a layout's master, without which neither is read."""
        kind = next((kind for folder, kind in _ABOVE.items() if name.startswith(folder)), "")
        above = min((part for part in self.archive.names if part.startswith(f"ppt/{kind}s/{kind}")), default="")
        relation = f'<Relationship Id="above" Type="{_RELATIONS}/{kind}" Target="/{above}"/>' if kind and above else ""
        return _empty("Relationships", "http://schemas.openxmlformats.org/package/2006/relationships", relation)

    def _plain_styles(self) -> bytes:
        """As many styles as the cells refer to, which say nothing."""
        sheets = (self.archive.read(page) for page in self._pages if page not in self._broken)
        count = 1 + max((int(number) for sheet in sheets for number in _STYLE.findall(sheet)), default=0)
        return _empty("styleSheet", _SHEETS, _PLAIN_STYLES.format("<xf/>" * count, "<dxf/>" * count))

    def _tell(self, name: str, broken: _Broken) -> None:
        where = f"{name}, {broken.place}" if broken.place else name
        is_listed = broken.kind not in _PAGES or name in self._pages
        if name.startswith(_SHOWN_ONLY):
            return
        if name.endswith(".rels"):
            self.problems.append(f"{where}: {broken.damage}; what its part refers to is not in the answer")
        elif broken.kind in _SAYS and is_listed:
            self.problems.append(f"{where}: {broken.damage}; {_SAYS[broken.kind]} not in the answer")

    def _cut(self, relations: list[_Relation], changed: Mapping[str, bytes | None]) -> bool:
        """Take out the relationships to parts that go; an address that was taken for a part stays an address."""
        gone = [relation for relation in relations if changed.get(relation.target, b"") is None]
        for relation in gone:
            if relation.kind == "hyperlink":
                relation.element.set("TargetMode", "External")
            else:
                relation.element.getparent().remove(relation.element)
        return bool(gone)

    def _require(self, name: str) -> None:
        if damage := self.archive.damage(name):
            raise self._refused(name, f": {damage}")

    def _refused(self, name: str, what: str) -> UnprocessableFile:
        return UnprocessableFile(f"{self._filename}: {name}{what}")


def relationships_of(part: str) -> str:
    """The part that holds a part's relationships; of the package itself with ""."""
    folder, file = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{file}.rels")


def target_of(part: str, reference: str) -> str:
    """The part that a relationship of a part leads to."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(part), reference)).lstrip("/")
