"""The text of a LaTeX document, with its commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from docling.utils.code_language import detect_code_language
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.items.text import TextItem
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading.latex import acronyms, commands, units
from services.documents.backends.reading.latex.cursor import Cursor, is_space, written
from services.documents.backends.reading.latex.expand import Command, Expander, Raw, Token
from services.documents.backends.reading.latex.parts import BLANK_LINE, split
from services.documents.backends.reading.latex.signs import ACCENTS, SIGNS, accented, german, ligated
from services.documents.backends.reading.line import (
    BOLD,
    ITALIC,
    PLAIN,
    Run,
    add_heading,
    add_line,
    plain,
)
from services.documents.backends.reading.places import Places
from services.documents.backends.reading.reader import Report

_MOST_LEVELS = 60
_MOST_OPTIONS = 200
"""Tokens that the options of an unknown command may have."""
_MOST_IN_SIZE = 10
"""Tokens in the size of a box."""

UNSHOWN_IN_MATH = re.compile(r"\\(?:label|nonumber|notag)\b\*?\s*(?:(?<=l)\{[^{}]*\})?")
LABEL = re.compile(r"\\label\s*\{[^{}]*\}")
_ALTERNATIVE = re.compile(r"(?:^|,)\s*alt\s*=\s*(\{(?:[^{}]|\{[^{}]*\})*\}|[^,]*)")
_DIMENSION = re.compile(r"\s*=?\s*-?[\d.]+\s*(?:pt|em|ex|cm|mm|in|bp|pc|sp|mu)?\s*")


class Reader:
    """Puts blocks into a document."""

    def __init__(
        self, document: DoclingDocument, report: Report, theorems: Mapping[str, str], blocks: type[Text]
    ) -> None:
        self.document = document
        self.blocks = blocks
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
                known = {**commands.TITLES, **commands.CARD} if tokens is preamble else commands.TITLES
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
        self._add_titles(sorted(found, key=lambda item: item[0]))

    def _add_titles(self, found: Sequence[tuple[int, list[Token]]]) -> None:
        for kind, content in found:
            if kind == 0:
                add_heading(self.document, self.inline(content))
            else:
                if written(content).strip() == r"\today":
                    continue  # no date of the file's own
                for part in split(content, r"\and", r"\And", r"\AND"):
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

    def inline(self, tokens: Sequence[Token], style: commands.Style = PLAIN) -> list[Run]:
        """Tokens as one line."""
        content = self.blocks(self, None, is_inline=True)
        content.add(tokens, style)
        return content.runs

    def add(self, tokens: Sequence[Token], parent: NodeItem | None, caption: TextItem | None = None) -> TextItem | None:
        """Add tokens as blocks; what is left of a caption that no table or picture in them has taken."""
        content = self.blocks(self, parent, caption=caption)
        content.add(tokens, PLAIN)
        content.flush()
        return content.caption

    def add_notes(self, parent: NodeItem | None) -> None:
        """Add the footnotes of the last block."""
        notes, self.notes = self.notes, []
        for runs in notes:
            add_line(self.document, runs, parent, DocItemLabel.FOOTNOTE)


class Text:
    """Text that is being read: its pieces until a block ends them."""

    def __init__(
        self, reader: Reader, parent: NodeItem | None, *, is_inline: bool = False, caption: TextItem | None = None
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

    def add(self, tokens: Sequence[Token], style: commands.Style) -> None:
        """Read tokens to their end."""
        self._reader.level += 1
        if self._reader.is_too_deep(tokens):
            self._say(written(tokens), style)
        else:
            self._read(Cursor(tokens), style)
        self._reader.level -= 1

    def _read(self, cursor: Cursor, style: commands.Style) -> None:
        outer: list[commands.Style] = []
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
                if BLANK_LINE.search(token):
                    self.flush()
                else:
                    self._say(" ", style)
            elif token in {"~", "&"}:
                self._say(" ", style)
            else:
                self._say(ligated(german(token) if self._reader.has_german_quotes else token), style)

    def _say(self, said: str, style: commands.Style, link: str = "") -> None:
        self.runs.append(Run(said, style, link))

    def _raw(self, raw: Raw, style: commands.Style) -> None:
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
        if content := " ".join(LABEL.sub("", content).split()):
            self.runs.append(Run(content, label=DocItemLabel.FORMULA))

    def _display(self, content: str) -> None:
        if self._is_inline:
            self._formula(content)
            return
        self.flush()
        if content := UNSHOWN_IN_MATH.sub("", LABEL.sub("", content)).strip():
            self._reader.document.add_formula(text=content, parent=self._parent)

    def _command(self, name: str, cursor: Cursor, style: commands.Style) -> commands.Style:
        """Read a command with its arguments; the style of what follows."""
        bare = name.rstrip("*") if len(name) > 1 else name
        if bare in commands.SWITCHES:
            cursor.skip_spaces()
            return style | commands.SWITCHES[bare]
        if bare in {"normalfont", "rm", "upshape", "mdseries", "normalsize"}:
            return style - BOLD - ITALIC if bare != "normalsize" else style
        if name == "begin":
            self._environment(written(cursor.argument()).strip(), cursor, style)
        elif not self._shown(name, bare, cursor, style):
            self._told(name, bare, cursor, style)
        return style

    def _shown(self, name: str, bare: str, cursor: Cursor, style: commands.Style) -> bool:
        """Read a command for text, signs or a block; false for others."""
        if bare in commands.STYLES:
            self.add(cursor.argument(), style | commands.STYLES[bare])
        elif bare == "texttt":
            self.runs.extend(run._replace(style=style) for run in self._reader.inline(cursor.argument(), style))
        elif bare in commands.SECTIONS:
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

    def _told(self, name: str, bare: str, cursor: Cursor, style: commands.Style) -> None:
        """Read a command that refers to something, names a file, or says how things look."""
        if commands.CITES.match(name):
            self._cite(cursor, style)
            while bare.endswith("cites") and cursor.following() in {"[", "{"}:
                self._say(" ", style)
                self._cite(cursor, style)
        elif bare in commands.REFERENCES:
            self._say(f"[{written(cursor.argument()).strip()}]", style)
        elif bare in commands.FILES:
            self._file(bare, cursor)
        elif bare in commands.TITLES:
            cursor.optional()
            cursor.argument()
        elif bare in commands.ARGUMENTS:
            self._arguments(commands.ARGUMENTS[bare], cursor, style)
        elif bare.endswith(("skip", "width", "height", "indent", "sep", "depth")):
            self._skip_dimension(cursor)
        elif not self._packaged(bare, cursor, style):
            self._unknown(cursor, style)

    def _packaged(self, bare: str, cursor: Cursor, style: commands.Style) -> bool:
        """Read a command whose text a package makes; false for others."""
        if use := acronyms.USE.match(bare[:1].lower() + bare[1:]):
            self._acronym(use, cursor, style)
        elif bare in acronyms.DEFINITIONS:
            self._arguments(acronyms.DEFINITIONS[bare].replace("t", "m"), cursor, style)
        elif bare in units.QUANTITIES:
            self._quantity(bare, cursor, style)
        elif bare in commands.LINES or bare.startswith("cv"):
            self.flush()
            self._unknown(cursor, style)
            self.flush()
        else:
            return False
        return True

    def _unknown(self, cursor: Cursor, style: commands.Style) -> None:
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
        for kind in commands.FILE_ARGUMENTS.get(name, "of"):
            if kind == "o":
                cursor.optional()
            elif kind == "m":
                cursor.argument()
            elif cursor.skip_spaces() == "{":
                self._reader.miss(written(cursor.argument()))
            else:
                self._reader.miss(written([cursor.next() or ""]))

    def _acronym(self, use: re.Match[str], cursor: Cursor, style: commands.Style) -> None:
        cursor.optional()
        shown = self._reader.acronyms.shown(use, written(cursor.argument()))
        self.add(list(Expander(shown, self._reader.line).tokens()), style)

    def _acronyms(self, cursor: Cursor, style: commands.Style) -> None:  # noqa: ARG002 - as all commands
        cursor.optional()
        self.flush()
        for line in self._reader.acronyms.listed():
            self.add(list(Expander(line, self._reader.line).tokens()), PLAIN)
            self.flush()

    def _listed_acronym(self, cursor: Cursor, style: commands.Style) -> None:
        """A line of the list that the package `acronym` prints."""
        key = cursor.argument()
        self.add(cursor.optional() or key, style)
        self._say(": ", style)
        self.add(cursor.argument(), style)
        self._say("\n", style)

    def _quantity(self, name: str, cursor: Cursor, style: commands.Style) -> None:
        cursor.optional()
        said = [written(cursor.argument()) for _ in range(units.QUANTITIES[name][0])]
        self._say(units.QUANTITIES[name][1](*said), style)

    def _quoted(self, cursor: Cursor, style: commands.Style) -> None:
        self.quotes += 1
        opening, closing = ("\u201c", "\u201d") if self.quotes % 2 else ("\u2018", "\u2019")
        self._say(opening, style)
        self.add(cursor.argument(), style)
        self._say(closing, style)
        self.quotes -= 1

    def _part_of_figure(self, cursor: Cursor, style: commands.Style) -> None:
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

    def _accent(self, name: str, cursor: Cursor, style: commands.Style) -> None:
        letter = plain(self._reader.inline(cursor.argument()))
        self._say(accented(name, letter), style)

    def _sign(self, name: str, cursor: Cursor, style: commands.Style) -> None:
        sign = SIGNS[name]
        if name.isalpha() and sign.isalpha() and len(sign) == 1:
            following = cursor.tokens[cursor.place] if cursor.place < len(cursor.tokens) else ""
            if is_space(following) and not BLANK_LINE.search(str(following)):
                cursor.place += 1
        self._say(sign, style)

    def _section(self, name: str, cursor: Cursor) -> None:
        cursor.optional()
        heading = self._reader.inline(cursor.argument())
        if self._is_inline:
            self.runs.extend([*heading, Run(" ")])
            return
        self.flush()
        add_heading(self._reader.document, heading, self._parent, commands.SECTIONS[name])
        self._reader.add_notes(self._parent)

    def _arguments(self, kinds: str, cursor: Cursor, style: commands.Style, *, ends: bool = False) -> None:
        """Read arguments: optional ones, dimensions, those that are shown, others; one may end the paragraph."""
        for kind in kinds:
            if kind == "o":
                cursor.optional()
            elif kind == "s":
                self._say(" ", style)
            elif kind == "d":
                self._skip_dimension(cursor)
            elif kind == "b":
                _skip_size(cursor)
            elif kind in "th":
                self.add(cursor.argument() if kind == "t" else cursor.optional() or [], style)
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

    def _cite(self, cursor: Cursor, style: commands.Style) -> None:
        notes = [note for note in (cursor.optional(), cursor.optional()) if note]
        keys = written(cursor.argument()).strip()
        before = [*self._reader.inline(notes[0]), Run(" ")] if len(notes) > 1 else []
        after = [Run(", "), *self._reader.inline(notes[-1])] if notes else []
        self.runs.extend([Run("[", style), *before, Run(keys, style), *after, Run("]", style)])

    def _footnote(self, cursor: Cursor, style: commands.Style) -> None:
        cursor.optional()
        reader = self._reader
        reader.note_count += 1
        mark = f"[{reader.note_count}]"
        content = reader.inline(cursor.argument())
        reader.notes.append([Run(f"{mark} "), *content])
        self._say(mark, style)

    def _margin(self, cursor: Cursor, style: commands.Style) -> None:  # noqa: ARG002 - as all commands
        """Keep what stands beside a paragraph for behind it: no mark tells where in it."""
        cursor.optional()
        self._reader.notes.append(self._reader.inline(cursor.argument()))

    def _link(self, cursor: Cursor, style: commands.Style) -> None:
        target = _unescaped(written(cursor.argument()))
        self.runs.extend(run._replace(link=target) for run in self._reader.inline(cursor.argument(), style))

    def _url(self, cursor: Cursor, style: commands.Style) -> None:
        target = _unescaped(written(cursor.argument()).strip())
        self._say(target, style, target)

    def _email(self, cursor: Cursor, style: commands.Style) -> None:
        self.add(cursor.argument(), style)

    def _picture(self, cursor: Cursor, style: commands.Style) -> None:  # noqa: ARG002 - as all commands
        options = [written(cursor.optional() or []) for _ in range(2)]
        cursor.argument()
        told = _ALTERNATIVE.search(options[0])
        content = told[1].removeprefix("{").removesuffix("}") if told else ""
        alternative = list(Expander(content, self._reader.line).tokens())
        if self._is_inline:
            self.add(alternative, PLAIN)
            return
        self.flush()
        caption, self.caption = self.caption, None
        shown = caption or (self._added_caption(alternative) if alternative else None)
        self._reader.document.add_picture(parent=self._parent, caption=shown)
        if caption and alternative:
            add_line(self._reader.document, self._reader.inline(alternative), self._parent)

    def _caption(self, cursor: Cursor, style: commands.Style) -> None:
        cursor.optional()
        content = cursor.argument()
        if self._is_inline:
            self.add(content, style)
            return
        self.flush()
        add_line(self._reader.document, self._reader.inline(content), self._parent, DocItemLabel.CAPTION)

    def _break(self, cursor: Cursor, style: commands.Style) -> None:
        if cursor.place < len(cursor.tokens) and cursor.tokens[cursor.place] == "[":
            cursor.optional()
        self._say("\n", style)

    def _paragraph(self, cursor: Cursor, style: commands.Style) -> None:  # noqa: ARG002 - as all commands
        self.flush()

    def _inline_math(self, cursor: Cursor, style: commands.Style) -> None:  # noqa: ARG002 - as all commands
        self._formula(written(cursor.until(r"\)")))

    def _display_math(self, cursor: Cursor, style: commands.Style) -> None:  # noqa: ARG002 - as all commands
        self._display(written(cursor.until(r"\]")))

    def _ensured_math(self, cursor: Cursor, style: commands.Style) -> None:  # noqa: ARG002 - as all commands
        self._formula(written(cursor.argument()))

    def _cells(self, cursor: Cursor, style: commands.Style) -> None:
        """Lines in a cell."""
        cursor.optional()
        self.add(cursor.argument(), style)

    def _today(self, cursor: Cursor, style: commands.Style) -> None:  # noqa: ARG002 - as all commands
        """Show that a date stands there: the day of printing is not in the file."""
        self._say("[today]", style)

    def _item(self, cursor: Cursor, style: commands.Style) -> None:
        if label := cursor.optional():
            self.add(label, style)
        self._say(" ", style)

    def _end(self, cursor: Cursor, style: commands.Style) -> None:  # noqa: ARG002 - as all commands
        cursor.argument()

    def _environment(self, name: str, cursor: Cursor, style: commands.Style) -> None:
        raise NotImplementedError


def _skip_size(cursor: Cursor) -> None:
    """Pass how large a box is: `to 3cm` before its brace."""
    place, token = cursor.place, cursor.skip_spaces()
    if not (isinstance(token, str) and token.startswith(("to", "spread"))):
        return
    while cursor.following() not in {None, "{"} and cursor.place - place < _MOST_IN_SIZE:
        cursor.next()
    if cursor.following() != "{":
        cursor.place = place


_Command = Callable[[Text, Cursor, commands.Style], None]
_COMMANDS: Mapping[str, _Command] = {
    "footnote": Text._footnote,
    "thanks": Text._footnote,
    "footnotetext": Text._footnote,
    "endnote": Text._footnote,
    "sidenote": Text._footnote,
    "marginpar": Text._margin,
    "marginnote": Text._margin,
    "todo": Text._margin,
    "href": Text._link,
    "url": Text._url,
    "nolinkurl": Text._url,
    "path": Text._url,
    "email": Text._email,
    "enquote": Text._quoted,
    "textquote": Text._quoted,
    "acro": Text._listed_acronym,
    "printglossaries": Text._acronyms,
    "printglossary": Text._acronyms,
    "printacronyms": Text._acronyms,
    "subfloat": Text._part_of_figure,
    "subfigure": Text._part_of_figure,
    "includegraphics": Text._picture,
    "caption": Text._caption,
    "subcaption": Text._caption,
    "\\": Text._break,
    "\\*": Text._break,
    "newline": Text._break,
    "tabularnewline": Text._break,
    "par": Text._paragraph,
    "(": Text._inline_math,
    "[": Text._display_math,
    "ensuremath": Text._ensured_math,
    "makecell": Text._cells,
    "thead": Text._cells,
    "shortstack": Text._cells,
    "today": Text._today,
    "item": Text._item,
    "end": Text._end,
}


def _unescaped(target: str) -> str:
    return re.sub(r"\\([%#&_~{}])", r"\1", target)
