"""What a process and the GPUs are busy with. Read from /proc, as the kit for GPU machines does not bring psutil."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.common.errors import StartupError
from services.gpu.devices.nvml import NvmlSource

_USER, _SYSTEM = 11, 12
"""Where a `stat` of /proc has them, counted from behind the name; see proc_pid_stat(5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTime:
    """Processor time that a process has taken. Unit: seconds."""

    process: float
    first: float
    """Its first thread; in our services that of the event loop."""
    others: Mapping[int, float]
    """Its other threads that still run, by their number."""

    @classmethod
    def of(cls, pid: int) -> CpuTime:
        """Until now.

        Raises:
            OSError: the process has ended.
        """
        folder = Path("/proc") / str(pid)
        threads = {
            int(path.name): found for path in (folder / "task").iterdir() if (found := _seconds(path)) is not None
        }
        whole = _seconds(folder)
        if whole is None or pid not in threads:
            raise ProcessLookupError(f"process {pid} has ended")
        return cls(process=whole, first=threads.pop(pid), others=threads)

    def since(self, before: CpuTime) -> CpuTime:
        """What was taken in between."""
        others = {number: seconds - before.others.get(number, 0.0) for number, seconds in self.others.items()}
        return CpuTime(process=self.process - before.process, first=self.first - before.first, others=others)


class Gpus:
    """How busy the machine's GPUs are; see `gpus`.

    Args:
        source: None where there is no driver.
    """

    def __init__(self, source: NvmlSource | None) -> None:
        self._source = source

    def utilization_percent(self) -> int | None:
        """Of the busiest, averaged by the driver over the last fraction of a second; None where nobody tells."""
        if self._source is None:
            return None
        found = [device.utilization_percent for device in self._source.read().devices]
        return max((percent for percent in found if percent is not None), default=None)


@contextmanager
def gpus() -> Iterator[Gpus]:
    """The GPUs while the body runs."""
    try:
        source = NvmlSource()
    except StartupError:
        yield Gpus(None)
        return
    try:
        yield Gpus(source)
    finally:
        source.close()


def _seconds(folder: Path) -> float | None:
    """Of a process or a thread; None of one that has ended."""
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")
