"""Opening a PDF: its protection, its missing end, and how many pages are really there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pypdfium2
from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY

_CATALOGUE = re.compile(rb"/Type\s*/Catalog\b")
_NUMBER = re.compile(rb"(\d{1,9})\s+(\d{1,5})\s+obj\b")
_BEFORE = 4096
"""Bytes before the word `Catalog` in which its object begins."""
_END = b"\n) >>\nendstream\nendobj\ntrailer\n<< /Root %d %d R /Size %d >>\nstartxref\n0\n%%%%EOF\n"
"""Of a file that was cut in the middle of a text, a dictionary or a stream."""
_MOST_TRIED = 1000
"""Pages that are tried one by one where the file's number of pages is wrong: 50 us each."""


class Locked(Exception):
    """A PDF that nobody can read without a password, or the program that protected it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A PDF as PDFium has opened it."""

    document: Any
    data: bytes
    """The file, perhaps mended."""
    problems: tuple[str, ...] = ()
    """What is wrong with it, one sentence each."""


def opened(data: bytes) -> Opened:
    """Open a PDF with PDFium, which reads files with a wrong table of objects too.

    Raises:
        Locked: it is protected.
        PdfiumError: it is no PDF, or too damaged.
    """
    try:
        return Opened(document=pypdfium2.PdfDocument(data), data=data)
    except pypdfium2.PdfiumError as exc:
        if exc.err_code == FPDF_ERR_PASSWORD:
            raise Locked("it is protected by a password; save it without") from exc
        if exc.err_code == FPDF_ERR_SECURITY:
            raise Locked("it is protected in a way that is not known; save it without") from exc
        if (mended := _with_end(data)) is None:
            raise
    problem = "its end is damaged or missing: what is there is in the answer; send the whole file"
    return Opened(document=pypdfium2.PdfDocument(mended), data=mended, problems=(problem,))


def count_pages(document: Any, found: int) -> tuple[int, list[str]]:
    """How many pages there are, and what is wrong with that number: PDFium believes what the file says.

    Args:
        document: PDFium's.
        found: pages that docling-parse has found in the tree.
    """
    said = len(document)
    if said < found:
        return said, [f"it says that it has {said} pages, but holds {found}; {found - said} are not in the answer"]
    if said == found or _is_there(document, said):
        return said, []
    there = found
    while there < min(said, found + _MOST_TRIED) and _is_there(document, there + 1):
        there += 1
    return there, [f"it says that it has {said} pages, but holds {there}; the others are missing from the file"]


def _is_there(document: Any, number: int) -> bool:
    try:
        document[number - 1].close()
    except pypdfium2.PdfiumError:
        return False
    return True


def _with_end(data: bytes) -> bytes | None:
    """A file that was cut, with an end that says which object is its catalogue; None where that is gone."""
    for named in reversed([*_CATALOGUE.finditer(data)]):
        objects = [*_NUMBER.finditer(data, max(0, named.start() - _BEFORE), named.start())]
        if objects:
            number, generation = map(int, objects[-1].groups())
            return data + _END % (number, generation, number + 1)
    return None
