"""What a file may be called: one rule for the edge and for the service."""

from __future__ import annotations

import re

MAX_BYTES = 255
"""As file systems have it; of UTF-8."""

_NOT_IN_NAMES = re.compile(r"[/\\\x00-\x1f\x7f\ud800-\udfff]")
"""Separators of paths, control characters, and halves of characters, which are in no UTF-8."""


def is_filename(name: str) -> bool:
    """True for 1 to 255 bytes without path separators and control characters."""
    return bool(name) and not _NOT_IN_NAMES.search(name) and len(name.encode()) <= MAX_BYTES
