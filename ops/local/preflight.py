"""What must be right before anything is started, and what to do when it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from ops.progress import Progress
from services.common.errors import StartupError

_GIB = 1 << 30
_LEAST_DISK_BYTES = _GIB
_LEAST_MEMORY_BYTES = 2 * _GIB
"""Two torch processes, Docling and the gateway, with the packaged models."""


def check_disk(folder: Path) -> None:
    """Raise StartupError when the folder's disk is nearly full: logs, state and converted files go there."""
    free = shutil.disk_usage(folder).free
    if free < _LEAST_DISK_BYTES:
        raise StartupError(
            f"{folder}: {free / _GIB:.2f} GiB free on its disk, at least {_LEAST_DISK_BYTES // _GIB} GiB is needed; "
            "free some space, or name a folder on another disk with ISOLANE_OPS_STATE_DIR"
        )


def warn_of_little_memory(progress: Progress) -> None:
    """Say it when the models may not fit: processes would be killed without a word."""
    available = psutil.virtual_memory().available
    if available < _LEAST_MEMORY_BYTES:
        progress.say(
            f"warning: {available / _GIB:.1f} GiB of memory is available and the models need about "
            f"{_LEAST_MEMORY_BYTES // _GIB} GiB; close something, or try --backend fake"
        )
