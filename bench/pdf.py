"""How well PDFs are read, beside Docling's full pipeline, and how fast.

just bench pdf                      # the shared files
just bench pdf FOLDER [NAME]        # others: FILE.pdf, with FILE.md or FILE.pdf.md as the reference where there is one
just bench pdf FOLDER --repeat 5    # each file so often, for steadier times
"""

from __future__ import annotations

import argparse
import html
import re
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pypdfium2

from bench.report import parser, say
from services.documents.backends.base import Include, Output
from services.documents.backends.engines.local import LocalEngines
from services.documents.backends.reading import glue, guard
from services.documents.backends.reading.pdf import layout, ocr, tables
from services.documents.backends.reading.pdf.bidi import is_right_to_left
from services.documents.backends.reading.pdf.file import PdfFile
from services.documents.backends.reading.pdf.reader import PdfReader, read
from services.documents.backends.reading.reader import Report, Source
from services.documents.backends.reading.rendering import render

SHARED = Path("../shared/data/docling/pdf")
_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_WORD = re.compile(rf"[{_TO_LEFT}]+|[^\W_{_TO_LEFT}]+")
"""Words of either direction: files put no space between the two at times."""
_MARKUP = re.compile(r"</?su[bp]>|<!--.*?-->|\]\([^)\s]*\)|\\(?=[!-/:-@\[-`{-~])", re.DOTALL)
_SHOWN = 12
"""Words of the worst passage."""


@dataclass(slots=True, kw_only=True)
class Read:
    """What came of a file."""

    name: str
    pages: int
    seconds: float
    in_order: float | None
    """1 - the edit distance of words from the reference, over the longer of the two; None without a reference."""
    recall: float
    """Of the words of the file's text, in any order; headers and footers asked for."""
    worst: str
    """Where the answer and the reference differ most."""
    errors: Sequence[str] = field(default_factory=tuple)


