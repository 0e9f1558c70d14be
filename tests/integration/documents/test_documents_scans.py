"""Scans read with the real models: upright or not, level or not, as PDF or as a picture."""

from __future__ import annotations

import io
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from bench.scans.prose import paragraphs
from bench.scans.samples import samples
from bench.scans.scanning import Wear, as_pdf, scanned
from bench.scans.scoring import score
from bench.scans.typesetting import Style, typeset
from services.documents.backends.base import Output, Paging
from services.documents.backends.engines.local import LocalEngines
from services.documents.backends.reading.pdf.pictures import PictureReader
from services.documents.backends.reading.pdf.reader import read
from services.documents.backends.reading.reader import Report, Source
from services.documents.backends.reading.rendering import render

WEAR = Wear(dpi=150, noise=8, quality=60)
MOST_ERROR = 0.03


@pytest.fixture(scope="module")
def engines() -> LocalEngines:
    """The real ones."""
    return LocalEngines(threads=1)


@pytest.fixture(scope="module")
def page() -> tuple[Image.Image, list[str]]:
    """A clean page and its words."""
    sheet = typeset("A page that is scanned", paragraphs()[:8], Style())
    return sheet.drawn(WEAR.dpi), sheet.words


def words_of(pdf: bytes, engines: LocalEngines) -> list[str]:
    return render(read(Source(filename="a.pdf", data=pdf), Report(), engines), Output.TEXT).split()


@pytest.mark.parametrize("quarters", range(4))
def test_a_scan_is_read_whichever_way_up_it_lies(
    quarters: int, page: tuple[Image.Image, list[str]], engines: LocalEngines
) -> None:
    picture, words = page
    leaning = scanned(picture, WEAR, np.random.default_rng(1)).rotate(90 * quarters, expand=True)
    report = Report()

    document = read(Source(filename="a.pdf", data=as_pdf(leaning, WEAR)), report, engines)

    assert score(words, render(document, Output.TEXT).split()).error <= MOST_ERROR
    assert report.problems == []
    size, heading = document.pages[1].size, document.texts[0].prov[0].bbox
    assert (size.width > size.height) == (quarters % 2 == 1)
    assert (heading.height > heading.width) == (quarters % 2 == 1)


@pytest.mark.parametrize("lean", [-3.0, 3.0])
def test_a_scan_that_lies_askew_is_read(
    lean: float, page: tuple[Image.Image, list[str]], engines: LocalEngines
) -> None:
    picture, words = page
    askew = scanned(picture, Wear(dpi=150, lean=lean, noise=8), np.random.default_rng(1))

    assert score(words, words_of(as_pdf(askew, WEAR), engines)).error <= MOST_ERROR


def test_two_columns_are_read_one_after_the_other(engines: LocalEngines) -> None:
    [_, sample] = islice(samples(14), 2)

    assert ", 2 col., " in sample.name
    assert score(sample.words, words_of(sample.pdf, engines)).error <= MOST_ERROR


def test_a_picture_is_read_as_a_page_is(page: tuple[Image.Image, list[str]], engines: LocalEngines) -> None:
    picture, words = page
    file = io.BytesIO()
    picture.save(file, format="PNG")
    reader, report = PictureReader(Source(filename="a.png", data=file.getvalue())), Report()

    document = reader.assemble([reader.read_page(1, Paging(), engines, report)], report)

    assert score(words, render(document, Output.TEXT).split()).error <= MOST_ERROR
    assert (document.pages[1].size.width, document.pages[1].size.height) == picture.size


def test_without_ocr_a_scan_has_no_text(page: tuple[Image.Image, list[str]], engines: LocalEngines) -> None:
    file = io.BytesIO()
    page[0].save(file, format="PNG")
    reader, report = PictureReader(Source(filename="a.png", data=file.getvalue())), Report()

    document = reader.assemble([reader.read_page(1, Paging(do_ocr=False), engines, report)], report)

    assert render(document, Output.TEXT).split() == []
