"""Arrays in a file without a name: they cost memory while they are read, and nothing where they lie."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class SpilledArrays(Mapping[str, Array]):
    """Arrays by name, as views of one temporary file that goes with them.

    Args:
        arrays: to write.

    Raises:
        OSError: there is no room for temporary files.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        with TemporaryFile() as file:
            for array in arrays.values():
                file.write(array.tobytes())
            file.flush()
            # Private, for OpenVINO shares only what may be written.
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self._views: dict[str, Array] = {}
        start = 0
        for name, array in arrays.items():
            view = np.frombuffer(self._content, dtype=array.dtype, count=array.size, offset=start)
            self._views[name] = view.reshape(array.shape)
            start += array.nbytes

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def drop_pages(self) -> None:
        """Take what was read out of this process's memory; it is read again when used."""
        self._content.madvise(mmap.MADV_DONTNEED)
