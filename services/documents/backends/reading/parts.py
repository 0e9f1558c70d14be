"""Parts of a packed file: whether each is there and whole, and the file with others in their place."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from functools import wraps
from typing import IO, Any, Protocol
from xml.parsers import expat

from docling_core.types.doc.document import DoclingDocument
from lxml import etree

from services.common.errors import InvalidRequest
from services.documents.backends.formats import PACKAGE_ERRORS
from services.documents.backends.reading.reader import Read, Report, Source

_CHUNK = 2**16
_UNSURE = frozenset(
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_UNKNOWN_ENCODING,
        expat.errors.XML_ERROR_INCORRECT_ENCODING,
        expat.errors.XML_ERROR_XML_DECL,
    )
)
"""What this parser lacks and others have: an encoding, XML 1.1."""


class Mend(Protocol):
    """Puts empty parts in place of those of a file that are damaged or missing, and reports them.

    What the format's library parses anyway is only looked at `thoroughly`: that costs a third of a file's time.
    """

    def __call__(self, source: Source, report: Report, *, thoroughly: bool) -> Source: ...  # noqa: D102


def mending(mend: Mend) -> Callable[[Read], Read]:
    """A reader of packed files which is tried once more, with all parts looked at, where it fails."""

    def with_mending(read: Read) -> Read:
        @wraps(read)
        def read_mended(source: Source, report: Report) -> DoclingDocument:
            try:
                return read(mend(source, report, thoroughly=False), report)
            except (InvalidRequest, MemoryError, SystemError, RecursionError):
                raise
            except Exception:
                report.problems.clear()
                report.passages.clear()
                if (mended := mend(source, report, thoroughly=True)) is source:
                    raise
                return read(mended, report)

        return read_mended

    return with_mending


class _DoctypeFound(Exception):
    """Not read any further: its entities are not to be expanded here."""


class Archive:
    """The parts of a packed file."""

    def __init__(self, data: bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self.names = frozenset(self._zip.namelist())

    def damage(self, name: str) -> str:
        """What is wrong with a part, "" for a sound one; an XML part is read as XML."""
        if name not in self.names:
            return "it is missing from the file"
        try:
            with self._zip.open(name) as stream:
                line = _first_bad_line(stream) if name.endswith((".xml", ".rels")) else _drained(stream)
        except PACKAGE_ERRORS:
            return "it is damaged"
        return f"it is damaged (line {line})" if line else ""

    def read(self, name: str) -> bytes:
        """What a sound part holds."""
        return self._zip.read(name)

    def rewritten(self, parts: Mapping[str, bytes | None]) -> bytes:
        """The file with other parts, without those that are None."""
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as out:
            for name in self._zip.namelist():
                if name not in parts:
                    try:
                        out.writestr(name, self._zip.read(name))
                    except PACKAGE_ERRORS:
                        continue  # nothing refers to it
            for name, content in parts.items():
                if content is not None:
                    out.writestr(name, content)
        return target.getvalue()


def parsed(content: bytes) -> Any | None:
    """A part's root element; None where it is no XML."""
    try:
        return etree.fromstring(
            content, parser=etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        )
    except etree.XMLSyntaxError:
        return None


def _first_bad_line(stream: IO[bytes]) -> int:
    """Where a part stops to be XML; 0 if it does not."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _stop
    try:
        while chunk := stream.read(_CHUNK):
            parser.Parse(chunk)
        parser.Parse(b"", True)  # noqa: FBT003 - it takes no names
    except _DoctypeFound:
        _drained(stream)
    except expat.ExpatError as exc:
        return 0 if exc.code in _UNSURE else exc.lineno
    return 0


def _stop(*_: object) -> None:
    raise _DoctypeFound


def _drained(stream: IO[bytes]) -> int:
    """Read to the end, where the checksum is compared; 0."""
    while stream.read(_CHUNK):
        pass
    return 0
