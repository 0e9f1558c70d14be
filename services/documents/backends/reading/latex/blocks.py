"""The blocks of a LaTeX document."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from docling.utils.code_language import detect_code_language
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.items.text import TextItem
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading import text
from services.documents.backends.reading.latex import acronyms, algorithms, units
from services.documents.backends.reading.latex.cursor import Cursor, is_space, written
from services.documents.backends.reading.latex.expand import Command, Expander, Raw, Token
from services.documents.backends.reading.latex.passages import passages
from services.documents.backends.reading.latex.signs import ACCENTS, SIGNS, accented, german, has_german_quotes, ligated
from services.documents.backends.reading.latex.table import as_printed, rows, tabbed
from services.documents.backends.reading.line import (
    BOLD,
    ITALIC,
    PLAIN,
    STRIKE,
    SUB,
    SUPER,
    UNDERLINE,
    Run,
    add_heading,
    add_item,
    add_line,
    plain,
)
from services.documents.backends.reading.places import Places
from services.documents.backends.reading.reader import Report, Source
from services.documents.backends.reading.table import Cell, add_table

_MOST_LEVELS = 60
_MOST_OPTIONS = 200
"""Tokens that the options of an unknown command may have."""
_Style = frozenset[str]

_SECTIONS = {
    "part": 1,
    "chapter": 1,
    "section": 1,
    "subsection": 2,
    "subsubsection": 3,
    "paragraph": 4,
    "subparagraph": 5,
    "frametitle": 1,
    "framesubtitle": 2,
}
_STYLES: Mapping[str, _Style] = {
    "textbf": BOLD,
    "textit": ITALIC,
    "textsl": ITALIC,
    "emph": ITALIC,
    "underline": UNDERLINE,
    "uline": UNDERLINE,
    "sout": STRIKE,
    "st": STRIKE,
    "textsuperscript": SUPER,
    "textsubscript": SUB,
    "inst": SUPER,
    "tnote": SUPER,
}
_SWITCHES: Mapping[str, _Style] = {
    "bf": BOLD,
    "bfseries": BOLD,
    "it": ITALIC,
    "itshape": ITALIC,
    "em": ITALIC,
    "sl": ITALIC,
}
_ARGUMENTS = {
    # o: optional, m: not shown, t: shown, s: a space
    **dict.fromkeys(
        [
            "label",
            "vspace",
            "hspace",
            "bibliographystyle",
            "setcounter",
            "addtocounter",
            "pagestyle",
            "thispagestyle",
            "index",
        ],
        "mm",
    ),
    **dict.fromkeys(
        ["label", "vspace", "hspace", "bibliographystyle", "pagestyle", "thispagestyle", "index", "pagenumbering"], "m"
    ),
    **dict.fromkeys(
        [
            "phantom",
            "hphantom",
            "vphantom",
            "color",
            "hypersetup",
            "graphicspath",
            "geometry",
            "captionsetup",
            "lstset",
        ],
        "om",
    ),
    **dict.fromkeys(
        [
            "usepackage",
            "documentclass",
            "RequirePackage",
            "PassOptionsToPackage",
            "usetikzlibrary",
            "tikzset",
            "sisetup",
        ],
        "om",
    ),
    **dict.fromkeys(
        ["cline", "enlargethispage", "nocite", "keywordsname", "theoremstyle", "bibliographyunit", "selectlanguage"],
        "m",
    ),
    **dict.fromkeys(
        [
            "setlength",
            "addtolength",
            "setcounter",
            "addtocounter",
            "settowidth",
            "definecolor",
            "DeclareGraphicsExtensions",
        ],
        "mm",
    ),
    **dict.fromkeys(["textcolor", "colorbox", "foreignlanguage", "scalebox", "rotatebox"], "omt"),
    **dict.fromkeys(["fcolorbox", "resizebox"], "mmt"),
    **dict.fromkeys(["parbox", "raisebox"], "omt"),
    **dict.fromkeys(["makebox", "framebox"], "oot"),
    **dict.fromkeys(["rule", "addcontentsline"], "omm"),
    **dict.fromkeys(
        ["noalign", "newlength", "newcounter", "markright", "input@path", "institutemark", "hyphenation", "fontsize"],
        "m",
    ),
    **dict.fromkeys(
        ["setmainfont", "setsansfont", "setmonofont", "addbibresource", "bibliographyfont", "includeonly"], "om"
    ),
    **dict.fromkeys(["vskip", "hskip", "kern"], "d"),
    **dict.fromkeys(
        ["footnotemark", "linebreak", "pagebreak", "nolinebreak", "nopagebreak", "printbibliography", "newpage"], "o"
    ),
    "definecolor": "mmm",
    "addcontentsline": "mmm",
    "markboth": "mm",
    "fontsize": "mm",
    "newtheoremstyle": "mmmmmmmmm",
    "captionof": "mt",
    "texorpdfstring": "tm",
    "hyperref": "ot",
    "hyperlink": "mt",
    "hypertarget": "mt",
    "settowidth": "mm",
    "titleformat": "momomm",
    "multirow": "omomot",
    "multicolumn": "mmt",
    "ifthenelse": "mtst",
    "lettrine": "ott",
    "hbox": "t",
    "column": "m",
    "againframe": "m",
    "bibinfo": "mt",
    "bibfield": "mt",
    "href@noop": "mt",
    "foreignquote": "mt",
    "marginpar": "ot",
    "marginnote": "ot",
    "sidenote": "ot",
    "todo": "ot",
    "twocolumn": "t",
}
_ENVIRONMENT_ARGUMENTS = {
    "minipage": "ooom",
    "wrapfigure": "omom",
    "wraptable": "omom",
    "multicols": "m",
    "adjustbox": "m",
    "subfigure": "om",
    "subtable": "om",
    "spacing": "m",
    "frame": "o",
    "block": "t",
    "alertblock": "t",
    "exampleblock": "t",
    "columns": "o",
    "column": "m",
    "tcolorbox": "o",
    "mdframed": "o",
    "otherlanguage": "m",
    "list": "mm",
    "turn": "m",
    "figure": "o",
    "table": "o",
    "sidewaystable": "o",
    "sidewaysfigure": "o",
    "algorithm": "o",
    "algorithmic": "o",
    "landscape": "",
    "CJK": "omm",
    "letter": "ot",
}
_TABULARS = {
    "tabular": "om",
    "tabular*": "mom",
    "tabularx": "mom",
    "tabulary": "mom",
    "longtable": "om",
    "supertabular": "m",
    "xltabular": "omm",
    "tabu": "m",
    "longtabu": "m",
    "tblr": "om",
    "longtblr": "om",
    "NiceTabular": "omo",
    "array": "om",
    "tabbing": "",
}
_LISTS = {
    "itemize",
    "enumerate",
    "description",
    "compactitem",
    "compactenum",
    "inparaenum",
    "asparaenum",
    "enumerate*",
    "itemize*",
}
_FLOATS = {
    "figure",
    "table",
    "wrapfigure",
    "wraptable",
    "sidewaystable",
    "sidewaysfigure",
    "subfigure",
    "subtable",
    "algorithm",
    "listing",
}
_MATH = {
    "equation",
    "align",
    "gather",
    "multline",
    "eqnarray",
    "displaymath",
    "math",
    "flalign",
    "alignat",
    "dmath",
    "IEEEeqnarray",
    "subequations",
}
_DRAWINGS = {"tikzpicture", "pgfpicture", "picture", "axis", "circuitikz", "pspicture", "forest", "asy", "feynman"}
_THEOREMS = {
    name: name.capitalize()
    for name in [
        "theorem",
        "lemma",
        "corollary",
        "proposition",
        "definition",
        "remark",
        "example",
        "claim",
        "conjecture",
        "proof",
        "exercise",
        "note",
    ]
}
_LINES = {"opening", "closing", "ps", "encl", "cc", "signature", "makeletterhead"}
"""Commands whose text stands in a line of its own, as those of a curriculum vitae do."""
_CARD = {"name": 0, **dict.fromkeys(("email", "homepage", "phone", "mobile", "social", "extrainfo", "position"), 3)}
"""What letters and curricula vitae say of their author before the document."""
_TITLES = {
    "title": 0,
    "subtitle": 1,
    "author": 2,
    "affil": 3,
    "affiliation": 3,
    "institute": 3,
    "address": 3,
    "date": 4,
    "keywords": 5,
}
_CITES = re.compile(r"(?:full|foot|text|paren|auto|super|no)?[cC]ite(?:p|t|alp|alt|author|year|yearpar|s|num|al)?\*?$")
_REFERENCES = {"ref", "eqref", "autoref", "cref", "Cref", "pageref", "nameref", "vref", "subref", "fref", "Autoref"}
_FILES = {
    "input",
    "include",
    "subfile",
    "bibliography",
    "lstinputlisting",
    "verbatiminput",
    "addbibresource",
    "VerbatimInput",
    "includepdf",
    "InputIfFileExists",
    "import",
    "subimport",
    "includefrom",
    "inputminted",
}
_FILE_ARGUMENTS = {
    "import": "mf",
    "subimport": "mf",
    "includefrom": "mf",
    "inputminted": "omf",
    "InputIfFileExists": "fmm",
}
"""`f`: the file's name. Others have options before it."""
_UNSHOWN_IN_MATH = re.compile(r"\\(?:label|nonumber|notag)\b\*?\s*(?:(?<=l)\{[^{}]*\})?")
_LABEL = re.compile(r"\\label\s*\{[^{}]*\}")
_BOX_TITLE = re.compile(r"(?:^|,)\s*(?:frame)?title\s*=\s*(\{(?:[^{}]|\{[^{}]*\})*\}|[^,]*)")
_LIKE_TITLE = re.compile(r"[A-Z][^\W\d]{2,}[^=\\]*|[^\W\d]+ [^=\\]+")
_DIMENSION = re.compile(r"\s*=?\s*-?[\d.]+\s*(?:pt|em|ex|cm|mm|in|bp|pc|sp|mu)?\s*")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


