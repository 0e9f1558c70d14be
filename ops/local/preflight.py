"""What must be right before anything is started, and what to do when it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from ops.progress import Progress
from services.common.errors import StartupError

_MIB = 1 << 20
_LEAST_DISK_BYTES = 256 * _MIB
_LEAST_MEMORY_BYTES = 1280 * _MIB
"""With the packaged models: 300 MiB for embedding, 320 for reranking, 430 for documents and its two workers, and 230
for gateway, gpu and the supervisor (resident, measured)."""


def check_disk(folder: Path) -> None:
    """Raise StartupError when the folder's disk is nearly full: logs and state go there."""
    free = shutil.disk_usage(folder).free
    if free < _LEAST_DISK_BYTES:
        raise StartupError(
            f"{folder}: {free // _MIB} MiB free on its disk, at least {_LEAST_DISK_BYTES // _MIB} MiB is needed; "
            "free some space, or name a folder on another disk with ISOLANE_OPS_STATE_DIR"
        )


def warn_of_little_memory(progress: Progress) -> None:
    """Say it when the models may not fit: processes would be killed without a word."""
    available = psutil.virtual_memory().available
    if available < _LEAST_MEMORY_BYTES:
        progress.say(
            f"warning: {available // _MIB} MiB of memory is available and the parts need about "
            f"{_LEAST_MEMORY_BYTES // _MIB} MiB; close something, or try --backend fake"
        )
