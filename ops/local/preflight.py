"""What must be right before anything is started, and what to do when it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from ops.progress import Progress
from services.common.errors import StartupError

_GIB = 1 << 30
_LEAST_DISK_BYTES = _GIB
_LEAST_MEMORY_BYTES = 2 * _GIB
"""Two torch processes, Docling and the gateway, with the packaged models."""

_TRAINER = "services.reranking.backends.development"


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


def ensure_reranker(environ: Mapping[str, str], cwd: Path) -> None:
    """Make the development reranker where it is missing: minutes, once; its progress goes to the terminal.

    Args:
        environ: of the reranking service; one that names another model needs none.
        cwd: working folder.

    Raises:
        StartupError: it could not be made.
    """
    if not _uses_development_model(environ):
        return
    command = [sys.executable, "-P", "-m", _TRAINER, "--quiet"]
    done = subprocess.run(command, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        raise StartupError(f"the development reranker could not be made (exit status {done.returncode}; see above)")


def _uses_development_model(environ: Mapping[str, str]) -> bool:
    # A settings file is the service's to read: without its model the service says itself what to do.
    return (
        "ISOLANE_RERANKING_CONFIG" not in environ
        and environ.get("ISOLANE_RERANKING_BACKEND") != "fake"
        and environ.get("ISOLANE_RERANKING_MODEL_SOURCE", "development") == "development"
    )