def read(source: Source, report: Report) -> DoclingDocument:
    """The document of a LaTeX file."""
    parsed = text.empty(source, None)
    expander = Expander(text.decoded(source, report))
    tokens = as_printed(list(expander.tokens()))
    if expander.is_exhausted:
        report.problems.append("its definitions expand to too much; those behind that point are not expanded")
    reader = _Reader(parsed, report, {**_THEOREMS, **expander.theorems})
    preamble, body = _parts(tokens)
    reader.acronyms.define(tokens)
    reader.has_german_quotes = has_german_quotes(written(preamble))
    report.passages.extend(passages(body, _UNSHOWN_ARGUMENTS, _TABULARS | _ENVIRONMENT_ARGUMENTS))
    reader.title(preamble, body)
    reader.add(body, None)
    report.problems.extend(reader.places.sentences())
    return parsed


def _parts(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """What stands before the document, and in it."""
    for place, token in enumerate(tokens):
        if token == r"\begin" and written(tokens[place + 1 : place + 4]) == "{document}":
            cursor = Cursor(tokens)
            cursor.place = place + 4
            return tokens[:place], cursor.environment("document")
    return [], tokens


class _Reader:
    """Puts blocks into a document."""

    def __init__(self, document: DoclingDocument, report: Report, theorems: Mapping[str, str]) -> None:
        self.document = document
        self.report = report
        self.places = Places()
        self.line = 1
        """Of the command that is read."""
        self.theorems = theorems
        self.level = 0
        self.acronyms = acronyms.Acronyms()
        self.has_german_quotes = False
        self.notes: list[list[Run]] = []
        self.note_count = 0

    def title(self, preamble: Sequence[Token], body: Sequence[Token]) -> None:
        """Add title, authors and the like, wherever they are stated."""
        found: list[tuple[int, list[Token]]] = []
        for tokens in (preamble, body):
            cursor = Cursor(tokens)
            while (token := cursor.next()) is not None:
                self.reach(token)
                known = {**_TITLES, **_CARD} if tokens is preamble else _TITLES
                if isinstance(token, str) and token[:1] == "\\" and token[1:] in known:
                    cursor.optional()
                    content = cursor.argument()
                    while tokens is preamble and cursor.following() == "{":
                        content = [*content, " ", *cursor.argument()]
                    found.append((known[token[1:]], content))
                elif token in {r"\input", r"\include", r"\usepackage"} and tokens is preamble:
                    name = (cursor.optional() and None) or cursor.argument()
                    if token != r"\usepackage":
                        self.miss(written(name))
        for kind, content in sorted(found, key=lambda item: item[0]):
            if kind == 0:
                add_heading(self.document, self.inline(content))
            else:
                for part in _split(content, r"\and", r"\And", r"\AND"):
                    add_line(self.document, self.inline(part))
            self.add_notes(None)

    def reach(self, token: Token) -> None:
        """Note where in the source a token stands."""
        if isinstance(token, Command):
            self.line = token.line

    def miss(self, file: str) -> None:
        """Tell that a file which the document is made of is not there."""
        self.places.note(self.line, f"the file {file.strip()} is not included; only the file itself is parsed")

    def is_too_deep(self, tokens: Sequence[Token]) -> bool:
        """True where groups can be nested no deeper; markup among the tokens is told of."""
        if self.level <= _MOST_LEVELS:
            return False
        if any(isinstance(token, Command) or token in {"{", "$"} for token in tokens):
            self.places.note(self.line, "nested too deeply; what is inside is returned as it is written")
        return True

    def inline(self, tokens: Sequence[Token], style: _Style = PLAIN) -> list[Run]:
        """Tokens as one line."""
        content = _Text(self, None, is_inline=True)
        content.add(tokens, style)
        return content.runs

    def add(self, tokens: Sequence[Token], parent: NodeItem | None, caption: TextItem | None = None) -> TextItem | None:
        """Add tokens as blocks; what is left of a caption that no table or picture in them has taken."""
        content = _Text(self, parent, caption=caption)
        content.add(tokens, PLAIN)
        content.flush()
        return content.caption

    def add_notes(self, parent: NodeItem | None) -> None:
        """Add the footnotes of the last block."""
        notes, self.notes = self.notes, []
        for runs in notes:
            add_line(self.document, runs, parent, DocItemLabel.FOOTNOTE)


class _Text:
    """Text that is being read: its pieces until a block ends them."""

    def __init__(
        self, reader: _Reader, parent: NodeItem | None, *, is_inline: bool = False, caption: TextItem | None = None
    ) -> None:
        self.runs: list[Run] = []
        self.caption = caption
        self.quotes = 0
        self._reader = reader
        self._parent = parent
        self._is_inline = is_inline

    def flush(self) -> None:
        """End the paragraph."""
        if self._is_inline:
            self.runs.append(Run("\n"))
            return
        runs, self.runs = self.runs, []
        add_line(self._reader.document, runs, self._parent)
        self._reader.add_notes(self._parent)

    def add(self, tokens: Sequence[Token], style: _Style) -> None:
        """Read tokens to their end."""
        self._reader.level += 1
        if self._reader.is_too_deep(tokens):
            self._say(written(tokens), style)
        else:
            self._read(Cursor(tokens), style)
        self._reader.level -= 1

    def _read(self, cursor: Cursor, style: _Style) -> None:
        outer: list[_Style] = []
        while (token := cursor.next()) is not None:
            if isinstance(token, Raw):
                self._raw(token, style)
            elif token == "{":
                outer.append(style)
            elif token == "}":
                style = outer.pop() if outer else style
            elif token[0] == "\\":
                self._reader.reach(token)
                style = self._command(token[1:], cursor, style)
            elif token == "$":
                self._math(cursor)
            elif token.isspace():
                if _BLANK_LINE.search(token):
                    self.flush()
                else:
                    self._say(" ", style)
            elif token in {"~", "&"}:
                self._say(" ", style)
            else:
                self._say(ligated(german(token) if self._reader.has_german_quotes else token), style)

    def _say(self, said: str, style: _Style, link: str = "") -> None:
        self.runs.append(Run(said, style, link))

    def _raw(self, raw: Raw, style: _Style) -> None:
        if raw.kind == "verb" or self._is_inline:
            self.runs.append(Run(raw.text, style, label=DocItemLabel.CODE))
            return
        self.flush()
        language = re.search(r"language=\{?([\w+#-]+)", raw.options) or re.search(r"\{([\w+#-]+)\}", raw.options)
        if caption := re.search(r"caption=(\{[^{}]*\}|[^,\]]*)", raw.options):
            add_line(self._reader.document, [Run(caption[1].strip("{}"), BOLD)], self._parent)
        if raw.text.strip():
            known = detect_code_language(raw.text, hint=language[1]) if language else None
            self._reader.document.add_code(text=raw.text, code_language=known, parent=self._parent)

    def _math(self, cursor: Cursor) -> None:
        if cursor.place < len(cursor.tokens) and cursor.tokens[cursor.place] == "$":
            cursor.place += 1
            content = cursor.until("$")
            cursor.place += cursor.place < len(cursor.tokens) and cursor.tokens[cursor.place] == "$"
            self._display(written(content))
        else:
            self._formula(written(cursor.until("$")))

    def _formula(self, content: str) -> None:
        if content := " ".join(_LABEL.sub("", content).split()):
            self.runs.append(Run(content, label=DocItemLabel.FORMULA))

    def _display(self, content: str) -> None:
        if self._is_inline:
            self._formula(content)
            return
        self.flush()
        if content := _UNSHOWN_IN_MATH.sub("", _LABEL.sub("", content)).strip():
            self._reader.document.add_formula(text=content, parent=self._parent)

    def _command(self, name: str, cursor: Cursor, style: _Style) -> _Style:
        """Read a command with its arguments; the style of what follows."""
        bare = name.rstrip("*") if len(name) > 1 else name
        if bare in _SWITCHES:
            cursor.skip_spaces()
            return style | _SWITCHES[bare]
        if bare in {"normalfont", "rm", "upshape", "mdseries", "normalsize"}:
            return style - BOLD - ITALIC if bare != "normalsize" else style
        if name == "begin":
            self._environment(written(cursor.argument()).strip(), cursor, style)
        elif not self._shown(name, bare, cursor, style):
            self._told(name, bare, cursor, style)
        return style

    def _shown(self, name: str, bare: str, cursor: Cursor, style: _Style) -> bool:
        """Read a command for text, signs or a block; false for others."""
        if bare in _STYLES:
            self.add(cursor.argument(), style | _STYLES[bare])
        elif bare == "texttt":
            self.runs.extend(run._replace(style=style) for run in self._reader.inline(cursor.argument(), style))
        elif bare in _SECTIONS:
            self._section(bare, cursor)
        elif name in ACCENTS and ((len(name) == 1 and not name.isalpha()) or self._has_letter(cursor)):
            self._accent(name, cursor, style)
        elif name in SIGNS:
            self._sign(name, cursor, style)
        elif handler := _COMMANDS.get(bare):
            handler(self, cursor, style)
        else:
            return False
        return True

    def _told(self, name: str, bare: str, cursor: Cursor, style: _Style) -> None:
        """Read a command that refers to something, names a file, or says how things look."""
        if _CITES.match(name):
            self._cite(cursor, style)
            while bare.endswith("cites") and cursor.following() in {"[", "{"}:
                self._say(" ", style)
                self._cite(cursor, style)
        elif bare in _REFERENCES:
            self._say(f"[{written(cursor.argument()).strip()}]", style)
        elif bare in _FILES:
            self._file(bare, cursor)
        elif bare in _TITLES:
            cursor.optional()
            cursor.argument()
        elif bare in _ARGUMENTS:
            self._arguments(_ARGUMENTS[bare], cursor, style)
        elif bare.endswith(("skip", "width", "height", "indent", "sep", "depth")):
            self._skip_dimension(cursor)
        elif not self._packaged(bare, cursor, style):
            self._unknown(cursor, style)

    def _packaged(self, bare: str, cursor: Cursor, style: _Style) -> bool:
        """Read a command whose text a package makes; false for others."""
        if use := acronyms.USE.match(bare[:1].lower() + bare[1:]):
            self._acronym(use, cursor, style)
        elif bare in acronyms.DEFINITIONS:
            self._arguments(acronyms.DEFINITIONS[bare].replace("t", "m"), cursor, style)
        elif bare in _QUANTITIES:
            self._quantity(bare, cursor, style)
        elif bare in _LINES or bare.startswith("cv"):
            self.flush()
            self._unknown(cursor, style)
            self.flush()
        else:
            return False
        return True

    def _unknown(self, cursor: Cursor, style: _Style) -> None:
        """Show the arguments in braces of a command that nobody knows, and not its options."""
        place = cursor.place
        if cursor.following() == "[" and "]" in cursor.tokens[place : place + _MOST_OPTIONS]:
            cursor.optional()
            if cursor.following() != "{":
                cursor.place = place
        while cursor.following() == "{":
            self.add(cursor.argument(), style)
            if cursor.following() == "{":
                self._say(" ", style)

    def _file(self, name: str, cursor: Cursor) -> None:
        for kind in _FILE_ARGUMENTS.get(name, "of"):
            if kind == "o":
                cursor.optional()
            elif kind == "m":
                cursor.argument()
            elif cursor.skip_spaces() == "{":
                self._reader.miss(written(cursor.argument()))
            else:
                self._reader.miss(written([cursor.next() or ""]))

    def _acronym(self, use: re.Match[str], cursor: Cursor, style: _Style) -> None:
        cursor.optional()
        shown = self._reader.acronyms.shown(use, written(cursor.argument()))
        self.add(list(Expander(shown, self._reader.line).tokens()), style)

    def _acronyms(self, cursor: Cursor, style: _Style) -> None:  # noqa: ARG002 - as all commands
        cursor.optional()
        self.flush()
        for line in self._reader.acronyms.listed():
            self.add(list(Expander(line, self._reader.line).tokens()), PLAIN)
            self.flush()

    def _listed_acronym(self, cursor: Cursor, style: _Style) -> None:
        """A line of the list that the package `acronym` prints."""
        key = cursor.argument()
        self.add(cursor.optional() or key, style)
        self._say(": ", style)
        self.add(cursor.argument(), style)
        self._say("\n", style)

    def _quantity(self, name: str, cursor: Cursor, style: _Style) -> None:
        cursor.optional()
        said = [written(cursor.argument()) for _ in range(_QUANTITIES[name][0])]
        self._say(_QUANTITIES[name][1](*said), style)

    def _quoted(self, cursor: Cursor, style: _Style) -> None:
        self.quotes += 1
        opening, closing = ("\u201c", "\u201d") if self.quotes % 2 else ("\u2018", "\u2019")
        self._say(opening, style)
        self.add(cursor.argument(), style)
        self._say(closing, style)
        self.quotes -= 1

    def _part_of_figure(self, cursor: Cursor, style: _Style) -> None:
        """A picture with its own caption, as commands of older packages have it."""
        captions = [caption for caption in (cursor.optional(), cursor.optional()) if caption]
        content = cursor.argument()
        if self._is_inline:
            self.add([*content, " ", *(captions[-1] if captions else [])], style)
            return
        self.flush()
        outer, self.caption = self.caption, None
        self._float_of(content, captions[-1:])
        self.caption = outer

    def _float_of(self, content: list[Token], captions: Sequence[list[Token]]) -> None:
        caption = self._added_caption(captions[0]) if captions else None
        left = self._reader.add(content, self._parent, caption)
        if left is not None:
            self._reader.document.add_picture(parent=self._parent, caption=left)

    def _added_caption(self, content: list[Token]) -> TextItem | None:
        added = add_line(self._reader.document, self._reader.inline(content), label=DocItemLabel.CAPTION)
        return added if isinstance(added, TextItem) else None

    def _has_letter(self, cursor: Cursor) -> bool:
        """True before the letter of an accent; commands of one letter may be the author's own."""
        following = cursor.skip_spaces()
        return (
            following == "{" or (isinstance(following, str) and following[:1].isalpha()) or following in {r"\i", r"\j"}
        )

    def _accent(self, name: str, cursor: Cursor, style: _Style) -> None:
        letter = plain(self._reader.inline(cursor.argument()))
        self._say(accented(name, letter), style)

    def _sign(self, name: str, cursor: Cursor, style: _Style) -> None:
        sign = SIGNS[name]
        if name.isalpha() and sign.isalpha() and len(sign) == 1:
            following = cursor.tokens[cursor.place] if cursor.place < len(cursor.tokens) else ""
            if is_space(following) and not _BLANK_LINE.search(str(following)):
                cursor.place += 1
        self._say(sign, style)

    def _section(self, name: str, cursor: Cursor) -> None:
        cursor.optional()
        heading = self._reader.inline(cursor.argument())
        if self._is_inline:
            self.runs.extend([*heading, Run(" ")])
            return
        self.flush()
        add_heading(self._reader.document, heading, self._parent, _SECTIONS[name])
        self._reader.add_notes(self._parent)

    def _arguments(self, kinds: str, cursor: Cursor, style: _Style, *, ends: bool = False) -> None:
        """Read arguments: optional ones, dimensions, those that are shown, others; one may end the paragraph."""
        for kind in kinds:
            if kind == "o":
                cursor.optional()
            elif kind == "s":
                self._say(" ", style)
            elif kind == "d":
                self._skip_dimension(cursor)
            elif kind == "t":
                self.add(cursor.argument(), style)
                if ends:
                    self.flush()
            else:
                cursor.argument()

    def _skip_dimension(self, cursor: Cursor) -> None:
        token = cursor.skip_spaces()
        if isinstance(token, str) and (match := _DIMENSION.match(token)):
            cursor.place += 1
            if rest := token[match.end() :]:
                self._say(rest, PLAIN)

    def _cite(self, cursor: Cursor, style: _Style) -> None:
        notes = [note for note in (cursor.optional(), cursor.optional()) if note]
        keys = written(cursor.argument()).strip()
        before = [*self._reader.inline(notes[0]), Run(" ")] if len(notes) > 1 else []
        after = [Run(", "), *self._reader.inline(notes[-1])] if notes else []
        self.runs.extend([Run("[", style), *before, Run(keys, style), *after, Run("]", style)])

    def _footnote(self, cursor: Cursor, style: _Style) -> None:
        cursor.optional()
        reader = self._reader
        reader.note_count += 1
        mark = f"[{reader.note_count}]"
        content = reader.inline(cursor.argument())
        reader.notes.append([Run(f"{mark} "), *content])
        self._say(mark, style)

    def _margin(self, cursor: Cursor, style: _Style) -> None:  # noqa: ARG002 - as all commands
        """Keep what stands beside a paragraph for behind it: no mark tells where in it."""
        cursor.optional()
        self._reader.notes.append(self._reader.inline(cursor.argument()))

    def _link(self, cursor: Cursor, style: _Style) -> None:
        target = _unescaped(written(cursor.argument()))
        self.runs.extend(run._replace(link=target) for run in self._reader.inline(cursor.argument(), style))

    def _url(self, cursor: Cursor, style: _Style) -> None:
        target = _unescaped(written(cursor.argument()).strip())
        self._say(target, style, target)

    def _email(self, cursor: Cursor, style: _Style) -> None:
        self.add(cursor.argument(), style)

    def _picture(self, cursor: Cursor, style: _Style) -> None:  # noqa: ARG002 - as all commands
        cursor.optional()
        cursor.optional()
        cursor.argument()
        if self._is_inline:
            return
        self.flush()
        caption, self.caption = self.caption, None
        self._reader.document.add_picture(parent=self._parent, caption=caption)

    def _caption(self, cursor: Cursor, style: _Style) -> None:
        cursor.optional()
        content = cursor.argument()
        if self._is_inline:
            self.add(content, style)
            return
        self.flush()
        add_line(self._reader.document, self._reader.inline(content), self._parent, DocItemLabel.CAPTION)

    def _break(self, cursor: Cursor, style: _Style) -> None:
        if cursor.place < len(cursor.tokens) and cursor.tokens[cursor.place] == "[":
            cursor.optional()
        self._say("\n", style)

    def _paragraph(self, cursor: Cursor, style: _Style) -> None:  # noqa: ARG002 - as all commands
        self.flush()

    def _inline_math(self, cursor: Cursor, style: _Style) -> None:  # noqa: ARG002 - as all commands
        self._formula(written(cursor.until(r"\)")))

    def _display_math(self, cursor: Cursor, style: _Style) -> None:  # noqa: ARG002 - as all commands
        self._display(written(cursor.until(r"\]")))

    def _ensured_math(self, cursor: Cursor, style: _Style) -> None:  # noqa: ARG002 - as all commands
        self._formula(written(cursor.argument()))

    def _cells(self, cursor: Cursor, style: _Style) -> None:
        """Lines in a cell."""
        cursor.optional()
        self.add(cursor.argument(), style)

    def _item(self, cursor: Cursor, style: _Style) -> None:
        if label := cursor.optional():
            self.add(label, style)
        self._say(" ", style)

    def _end(self, cursor: Cursor, style: _Style) -> None:  # noqa: ARG002 - as all commands
        cursor.argument()

    def _environment(self, name: str, cursor: Cursor, style: _Style) -> None:
        bare = name.rstrip("*")
        content = cursor.environment(name)
        if bare in _MATH:
            self._equation(bare, content)
        elif name in _TABULARS or bare in _TABULARS:
            self._tabular(name if name in _TABULARS else bare, content, style)
        elif bare in _LISTS:
            self._list(bare, content, style)
        elif bare in _DRAWINGS:
            self._reader.places.note(self._reader.line, f"a drawing ({name}) is not kept, nor is the text in it")
        elif bare == "thebibliography":
            self._bibliography(content)
        elif self._is_inline:
            inner = Cursor(content)
            self._arguments(_ENVIRONMENT_ARGUMENTS.get(bare, ""), inner, style)
            self.add(inner.tokens[inner.place :], style)
        else:
            self.flush()
            self._block(bare, content, style)
            self.flush()

    def _block(self, name: str, content: list[Token], style: _Style) -> None:
        """An environment of blocks."""
        inner = Cursor(content)
        if name == "abstract":
            add_heading(self._reader.document, [Run("Abstract")], self._parent, 1)
        elif name in self._reader.theorems:
            self._theorem(name, inner)
        else:
            self._box_title(name, inner)
            self._arguments(_ENVIRONMENT_ARGUMENTS.get(name, "o"), inner, style, ends=True)
            if name == "frame" and inner.skip_spaces() == "{":
                self._section("frametitle", inner)
        rest = list(inner.tokens[inner.place :])
        if algorithms.is_algorithm(name):
            rest, captions = _without_captions(rest)
            for caption in captions:
                add_line(self._reader.document, self._reader.inline(caption), self._parent, DocItemLabel.CAPTION)
            self.add(algorithms.spelled(rest), style)
        elif name in _FLOATS:
            self._float(rest)
        else:
            before = self._parent
            self.add(rest, style)
            self._parent = before

    def _box_title(self, name: str, inner: Cursor) -> None:
        """Show the title among the options of a box, or the one that the author's own environment seems to have."""
        options = written(Cursor(inner.tokens).optional() or [])
        told = _BOX_TITLE.search(options)
        title = told[1].strip("{} ") if told else ""
        if not told and name not in _ENVIRONMENT_ARGUMENTS and _LIKE_TITLE.fullmatch(options):
            title = options
        if title:
            self.add(list(Expander(title, self._reader.line).tokens()), BOLD)
            self.flush()

    def _theorem(self, name: str, inner: Cursor) -> None:
        named = inner.optional()
        title = [Run(self._reader.theorems[name], BOLD)]
        if named:
            title.extend([Run(" (", BOLD), *self._reader.inline(named, BOLD), Run(")", BOLD)])
        self.runs.extend([*title, Run(". ", BOLD)])

    def _float(self, content: list[Token]) -> None:
        """A figure or table: its caption, wherever it stands, goes with the first picture or table."""
        rest, captions = _without_captions(content)
        first, *others = captions or [[]]
        self._float_of(rest, [first] if first else [])
        for other in others:
            add_line(self._reader.document, self._reader.inline(other), self._parent)
        self._reader.add_notes(self._parent)

    def _equation(self, name: str, content: list[Token]) -> None:
        cursor = Cursor(content)
        if name in {"alignat", "IEEEeqnarray"}:
            cursor.argument()
        math = written(cursor.tokens[cursor.place :])
        math = " ".join(_UNSHOWN_IN_MATH.sub("", _LABEL.sub("", math)).split())
        if name == "subequations":
            self.add(content, PLAIN)
        elif name == "math":
            self._formula(math)
        else:
            is_aligned = "&" in math or r"\\" in math
            self._display(
                rf"\begin{{aligned}} {math} \end{{aligned}}" if is_aligned and "\\begin" not in math[:8] else math
            )

    def _list(self, name: str, content: list[Token], style: _Style) -> None:
        if self._is_inline:
            self.add(content, style)
            return
        self.flush()
        cursor = Cursor(content)
        cursor.optional()
        group = self._reader.document.add_list_group(parent=self._parent)
        for label, item in _items(cursor):
            inner = _Text(self._reader, None)
            head = self._reader.inline(label, BOLD) if label else []
            first, rest = _first_paragraph(item)
            runs = (
                [*head, Run(" " if name != "description" else ": "), *self._reader.inline(first)]
                if head
                else self._reader.inline(first)
            )
            held = add_item(self._reader.document, runs, group, enumerated="enum" in name and not label)
            self._reader.add_notes(held)
            inner._parent = held
            inner.add(rest, style)
            inner.flush()

    def _bibliography(self, content: list[Token]) -> None:
        self.flush()
        cursor = Cursor(content)
        cursor.argument()
        heading = add_heading(self._reader.document, [Run("References")], self._parent, 1)
        group = self._reader.document.add_list_group(parent=heading)
        parts = _split(list(cursor.tokens[cursor.place :]), r"\bibitem")
        for part in parts[1:]:
            entry = Cursor(part)
            label = entry.optional()
            key = written(entry.argument()).strip()
            mark = self._reader.inline(label) if label else [Run(key)]
            rest = self._reader.inline(entry.tokens[entry.place :])
            add_item(self._reader.document, [Run("["), *mark, Run("] "), *rest], group)

    def _tabular(self, name: str, content: list[Token], style: _Style) -> None:
        cursor = Cursor(content)
        for kind in _TABULARS[name]:
            cursor.optional() if kind == "o" else cursor.argument()
        rest, captions = _without_captions(list(cursor.tokens[cursor.place :]))
        found = rows(tabbed(rest) if name == "tabbing" else rest)
        if self._is_inline:
            for row in found:
                for cell in row:
                    self.add(cell.tokens, style)
                    self._say(" ", style)
                self._say("\n", style)
            return
        self.flush()
        cells = [
            [
                Cell(
                    runs=self._reader.inline(cell.tokens),
                    columns=cell.columns,
                    rows=cell.rows,
                    is_column_header=number == 0,
                )
                for cell in row
            ]
            for number, row in enumerate(found)
        ]
        if captions and self.caption is None:
            self.caption = self._added_caption(captions[0])
        caption, self.caption = self.caption, None
        if cells:
            add_table(self._reader.document, cells, self._parent, caption)
        self._reader.add_notes(self._parent)


_Command = Callable[[_Text, Cursor, _Style], None]
_COMMANDS: Mapping[str, _Command] = {
    "footnote": _Text._footnote,
    "thanks": _Text._footnote,
    "footnotetext": _Text._footnote,
    "endnote": _Text._footnote,
    "sidenote": _Text._footnote,
    "marginpar": _Text._margin,
    "marginnote": _Text._margin,
    "todo": _Text._margin,
    "href": _Text._link,
    "url": _Text._url,
    "nolinkurl": _Text._url,
    "path": _Text._url,
    "email": _Text._email,
    "enquote": _Text._quoted,
    "textquote": _Text._quoted,
    "acro": _Text._listed_acronym,
    "printglossaries": _Text._acronyms,
    "printglossary": _Text._acronyms,
    "printacronyms": _Text._acronyms,
    "subfloat": _Text._part_of_figure,
    "subfigure": _Text._part_of_figure,
    "includegraphics": _Text._picture,
    "caption": _Text._caption,
    "subcaption": _Text._caption,
    "\\": _Text._break,
    "\\*": _Text._break,
    "newline": _Text._break,
    "tabularnewline": _Text._break,
    "par": _Text._paragraph,
    "(": _Text._inline_math,
    "[": _Text._display_math,
    "ensuremath": _Text._ensured_math,
    "makecell": _Text._cells,
    "thead": _Text._cells,
    "shortstack": _Text._cells,
    "item": _Text._item,
    "end": _Text._end,
}


_QUANTITIES: Mapping[str, tuple[int, Callable[..., str]]] = {
    **dict.fromkeys(("SI", "qty"), (2, units.quantity)),
    **dict.fromkeys(("si", "unit"), (1, units.unit)),
    **dict.fromkeys(("SIrange", "qtyrange"), (3, lambda low, high, unit: f"{low}\u2013{units.quantity(high, unit)}")),
    **dict.fromkeys(("SIlist", "qtylist"), (2, lambda all_, unit: units.quantity(units.listed(all_), unit))),
    "num": (1, units.number),
    "numrange": (2, lambda low, high: f"{low}\u2013{high}"),
    "numlist": (1, units.listed),
    "ang": (1, lambda angle: f"{angle}\u00b0"),
}
"""Commands of `siunitx`: how many arguments they have, and what they show."""


_UNSHOWN_ARGUMENTS: Mapping[str, str] = {
    **_ARGUMENTS,
    **dict.fromkeys(_FILES, "om"),
    **{name: kinds.replace("f", "m") for name, kinds in _FILE_ARGUMENTS.items()},
    **{name: kinds.replace("t", "m") for name, kinds in acronyms.DEFINITIONS.items()},
    **{name: "o" + "m" * count for name, (count, _) in _QUANTITIES.items()},
    **dict.fromkeys(("href", "ac", "acs", "acl", "acf", "gls", "Gls", "glspl", "Glspl"), "om"),
}
"""For the words that the guard looks for."""


def _split(tokens: Sequence[Token], *separators: str) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token in separators:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _without_captions(tokens: list[Token]) -> tuple[list[Token], list[list[Token]]]:
    """The tokens without the captions among them, but those of floats within; the captions."""
    cursor = Cursor(tokens)
    rest: list[Token] = []
    captions: list[list[Token]] = []
    while (token := cursor.next()) is not None:
        if token == r"\begin":
            start = cursor.place - 1
            name = written(cursor.argument()).strip()
            if name.rstrip("*") in _FLOATS:
                cursor.environment(name)
            rest.extend(cursor.tokens[start : cursor.place])
        elif token in {r"\caption", r"\caption*"}:
            cursor.optional()
            captions.append(cursor.argument())
            if cursor.skip_spaces() == r"\\":
                cursor.next()
        else:
            rest.append(token)
    return rest, captions


def _items(cursor: Cursor) -> list[tuple[list[Token] | None, list[Token]]]:
    """The items of a list, each with its label where it has one of its own."""
    items: list[tuple[list[Token] | None, list[Token]]] = []
    while (token := cursor.next()) is not None:
        if token == r"\item":
            items.append((cursor.optional(), []))
        elif token == r"\begin":
            start = cursor.place - 1
            cursor.environment(written(cursor.argument()).strip())
            if items:
                items[-1][1].extend(cursor.tokens[start : cursor.place])
        elif items:
            items[-1][1].append(token)
    return items


def _first_paragraph(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """What an item's line is, and the blocks behind it."""
    start = next((place for place, token in enumerate(tokens) if not is_space(token)), len(tokens))
    for place in range(start, len(tokens)):
        token = tokens[place]
        is_block = token in {r"\begin", r"\[", r"\par"} or (isinstance(token, Raw) and token.kind != "verb")
        if is_block or (is_space(token) and _BLANK_LINE.search(str(token))):
            return tokens[start:place], tokens[place:]
    return tokens[start:], []


def _unescaped(target: str) -> str:
    return re.sub(r"\\([%#&_~{}])", r"\1", target)