class Stages:
    """Seconds of each stage of reading, measured where it is called."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While entered, the stages are measured."""
        places: Sequence[tuple[Any, str, str]] = (
            (PdfFile, "page", "letters and lines"),
            (ocr, "read_pictures", "recognition"),
            (layout, "lay_out", "layout"),
            (tables, "read_tables", "tables"),
            (PdfReader, "assemble", "document"),
        )
        originals = [(holder, name, getattr(holder, name)) for holder, name, _ in places]
        for holder, name, stage in places:
            setattr(holder, name, self._timed(getattr(holder, name), stage))
        try:
            yield
        finally:
            for holder, name, original in originals:
                setattr(holder, name, original)

    def _timed(self, call: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def timed(*args: Any, **named: Any) -> Any:
            started_s = time.perf_counter()
            try:
                return call(*args, **named)
            finally:
                self.seconds[stage] += time.perf_counter() - started_s

        return timed


def main() -> int:
    """Run the command line."""
    arguments = _arguments()
    files = [file for file in sorted(arguments.folder.glob("*.pdf")) if arguments.name in file.name]
    if not files:
        say(f"{arguments.folder}: no PDF")
        return 1
    engines = LocalEngines(threads=arguments.threads)
    stages = Stages()
    with stages.watched():
        found = [_read(file, engines, arguments.repeat) for file in files]
    print(table(found))
    print(_speed(found, stages.seconds, arguments.repeat))
    return 0


def _arguments() -> argparse.Namespace:
    arguments = parser((__doc__ or "").partition("\n")[0])
    arguments.add_argument("folder", nargs="?", type=Path, default=SHARED, help=f"of PDFs; {SHARED} by default")
    arguments.add_argument("name", nargs="?", default="", help="a part of the names of the files that are read")
    arguments.add_argument("--repeat", type=int, default=1, metavar="N", help="times that each file is read")
    arguments.add_argument("--threads", type=int, default=2, metavar="N", help="of a model")
    return arguments.parse_args()


def _read(file: Path, engines: LocalEngines, repeat: int) -> Read:
    data = file.read_bytes()
    seconds = 0.0
    for _ in range(repeat):
        started_s = time.perf_counter()
        read(Source(filename=file.name, data=data), Report(), engines)
        seconds += (time.perf_counter() - started_s) / repeat
    report = Report()
    document = read(Source(filename=file.name, data=data), report, engines)
    glue.keep_at_ends(document)
    outputs = {form: render(document, form) for form in Output}
    said = glue.clean(outputs[Output.MARKDOWN])
    whole = read(Source(filename=file.name, data=data, include=frozenset({Include.HEADERS})), Report(), engines)
    glue.keep_at_ends(whole)
    reference = _reference(file)
    return Read(
        name=file.name,
        pages=len(document.pages),
        seconds=seconds,
        in_order=None if reference is None else in_order(said.split(), reference.split()),
        recall=recall(_text(data), glue.clean(render(whole, Output.MARKDOWN))),
        worst="" if reference is None else worst(said.split(), reference.split()),
        errors=[*report.problems, *guard.lost(report.passages, outputs)],
    )


def _reference(file: Path) -> str | None:
    for path in (file.with_suffix(".md"), file.with_name(f"{file.name}.md")):
        if path.exists():
            return path.read_text(encoding="utf-8")
    return None


def in_order(said: Sequence[str], reference: Sequence[str]) -> float:
    """1 - the least number of words to put in, take out or change, over the longer text."""
    numbers: dict[str, int] = {}
    one = [numbers.setdefault(word, len(numbers)) for word in said]
    two = np.array([numbers.setdefault(word, len(numbers)) for word in reference], int)
    places = np.arange(len(two) + 1)
    row = places.copy()
    for at, word in enumerate(one, 1):
        stepped = np.concatenate([[at], np.minimum(row[1:] + 1, row[:-1] + (two != word))])
        row = np.minimum.accumulate(stepped - places) + places
    return 1 - int(row[-1]) / max(len(one), len(two), 1)


def worst(said: Sequence[str], reference: Sequence[str]) -> str:
    """The longest piece that only one of the two has, its first words."""
    pieces = [
        (max(end - start, other_end - other), said[start:end], reference[other:other_end])
        for kind, start, end, other, other_end in SequenceMatcher(None, said, reference, autojunk=False).get_opcodes()
        if kind != "equal"
    ]
    if not pieces:
        return ""
    _, ours, theirs = max(pieces, key=lambda piece: piece[0])
    return f"ours: {_start(ours)} | theirs: {_start(theirs)}"


def _start(words: Sequence[str]) -> str:
    return " ".join(words[:_SHOWN]) + (f" ... ({len(words)} words)" if len(words) > _SHOWN else "") or "-"


def recall(text: str, markdown: str) -> float:
    """Which part of a text's words the Markdown holds; a word cut at the end of a line counts where its letters are.

    PDFium mixes the letters of words from right to left in some files, so these count in any order.
    """
    words, said = (Counter(map(_unordered, _words(of))) for of in (text, html.unescape(_MARKUP.sub("", markdown))))
    letters = "".join(_words(html.unescape(_MARKUP.sub("", markdown))))
    lost = sum(count for word, count in (words - said).items() if word not in letters)
    return 1 - lost / max(sum(words.values()), 1)


def _unordered(word: str) -> str:
    return "".join(sorted(word)) if is_right_to_left(word) else word


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text))


def _text(data: bytes) -> str:
    """The text of a file as PDFium finds it."""
    document = pypdfium2.PdfDocument(data)
    try:
        pages = [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()
    return re.sub(r"[\ufffe\x02]\s*", "", "\n".join(pages))


def table(found: Sequence[Read]) -> str:
    """A line for each file."""
    lines = [f"{'file':40} pages  seconds  in order  any order  errors"]
    for one in found:
        score = "       -" if one.in_order is None else f"{one.in_order:8.3f}"
        lines.append(
            f"{one.name[:40]:40} {one.pages:5}  {one.seconds:7.2f}  {score}  {one.recall:9.4f}  {len(one.errors):6}"
        )
        lines += [f"    {one.worst}"] if one.worst else []
        lines += [f"    {error}" for error in one.errors]
    scores = [one.in_order for one in found if one.in_order is not None]
    if scores:
        lines.append(f"in order: mean {mean(scores):.3f}, least {min(scores):.3f}, of {len(scores)} with a reference")
    return "\n".join(lines)


def _speed(found: Sequence[Read], seconds: Mapping[str, float], repeat: int) -> str:
    """Pages a second, and the share of each stage; every file is read twice more, for its words."""
    pages, spent = sum(one.pages for one in found), sum(one.seconds for one in found)
    total = sum(seconds.values())
    shares = ", ".join(f"{stage} {share / total:.0%}" for stage, share in sorted(seconds.items(), key=lambda s: -s[1]))
    each = total / (repeat + 2) / max(pages, 1) * 1e3
    return f"{pages / spent:.1f} pages/s ({pages} pages); of {each:.0f} ms a page: {shares}"


if __name__ == "__main__":
    sys.exit(main())
