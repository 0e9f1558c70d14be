"""Parts of a packed file: whether each is there and whole, and the file with others in their place."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import IO
from xml.parsers import expat

from services.common.errors import UnprocessableFile
from services.documents.backends.formats import PACKAGE_ERRORS

_CHUNK = 2**16
_ENCRYPTED = 0x1
_UNSURE = frozenset(
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_UNKNOWN_ENCODING,
        expat.errors.XML_ERROR_INCORRECT_ENCODING,
        expat.errors.XML_ERROR_XML_DECL,
    )
)
"""What this parser lacks and others have: an encoding, XML 1.1."""


class _DoctypeFound(Exception):
    """Not read any further: its entities are not to be expanded here."""


class Archive:
    """The parts of a packed file.

    Raises:
        UnprocessableFile: it is protected by a password.
    """

    def __init__(self, filename: str, data: bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self.names = frozenset(self._zip.namelist())
        if any(member.flag_bits & _ENCRYPTED for member in self._zip.infolist()):
            raise protected(filename)

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


def protected(filename: str) -> UnprocessableFile:
    """The refusal of a file that a password protects."""
    return UnprocessableFile(f"{filename}: it is protected by a password; save it without one")


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
