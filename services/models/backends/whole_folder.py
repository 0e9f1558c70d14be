"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL = ".partial-"


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a scratch folder that becomes `folder` when the block succeeds, replacing what was there.

    Raises:
        OSError: the disk is full or the place cannot be written to.
    """
    scratch = folder.with_name(f".{folder.name}{_PARTIAL}{os.getpid()}")
    try:
        _remove_abandoned(folder)
        scratch.mkdir(parents=True)
        yield scratch
        _replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replace(scratch: Path, folder: Path) -> None:
    old = scratch.with_name(f"{scratch.name}-old")
    if folder.exists():
        folder.rename(old)
    scratch.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed runs left behind; those of living processes stay."""
    for scratch in folder.parent.glob(f".{folder.name}{_PARTIAL}*"):
        process = scratch.name.removesuffix("-old").rsplit("-", maxsplit=1)[-1]
        if not process.isdigit() or not Path(f"/proc/{process}").exists():
            shutil.rmtree(scratch, ignore_errors=True)
