"""What is parsed equals what Docling makes of a file, word for word and in order, but for what we keep and it loses.

Each difference is listed with its reason. A new one fails, and so does a listed one that is gone.
"""

from __future__ import annotations

import difflib
import html
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.loss.systems import docling_document
from services.documents.backends.base import Document, Output
from services.documents.backends.formats import detect
from services.documents.backends.reading.parser import DoclingParser

# Docling warns about files of its own.
pytestmark = pytest.mark.filterwarnings("ignore")

FOLDER = Path(__file__).parents[3] / "data/docling"
FILES = sorted(
    str(path.relative_to(FOLDER))
    for path in FOLDER.glob("*/*")
    if not (path.suffix == ".md" and path.with_suffix("").exists())
)


class Difference(NamedTuple):
    """Other words than Docling's."""

    docling: str
    ours: str
    why: str


WHOLE = "a word whose format changes in the middle is one word"
SHEET = "the name of a sheet says what its tables are about"
CHART = "the title of a chart is text of the sheet"
SIGN = "a sign that has no command in formulas stays a sign"
PICTURE = "the description of a picture"

DIFFERENCES: dict[str, list[Difference]] = {
    "office/equations.docx": [
        Difference("text textellipsis", "", SIGN),
        Difference("text textellipsis", "", SIGN),
        Difference("", "tau", "what scripts stand before"),
    ],
    "office/text_document_01.odt": [
        Difference("X 2 Y 2", "X2 Y2", WHOLE),
    ],
    "office/xlsx_01.xlsx": [
        Difference("", "Sheet1", SHEET),
        Difference("", "Sheet2", SHEET),
        Difference("", "3 col", CHART),  # "col-3" before "col-1" of the next table
        Difference("", "col 1 Sheet3", f"{CHART}; {SHEET}"),
    ],
    "office/xlsx_06_edge_cases_.xlsx": [
        Difference("", "missing header head", SHEET),
        Difference("", "Attached left", SHEET),
        Difference("", "Diagonal", SHEET),
    ],
    "text/asciidoc_02.asciidoc": [
        Difference("", "Example Image", PICTURE),
        Difference("", "Example Image", PICTURE),
    ],
    "text/pntd.0008301.nxml": [
        Difference(
            "", "Risk factors associated with failing pre TAS in lymphatic filariasis programs", "the running title"
        ),
        Difference(
            "",
            "Washington University School of Medicine UNITED STATES The authors have declared that no competing "
            "interests exist E mail cburgert rti org mailto cburgert rti org",
            "the editor's institution and the authors' notes",
        ),
        Difference(
            "",
            "This work was made possible thanks to the generous support of the American People through the "
            "United States Agency for International Development https www usaid gov https www usaid gov and the"
            " ENVISION project led by RTI International AID OAA A 11 00048 and the END In Africa and END in "
            "Asia project led by FHI 360 AID OAA A 10 00050 and AID OAA A 10 00051 The funders had no role in "
            "study design data collection and analysis The funders via Joseph Schott and Violetta Yevstigneyeva"
            " contributed to study aims and review of the manuscript The authors views expressed in this "
            "publication do not necessarily reflect the views of the United States Agency for International "
            "Development or the United States Government",
            "the statement of funding",
        ),
        Difference(
            "",
            "EVI enhanced vegetation index MDA mass drug administration TAS transmission assessment survey DEC "
            "diethylcarbamazine ALB albendazole IVM ivermectin Mf microfilaremia Ag antigenemia FTS Filariasis Test "
            "Strips ICT Immunochromatographic Card Test",
            "the notes of a table",
        ),
        Difference(
            "",
            "NOTE Table shows adjusted Risk Ratio RR of failing pre TAS Gray shading denote interaction terms "
            "Bold text denotes statistically significant results with p values 0 05",
            "the notes of a table",
        ),
        *(Difference("", str(number), "the number that the text cites a reference by") for number in range(1, 54)),
    ],
    "web/formatting.html": [
        Difference("H 2 O", "H2O", WHOLE),
        Difference("x 2 y 3", "x2 y3", WHOLE),
        Difference("CO 2", "CO2", WHOLE),
        Difference("a 2 b 3", "a2 b3", WHOLE),
    ],
    "web/html_rich_table_cells.html": [
        Difference("H 2 O", "H2O", WHOLE),
        Difference(
            "",
            "https upload wikimedia org wikipedia commons thumb a ab Witkopeend white headed duck Oxyura leucocephala "
            "3 tif lossy page1 1920px Witkopeend white headed duck Oxyura leucocephala 3 tif jpg",
            "the target of a link around a picture",
        ),
    ],
}

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ESCAPE = re.compile(r"\\(?=[^\w\s])")
_WORD = re.compile(r"[^\W_]+")


def words(markdown: str) -> list[str]:
    return _WORD.findall(html.unescape(_ESCAPE.sub("", _COMMENT.sub("", markdown))))


def ours(parser: DoclingParser, file: str) -> list[str]:
    data = (FOLDER / file).read_bytes()
    parsed = parser.parse_whole(Document(filename=Path(file).name, data=data, outputs=[Output.MARKDOWN]))
    assert not parsed.errors
    return words(parsed.outputs[Output.MARKDOWN].decode())


def changes(before: list[str], after: list[str]) -> list[tuple[str, str]]:
    codes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [(" ".join(before[a:b]), " ".join(after[c:d])) for kind, a, b, c, d in codes if kind != "equal"]


@pytest.mark.parametrize("file", FILES)
def test_words_are_those_of_docling_but_for_what_is_listed(file: str, parser: DoclingParser) -> None:
    data = (FOLDER / file).read_bytes()
    format_ = detect(file, data, max_unpacked_bytes=2**28)
    theirs = words(docling_document(format_, Path(file).name, data).export_to_markdown())

    found = changes(theirs, ours(parser, file))

    assert found == [(known.docling, known.ours) for known in DIFFERENCES.get(file, [])]


@pytest.mark.parametrize("file", [file for file in FILES if (FOLDER / f"{file}.md").exists()])
def test_no_word_of_the_known_result_is_missing(file: str, parser: DoclingParser) -> None:
    said = ours(parser, file)
    expected = words((FOLDER / f"{file}.md").read_text(encoding="utf-8"))

    missing = Counter(expected) - Counter(said)

    letters = "".join(said)  # a word that was cut is whole now
    otherwise = {word for known in DIFFERENCES.get(file, []) for word in known.docling.split()}
    assert [word for word in missing if word not in letters and word not in otherwise] == []


def test_every_listed_file_is_there() -> None:
    assert set(DIFFERENCES) <= set(FILES)
    assert all(known.why for listed in DIFFERENCES.values() for known in listed)
