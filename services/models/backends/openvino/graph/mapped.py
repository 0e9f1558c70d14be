"""Arrays on files, which leave the process's memory when nothing reads them any more.

A compiled model of OpenVINO keeps the constants that it was made from beside its own copy of them, for as long as it
lives. On a file they cost nothing.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

_LARGE = 2**16
"""Smaller arrays are not worth a file. Unit: bytes."""

_ROOM = 2**26
"""Size of a file that takes arrays, for each map holds a file open. Unit: bytes."""

_ALIGNMENT = 64
"""Of arrays in a file. Unit: bytes."""

_FOLDER = "/var/tmp"  # noqa: S108 - /tmp is memory on many machines; the file has no name there


class MappedMemory:
    """The mapped files of one model."""

    def __init__(self) -> None:
        self._mapped: WeakSet[mmap.mmap] = WeakSet()
        self._left = np.empty(0, dtype=np.uint8)

    def view(self, path: Path) -> Bytes:
        """A file's bytes. Private, for OpenVINO shares only memory that may be written; nothing reaches the file."""
        with path.open("rb") as file:
            return self._held(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))

    def moved(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The same array on a file without a name; as it is when small, on a file already, or without room."""
        if array.nbytes < _LARGE or _is_mapped(array):
            return array
        length = -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        try:
            if len(self._left) < length:
                self._left = self._room(max(length, _ROOM))
        except OSError:
            return array
        place, self._left = self._left[: array.nbytes], self._left[length:]
        found = place.view(array.dtype).reshape(array.shape)
        found[...] = array
        return found

    def drop_pages(self) -> None:
        """Take out of memory what was read of the files that are still used; it is read again when it is needed."""
        for content in self._mapped:
            content.madvise(mmap.MADV_DONTNEED)

    def _room(self, length: int) -> Bytes:
        # The system's own choice where that may not be written, as in an image.
        with TemporaryFile(dir=_FOLDER if os.access(_FOLDER, os.W_OK) else None) as file:
            # A disk that is full must fail here: later it would be a signal that ends the process.
            os.posix_fallocate(file.fileno(), 0, length)
            return self._held(mmap.mmap(file.fileno(), length))

    def _held(self, content: mmap.mmap) -> Bytes:
        self._mapped.add(content)
        return np.frombuffer(content, dtype=np.uint8)


def _is_mapped(array: npt.NDArray[Any]) -> bool:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)
