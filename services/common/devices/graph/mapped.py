"""Arrays on files, which leave the process's memory when nothing reads them any more.

A compiled model of OpenVINO keeps the constants that it was made from beside its own copy of them, for as long as it
lives. On a file they cost nothing.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

_LARGE = 2**16
"""Smaller arrays are not worth a file. Unit: bytes."""

_FOLDER = "/var/tmp"  # noqa: S108 - /tmp is memory on many machines; the file has no name there


class MappedMemory:
    """The mapped arrays of one model."""

    def __init__(self) -> None:
        self._mapped: WeakSet[mmap.mmap] = WeakSet()
        self._file: IO[bytes] | None = None

    def view(self, path: Path, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """The bytes of a file from `start` to before `stop`."""
        with path.open("rb") as file:
            return self._view(file, start, stop)

    def moved(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The same array on a file without a name; as it is when small, on a file already, or without room."""
        if array.nbytes < _LARGE or _is_mapped(array):
            return array
        try:
            if self._file is None:
                self._file = TemporaryFile(dir=os.environ.get("TMPDIR", _FOLDER))  # noqa: SIM115 - lives as long as the maps
            start = self._file.seek(0, os.SEEK_END)
            self._file.write(np.ascontiguousarray(array).data)
            self._file.flush()
            found = self._view(self._file, start, start + array.nbytes)
        except OSError:
            return array
        return found.view(array.dtype).reshape(array.shape)

    def drop_pages(self) -> None:
        """Take out of memory what was read of the arrays that are still used; it is read again when it is needed."""
        for content in self._mapped:
            content.madvise(mmap.MADV_DONTNEED)

    def _view(self, file: IO[bytes], start: int, stop: int) -> npt.NDArray[np.uint8]:
        """Private memory, for OpenVINO shares only what may be written; nothing reaches the file."""
        skipped = start % mmap.ALLOCATIONGRANULARITY
        content = mmap.mmap(file.fileno(), stop - start + skipped, access=mmap.ACCESS_COPY, offset=start - skipped)
        self._mapped.add(content)
        return np.frombuffer(content, dtype=np.uint8, offset=skipped)


def _is_mapped(array: npt.NDArray[Any]) -> bool:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)
