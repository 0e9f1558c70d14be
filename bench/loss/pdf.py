"""Which words of PDFs come out: the files of the other formats, printed by Chromium and LibreOffice.

The truth of a printed file is what its constructs say and PDFium finds on its pages: a browser does not print what is
hidden. A word is kept where it stands whole in the Markdown, torn where only its letters follow each other.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pypdfium2

from bench.loss.constructs import Format, Sample, samples
from bench.loss.counting import longest_rise
from bench.report import say
from services.documents.backends.base import Include, Output
from services.documents.backends.engines.base import Engines
from services.documents.backends.reading import glue, guard
from services.documents.backends.reading.pdf.reader import read
from services.documents.backends.reading.reader import Report, Source
from services.documents.backends.reading.rendering import render

_PRINT_S = 120
_HEADERS = frozenset({Include.HEADERS, Include.COMMENTS})


@dataclass(slots=True, kw_only=True)
class Printed:
    """What became of the words of a printed file."""

    name: str
    words: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    """Sentences of the guard."""


def measure(formats: Mapping[str, Format], engines: Engines) -> list[Printed]:
    """Print the files of HTML by Chromium, those of DOCX by LibreOffice, and read what comes."""
    found = []
    for name, convert in (("html", _by_chromium), ("docx", _by_libreoffice)):
        for sample in samples(formats[name]):
            printed = _printed(sample, convert)
            if printed is None:
                say(f"{name}: not printed; is the program installed?")
                break
            found.append(_counted(f"{name} ({sample.pieces[0].construct.name} ...)", sample, printed, engines))
    return found


def table(found: Sequence[Printed]) -> str:
    """A line for each file, the words that are not right below."""
    lines = [f"{'file':60} words  lost  torn  misplaced  named"]
    for one in found:
        lines.append(
            f"{one.name:60} {one.words:5} {len(one.lost):5} {len(one.torn):5} "
            f"{len(one.misplaced):10} {len(one.named):6}"
        )
        lines += [
            f"    {kind}: {' '.join(words[:12])}"
            for kind, words in (
                ("lost", one.lost),
                ("torn", one.torn),
                ("misplaced", one.misplaced),
                ("named", one.named),
            )
            if words
        ]
    return "\n".join(lines)


def _printed(sample: Sample, convert: Callable[[Path, Path], list[str]]) -> bytes | None:
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / sample.filename
        source.write_bytes(sample.data)
        target = source.with_suffix(".pdf")
        command = convert(source, target)
        if shutil.which(command[0]) is None:
            return None
        subprocess.run(command, check=False, capture_output=True, timeout=_PRINT_S, cwd=scratch)
        return target.read_bytes() if target.exists() else None


def _by_chromium(source: Path, target: Path) -> list[str]:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={target}"]
    return ["chromium", *flags, str(source)]


def _by_libreoffice(source: Path, target: Path) -> list[str]:
    profile = f"-env:UserInstallation=file://{source.parent}/profile"
    return ["soffice", "--headless", profile, "--convert-to", "pdf", "--outdir", str(target.parent), str(source)]


def _counted(name: str, sample: Sample, data: bytes, engines: Engines) -> Printed:
    report = Report()
    document = read(Source(filename="printed.pdf", data=data, include=_HEADERS), report, engines)
    glue.keep_at_ends(document)
    outputs = {form: render(document, form) for form in (Output.MARKDOWN, Output.TEXT)}
    said = glue.clean(outputs[Output.TEXT])
    letters = re.sub(r"\s", "", said)
    result = Printed(name=name, named=[*report.problems, *guard.lost(report.passages, outputs)])
    truth = _truth(data)
    places = []
    for word in sample.words:
        if word.text not in truth:
            continue
        result.words += 1
        if re.search(rf"(?<![^\W_]){word.text}(?![^\W_])", said):
            places.append((word.text, said.index(word.text)))
        elif word.text in letters:
            result.torn.append(word.text)
        else:
            result.lost.append(word.text)
    in_order = longest_rise([place for _, place in places])
    result.misplaced = [word for at, (word, _) in enumerate(places) if at not in in_order]
    return result


def _truth(data: bytes) -> str:
    """The letters that PDFium finds on the pages, without spaces."""
    return "".join(_letters(data))


def _letters(data: bytes) -> Iterator[str]:
    document = pypdfium2.PdfDocument(data)
    try:
        for page in document:
            text = unicodedata.normalize("NFKC", page.get_textpage().get_text_bounded())
            yield re.sub(r"[\s\ufffe\x02]", "", text)
    finally:
        document.close()
