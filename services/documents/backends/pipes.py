"""The pipes of a process that the service started."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO


def take() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for messages alone; what libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, replies
