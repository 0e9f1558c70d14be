"""What the person sees once the stack runs: what runs where, and a line to try."""

from __future__ import annotations

import os
from pathlib import Path

from ops.client import Gateway
from ops.example import answered_example
from ops.local.state import StackState
from ops.table import columns


def table(state: StackState) -> str:
    """One line per process: name, pid, address, log."""
    rows = [("PART", "PID", "ADDRESS", "LOG")]
    rows += [(part.name, str(part.pid or "-"), part.url, _short(part.log)) for part in state.parts]
    return columns(rows)


def welcome(state: StackState, gateway: Gateway) -> str:
    """The whole text; asks the gateway the very thing that its example line asks."""
    return "\n".join(["", table(state), "", answered_example(gateway), ""])


def _short(path: str) -> str:
    """A path relative to the current folder where it lies below it."""
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else str(Path(relative))
